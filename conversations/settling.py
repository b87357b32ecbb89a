"""Settling: what became of a message, told by the answer to its request or, later, by a status.

Both roads end in `fail`, because a code means the same whichever way it comes, and may come both ways for one message.
A step is guarded by the attempt it belongs to, so late, repeated and foreign news change nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts import clock
from contacts import consent
from contacts.models import Action, Contact, Evidence, Source
from conversations import outbox
from conversations.models import (
    Attempt,
    Batch,
    Conversation,
    Message,
    MessageTemplate,
    RateBucket,
    Reachability,
    Status,
)
from conversations.verdicts import Verdict
from conversations.whatsapp.errors import ErrorClass, classify

logger = logging.getLogger(__name__)

MOST_TRIES = 5  # of a message whose failures are the platform's
MOST_RESTS = 2  # days waited for a person who had enough
OUR_FAULTS = 5  # refusals that would repeat for everyone, after which a batch stops itself
UNREACHABLE_AFTER = 3  # failures on different days
SLOW_FOR = timedelta(seconds=10)

RETRIED = {ErrorClass.RETRY_SOON, ErrorClass.RETRY_MINUTES, ErrorClass.RATE, ErrorClass.PAIR_RATE}
# What such a message is shown to wait for, and withheld for if its time runs out first.
WAITING_AS = {ErrorClass.WAIT_DAY: Verdict.RESTING, ErrorClass.HOLD_NUMBER: Verdict.NUMBER_HELD}
# What these say about the template, until the next sync or webhook says otherwise.
TEMPLATE_STATUS = {
    132001: MessageTemplate.Status.GONE,
    132015: MessageTemplate.Status.PAUSED,
    132016: MessageTemplate.Status.DISABLED,
}


@dataclass(frozen=True, slots=True)
class Result:
    """How one request ended: "sent" with a wamid, "not_sent", "refused" with a code, or "unknown"."""

    message_id: int
    attempt: int
    outcome: str
    wamid: str | None = None
    code: int | None = None


def settle(results: Iterable[Result]) -> None:
    """Record what came back, in one short transaction. Results may come twice, or after a status overtook them."""
    results = list(results)
    if not results:
        return
    with transaction.atomic():
        now = clock.now()
        lock_ahead((result.message_id, result.code) for result in results if result.code is not None)
        rows = _lock({result.message_id for result in results})
        for result in results:
            row = rows.get(result.message_id)
            if row is None:
                continue
            if row.attempt != result.attempt:  # a later attempt has begun
                if result.outcome == "sent":
                    _note_accepted(row, result)
                continue
            if result.outcome == "sent":
                _accepted(row, result, now)
            elif row.status not in (Status.SENDING, Status.UNKNOWN):
                continue  # a status told us more than the answer could
            elif result.outcome == "not_sent":
                _again(row, now, "not_sent", None, _back_off(row.attempt))
            elif result.outcome == "refused":
                assert result.code is not None
                fail(row, result.code, now, how="refused")
            else:
                Message.objects.filter(pk=row.pk, status=Status.SENDING).update(status=Status.UNKNOWN)


def lock_ahead(told: Iterable[tuple[int, int]]) -> None:
    """Lock what these codes will change and what comes before messages in the order of locks: numbers with their
    rates, then the heads of those whose refusal goes into the ledger. told: (message id, code)."""
    by_kind: dict[ErrorClass, set[int]] = defaultdict(set)
    for message_id, code in told:
        by_kind[classify(code)].add(message_id)
    if of_numbers := by_kind[ErrorClass.RATE] | by_kind[ErrorClass.HOLD_NUMBER]:
        numbers = Message.objects.filter(pk__in=of_numbers).values("number")
        list(RateBucket.objects.select_for_update().filter(number__in=numbers).order_by("pk"))
    if stopped := by_kind[ErrorClass.STOPPED]:
        consent.lock_heads(Message.objects.filter(pk__in=stopped).values_list("contact_id", flat=True))


def goes_into_ledger(result: Result) -> bool:
    """Whether settling it locks a contact's head."""
    return result.code is not None and classify(result.code) == ErrorClass.STOPPED


def _lock(message_ids: set[int]) -> dict[int, Message]:
    """The rows, locked in id order."""
    rows = Message.objects.filter(pk__in=message_ids).select_for_update(of=("self",)).order_by("pk")
    return {row.pk: row for row in rows.select_related("number__portfolio", "template")}


def _accepted(row: Message, result: Result, now: datetime) -> None:
    if row.status in (Status.SENDING, Status.UNKNOWN):
        Message.objects.filter(pk=row.pk).update(
            status=Status.SENT, wamid=result.wamid, sent_at=now, claim=None, error_code=None
        )
    elif row.status in (Status.QUEUED, Status.CLAIMED):  # a status told of its failure first
        Attempt.objects.filter(message=row, number=row.attempt, wamid=None).update(wamid=result.wamid)
    elif row.wamid is None:
        Message.objects.filter(pk=row.pk).update(wamid=result.wamid, claim=None)


def _note_accepted(row: Message, result: Result) -> None:
    """An earlier attempt was accepted after all. Two accepted ones are a duplicate, listed for a person."""
    Attempt.objects.filter(message=row, number=result.attempt).update(outcome="sent", wamid=result.wamid)


