"""Background jobs for tests of the processes that run them."""

import time

from accounts import hosts
from accounts.models import AuditEntry


def note(subject: str) -> None:
    AuditEntry.objects.create(verb="tests.noted", subject=subject)


def work_until_told_to_stop(subject: str) -> None:
    """Like a pump: goes on for minutes, asks whether it should stop, and then finishes what it has in hand."""
    note(f"{subject} began")
    while not hosts.draining():
        time.sleep(0.1)
    note(f"{subject} finished")
