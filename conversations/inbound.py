"""Inbound: applying what the platform told us, once, in any order, however often it tells us.

Bodies are rows (webhooks.py stores them); `drain` reads them, people before statuses. Each message is a transaction of
its own. What fails is kept with its error, tried again, and parked where a person sees it; it never blocks a neighbour.
"""

import json
import logging
import time
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import leases
from contacts import consent, keywords, people, phones
from contacts.models import Action, Contact, Evidence, Identity, Source
from conversations import outbox, replies, statuses, template_news
from conversations.models import (
    STANDS_ON_EVENT,
    BusinessNumber,
    Conversation,
    Kind,
    Message,
    Portfolio,
    RateBucket,
    Status,
    UnrecognisedEvent,
    WebhookDelivery,
)
from conversations.whatsapp import events
from conversations.whatsapp.errors import ErrorClass, classify

logger = logging.getLogger(__name__)

SESSION = timedelta(hours=24)
ABOUT_WITHIN = timedelta(days=7)  # how long after a message a reply without a quote is taken to be about it
LEASE = 20  # seconds
AT_MOST = 40  # seconds one job reads before it makes room for another
PARK_AFTER = 8  # failures
SLOW_FOR = timedelta(seconds=10)


def drain_people() -> None:
    """Job: apply the waiting bodies that carry messages or preferences."""
    _drain("people", people=True)


def drain_statuses() -> None:
    """Job: apply the waiting bodies that carry statuses and the rest."""
    _drain("statuses", people=False)


def unread(*, people: bool) -> bool:
    """Whether any body of this lane waits to be applied now."""
    return _waiting(people).exists()


def lane_lease(*, people: bool) -> str:
    return "drain:people" if people else "drain:statuses"


def _waiting(people: bool) -> QuerySet[WebhookDelivery]:
    rows = WebhookDelivery.objects.filter(people=people, applied_at=None, parked_at=None)
    return rows.filter(Q(due_at=None) | Q(due_at__lte=timezone.now()))


def _drain(lane: str, *, people: bool) -> None:
    owner = leases.new_owner()
    name = lane_lease(people=people)
    end = time.monotonic() + AT_MOST
    if not leases.hold(name, owner, LEASE):
        return
    try:
        while time.monotonic() < end and leases.hold(name, owner, LEASE):
            block = list(_waiting(people).order_by("id")[:20])
            if not block:
                return
            for delivery in block:
                apply_delivery(delivery)
    finally:
        leases.release(name, owner)


def apply_delivery(delivery: WebhookDelivery) -> bool:
    """Apply one body whole. True when all of it was; otherwise it is tried again later, or parked."""
    failures: list[str] = []
    changes: list[tuple[int, events.StatusChanged]] = []
    for position, event in enumerate(_read(delivery, failures)):
        if isinstance(event, events.StatusChanged):
            changes.append((position, event))
            continue
        try:
            _apply(event, delivery, position)
        except Exception as error:  # one bad change must not block its neighbours
            failures.append(_place(event, error))
            logger.exception("webhook %s, change %s not applied", delivery.pk, position)
    failures += _apply_statuses(changes, delivery)
    _close(delivery, failures)
    return not failures


def _read(delivery: WebhookDelivery, failures: list[str]) -> list[events.Event]:
    try:
        return list(events.parse(json.loads(bytes(delivery.body)), received_at=delivery.received_at))
    except Exception as error:  # or one body would stop its whole lane
        failures.append(f"body: {type(error).__name__}")
        logger.exception("webhook %s not read", delivery.pk)
        return []


def _place(event: events.Event, error: Exception) -> str:
    """What failed, without a word of what it carried."""
    return f"{type(event).__name__}: {type(error).__name__}"


def _close(delivery: WebhookDelivery, failures: list[str]) -> None:
    now = timezone.now()
    if not failures:
        WebhookDelivery.objects.filter(pk=delivery.pk).update(applied_at=now, error="")
        return
    attempts = delivery.attempts + 1
    parked = now if attempts >= PARK_AFTER else None
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        attempts=F("attempts") + 1, error="; ".join(failures)[:200], parked_at=parked,
        due_at=now + timedelta(seconds=min(2**attempts, 600)),
    )  # fmt: skip


def _apply_statuses(changes: list[tuple[int, events.StatusChanged]], delivery: WebhookDelivery) -> list[str]:
    """Apply them together, or, where that fails, one by one. Returns what failed."""
    try:
        _apply_together(changes, delivery)
        return []
    except Exception as error:
        logger.exception("webhook %s, statuses not applied", delivery.pk)
        if len(changes) == 1:
            return [_place(changes[0][1], error)]
    return [failure for change in changes for failure in _apply_statuses([change], delivery)]


