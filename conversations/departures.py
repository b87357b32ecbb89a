"""Departures: claiming what is due, and the one transaction after which a request may leave.

    queued → claimed    the gate's first look; a pump holds the row
    claimed → sending   locks first, the gate's second look in the next statement, then the stamp

Lock order: bucket and portfolio, contact heads, messages, each by id.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet

from accounts import clock
from contacts import consent
from contacts.models import Identity
from conversations import gate, settling
from conversations.models import (
    STANDS_ON_EVENT,
    Batch,
    BusinessNumber,
    Conversation,
    LimitUse,
    Message,
    Portfolio,
    Pump,
    RateBucket,
    Status,
)
from conversations.verdicts import WAITS_FOR, Verdict
from conversations.whatsapp import payloads

LEASE = timedelta(seconds=15)  # a pump without a heartbeat for so long is taken for dead
BURST_SECONDS = 0.1  # how much of a second's messages may leave at once
SLOWED = 0.5  # share of the rate that is used after the platform said "too fast"
PAIR_SECONDS, PAIR_BURST = 6, 45  # one message in six seconds for one person, and 45 at once
LIMIT_WINDOW = timedelta(hours=24)
BUILT_WRONGLY = 100  # the platform's code for a request it cannot read

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request that may leave now: its row is committed as `sending`."""

    message_id: int
    attempt: int
    phone_number_id: str
    number_id: int
    body: dict[str, Any]


def claim(number: BusinessNumber, token: uuid.UUID, *, room: int) -> int:
    """Take up to `room` due rows of this number for the pump. Returns how many; the refused are settled on the way.

    Singles by priority first, then running batches in turn, the one served longest ago first.
    """
    claimed = 0
    with transaction.atomic():
        now = clock.now()
        rows = _due_singles(number, now, room)
        room -= len(rows)
        if room > 0:
            rows += _due_in_batches(number, now, room)
        if rows:
            claimed = _first_look(rows, token, now)
    return claimed


def _due_singles(number: BusinessNumber, now: datetime, room: int) -> list[int]:
    due = Message.objects.filter(number=number, batch=None, status=Status.QUEUED, due_at__lte=now)
    return list(_skipping_locked(due.order_by("priority", "due_at")).values_list("pk", flat=True)[:room])