def fail(row: Message, code: int, at: datetime, *, how: str) -> None:
    """The platform said no to this attempt, with a code. row: locked, in sending, unknown or sent.

    how: "refused" (in the answer) or "failed" (in a status).
    """
    kind = classify(code)
    if kind == ErrorClass.RATE:
        RateBucket.objects.filter(number=row.number_id).update(slowed_until=at + SLOW_FOR)
    elif kind == ErrorClass.HOLD_NUMBER:
        outbox.hold(row.number, reason=f"code {code}")
        logger.error("number %s is on hold, code %s", row.number_id, code)
    elif kind == ErrorClass.TEMPLATE:
        _template_trouble(row, code)
    elif kind == ErrorClass.OUR_FAULT:
        _count_our_fault(row, code)
    elif kind == ErrorClass.STOPPED:
        _note_stop(row, code, at)
    elif kind == ErrorClass.WINDOW_CLOSED:
        Conversation.objects.filter(contact=row.contact_id, number=row.number_id).update(session_expires_at=at)
    else:
        _note_reach(row, kind, at)
    wait = _wait(row, code, kind)
    if wait is None:
        Message.objects.filter(pk=row.pk).update(status=Status.FAILED, error_code=code, failed_at=at, claim=None)
    else:
        _again(row, at, how, code, wait, verdict=WAITING_AS.get(kind, ""))


def _wait(row: Message, code: int, kind: ErrorClass) -> timedelta | None:
    """How long until this message is tried again; None: it has failed."""
    if kind == ErrorClass.HOLD_NUMBER or code in (132015, 132001):
        return timedelta(0)  # the gate holds it back until the number or the template is usable again
    if kind == ErrorClass.WAIT_DAY:
        return timedelta(hours=24) if row.attempt <= MOST_RESTS else None
    if kind not in RETRIED or row.attempt >= MOST_TRIES:
        return None
    if kind == ErrorClass.RETRY_MINUTES:
        return timedelta(minutes=5)
    return timedelta(seconds=4 ** (row.attempt - 1)) if kind == ErrorClass.PAIR_RATE else _back_off(row.attempt)


def _back_off(attempt: int) -> timedelta:
    return timedelta(seconds=min(5 * 2 ** (attempt - 1), 300))


def _again(row: Message, at: datetime, outcome: str, code: int | None, wait: timedelta, *, verdict: str = "") -> None:
    """Keep this attempt for the record and queue the message again."""
    assert row.sending_at is not None
    Attempt.objects.get_or_create(
        message=row, number=row.attempt,
        defaults={"outcome": outcome, "code": code, "wamid": row.wamid, "sending_at": row.sending_at},
    )  # fmt: skip
    Message.objects.filter(pk=row.pk).update(
        status=Status.QUEUED, claim=None, wamid=None, error_code=code, due_at=at + wait, sent_at=None,
        verdict=verdict,
    )  # fmt: skip


def _template_trouble(row: Message, code: int) -> None:
    if row.template_id and code in TEMPLATE_STATUS:
        MessageTemplate.objects.filter(pk=row.template_id).update(status=TEMPLATE_STATUS[code])
    if code in TEMPLATE_STATUS:
        _stop_batch(row, "template_not_approved", Batch.State.PAUSED)
    else:
        _count_our_fault(row, code)


def _count_our_fault(row: Message, code: int) -> None:
    if row.batch_id is None:
        return
    Batch.objects.filter(pk=row.batch_id).update(our_faults=F("our_faults") + 1)
    if Batch.objects.filter(pk=row.batch_id, our_faults__gte=OUR_FAULTS).exists():
        _stop_batch(row, f"code {code}", Batch.State.BROKEN)


def _stop_batch(row: Message, reason: str, state: str) -> None:
    if row.batch_id is None:
        return
    stopped = Batch.objects.filter(pk=row.batch_id, state=Batch.State.RUNNING).update(state=state, state_reason=reason)
    if stopped:
        logger.warning("batch %s stopped, %s", row.batch_id, reason)


def _note_stop(row: Message, code: int, at: datetime) -> None:
    """The platform told us of a stop we had not heard of."""
    consent.record(
        Contact.objects.get(pk=row.contact_id),
        action=Action.BLOCKED,
        source=Source.DELIVERY_ERROR,
        portfolio=row.number.portfolio.business_id,
        proof=consent.Proof(Evidence.Kind.STATUS, {"wamid": row.wamid or "", "code": code}),
        occurred_at=at,
    )


def _note_reach(row: Message, kind: ErrorClass, at: datetime) -> None:
    if kind not in (ErrorClass.UNREACHABLE, ErrorClass.WAIT_DAY, ErrorClass.COUNTRY_CLOSED):
        return
    known, _ = Reachability.objects.select_for_update().get_or_create(contact_id=row.contact_id)
    if kind == ErrorClass.WAIT_DAY:
        known.resting_until = at + timedelta(hours=24)
    elif kind == ErrorClass.COUNTRY_CLOSED:
        known.country_closed = True
    elif known.undeliverable_at is None or known.undeliverable_at.date() < at.date():
        known.undeliverable_count += 1
        known.undeliverable_at = at
        known.unreachable = known.undeliverable_count >= UNREACHABLE_AFTER
    known.save()
