"""`manage.py work`: all background work of this machine."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.signals import post_execute

from accounts.queues import QUEUES
from config import canary, children
from config.schedules import EVERY_SECOND
from config.supervisor import Supervisor

acknowledged = canary.Acknowledgement()


class Command(BaseCommand):
    help = "Do the background work of this machine: a cluster of django-q2 per queue, watched and replaced."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--drain-seconds", type=float, default=30, help="How long jobs may take to finish at the end."
        )
        parser.add_argument("--ask-every", type=float, default=4, help="Seconds between two canaries.")
        parser.add_argument("--deaf-after", type=float, default=60, help="Seconds of silence that end a cluster.")
        parser.add_argument("--cluster", choices=QUEUES, help="Run this queue's cluster only; `work` starts these.")

    def handle(
        self, *, cluster: str | None, ask_every: float, deaf_after: float, drain_seconds: float, **_: Any
    ) -> None:
        if cluster:
            self.serve(cluster)
            return
        Supervisor(
            queues=QUEUES,
            every_second=EVERY_SECOND,
            ask_every=ask_every,
            deaf_after=deaf_after,
            drain_seconds=drain_seconds,
        ).run()

    def serve(self, queue: str) -> None:
        """Be the main process of one cluster. Everything it forks, at any depth, dies with what forked it."""
        if queue != Conf.CLUSTER_NAME:
            raise SystemExit(f"Q_CLUSTER_NAME must be {queue}: django-q2 reads it before anything else.")
        parent = {"pid": os.getpid()}
        os.register_at_fork(
            before=lambda: parent.update(pid=os.getpid()),
            after_in_child=lambda: children.die_with_parent(parent["pid"]),
        )
        post_execute.connect(acknowledged, dispatch_uid="config.canary")
        Cluster().start()