def _apply_together(changes: list[tuple[int, events.StatusChanged]], delivery: WebhookDelivery) -> None:
    strangers = {id(change) for change in statuses.apply([change for _, change in changes])}
    for position, change in changes:
        if id(change) in strangers:
            value = {"wamid": change.wamid, "status": change.status, "errors": list(change.errors)}
            _keep(delivery, position, "messages", "status of a message we do not know", change.phone_number_id, value)


def _apply(event: events.Event, delivery: WebhookDelivery, position: int) -> None:
    if isinstance(event, events.MessageReceived):
        number = _number(event.phone_number_id)
        if number is None:
            value = {"wamid": event.wamid, "type": event.type}
            _keep(delivery, position, "messages", "message to a number we do not know", event.phone_number_id, value)
        elif not _ids(event.sender, number.portfolio).anybody:
            value = {"wamid": event.wamid, "type": event.type}
            _keep(delivery, position, "messages", "message from nobody we could name", event.phone_number_id, value)
        else:
            receive(event, number)
    elif isinstance(event, events.PreferenceChanged):
        if not _prefer(event, at=min(event.at, delivery.received_at)):
            _keep(delivery, position, "user_preferences", event.value, event.phone_number_id, {"value": event.value})
    elif isinstance(event, events.NumberChanged):
        if not _change_number(event):
            _keep(delivery, position, "messages", "number change", event.phone_number_id, event.content)
    elif isinstance(event, events.AccountErrors):
        _account_errors(event)
        _keep(delivery, position, "messages", "account errors", event.phone_number_id, {"errors": list(event.errors)})
    elif isinstance(event, events.Unrecognised):
        _keep(delivery, position, event.field, event.kind, event.phone_number_id or "", event.value)
    elif not template_news.apply(event):
        kind = f"{type(event).__name__} of a template we do not know"
        _keep(delivery, position, "templates", kind, "", {})


def _keep(delivery: WebhookDelivery, position: int, field: str, kind: str, phone_number_id: str, value: object) -> None:
    UnrecognisedEvent.objects.get_or_create(
        delivery=delivery, position=position,
        defaults={"field": field[:60], "kind": kind[:60], "phone_number_id": phone_number_id[:64], "value": value},
    )  # fmt: skip


def _number(phone_number_id: str) -> BusinessNumber | None:
    return BusinessNumber.objects.select_related("portfolio").filter(phone_number_id=phone_number_id).first()


def _ids(person: events.Person, portfolio: Portfolio) -> people.Ids:
    try:
        phone = phones.from_wa_id(person.wa_id) if person.wa_id else None
    except phones.InvalidPhone:
        phone = None
    return people.Ids(
        phone=phone, user_id=person.user_id, username=person.username, name=person.name,
        namespace=portfolio.business_id,
    )  # fmt: skip


def receive(event: events.MessageReceived, number: BusinessNumber) -> Message | None:
    """Apply one message from a person; None when it was applied before."""
    if Message.objects.filter(wamid=event.wamid).exists():
        return None
    try:
        with transaction.atomic():
            person = people.meet(_ids(event.sender, number.portfolio))
            consent.lock_heads(contact.pk for contact in person.all)  # before anything is decided about them
            message = _store(event, number, person.contact)
            reading = keywords.read_reply(
                message.text, payload=event.payload, after_marketing=_after_marketing(person.contact, number, message)
            )
            effect = replies.obey(reading, message, person)
            if effect.events:
                message.led_to = effect.events[0]
                message.save(update_fields=["led_to"])
            if event.opens_session:
                _open_session(message, stopped=effect.ends_session)
            if effect.ends_session:
                _end_sessions(person.others, message)
            for line in effect.events:
                if line.action == Action.WITHDRAWN:
                    outbox.withhold_waiting(line)
            return message
    except IntegrityError:
        if Message.objects.filter(wamid=event.wamid).exists():  # another worker was quicker
            return None
        raise


def _store(event: events.MessageReceived, number: BusinessNumber, contact: Contact) -> Message:
    quoted = Message.objects.filter(wamid=event.quoted_wamid).first() if event.quoted_wamid else None
    about = quoted if quoted is not None and quoted.kind != Kind.INBOUND else None
    at = min(event.at, timezone.now())
    return Message.objects.create(
        contact=contact, number=number, kind=Kind.INBOUND, status=Status.RECEIVED, at=at, type=event.type[:20],
        text=event.text, content=event.content, wamid=event.wamid, quoted=quoted,
        in_reply_to=about or _last_of_ours(contact, number, at),
    )  # fmt: skip


