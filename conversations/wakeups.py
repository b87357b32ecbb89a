"""Wake-ups: what the one-second loop of `manage.py work` asks, and whom it wakes. It does no work itself."""

import time
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import queues
from accounts.models import Lease, WorkerHost
from contacts import news
from conversations import departures, inbound
from conversations.models import Message, Pump, Status

AGAIN = 3.0  # seconds before the same wake-up is repeated while nobody has taken it up
_woken: dict[str, float] = {}


def look() -> None:
    """Everything in this room that may be due."""
    wake_readers()
    wake_pumps()
    wake_sequencer()


def wake_readers() -> None:
    for people, job in ((True, "drain_people"), (False, "drain_statuses")):
        if inbound.unread(people=people) and not _held(inbound.lane_lease(people=people)):
            _wake(f"conversations.inbound.{job}", queues.INBOUND)


def wake_pumps() -> None:
    """One pump per living machine, as long as something is due; and take back what dead pumps held."""
    now = timezone.now()
    alive = Pump.objects.filter(heartbeat_at__gt=now - departures.LEASE)
    held = Message.objects.filter(status__in=(Status.CLAIMED, Status.SENDING))
    if held.exclude(Exists(alive.filter(token=OuterRef("claim")))).exists():
        departures.recover()
    if not departures.numbers_with_due(now):
        return
    machines = WorkerHost.objects.filter(draining=False, heartbeat_at__gt=now - timedelta(seconds=30)).count()
    if alive.count() < max(machines, 1):
        _wake("conversations.pump.pump", queues.SEND)


def wake_sequencer() -> None:
    if news.unplaced() and not _held("ledger-news"):
        _wake("contacts.news.place", queues.DEFAULT)


def _held(lease: str) -> bool:
    return Lease.objects.filter(name=lease, expires_at__gt=timezone.now()).exists()


def _wake(job: str, queue: str) -> None:
    now = time.monotonic()
    if now - _woken.get(job, float("-inf")) >= AGAIN:
        _woken[job] = now
        queues.wake(job, queue=queue)