def _due_in_batches(number: BusinessNumber, now: datetime, room: int) -> list[int]:
    running = Batch.objects.filter(number=number, state=Batch.State.RUNNING)
    turn = list(running.order_by("priority", F("claimed_at").asc(nulls_first=True), "pk")[:20])
    rows: list[int] = []
    for waiting, batch in enumerate(turn):
        share = max(1, (room - len(rows)) // (len(turn) - waiting))
        due = Message.objects.filter(batch=batch, status=Status.QUEUED, due_at__lte=now).order_by("due_at", "pk")
        found = list(_skipping_locked(due).values_list("pk", flat=True)[:share])
        if found:
            Batch.objects.filter(pk=batch.pk).update(claimed_at=now)
        rows += found
        if len(rows) >= room:
            break
    return rows


def _skipping_locked(rows: QuerySet[Message]) -> QuerySet[Message]:
    """On SQLite nothing: there the transaction is the lock, and no other is open."""
    return rows.select_for_update(skip_locked=True, of=("self",))


def _first_look(ids: Sequence[int], token: uuid.UUID, now: datetime) -> int:
    seen = list(gate.with_verdict(Message.objects.filter(pk__in=ids), at=now))
    allowed = [row for row in seen if row.answer == Verdict.ALLOWED]
    late = [row for row in allowed if _is_late(row, now)]
    _turn_away([row for row in seen if row.answer != Verdict.ALLOWED], now)
    _end_late(late, now)
    return Message.objects.filter(pk__in=[row.pk for row in allowed if row not in late], status=Status.QUEUED).update(
        status=Status.CLAIMED, claim=token
    )


def _is_late(row: Message, now: datetime) -> bool:
    return row.send_until is not None and row.send_until <= now


def _end_late(rows: Iterable[Message], now: datetime) -> None:
    """Their time is over although nothing forbids them: withheld for what they waited for, or cancelled."""
    for row in rows:
        if row.verdict:
            end = {"status": Status.WITHHELD, "verdict": row.verdict, "withheld_at": now}
        else:
            end = {"status": Status.CANCELLED}
        Message.objects.filter(pk=row.pk).update(claim=None, **end)


def _turn_away(rows: Iterable[Message], now: datetime) -> None:
    """Write down why these may not leave: wait, pause their batch, or be withheld for good."""
    by_answer: dict[str, list[Message]] = defaultdict(list)
    for row in rows:
        by_answer[row.answer].append(row)
    for answer, refused in by_answer.items():
        waiting: list[int] = []
        final: list[int] = []
        for row in refused:
            may_change = answer in WAITS_FOR or (answer == Verdict.TEMPLATE_NOT_APPROVED and row.batch_id)
            (waiting if may_change and not _is_late(row, now) else final).append(row.pk)
        if answer == Verdict.TEMPLATE_NOT_APPROVED:
            batches = {row.batch_id for row in refused if row.batch_id}
            Batch.objects.filter(pk__in=batches, state=Batch.State.RUNNING).update(
                state=Batch.State.PAUSED, state_reason=answer
            )
        Message.objects.filter(pk__in=waiting).update(
            status=Status.QUEUED, claim=None, verdict=answer, due_at=gate.next_look(answer, at=now)
        )
        Message.objects.filter(pk__in=final).update(status=Status.WITHHELD, claim=None, verdict=answer, withheld_at=now)


def depart(number: BusinessNumber, token: uuid.UUID, *, room: int) -> list[Outgoing]:
    """Move up to `room` claimed rows of the pump to `sending`. Call in a transaction: its commit lets them leave."""
    if room <= 0:
        return []
    held = Message.objects.filter(claim=token, status=Status.CLAIMED, number=number)
    if not held.exists():
        return []  # before any lock: most numbers have nothing most of the time
    bucket = RateBucket.objects.select_for_update().get_or_create(number=number)[0]
    portfolio = Portfolio.objects.select_for_update().get(pk=number.portfolio_id)
    now = clock.now()
    room = min(room, _tokens(bucket, number, now))
    if room <= 0:
        return []
    candidates = dict(held.order_by("priority", "pk").values_list("pk", "contact_id")[:room])
    consent.lock_heads(candidates.values())
    # Meanwhile recovery may have given some back, or a status may have said that they arrived after all.
    still = held.filter(pk__in=candidates).select_for_update(of=("self",)).order_by("pk")
    ours = list(still.values_list("pk", flat=True))
    # Only a statement that begins after the locks sees every withdrawal that committed before them.
    seen = list(
        gate.with_verdict(Message.objects.filter(pk__in=ours), at=now)
        .select_related("contact", "template", "number", "batch", "quoted")
        .order_by("priority", "pk")
    )
    now = clock.now()
    addresses = _addresses(seen, portfolio)
    leaving = _those_that_may(seen, portfolio, addresses, now)
    for row in leaving:
        row.attempt += 1
        row.status, row.verdict, row.sending_at, row.at = Status.SENDING, "", now, now
        if row.kind in STANDS_ON_EVENT:
            row.stands_on_id = row.grant
    Message.objects.bulk_update(
        leaving, ["status", "attempt", "verdict", "sending_at", "at", "stands_on"], batch_size=200
    )
    _pay(bucket, number, now, len(leaving))
    return list(_built(leaving, addresses, now))


def _built(leaving: list[Message], addresses: dict[int, str], now: datetime) -> Iterator[Outgoing]:
    """The requests. One that cannot be built fails as if the platform had refused it, and stops no other."""
    for row in leaving:
        try:
            body = _body(row, addresses)
        except Exception:
            logger.exception("message %s cannot be built", row.pk)
            settling.fail(row, BUILT_WRONGLY, now, how="refused")
        else:
            yield Outgoing(row.pk, row.attempt, row.number.phone_number_id, row.number_id, body)


def _those_that_may(
    seen: list[Message], portfolio: Portfolio, addresses: dict[int, str], now: datetime
) -> list[Message]:
    """The rows that leave now; the others are put back, withheld or cancelled."""
    leaving, refused, late, resting, back, cancelled = [], [], [], [], [], []
    resting_pairs = _pairs_to_rest(seen, now)
    counted: set[int] = set()  # contacts to whom a message leaves that the frequency cap counts
    for row in seen:
        state = row.batch.state if row.batch else Batch.State.RUNNING
        if state == Batch.State.CANCELLED:
            cancelled.append(row.pk)
        elif state != Batch.State.RUNNING:
            back.append(row.pk)
        elif row.answer != Verdict.ALLOWED:
            refused.append(row)
        elif _is_late(row, now):
            late.append(row)
        elif (row.contact_id, row.number_id) in resting_pairs:
            resting.append(row.pk)
        elif row.contact.phone is None and row.contact_id not in addresses:
            row.answer = Verdict.NO_ADDRESS  # the gate does not ask this of a STOP confirmation
            refused.append(row)
        elif row.kind in gate.COUNTED and row.contact_id in counted:
            continue  # stays claimed: the gate sees the first only once that has left
        else:
            leaving.append(row)
            if row.kind in gate.COUNTED:
                counted.add(row.contact_id)
    leaving, over_limit = _within_limit(leaving, portfolio, now)
    for row in over_limit:
        row.answer = Verdict.MESSAGING_LIMIT
    _turn_away(refused + over_limit, now)
    _end_late(late, now)
    waiting = Message.objects.filter(pk__in=back + resting)
    waiting.update(status=Status.QUEUED, claim=None)
    waiting.filter(pk__in=resting).update(due_at=now + timedelta(seconds=PAIR_SECONDS))
    Message.objects.filter(pk__in=cancelled).update(status=Status.CANCELLED, claim=None)
    return leaving


def _pairs_to_rest(rows: Iterable[Message], now: datetime) -> set[tuple[int, int]]:
    """Pairs of contact and number that had as many messages as the platform allows in so short a time."""
    pairs = {(row.contact_id, row.number_id) for row in rows}
    if not pairs:
        return set()
    recent = Message.objects.filter(
        contact__in={contact for contact, _ in pairs}, number__in={number for _, number in pairs},
        sending_at__gt=now - timedelta(seconds=PAIR_SECONDS * PAIR_BURST),
    )  # fmt: skip
    counts = recent.order_by().values_list("contact_id", "number_id").annotate(n=Count("pk"))
    return {(contact, number) for contact, number, n in counts if n >= PAIR_BURST} & pairs


def _within_limit(rows: list[Message], portfolio: Portfolio, now: datetime) -> tuple[list[Message], list[Message]]:
    """Reserve a place for each person we start with outside a session; those beyond the portfolio's limit wait."""
    if portfolio.messaging_limit is None:
        return rows, []
    starting = {row.contact_id for row in rows if row.kind in STANDS_ON_EVENT}
    in_session = set(
        Conversation.objects.filter(contact__in=starting, number__in={row.number_id for row in rows})
        .filter(session_expires_at__gt=now)
        .values_list("contact_id", flat=True)
    )
    starting -= in_session
    window = LimitUse.objects.filter(portfolio=portfolio, opened_at__gt=now - LIMIT_WINDOW)
    counted = set(window.filter(contact__in=starting).values_list("contact_id", flat=True))
    left = portfolio.messaging_limit - window.count()
    new = sorted(starting - counted)
    taken, beyond = set(new[: max(left, 0)]), set(new[max(left, 0) :])
    LimitUse.objects.bulk_create(
        [LimitUse(portfolio=portfolio, contact_id=pk, opened_at=now) for pk in sorted(taken)],
        update_conflicts=True, unique_fields=["portfolio", "contact"], update_fields=["opened_at"],
    )  # fmt: skip
    over = [row for row in rows if row.kind in STANDS_ON_EVENT and row.contact_id in beyond]
    return [row for row in rows if row not in over], over


def _tokens(bucket: RateBucket, number: BusinessNumber, now: datetime) -> int:
    """How many messages the number's rate has room for at this moment."""
    rate = _rate(bucket, number, now)
    burst = max(1.0, rate * BURST_SECONDS)
    at = now.timestamp()
    return int((at - max(bucket.paid_until, at - burst / rate)) * rate + 1e-3)  # a float of today is exact to 0.24 µs


def _pay(bucket: RateBucket, number: BusinessNumber, now: datetime, count: int) -> None:
    rate = _rate(bucket, number, now)
    at = now.timestamp()
    bucket.paid_until = max(bucket.paid_until, at - max(1.0, rate * BURST_SECONDS) / rate) + count / rate
    bucket.save(update_fields=["paid_until"])


def _rate(bucket: RateBucket, number: BusinessNumber, now: datetime) -> float:
    slowed = bucket.slowed_until is not None and bucket.slowed_until > now
    return number.rate_per_second * (SLOWED if slowed else 1)


def _addresses(rows: Iterable[Message], portfolio: Portfolio) -> dict[int, str]:
    """Business-scoped ids of those without a phone number: {contact id: id}."""
    without = [row.contact_id for row in rows if row.contact.phone is None]
    ids = Identity.objects.filter(
        contact__in=without, kind=Identity.Kind.BSUID, namespace=portfolio.business_id
    ).order_by("pk")
    return dict(ids.values_list("contact_id", "value"))


def _body(row: Message, addresses: dict[int, str]) -> dict[str, Any]:
    to: dict[str, Any] = {"to": row.contact.phone} if row.contact.phone else {"recipient": addresses[row.contact_id]}
    to["callback_data"] = row.callback_data
    if row.template is not None:
        name, language = row.template.name, row.template.language
        return payloads.template_message(name=name, language=language, parameters=row.content.get("parameters"), **to)
    if row.quoted is not None and row.quoted.wamid:
        to["quoted_wamid"] = row.quoted.wamid
    if row.content.get("buttons"):
        buttons = [(button_id, title) for button_id, title in row.content["buttons"]]
        return payloads.reply_buttons(body=row.text, buttons=buttons, **to)
    return payloads.text_message(body=row.text, **to)


def release_claimed(token: uuid.UUID) -> int:
    """Give back what a pump holds and will not send."""
    held = Message.objects.filter(claim=token, status=Status.CLAIMED)
    return held.update(status=Status.QUEUED, claim=None)


def recover(*, lease: timedelta = LEASE) -> int:
    """Take back what dead pumps held: claimed rows are queued again, `sending` ones become unknown.

    A pump that only slept finds its row gone and stops; results it still brings are taken from `unknown`.
    """
    with transaction.atomic():
        dead = Pump.objects.select_for_update().filter(heartbeat_at__lt=clock.now() - lease)
        Pump.objects.filter(pk__in=[pump.pk for pump in dead]).delete()
    living = Pump.objects.values("token")
    lost = Message.objects.filter(status__in=(Status.CLAIMED, Status.SENDING)).exclude(claim__in=living)
    found = 0
    while True:
        with transaction.atomic():
            ids = list(_skipping_locked(lost.order_by("pk")).values_list("pk", flat=True)[:500])
            found += len(ids)
            rows = Message.objects.filter(pk__in=ids)
            rows.filter(status=Status.CLAIMED).update(status=Status.QUEUED, claim=None)
            rows.filter(status=Status.SENDING).update(status=Status.UNKNOWN)
        if not ids:
            return found


def numbers_with_due(now: datetime) -> list[BusinessNumber]:
    """Business numbers that have something a pump could take up now."""
    due = Message.objects.filter(status=Status.QUEUED, due_at__lte=now)
    singles = due.filter(number=OuterRef("pk"), batch=None)
    in_batches = due.filter(batch__number=OuterRef("pk"), batch__state=Batch.State.RUNNING)
    return list(BusinessNumber.objects.filter(Exists(singles) | Exists(in_batches)).order_by("pk"))
