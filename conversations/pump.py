"""The pump: the one loop that sends. A long job per machine, serving every number that has something due.

Every tick is one short transaction a number: it records what came back and moves the next rows to `sending` where the
gate still allows it. Only its commit lets those requests leave; a pool of threads posts them, and never sees the
database.
"""

import logging
import time
import uuid
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import Count

from accounts import clock, hosts, leases, queues
from conversations import departures, settling
from conversations.departures import Outgoing
from conversations.models import BusinessNumber, Message, Pump, Status
from conversations.settling import Result
from conversations.whatsapp.client import Client
from conversations.whatsapp.errors import FateUnknown, NotSent, Refused

logger = logging.getLogger(__name__)

THREADS = 64
TICK = 0.05  # seconds between two transactions while there is something to do
LOOK = 0.25  # seconds between two looks for due rows
BEAT = 1.0  # seconds between two heartbeats
IDLE = 5.0  # seconds without anything due after which the pump ends; the loop of `manage.py work` starts the next
AHEAD = 2.0  # seconds' worth of messages held claimed
TASK_SECONDS = settings.TASK_SECONDS
LAST_ANSWERS = 15  # seconds to wait at the end for requests in flight: longer than the client's time-outs


def pump() -> None:
    """Job: send what is due until nothing is, our time is up, or the machine drains. A second one returns at once."""
    name = f"pump:{settings.WORKER_NAME or 'here'}"
    owner = leases.new_owner()
    if not leases.hold(name, owner, departures.LEASE.total_seconds()):
        return
    run = _Run(name, owner, until=time.monotonic() + TASK_SECONDS - 20)
    try:
        run.loop()
    finally:
        run.end()
        leases.release(name, owner)
    if run.has_more:
        queues.wake("conversations.pump.pump", queue=queues.SEND)


