"""`manage.py work` on real processes: what is killed comes back whole, and what is stopped finishes first."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

import psutil
import pytest
from django.utils import timezone
from django_q.models import Schedule

from accounts import leases
from accounts.models import AuditEntry, Canary, WorkerHost
from accounts.queues import INBOUND, QUEUES, SEND, wake
from config import children, schedules, supervisor
from tests.conftest import eventually

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

StartWork = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_work(process_environment: dict[str, str]) -> Iterator[StartWork]:
    """Start `manage.py work`, and see at the end of the test that nothing of it is left."""
    started: list[subprocess.Popen[bytes]] = []
    seen: set[psutil.Process] = set()

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "work", "--ask-every", "0.3", "--deaf-after", "6", *options]
        started.append(children.start(command, environment=process_environment))
        eventually(lambda: Canary.objects.filter(acked_at__isnull=False).count() == len(QUEUES))
        seen.update(below(started[-1]))
        return started[-1]

    yield start
    for work in started:
        if not children.has_ended(work):
            seen.update(below(work))
        children.kill_group(work)
    eventually(lambda: not any(process.is_running() for process in seen), within=30)


def below(work: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(work.pid).children(recursive=True)


def clusters(work: "subprocess.Popen[bytes]") -> dict[str, psutil.Process]:
    """{queue: main process}, in the order in which they were started."""
    mains = sorted(psutil.Process(work.pid).children(), key=lambda process: process.pid)
    return dict(zip(QUEUES, mains, strict=True))


def title(process: psutil.Process) -> str:
    return " ".join(process.cmdline()).strip()


def has_acknowledged(queue: str, *, since: datetime) -> bool:
    return Canary.objects.filter(cluster__endswith=f"/{queue}", acked_at__gt=since).exists()


def noted(subject: str) -> bool:
    return AuditEntry.objects.filter(verb="tests.noted", subject=subject).exists()


def test_a_cluster_comes_back_whichever_part_of_it_is_killed(start_work: StartWork) -> None:
    work = start_work()
    default, inbound, send = clusters(work).values()
    sentinel = default.children()[0]
    monitor = next(process for process in inbound.children(recursive=True) if title(process).endswith("monitor"))
    workers = [process for process in send.children(recursive=True) if title(process).endswith("idle")]

    for victim in (sentinel, monitor, *workers):
        victim.kill()
    later = timezone.now() + timedelta(seconds=2)  # what was acknowledged by then may come from before
    # A monitor that held no lock when it died leaves a cluster that hears: it need not be replaced.
    eventually(lambda: not default.is_running())
    eventually(lambda: not inbound.is_running() or has_acknowledged(INBOUND, since=later))
    eventually(lambda: not send.is_running() or has_acknowledged(SEND, since=later))
    for queue in QUEUES:
        wake("tests.config.jobs.note", queue, queue=queue)

    for queue in QUEUES:
        eventually(partial(noted, queue))
    assert children.has_ended(work) is False


def test_a_cluster_comes_back_when_its_main_process_is_killed(start_work: StartWork) -> None:
    work = start_work()
    main = clusters(work)[SEND]
    rest = main.children(recursive=True)

    main.kill()
    wake("tests.config.jobs.note", "after the kill", queue=SEND)

    eventually(lambda: noted("after the kill"))
    eventually(lambda: not any(process.is_running() for process in rest), within=30)


def test_nothing_survives_a_killed_work(start_work: StartWork) -> None:
    work = start_work()
    processes = below(work)
    assert len(processes) >= 6 * len(QUEUES)  # main, sentinel, pusher, monitor and two workers each

    work.kill()

    eventually(lambda: not any(process.is_running() for process in processes), within=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_work_lets_its_jobs_finish(start_work: StartWork, number: signal.Signals) -> None:
    work = start_work()
    wake("tests.config.jobs.work_until_told_to_stop", "pump", queue=SEND)
    eventually(lambda: noted("pump began"))

    os.kill(work.pid, number)

    eventually(lambda: children.has_ended(work))
    assert work.wait() == 0
    assert noted("pump finished")
    assert WorkerHost.objects.count() == 0


def test_a_job_that_does_not_stop_is_killed_in_the_end(start_work: StartWork) -> None:
    work = start_work("--drain-seconds", "1")
    wake("time.sleep", 300, queue=SEND)
    eventually(lambda: any(title(process).endswith("'time.sleep'") for process in below(work)))

    work.terminate()

    eventually(lambda: children.has_ended(work), within=60)


def test_a_busy_cluster_is_not_taken_for_a_deaf_one(start_work: StartWork) -> None:
    work = start_work()
    main = clusters(work)[SEND]
    for pump in ("one", "two"):  # as many as there are workers: no canary gets through
        wake("tests.config.jobs.work_until_told_to_stop", pump, queue=SEND)
        eventually(partial(noted, f"{pump} began"))

    def has_been_silent_for_longer_than_allowed() -> bool:
        canary = Canary.objects.get(cluster__endswith=f"/{SEND}")
        return canary.acked_at is not None and (canary.asked_at - canary.acked_at).total_seconds() > 8

    eventually(has_been_silent_for_longer_than_allowed)
    assert main.is_running()


def test_the_loop_goes_on_after_an_error_in_one_of_its_entries(transactional_db: None) -> None:
    calls: list[str] = []

    def broken() -> None:
        raise ValueError("a value")

    watch = supervisor.Supervisor(queues=(), every_second=(broken, lambda: calls.append("called")))
    watch.every_second += (lambda: watch.stopped.set() if len(calls) > 1 else None,)

    watch.loop()

    assert calls == ["called", "called"]


def test_only_one_machine_runs_the_loop(transactional_db: None) -> None:
    calls: list[str] = []
    first = supervisor.Supervisor(queues=(), every_second=(lambda: first.stopped.set(),))
    second = supervisor.Supervisor(queues=(), every_second=(lambda: calls.append("second"),))
    assert leases.hold("every-second", first.name, 60)

    # one turn of the second, while the first holds the lease
    waits = iter([False, True])
    second.stopped.wait = lambda timeout=None: next(waits)  # type: ignore[method-assign]
    second.loop()
    first.loop()

    assert calls == []
    assert leases.hold("every-second", second.name, 60)  # the first gave it back


@pytest.mark.django_db
def test_the_schedules_are_those_of_the_table() -> None:
    Schedule.objects.create(name="gone.from.the.table", func="gone.from.the.table")
    kept = Schedule.objects.get(name="config.upkeep.prune").next_run

    class DjangoQ:
        name = "django_q"

    schedules.create_schedules(DjangoQ, using="default")

    assert set(Schedule.objects.values_list("func", flat=True)) == {job for job, _ in schedules.SCHEDULES}
    assert Schedule.objects.get(name="config.upkeep.prune").next_run == kept
