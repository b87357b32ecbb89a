"""The machines that work: one row per running `manage.py work`, and whether it is about to stop.

A long job asks `draining()` about once a second and then takes no new work, finishes what is in flight, and returns.
"""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Canary, WorkerHost

GONE = timedelta(days=1)  # after which the row of a machine that stopped without a word is removed


def beat(name: str) -> None:
    """Say that this `work` is alive."""
    WorkerHost.objects.update_or_create(name=name, defaults={"heartbeat_at": timezone.now()})


def drain(name: str) -> None:
    """Ask the jobs of this `work` to finish."""
    WorkerHost.objects.filter(name=name).update(draining=True)


def draining() -> bool:
    """True when the `work` that started this process is stopping; False in a process that none started."""
    return bool(settings.WORKER_NAME) and WorkerHost.objects.filter(name=settings.WORKER_NAME, draining=True).exists()


def leave(name: str) -> None:
    """Remove what a stopped `work` leaves behind."""
    Canary.objects.filter(cluster__startswith=f"{name}/").delete()
    WorkerHost.objects.filter(name=name).delete()


def prune() -> None:
    """Remove what is left of machines that stopped without a word."""
    for name in WorkerHost.objects.filter(heartbeat_at__lt=timezone.now() - GONE).values_list("name", flat=True):
        leave(name)