@dataclass
class _Run:
    """One run of the pump. Times are of the monotonic clock."""

    lease: str
    owner: str
    until: float
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    has_more: bool = False
    beaten: float = 0
    looked: float = 0
    busy_at: float = field(default_factory=time.monotonic)
    numbers: dict[int, BusinessNumber] = field(default_factory=dict)
    claimed: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # by number, as of the last look
    in_flight: dict[tuple[int, int], int] = field(default_factory=dict)  # (message, attempt) with a thread: number
    answered: deque[tuple[int, Result]] = field(default_factory=deque)  # (number, result): all that threads write
    back: dict[int, list[Result]] = field(default_factory=lambda: defaultdict(list))  # by number, not yet recorded
    clients: dict[tuple[int, str], Client] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "post"))

    def loop(self) -> None:
        Pump.objects.create(token=self.token, host=settings.WORKER_NAME or "here", heartbeat_at=clock.now())
        while self.alive():
            started = time.monotonic()
            self.look()
            self.collect()
            for number in list(self.numbers.values()):
                self.tick(number)
            if self.numbers or self.in_flight:
                self.busy_at = time.monotonic()
            elif time.monotonic() - self.busy_at > IDLE:
                return
            pause = (TICK if self.numbers else LOOK) - (time.monotonic() - started)
            if pause > 0:
                time.sleep(pause)

    def alive(self) -> bool:
        """Say that we live, and hear whether we should end."""
        now = time.monotonic()
        if now > self.until:
            self.has_more = True
            return False
        if now - self.beaten < BEAT:
            return True
        self.beaten = now
        close_old_connections()
        still_ours = Pump.objects.filter(token=self.token).update(heartbeat_at=clock.now())
        if not still_ours or not leases.hold(self.lease, self.owner, departures.LEASE.total_seconds()):
            logger.warning("pump %s was taken for dead and stops", self.token)
            return False
        return not hosts.draining()

    def look(self) -> None:
        """Which numbers have something due, and claim for them."""
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        due = {number.pk: number for number in departures.numbers_with_due(clock.now())}
        for number in due.values():
            ahead = max(20, int(number.rate_per_second * AHEAD))
            if self.claimed[number.pk] <= ahead // 2:
                departures.claim(number, self.token, room=ahead - self.claimed[number.pk])
        held = Message.objects.filter(claim=self.token, status=Status.CLAIMED).order_by().values_list("number")
        self.claimed = defaultdict(int, held.annotate(n=Count("pk")))
        # A number stays as long as it has rows claimed, or posts whose answers are still to be recorded.
        known = self.numbers | due
        kept = set(due) | set(self.claimed) | {pk for pk in self.numbers if self.in_flight or self.back[pk]}
        self.numbers = {pk: due.get(pk) or known[pk] for pk in sorted(kept & set(known))}

    def collect(self) -> None:
        """Take over what the threads have heard."""
        while self.answered:
            number_id, result = self.answered.popleft()
            self.in_flight.pop((result.message_id, result.attempt), None)
            self.back[number_id].append(result)

    def tick(self, number: BusinessNumber) -> None:
        """One transaction: the next rows out, what came back in."""
        back = self.back[number.pk]
        room = self.room(number) if self.claimed[number.pk] else 0
        if not back and room <= 0:
            return
        # What goes into the ledger first: it locks contact heads, and those come before the messages of the others.
        settling.settle(result for result in back if settling.goes_into_ledger(result))
        with transaction.atomic():
            # Departing first, for the same reason. What was settled above changes nothing a second time.
            outgoing = departures.depart(number, self.token, room=room)
            settling.settle(back)
        self.back[number.pk] = []
        for request in outgoing:
            self.in_flight[request.message_id, request.attempt] = number.pk
            self.pool.submit(self.post, self.client(number), request)

    def room(self, number: BusinessNumber) -> int:
        """How many more posts this number may have in flight: its share, so that a slow one holds up no other."""
        share = max(1, THREADS // max(1, len(self.numbers)))
        return min(THREADS - len(self.in_flight), share - list(self.in_flight.values()).count(number.pk))

    def client(self, number: BusinessNumber) -> Client:
        key = (number.pk, number.token)
        if key not in self.clients:
            self.clients[key] = Client(settings.WHATSAPP_API_URL, settings.WHATSAPP_API_VERSION, number.token)
        return self.clients[key]

    def post(self, client: Client, request: Outgoing) -> None:
        """In a thread of the pool: one request, and how it ended."""
        try:
            result = _post(client, request)
        except Exception:  # a bug of ours: it may have left
            logger.exception("message %s, post failed in an unknown way", request.message_id)
            result = Result(request.message_id, request.attempt, "unknown")
        self.answered.append((request.number_id, result))

    def end(self) -> None:
        """Finish what is in flight, record it, and give back the rest."""
        give_up = time.monotonic() + LAST_ANSWERS
        while self.in_flight and time.monotonic() < give_up:
            self.collect()
            time.sleep(TICK)
        self.collect()
        self.pool.shutdown(wait=False, cancel_futures=True)
        try:
            settling.settle(result for results in self.back.values() for result in results)
            departures.release_claimed(self.token)
            # Those without an answer, and those of a commit whose outcome we never learned.
            Message.objects.filter(claim=self.token, status=Status.SENDING).update(status=Status.UNKNOWN)
            Pump.objects.filter(token=self.token).delete()
        except DatabaseError as error:
            logger.error("pump %s ends without a database: %s", self.token, type(error).__name__)
            connection.close()  # recover() takes back what we hold
        for client in self.clients.values():
            client.close()


def _post(client: Client, request: Outgoing) -> Result:
    try:
        accepted = client.post_message(request.phone_number_id, request.body)
    except NotSent:
        return Result(request.message_id, request.attempt, "not_sent")
    except Refused as refusal:
        return Result(request.message_id, request.attempt, "refused", code=refusal.code)
    except FateUnknown:
        return Result(request.message_id, request.attempt, "unknown")
    return Result(request.message_id, request.attempt, "sent", wamid=accepted.wamid)