def _last_of_ours(contact: Contact, number: BusinessNumber, at: datetime) -> Message | None:
    """The template this is taken to be about: the last that left before it, within a week."""
    ours = Message.objects.filter(
        contact=contact, number=number, kind__in=STANDS_ON_EVENT, sending_at__lte=at + timedelta(seconds=1),
        sending_at__gt=at - ABOUT_WITHIN,
    ).exclude(status=Status.FAILED)  # fmt: skip
    return ours.order_by("-sending_at").first()


def _after_marketing(contact: Contact, number: BusinessNumber, inbound: Message) -> bool:
    """Whether our last word to this person was marketing, so that CANCEL means us and not their appointment."""
    left = Message.objects.filter(contact=contact, number=number, sending_at__isnull=False).exclude(pk=inbound.pk)
    last = left.select_related("template").order_by("-sending_at").first()
    return last is not None and last.template is not None and last.template.category == "MARKETING"


def _open_session(message: Message, *, stopped: bool) -> None:
    """The newest message decides, by the person's own clock, whatever order they came in."""
    now = timezone.now()
    conversation, _ = Conversation.objects.select_for_update().get_or_create(
        contact=message.contact, number=message.number, defaults={"changed_at": now}
    )
    last = conversation.last_inbound
    if last is None or message.at >= last.at:
        conversation.last_inbound = message
        conversation.session_expires_at = message.at + SESSION
        said_together = last is not None and message.at == last.at and conversation.stopped_at is not None
        conversation.stopped_at = message.at if stopped or said_together else None
    if conversation.last_message is None or message.at >= conversation.last_message.at:
        conversation.last_message = message
    conversation.unread += 1
    conversation.changed_at = now
    if conversation.state == Conversation.State.RESOLVED:
        conversation.state = Conversation.State.OPEN
    conversation.save()


def _end_sessions(others: list[Contact], message: Message) -> None:
    """A STOP of somebody whom we know as several contacts ends what was open with any of them."""
    earlier = Conversation.objects.filter(contact__in=others, number=message.number, last_inbound__at__lte=message.at)
    earlier.update(stopped_at=message.at, changed_at=timezone.now())


def _prefer(event: events.PreferenceChanged, *, at: datetime) -> bool:
    """WhatsApp's own switch: a block or its end. False for what changes nothing here (a sign-up link).

    at: when it was switched, and never later than it was told, so that it is known again when it is told twice.
    """
    action = {"stop": Action.BLOCKED, "resume": Action.UNBLOCKED}.get(event.value)
    number = _number(event.phone_number_id) or BusinessNumber.objects.filter(waba_id=event.waba_id).first()
    if action is None or number is None or not _ids(event.person, number.portfolio).anybody:
        return False
    with transaction.atomic():
        person = people.meet(_ids(event.person, number.portfolio))
        consent.lock_heads(contact.pk for contact in person.all)
        for contact in person.all:
            told = contact.consent_events.filter(
                action=action, source=Source.WHATSAPP_PREFERENCE, occurred_at=at,
                portfolio=number.portfolio.business_id,
            )  # fmt: skip
            if told.exists():
                continue
            line = consent.record(
                contact, action=action, source=Source.WHATSAPP_PREFERENCE, occurred_at=at,
                portfolio=number.portfolio.business_id,
                proof=consent.Proof(Evidence.Kind.PREFERENCE, {"value": event.value}),
            )  # fmt: skip
            if action == Action.BLOCKED:
                outbox.withhold_waiting(line)
    return True


def _change_number(event: events.NumberChanged) -> bool:
    """The person keeps their history and gets the new number. False where the new number is somebody else's."""
    number = _number(event.phone_number_id)
    if number is None:
        return False
    with transaction.atomic():
        person = people.find(_ids(event.old, number.portfolio))
        new = _ids(event.new, number.portfolio)
        if person is None or person.others:
            return False
        owner = people.find(new)
        if owner is not None and owner.contact != person.contact:
            return False
        if new.user_id:
            Identity.objects.get_or_create(
                kind=Identity.Kind.BSUID, namespace=new.namespace, value=new.user_id,
                defaults={"contact": person.contact},
            )  # fmt: skip
        if new.phone:
            Contact.objects.filter(pk=person.contact.pk).update(phone=new.phone, country=phones.country(new.phone))
    return True


def _account_errors(event: events.AccountErrors) -> None:
    number = _number(event.phone_number_id)
    if number is None:
        return
    for code in event.errors:
        if classify(code) == ErrorClass.HOLD_NUMBER:
            outbox.hold(number, reason=f"code {code}")
        elif classify(code) == ErrorClass.RATE:
            RateBucket.objects.filter(number=number).update(slowed_until=timezone.now() + SLOW_FOR)
