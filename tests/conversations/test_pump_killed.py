"""A pump that is killed or frozen in the middle: nothing is lost, and nothing is sent twice by itself."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from conversations import departures, pump, settling
from conversations.models import Batch, Message, Pump, RateBucket
from tests import make
from tests.conftest import eventually
from tests.conversations.test_departures import queue

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
PEOPLE = 160


class Slow(BaseHTTPRequestHandler):
    """Accepts everything, in its own time, and remembers the keys."""

    protocol_version = "HTTP/1.1"
    taken: list[str] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = body["biz_opaque_callback_data"]
        self.taken.append(key)
        time.sleep(0.2)
        answer = json.dumps({"messages": [{"id": f"wamid.{key}"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        """Quiet."""

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            """Who asked is dead."""


@pytest.fixture
def slow(settings, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    Slow.taken = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.WHATSAPP_API_URL = f"http://127.0.0.1:{server.server_port}"
    settings.WORKER_NAME = "another machine"
    monkeypatch.setattr(pump, "IDLE", 0.0)
    yield Slow
    server.shutdown()
    server.server_close()


@pytest.fixture
def other_pump(slow, settings, process_environment):
    """A pump in a process of its own, stopped as a test wants it; it has sent something but not all."""
    number = make.number(rate_per_second=100)
    batch = Batch.objects.create(number=number, label="Autumn", filled=True)
    for _ in range(PEOPLE):
        queue(number, batch=batch)
    connection.close()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-c", "from conversations.pump import pump; pump()"],
        env=process_environment | {"WHATSAPP_API_URL": settings.WHATSAPP_API_URL, "WORKER_NAME": "one machine"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: len(slow.taken) > PEOPLE // 4)
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def take_over():
    Pump.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    departures.recover()
    pump.pump()


def freeze_outside_a_transaction(process):
    """Frozen inside one it would hold its locks: a database ends that by its own time-outs, and nobody else can."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 100")
        while True:
            os.kill(process.pid, signal.SIGSTOP)
            try:
                with transaction.atomic():
                    RateBucket.objects.select_for_update(nowait=connection.vendor != "sqlite").get()
                    list(Message.objects.select_for_update(nowait=connection.vendor != "sqlite"))
                break
            except OperationalError:
                os.kill(process.pid, signal.SIGCONT)
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 20000")


def keys(status):
    return {f"{row.public_id.hex}.1" for row in Message.objects.filter(status=status)}


def test_a_killed_pump_loses_nothing_and_repeats_nothing(slow, other_pump):
    other_pump.kill()
    other_pump.wait()
    assert Message.objects.filter(status="claimed").exists()
    take_over()
    assert set(Counter(slow.taken).values()) == {1}
    assert Message.objects.filter(status__in=("sent", "unknown")).count() == PEOPLE
    assert keys("sent") <= set(slow.taken)
    assert 0 < len(keys("unknown")) <= pump.THREADS


def test_a_frozen_pump_that_wakes_repeats_nothing_and_still_brings_its_answers(slow, other_pump):
    freeze_outside_a_transaction(other_pump)
    take_over()
    assert keys("unknown")
    os.kill(other_pump.pid, signal.SIGCONT)
    assert other_pump.wait(60) == 0
    assert set(Counter(slow.taken).values()) == {1}
    assert len(keys("sent")) == PEOPLE


def test_a_database_error_in_a_tick_ends_the_pump_and_loses_no_answer(slow, monkeypatch):
    number = make.number(rate_per_second=100)
    rows = [queue(number) for _ in range(12)]
    real = settling.settle
    failed: list[list[settling.Result]] = []

    def fails_once(results):
        results = list(results)
        if results and not failed:
            failed.append(results)
            raise OperationalError
        real(results)

    monkeypatch.setattr(settling, "settle", fails_once)
    with pytest.raises(OperationalError):
        pump.pump()
    assert keys("sent") == set(slow.taken)
    assert Message.objects.filter(status__in=("sent", "queued")).count() == len(rows)
    pump.pump()
    assert set(Counter(slow.taken).values()) == {1}
    assert len(keys("sent")) == len(rows)


def test_a_pump_that_must_end_leaves_what_got_no_answer_for_a_person(slow, monkeypatch):
    number = make.number(rate_per_second=100)
    for _ in range(12):
        queue(number)
    monkeypatch.setattr(pump, "LAST_ANSWERS", 0)
    monkeypatch.setattr(pump._Run, "alive", lambda run: not run.in_flight)
    pump.pump()
    assert keys("unknown")
    assert not Message.objects.filter(status__in=("claimed", "sending")).exists()
    assert Message.objects.filter(status__in=("unknown", "queued", "sent")).count() == 12


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's own default; tests switch it off for speed")
def test_a_commit_is_on_disk_before_its_requests_leave():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2  # FULL
