"""The database's clock: one clock for all machines, read when asked and not when the transaction began."""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """Wall-clock time of the database server, aware, UTC. SQLite runs on this machine, so there it is ours."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        # clock_timestamp, not now(): the latter is the time the transaction began, which is before the lock was had
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at.astimezone(UTC)
