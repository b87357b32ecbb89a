"""System check: the triggers of the ledger stand. Reads the database: runs with `check --database` and migrate."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from contacts import triggers


@register(Tags.database)
def ledger_triggers_stand(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if "contacts_consentevent" not in connection.introspection.table_names():
            continue
        lost = triggers.missing(connection)
        if lost:
            found.append(
                Error(
                    f"The ledger is not protected: {', '.join(lost)} missing.",
                    hint="Find out who removed them, then run `manage.py verify_ledger --guard`.",
                    id="contacts.E001",
                )
            )
    return found
