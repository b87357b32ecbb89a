"""Statuses: what the platform reports of messages of ours. A status only moves forward, in whatever order they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from contacts.models import Identity
from conversations import settling
from conversations.models import Attempt, Message, Reachability, Status
from conversations.whatsapp.events import StatusChanged

RANK = {Status.SENDING: 0, Status.UNKNOWN: 0, Status.FAILED: 1, Status.SENT: 1, Status.DELIVERED: 2, Status.READ: 3}
STAMP = {Status.SENT: "sent_at", Status.DELIVERED: "delivered_at", Status.READ: "read_at"}
REACHED = ("delivered", "read", "played")
NO_CODE = 131000  # a failure that came without one


def apply(changes: Sequence[StatusChanged]) -> list[StatusChanged]:
    """Apply a body's statuses in one transaction; returns those that are about no message of ours."""
    strangers = []
    with transaction.atomic():
        found = _find(changes)
        settling.lock_ahead(
            (match.message_id, code) for change, match in zip(changes, found, strict=True) if match
            for code in change.errors[:1]
        )  # fmt: skip
        ids = sorted({match.message_id for match in found if match is not None})
        locked = Message.objects.filter(pk__in=ids).select_for_update(of=("self",)).order_by("pk")
        rows = {row.pk: row for row in locked.select_related("number__portfolio", "template", "contact")}
        for change, match in zip(changes, found, strict=True):
            if match is None:
                strangers.append(change)
                continue
            row = rows[match.message_id]
            if match.attempt != row.attempt:
                _note_earlier_attempt(row, match.attempt, change)
            elif change.status == "failed":
                _failed(row, change, min(change.at, timezone.now()))
                row.refresh_from_db(fields=["status", "wamid", "sent_at", "failed_at"])
            else:
                _advance(row, change)
        _end_trouble([(change, rows[match.message_id]) for change, match in zip(changes, found, strict=True) if match])
        _learn_user_ids(
            [(change, rows[match.message_id]) for change, match in zip(changes, found, strict=True) if match]
        )
    return strangers


@dataclass(frozen=True, slots=True)
class _Match:
    message_id: int
    attempt: int


def _find(changes: Sequence[StatusChanged]) -> list[_Match | None]:
    """The message and attempt each is about: by the key we gave it, else by wamid."""
    keys = [_key(change.callback_data) for change in changes]
    by_key = dict(Message.objects.filter(public_id__in={key[0] for key in keys if key}).values_list("public_id", "pk"))
    wamids = {change.wamid for change, key in zip(changes, keys, strict=True) if not key or key[0] not in by_key}
    current = Message.objects.filter(wamid__in=wamids).exclude(status=Status.RECEIVED)
    by_wamid = {wamid: _Match(pk, attempt) for wamid, pk, attempt in current.values_list("wamid", "pk", "attempt")}
    earlier = Attempt.objects.filter(wamid__in=wamids - set(by_wamid)).values_list("wamid", "message_id", "number")
    by_wamid |= {wamid: _Match(pk, number) for wamid, pk, number in earlier}
    return [
        _Match(by_key[key[0]], key[1]) if key and key[0] in by_key else by_wamid.get(change.wamid)
        for change, key in zip(changes, keys, strict=True)
    ]


def _key(callback_data: str | None) -> tuple[UUID, int] | None:
    """(public id, attempt) of what we gave the platform; None for anything that is not ours."""
    public_id, _, attempt = (callback_data or "").partition(".")
    try:
        return UUID(hex=public_id), int(attempt)
    except ValueError:
        return None


def _advance(row: Message, change: StatusChanged) -> None:
    at = min(change.at, timezone.now())
    # "played" is the first play of a voice note: read, and then some.
    status = Status.READ if change.status == "played" else Status(change.status)
    if row.status not in RANK and not _came_after_all(row, status):
        return
    fields: dict[str, Any] = {STAMP[status]: at} if getattr(row, STAMP[status]) is None else {}
    if row.wamid is None:
        fields["wamid"] = change.wamid
    # Of a failure the platform took back only a delivery counts: "sent" came before it.
    if RANK.get(Status(row.status), 0) < RANK[status]:
        fields |= {"status": status, "claim": None, "verdict": ""}
    if fields:
        Message.objects.filter(pk=row.pk).update(**fields)
        for name, value in fields.items():  # the same body may say more of it
            setattr(row, name, value)


def _end_trouble(told: list[tuple[StatusChanged, Message]]) -> None:
    """Whoever got something is no longer taken to be out of reach."""
    reached = {row.contact_id for change, row in told if change.status in REACHED}
    troubled = Reachability.objects.filter(contact__in=reached, undeliverable_count__gt=0)
    for known in troubled.select_for_update(of=("self",)).order_by("pk"):
        Reachability.objects.filter(pk=known.pk).update(undeliverable_count=0, unreachable=False)


def _came_after_all(row: Message, status: Status) -> bool:
    """News of an attempt we gave up and queued again: it did arrive, so it must not be sent once more."""
    if row.status not in (Status.QUEUED, Status.CLAIMED) or not row.attempt:
        return False
    attempt = Attempt.objects.filter(message=row, number=row.attempt).first()
    refused = attempt is not None and attempt.outcome == "failed"
    return status in (Status.DELIVERED, Status.READ) or not refused


def _failed(row: Message, change: StatusChanged, at: datetime) -> None:
    code = change.errors[0] if change.errors else NO_CODE
    if row.status in (Status.SENDING, Status.UNKNOWN, Status.SENT):
        if row.wamid is None:
            row.wamid = change.wamid
            Message.objects.filter(pk=row.pk).update(wamid=change.wamid)
        settling.fail(row, code, at, how="failed")
    elif row.status in (Status.DELIVERED, Status.READ) and row.failed_at is None:
        Message.objects.filter(pk=row.pk).update(failed_at=at, error_code=code)  # kept as news; the status stands


def _note_earlier_attempt(row: Message, attempt: int, change: StatusChanged) -> None:
    """An attempt we took for lost was accepted after all. Two accepted ones are a duplicate, listed for a person."""
    if change.status == "failed":
        return
    Attempt.objects.filter(message=row, number=attempt).update(outcome="sent", wamid=change.wamid)


def _learn_user_ids(told: list[tuple[StatusChanged, Message]]) -> None:
    """A contact known by phone gains the id WhatsApp knows them by."""
    ids = {
        change.recipient.user_id: (row.contact_id, row.number.portfolio.business_id)
        for change, row in told if change.recipient.user_id
    }  # fmt: skip
    known = set(Identity.objects.filter(kind=Identity.Kind.BSUID, value__in=ids).values_list("value", flat=True))
    # One who has another id already is not taught a second: the phone may have become somebody else's.
    owners = {contact_id for contact_id, _ in ids.values()}
    taught = set(
        Identity.objects.filter(kind=Identity.Kind.BSUID, contact__in=owners).values_list("contact_id", "namespace")
    )
    Identity.objects.bulk_create(
        [
            Identity(contact_id=contact_id, kind=Identity.Kind.BSUID, namespace=namespace, value=value)
            for value, (contact_id, namespace) in sorted(ids.items())
            if value not in known and (contact_id, namespace) not in taught
        ],
        ignore_conflicts=True,
    )  # fmt: skip
