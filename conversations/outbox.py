"""The outbox: how a message gets into the queue, and what a person may do with what is queued.

How it leaves is in departures.py, what became of it in settling.py; the loop that does both is pump.py.
"""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from contacts.models import ConsentEvent, Contact
from conversations import gate, verdicts
from conversations.models import Batch, BusinessNumber, Conversation, Kind, Message, Status
from conversations.verdicts import Verdict
from conversations.whatsapp.payloads import TEXT_LIMIT

# Who goes first. Singles are served in this order; batches share what is left.
FIRST, SOON, JOURNEYS, CAMPAIGNS = 0, 10, 30, 40


def queue_text(conversation: Conversation, text: str, *, author: User, idempotency_key: str | None = None) -> Message:
    """Queue an agent's answer in an open session. The same key gives the same message, however often it is pressed.

    ValidationError with the verdict as its code where the gate refuses; `empty` or `too_long` for the text itself.
    """
    if idempotency_key:
        told = Message.objects.filter(idempotency_key=idempotency_key).first()
        if told is not None:
            return told
    if not text.strip():
        raise ValidationError(_("Write something first."), code="empty")
    if len(text) > TEXT_LIMIT:
        raise ValidationError(
            _("WhatsApp takes 4,096 characters; this has %(count)s.") % {"count": f"{len(text):,}"}, code="too_long"
        )
    with transaction.atomic():
        locked = Conversation.objects.select_for_update(of=("self",)).select_related("contact", "number__portfolio")
        conversation = locked.get(pk=conversation.pk)
        verdict = gate.may_answer(conversation)
        # A number on hold delays an answer; it does not forbid it.
        if verdict not in (Verdict.ALLOWED, Verdict.NUMBER_HELD):
            raise ValidationError(verdicts.sentence(verdict), code=verdict.value)
        try:
            with transaction.atomic():
                message = queue(
                    conversation.contact, conversation.number, Kind.TEXT, text=text, priority=FIRST, author=author,
                    answers_id=conversation.last_inbound_id, idempotency_key=idempotency_key,
                    send_until=conversation.session_expires_at,
                )  # fmt: skip
        except IntegrityError:  # the same button pressed twice, at once
            return Message.objects.get(idempotency_key=idempotency_key)
        conversation.last_message = message
        conversation.changed_at = timezone.now()
        conversation.unread = 0
        conversation.save(update_fields=["last_message", "changed_at", "unread"])
    return message


def queue_answer(
    inbound: Message, kind: Kind, text: str, *, send_until: datetime | None = None, **content: Any
) -> Message:
    """Queue the one automatic answer of its kind to an inbound message; a second call returns the first's.

    content: buttons=[(id, title), …] makes it a message with buttons.
    """
    told = Message.objects.filter(answers=inbound, kind=kind).first()
    if told is not None:
        return told
    return queue(
        inbound.contact, inbound.number, kind, text=text, priority=SOON, answers=inbound, content=content,
        type="interactive" if content.get("buttons") else "text",
        send_until=send_until or inbound.at + timedelta(hours=24),
    )  # fmt: skip


def queue(contact: Contact, number: BusinessNumber, kind: Kind, *, type: str = "text", **fields: Any) -> Message:
    """One row, due at once."""
    now = timezone.now()
    waiting = {"status": Status.QUEUED, "at": now, "queued_at": now, "due_at": now}
    return Message.objects.create(contact=contact, number=number, kind=kind, type=type, **waiting, **fields)


def make_batch(*, number: BusinessNumber, label: str, priority: int = CAMPAIGNS, send_until: datetime | None) -> Batch:
    """A running batch without messages; `filled` is set by whoever fills it, once it is."""
    return Batch.objects.create(number=number, label=label, priority=priority, send_until=send_until)


def pause(batch: Batch, *, reason: str = "") -> None:
    """From the next tick of every pump nothing of it leaves. What is claimed goes back to the queue."""
    _move(batch, {Batch.State.RUNNING}, Batch.State.PAUSED, reason)


def resume(batch: Batch) -> None:
    """Go on. A batch that stopped itself counts its faults anew."""
    if _move(batch, {Batch.State.PAUSED, Batch.State.BROKEN}, Batch.State.RUNNING, ""):
        Batch.objects.filter(pk=batch.pk).update(our_faults=0)
        # Those that met the unapproved template (a few, as the first of them paused the batch) are looked at now.
        met = Message.objects.filter(batch=batch, status=Status.QUEUED, verdict=Verdict.TEMPLATE_NOT_APPROVED)
        met.update(due_at=timezone.now(), verdict="")


def cancel(batch: Batch, *, reason: str = "") -> None:
    """End it for good: what has not left is cancelled, in blocks; what is leaving may still arrive."""
    _move(batch, {Batch.State.RUNNING, Batch.State.PAUSED, Batch.State.BROKEN}, Batch.State.CANCELLED, reason)
    while True:
        block = list(
            Message.objects.filter(batch=batch, status=Status.QUEUED)
            .order_by("due_at", "pk")
            .values_list("pk", flat=True)[:1000]
        )
        if not block:
            return
        Message.objects.filter(pk__in=block, status=Status.QUEUED).update(status=Status.CANCELLED, claim=None)


def _move(batch: Batch, before: set[str], after: str, reason: str) -> bool:
    moved = Batch.objects.filter(pk=batch.pk, state__in=before).update(state=after, state_reason=reason[:60])
    batch.refresh_from_db(fields=["state", "state_reason"])
    return bool(moved)


def hold(number: BusinessNumber, *, reason: str) -> None:
    """Nothing leaves from this number until a person releases it. The first reason is kept."""
    BusinessNumber.objects.filter(pk=number.pk, held_reason="").update(held_reason=reason[:60], held_at=timezone.now())


def release(number: BusinessNumber) -> None:
    """Let it send again; what waited for it is due at once."""
    BusinessNumber.objects.filter(pk=number.pk).update(held_reason="", held_at=None)
    waiting = Message.objects.filter(number=number, status=Status.QUEUED, verdict=Verdict.NUMBER_HELD)
    waiting.update(due_at=timezone.now(), verdict="")


def withhold_waiting(event: ConsentEvent) -> int:
    """A withdrawal was recorded: strike what is queued for this person and no longer allowed. Returns how many.

    Nothing depends on it, as the gate asks again when a message would leave; it is so that people see it at once.
    """
    waiting = Message.objects.filter(contact=event.contact_id, status=Status.QUEUED).exclude(
        kind=Kind.STOP_CONFIRMATION
    )
    refused = [
        (row.pk, row.answer) for row in gate.with_verdict(waiting)
        if row.answer not in (*verdicts.WAITS_FOR, Verdict.ALLOWED, Verdict.TEMPLATE_NOT_APPROVED)
    ]  # fmt: skip
    for pk, verdict in refused:
        Message.objects.filter(pk=pk, status=Status.QUEUED).update(
            status=Status.WITHHELD, verdict=verdict, withheld_at=timezone.now(), claim=None
        )
    return len(refused)
