"""The table of periodic jobs.

EVERY_SECOND is asked by one `manage.py work` at a time, in its own process: each looks for rows that are due and
wakes a worker, and does no work itself. SCHEDULES are django-q2's, for what may come a minute late.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.apps import apps as global_apps
from django.db.models import QuerySet
from django_q.models import Schedule as Row

from campaigns import dispatch
from contacts import importing
from conversations import wakeups


class Schedule(NamedTuple):
    """A job by its dotted name, run every so many minutes. Its name in the database is the job's."""

    job: str
    minutes: int


EVERY_SECOND: tuple[Callable[[], None], ...] = (
    wakeups.look,
    dispatch.start_due,
    importing.wake_waiting,
)

SCHEDULES = (
    Schedule("conversations.message_templates.sync_all", minutes=60),
    Schedule("config.upkeep.prune", minutes=24 * 60),
    Schedule("contacts.importing.prune", minutes=24 * 60),
)


def create_schedules(sender: Any, *, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """First rows, after every migrate: the database's schedules become those of the table.

    One that stays keeps its next run. (This room has no models, so it listens to django-q2's.)
    """
    if sender.name != "django_q":
        return
    rows: QuerySet[Row] = apps.get_model("django_q", "Schedule").objects.using(using)
    for job, minutes in SCHEDULES:
        rows.update_or_create(name=job, defaults={"func": job, "schedule_type": Row.MINUTES, "minutes": minutes})
    rows.exclude(name__in=[schedule.job for schedule in SCHEDULES]).delete()
