"""The sequencer of ledger news: gives each line its place in the order others read them, after its commit.

One at a time, by lease. Ids are handed out before the commit, so only a place given afterwards can be followed without
missing a line.
"""

from django.db import transaction
from django.db.models import Max

from accounts import leases
from contacts.models import LedgerNews

LEASE = 30  # seconds
BLOCK = 1000


def unplaced() -> bool:
    """Whether any line still waits for its place."""
    return LedgerNews.objects.filter(position=None).exists()


def place() -> None:
    """Job: give the waiting lines their places, in blocks."""
    owner = leases.new_owner()
    if not leases.hold("ledger-news", owner, LEASE):
        return
    try:
        while _place_block() and leases.hold("ledger-news", owner, LEASE):
            pass
    finally:
        leases.release("ledger-news", owner)


def _place_block() -> int:
    with transaction.atomic():
        waiting = list(LedgerNews.objects.select_for_update().filter(position=None).order_by("event_id")[:BLOCK])
        last = LedgerNews.objects.aggregate(last=Max("position"))["last"] or 0
        for position, news in enumerate(waiting, last + 1):
            news.position = position
        LedgerNews.objects.bulk_update(waiting, ["position"], batch_size=200)
    return len(waiting)
