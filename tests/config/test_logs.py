"""What reaches the log: ids, codes and places, never what somebody wrote or the secret in a link."""

import logging
import sys

import pytest
from django.db import IntegrityError, connection
from django.test import Client

from accounts.models import User
from config.logs import DiscreetFormatter

PHONE = "+393471234567"


def formatted(record: logging.LogRecord) -> str:
    return DiscreetFormatter("{levelname} {name} {message}", style="{").format(record)


def test_an_exception_is_logged_by_kind_and_place_without_its_message() -> None:
    try:
        try:
            int(PHONE + "x")
        except ValueError as error:
            raise LookupError(f"no contact {PHONE}") from error
    except LookupError:
        record = logging.LogRecord("parley", logging.ERROR, "", 0, "import %s failed", (7,), sys.exc_info())

    line = formatted(record)

    assert PHONE not in line
    assert "import 7 failed" in line
    assert "builtins.LookupError" in line
    assert "builtins.ValueError" in line
    assert "test_logs.py" in line


@pytest.mark.django_db
def test_a_database_error_keeps_its_code_and_loses_the_value() -> None:
    User.objects.create_user("giulia@example.com")
    try:
        User.objects.create_user("giulia@example.com")
    except IntegrityError:
        record = logging.LogRecord("parley", logging.ERROR, "", 0, "failed", (), sys.exc_info())

    line = formatted(record)

    assert "giulia" not in line
    assert ("23505" in line) is (connection.vendor == "postgresql")


@pytest.mark.django_db
def test_a_refused_request_is_logged_by_its_route(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/preferences/a-secret-token/")
    client.post("/health/live/")
    lines = [formatted(record) for record in caplog.records if record.name == "django.request"]

    assert not any("a-secret-token" in line for line in lines)
    assert any("POST /health/live/ answered 405" in line for line in lines)


def test_a_failed_task_is_logged_without_the_message_of_its_error() -> None:
    message = (
        f"Failed 'contacts.importing.run' (lemon-ten) - bad number {PHONE} : Traceback (most recent call last):\n"
        f'  File "contacts/importing.py", line 7, in run\n    raise ValueError({PHONE})\n'
        f"ValueError: bad number {PHONE}\n"
    )
    record = logging.LogRecord("django-q", logging.ERROR, "", 0, message, (), None)

    line = formatted(record)

    assert PHONE not in line
    assert line.splitlines() == [
        "ERROR django-q Failed 'contacts.importing.run' (lemon-ten)",
        '  File "contacts/importing.py", line 7, in run',
    ]


def test_nothing_after_the_first_line_of_an_unknown_message_of_the_queue_is_kept() -> None:
    record = logging.LogRecord("django-q", logging.ERROR, "", 0, f"something new\n{PHONE}", (), None)

    assert formatted(record) == "ERROR django-q something new"
