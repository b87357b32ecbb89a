from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task
from pytest_django import Settings

from accounts import hosts
from accounts.models import Canary, WorkerHost
from config import upkeep


@pytest.mark.django_db
def test_upkeep_removes_what_is_old_and_keeps_what_is_not() -> None:
    now = timezone.now()
    for name, age in (("old", timedelta(days=40)), ("new", timedelta(hours=1))):
        at = now - age
        Task.objects.create(id=name, name=name, func="f", started=at, stopped=at, success=False)
        Session.objects.create(session_key=name, session_data="", expire_date=now - age + timedelta(days=2))
        WorkerHost.objects.create(name=name, heartbeat_at=at)
        Canary.objects.create(cluster=f"{name}/send", asked_at=at)

    upkeep.prune()

    assert list(Task.objects.values_list("id", flat=True)) == ["new"]
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(WorkerHost.objects.values_list("name", flat=True)) == ["new"]
    assert list(Canary.objects.values_list("cluster", flat=True)) == ["new/send"]


@pytest.mark.django_db
def test_only_jobs_of_the_machine_that_stops_are_told_to_finish(settings: Settings) -> None:
    for name in ("first", "second"):
        hosts.beat(name)
    hosts.drain("first")

    told = {}
    for name in ("first", "second", ""):
        settings.WORKER_NAME = name
        told[name] = hosts.draining()

    assert told == {"first": True, "second": False, "": False}
