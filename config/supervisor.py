"""The supervisor behind `manage.py work`: one cluster of django-q2 per queue, each watched and replaced whole.

django-q2 replaces a dead worker by itself, but some deaths leave a cluster that looks alive and does nothing, or
parts of one that work on without a head. So a cluster is a process group here, and it is killed and started again as
one when its main process ends or its canary falls silent. See config/canary.py and config/children.py.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import psutil
from django.conf import settings
from django.db import Error, close_old_connections, connections
from django.utils import timezone

from accounts import hosts, leases
from config import canary, children

logger = logging.getLogger(__name__)

TICK = 0.25  # seconds between two looks at the clusters
BEAT = 5  # seconds between two heartbeats of this machine
LEASE = 10  # seconds until another machine takes the loop over from one that died
SLOWEST_RESTART = 30  # seconds


@dataclass
class Cluster:
    """One queue's cluster on this machine. Times are of the monotonic clock, in seconds."""

    queue: str
    name: str  # of its canary: "<worker>/<queue>"
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    start_at: float = 0
    quick_ends: int = 0
    asked: float = 0
    heard: float = field(default_factory=time.monotonic)  # when we last knew that it acknowledges, or could not know

    def start(self, worker: str) -> None:
        environment = os.environ | {"WORKER_NAME": worker, "Q_CLUSTER_NAME": self.queue}
        command = [sys.executable, "manage.py", "work", "--cluster", self.queue]
        self.process = children.start(command, environment=environment)
        self.started = self.heard = self.asked = time.monotonic()
        logger.info("cluster %s started", self.queue)

    def end(self, why: str) -> None:
        """Kill the whole group, and say when the next may start: later each time, if they end quickly."""
        if self.process is None:
            return
        code = children.kill_group(self.process)
        self.process = None
        now = time.monotonic()
        self.quick_ends = self.quick_ends + 1 if now - self.started < SLOWEST_RESTART else 0
        self.start_at = now + min(2**self.quick_ends - 1, SLOWEST_RESTART)
        logger.error("cluster %s %s, exit code %s", self.queue, why, code)

    def has_idle_worker(self) -> bool:
        """Whether a worker waits for a task; read off the titles that django-q2 gives its processes."""
        if self.process is None:
            return False
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if " ".join(process.cmdline()).rstrip().endswith(" idle"):
                        return True
        return False


class Supervisor:
    """Keeps the clusters of this machine alive until `stop`, then lets them finish.

    ask_every, deaf_after: seconds between canaries, and of silence after which a cluster that has a free worker
    counts as deaf. drain_seconds: how long jobs may take to finish what is in flight when we stop.
    """

    def __init__(
        self,
        *,
        queues: tuple[str, ...],
        every_second: tuple[Callable[[], None], ...],
        ask_every: float = 4,
        deaf_after: float = 60,
        drain_seconds: float = 30,
    ) -> None:
        self.name = leases.new_owner()
        self.clusters = [Cluster(queue, f"{self.name}/{queue}") for queue in queues]
        self.every_second = every_second
        self.ask_every = ask_every
        self.deaf_after = deaf_after
        self.drain_seconds = drain_seconds
        self.stopping = False
        self.stopped = threading.Event()
        self.beaten = float("-inf")

    def stop(self, number: int | None = None, frame: FrameType | None = None) -> None:
        """Ask for the end; also the signal handler. It sets a plain flag, as waking an Event in a handler can hang."""
        self.stopping = True

    def run(self) -> None:
        """Supervise until stopped. Call it in the main thread: the clusters die with the thread that started them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        hosts.beat(self.name)
        loop = threading.Thread(target=self.loop, name="every-second", daemon=True)
        loop.start()
        try:
            while not self.stopping:
                for cluster in self.clusters:
                    self.look_after(cluster)
                self.beat()
                time.sleep(TICK)
            self.drain()
        finally:
            self.stopped.set()
            for cluster in self.clusters:
                cluster.end("killed")
            loop.join(timeout=5)
            with suppress(Error):
                hosts.leave(self.name)

    def look_after(self, cluster: Cluster) -> None:
        now = time.monotonic()
        if cluster.process is None:
            if now >= cluster.start_at:
                cluster.start(self.name)
        elif children.has_ended(cluster.process):
            cluster.end("ended")
        elif now - cluster.asked >= self.ask_every:
            if now - cluster.asked > 3 * self.ask_every:
                cluster.heard = now  # this process stood still itself
            cluster.asked = now
            self.listen(cluster)

    def listen(self, cluster: Cluster) -> None:
        """Ask a canary, and end a cluster that has not acknowledged anything for too long.

        One whose workers are all busy is not deaf: no task outlives its timeout, so it gets that long on top.
        """
        now = time.monotonic()
        try:
            acked_at = canary.last_heard(cluster.name)
            canary.ask(cluster.name, cluster.queue)
        except Error as error:
            # Without a database nobody can be heard; they get the full time again once it is back.
            logger.error("cluster %s not asked: %s", cluster.queue, type(error).__name__)
            connections.close_all()
            cluster.heard = now
            return
        if acked_at is not None:
            cluster.heard = min(now, max(cluster.heard, now - (timezone.now() - acked_at).total_seconds()))
        silence = now - cluster.heard
        if silence > self.deaf_after and (
            cluster.has_idle_worker() or silence > self.deaf_after + settings.Q_CLUSTER["timeout"]
        ):
            cluster.end(f"deaf for {silence:.0f} s")

    def beat(self) -> None:
        if time.monotonic() - self.beaten < BEAT:
            return
        self.beaten = time.monotonic()
        try:
            close_old_connections()
            hosts.beat(self.name)
        except Error as error:
            logger.error("no heartbeat: %s", type(error).__name__)
            connections.close_all()

    def drain(self) -> None:
        """Let every cluster finish: its jobs are told by the row, the cluster by a signal to its main process alone.

        A SIGTERM to the whole group would kill workers in their tasks and hang the main process.
        """
        logger.info("stopping")
        with suppress(Error):
            hosts.drain(self.name)
        running = [cluster.process for cluster in self.clusters if cluster.process is not None]
        for process in running:
            if not children.has_ended(process):
                process.terminate()
        end = time.monotonic() + self.drain_seconds
        while time.monotonic() < end and not all(children.has_ended(process) for process in running):
            time.sleep(TICK)
        for cluster in self.clusters:
            if cluster.process is not None and children.has_ended(cluster.process):
                children.kill_group(cluster.process)  # collects it, and what it may have left
                cluster.process = None

    def loop(self) -> None:
        """Once a second, on one machine at a time: look for what is due and wake somebody."""
        while not self.stopped.wait(1):
            if self.stopping:
                break
            try:
                close_old_connections()
                if not leases.hold("every-second", self.name, LEASE):
                    continue
            except Error as error:
                logger.error("loop without a database: %s", type(error).__name__)
                connections.close_all()
                continue
            for look in self.every_second:
                self.call(look)
        with suppress(Error):
            leases.release("every-second", self.name)
        connections.close_all()

    def call(self, look: Callable[[], None]) -> None:
        """One entry of the loop. What goes wrong in it is logged and must not keep the others from their turn."""
        try:
            look()
        except Exception:
            logger.exception("%s.%s failed", look.__module__, look.__qualname__)
            connections.close_all()
