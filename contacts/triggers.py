"""The ledger's triggers: what makes "the ledger only grows" true below any code of ours.

Every migration that touches a guarded table runs `install` again, because SQLite drops a table's triggers when it
rebuilds the table. `missing` is what the system check and the health page ask.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

# table: how a new row can lie over an old one (its unique keys)
GUARDED = {
    "contacts_consentevent": (
        "id = NEW.id OR public_id = NEW.public_id OR (contact_id = NEW.contact_id AND number = NEW.number)"
    ),
    "contacts_evidence": "event_id = NEW.event_id",
    "contacts_wording": "id = NEW.id OR (key = NEW.key AND version = NEW.version)",
}
_PREFIX = "parley_keep_"


def _sqlite(table: str, lies_over: str) -> dict[str, str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
    over = f"EXISTS (SELECT 1 FROM {table} WHERE {lies_over})"  # noqa: S608  names are ours
    return {
        f"{_PREFIX}{table}_update": f"BEFORE UPDATE ON {table} {refuse}",
        f"{_PREFIX}{table}_delete": f"BEFORE DELETE ON {table} {refuse}",
        # INSERT OR REPLACE deletes without firing delete triggers, so an insert over a line is refused by itself
        f"{_PREFIX}{table}_insert": f"BEFORE INSERT ON {table} WHEN {over} {refuse}",
    }


def _postgresql(table: str) -> dict[str, str]:
    act = "EXECUTE FUNCTION parley_refuse_change()"
    return {
        f"{_PREFIX}{table}_change": f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {act}",
        f"{_PREFIX}{table}_truncate": f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {act}",
    }


def expected(vendor: str) -> dict[str, tuple[str, str]]:
    """{trigger name: (table, what follows its name in CREATE TRIGGER)}"""
    wanted: dict[str, tuple[str, str]] = {}
    for table, lies_over in GUARDED.items():
        made = _postgresql(table) if vendor == "postgresql" else _sqlite(table, lies_over)
        wanted |= {name: (table, body) for name, body in made.items()}
    return wanted


def install(connection: BaseDatabaseWrapper) -> None:
    """Make every trigger, replacing those that are there."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE OR REPLACE FUNCTION parley_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
                " BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';"
                " END $$"
            )
        for name, (table, body) in expected(connection.vendor).items():
            _drop(cursor, connection.vendor, name, table)
            cursor.execute(f"CREATE TRIGGER {name} {body}")


def drop(connection: BaseDatabaseWrapper) -> None:
    """Remove every trigger: for tests that flush tables, and for nothing else."""
    with connection.cursor() as cursor:
        for name, (table, _) in expected(connection.vendor).items():
            _drop(cursor, connection.vendor, name, table)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of triggers that should be there and are not, or are switched off."""
    wanted = expected(connection.vendor)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        there = {row[0] for row in cursor.fetchall()}
    return sorted(set(wanted) - there)


def _drop(cursor: object, vendor: str, name: str, table: str) -> None:
    on = f" ON {table}" if vendor == "postgresql" else ""
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")  # type: ignore[attr-defined]
