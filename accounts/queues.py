"""The three queues of background work, and the one way to wake somebody who reads them.

A row is the truth and a task only a wake-up: it may run never, once or ten times. What it finds to do, it finds in
the rows, and `manage.py work` asks again every second for what nobody took up.
"""

import logging
from functools import partial

from django.conf import settings
from django.db import transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

DEFAULT = settings.Q_CLUSTER["name"]
INBOUND = "inbound"  # webhooks: a STOP must not wait behind the campaign it stops
SEND = "send"  # pumps: each holds its worker for minutes
QUEUES = (DEFAULT, INBOUND, SEND)

FULL = 1_000  # wake-ups waiting in one queue; more would only say the same again

logger = logging.getLogger(__name__)


def wake(task: str, *args: int | str, queue: str = DEFAULT) -> None:
    """Ask a worker of a queue to run a function, given by its dotted name, with ids as arguments.

    In a transaction the wake-up leaves with the commit and is gone with a rollback, whichever broker is used.
    """
    if settings.Q_BROKER == "redis":
        transaction.on_commit(partial(_enqueue, task, *args, queue=queue))
    else:
        _enqueue(task, *args, queue=queue)  # a row of the same database: it commits with the caller's


def _enqueue(task: str, *args: int | str, queue: str) -> None:
    broker = get_broker(queue)
    if broker.queue_size() >= FULL:
        logger.warning("queue %s is full, %s was not enqueued", queue, task)
        return
    # Named always: without a cluster, a task that enqueues another would put it into its own queue.
    async_task(task, *args, cluster=queue, broker=broker)
