"""The canary: how we know that a cluster of django-q2 hears, works and acknowledges.

A cluster can be deaf with every process alive: a worker that is killed while idle takes the lock of the task queue
with it, a monitor that of the result queue. So a small task goes through queue, worker and monitor every few seconds:

    asked_at   the supervisor put it in the queue
    ran_at     a worker of the cluster ran it
    acked_at   the monitor of the cluster acknowledged it, or any other task

Where machines share a queue, a canary lands on any of them, and the row of the cluster that got it is stamped. Each
machine asks, so each still gets about one in the time one machine asks for one.
"""

import logging
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.utils import timezone
from django_q.conf import Conf

from accounts.models import Canary
from accounts.queues import wake

logger = logging.getLogger(__name__)


def ask(cluster: str, queue: str) -> None:
    """Put a canary into a queue, and note on the cluster's row that it was asked."""
    Canary.objects.update_or_create(cluster=cluster, defaults={"asked_at": timezone.now()})
    wake("config.canary.sing", queue=queue)


def sing() -> None:
    """Job: note that a worker of this cluster runs tasks."""
    Canary.objects.filter(cluster=_this_cluster()).update(ran_at=timezone.now())


class Acknowledgement:
    """Called in the monitor after each task, through django-q2's own signal: it has no other way to say so.

    Stamps at most once a second, and never raises: that would end the monitor.
    """

    def __init__(self) -> None:
        self.stamped = float("-inf")

    def __call__(self, **signal: Any) -> None:
        if time.monotonic() - self.stamped < 1:
            return
        try:
            Canary.objects.filter(cluster=_this_cluster()).update(acked_at=timezone.now())
            self.stamped = time.monotonic()
        except Error as error:
            logger.warning("acknowledgement not noted: %s", type(error).__name__)
            connection.close()


def last_heard(cluster: str) -> datetime | None:
    """When the cluster last acknowledged a task, None if it never did."""
    return Canary.objects.filter(cluster=cluster).values_list("acked_at", flat=True).first()


def _this_cluster() -> str:
    return f"{settings.WORKER_NAME}/{Conf.CLUSTER_NAME}"
