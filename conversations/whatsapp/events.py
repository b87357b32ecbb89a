"""Webhook bodies translated into a few plain events, and the signature they come with.

parse() reads a body whole: every entry, change, message and status. It decides nothing and never stumbles: what it
does not know, or cannot use, becomes Unrecognised and blocks none of its neighbours. Both generations of shapes are
read: those of 2026 (`user_id` beside the phone, or instead of it) and the older ones (phone only).

Text in events is safe to store: NULs, lone surrogates and numbers that are none are taken out, as PostgreSQL
refuses them.
Source: developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from conversations.whatsapp.values import (
    Object,
    digits,
    identifier,
    integer,
    moment,
    object_of,
    objects_of,
    storable,
    text_of,
    user_id_in,
)

LONGEST_WAMID, LONGEST_USER_ID = 200, 160  # characters; the platform's own have less than half of them
NO_SUCH_CODE = 2**31 - 1  # stands for numbers no column holds; like every unknown code it is never repeated

STATUSES = frozenset({"sent", "delivered", "read", "failed", "played"})
PREFERENCES = frozenset({"stop", "resume", "signup"})
# They do not open a session: the platform does not say that they do, so we do not count on it.
NOT_OPENING = frozenset({"reaction", "system", "unsupported", "unknown"})
NUMBER_CHANGES = frozenset({"user_changed_number", "user_changed_user_id", "customer_changed_number"})

_FROM_TO = re.compile(r"\bfrom (\S+) to (\S+?)\.?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who an event is about, as far as it says. At least one of wa_id and user_id is there in a message."""

    wa_id: str | None = None  # phone, digits only
    user_id: str | None = None  # business-scoped user id
    username: str | None = None  # without "@"
    name: str | None = None  # what they call themselves


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageReceived:
    """Somebody wrote, tapped a button, sent a picture, reacted."""

    phone_number_id: str
    waba_id: str
    wamid: str
    at: datetime  # aware, UTC; the person's own time
    sender: Person
    type: str  # "text", "button", "interactive", "image", … as the platform calls it
    text: str = ""  # text, button label, list title or caption; "" where there are no words
    payload: str | None = None  # what the tapped button or list row carries
    quoted_wamid: str | None = None
    opens_session: bool = True
    content: Object = field(default_factory=dict)  # the message as it came


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusChanged:
    """News of a message of ours."""

    phone_number_id: str
    wamid: str
    status: str  # one of STATUSES; anything else is Unrecognised
    at: datetime  # aware, UTC
    callback_data: str | None = None
    recipient: Person = field(default_factory=Person)
    errors: tuple[int, ...] = ()  # codes; failed only
    error_details: str = ""  # for staff; may quote the phone
    pricing_category: str | None = None  # "marketing", "utility", "service", … with _ for -
    pricing_type: str | None = None  # "regular" is billed, "free_…" is not
    pricing_model: str | None = None
    billable: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferenceChanged:
    """WhatsApp's own switch for a business's marketing messages."""

    value: str  # "stop", "resume", "signup"
    at: datetime
    person: Person
    waba_id: str
    phone_number_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberChanged:
    """A person moved to another phone number; their user id changes with it."""

    phone_number_id: str
    waba_id: str
    wamid: str
    at: datetime
    old: Person
    new: Person
    content: Object = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateStatusChanged:
    waba_id: str
    template_id: str
    name: str
    language: str  # "en_US": always with _
    event: str  # "APPROVED", "PAUSED", "REJECTED", "DISABLED", …
    reason: str = ""  # "" where the platform says NONE
    category: str = ""
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateCategoryChanged:
    waba_id: str
    template_id: str
    name: str
    language: str
    category: str  # the one that counts now
    previous: str = ""
    upcoming: str = ""  # announced but not yet in force
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateQualityChanged:
    waba_id: str
    template_id: str
    name: str
    language: str
    quality: str  # "GREEN", "YELLOW", "RED", "UNKNOWN"
    previous: str = ""
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountErrors:
    """Trouble with the number or account, not with one message."""

    waba_id: str
    phone_number_id: str
    errors: tuple[int, ...]
    details: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unrecognised:
    """Something we do not know, or that lacks what we need: kept and shown, never an error."""

    waba_id: str
    phone_number_id: str | None
    field: str
    kind: str  # what it was found under: "messages.edit", "statuses", "user_actions", …
    value: Any


Event = (
    MessageReceived
    | StatusChanged
    | PreferenceChanged
    | NumberChanged
    | TemplateStatusChanged
    | TemplateCategoryChanged
    | TemplateQualityChanged
    | AccountErrors
    | Unrecognised
)


def sign(raw: bytes, secret: str) -> str:
    """The X-Hub-Signature-256 header for exactly these bytes."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def verify_signature(raw: bytes, header: str | None, secret: str) -> bool:
    """Whether the header signs these bytes. Always False without a secret: nothing may pass on a missing setting."""
    if not secret or not header:
        return False
    return hmac.compare_digest(sign(raw, secret).encode(), header.encode("utf-8", "replace"))


def carries_people(raw: bytes | Object) -> bool:
    """Whether the body has messages or preferences in it, which are read before bodies of statuses only."""
    body: Any = raw
    if isinstance(raw, bytes):
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            return False
    for entry in objects_of(object_of(body).get("entry")):
        for change in objects_of(entry.get("changes")):
            value = object_of(change.get("value"))
            if value.get("messages") or value.get("user_preferences"):
                return True
    return False


def parse(body: Object, *, received_at: datetime | None = None) -> Iterator[Event]:
    """Yield our events from one webhook body; one POST may carry many entries and changes.

    body: {"entry": [{"id": str, "changes": [{"field": str, "value": dict}]}]}; without a list of entries ValueError.
    received_at: when the body reached us; stands in where an event has no usable time of its own.
    """
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        raise ValueError("not a webhook body: no list of entries")
    return _events(body["entry"], received_at or datetime.now(UTC))


def _events(entries: list[Any], received_at: datetime) -> Iterator[Event]:
    for dirty in entries:
        entry = storable(dirty)
        if not isinstance(entry, dict):
            yield Unrecognised(waba_id="", phone_number_id=None, field="", kind="entry", value=entry)
            continue
        waba_id = identifier(entry.get("id"))
        at = moment(entry.get("time")) or received_at
        changes = entry.get("changes")
        if not isinstance(changes, list):
            yield Unrecognised(waba_id=waba_id, phone_number_id=None, field="", kind="entry", value=entry)
            continue
        for change in changes:
            yield from _Change(waba_id, change, at).events()


class _Change:
    """One change of one entry. What all its events share is read once."""

    def __init__(self, waba_id: str, change: Any, at: datetime) -> None:
        self.waba_id = waba_id
        self.change = change
        self.at = at
        self.field = text_of(object_of(change).get("field"))
        self.value = object_of(object_of(change).get("value"))
        self.phone_number_id = identifier(object_of(self.value.get("metadata")).get("phone_number_id"))
        # By key, not searched: a body may carry a thousand statuses with a contact each.
        self._contacts = objects_of(self.value.get("contacts"))
        self._by_user = {text_of(contact.get("user_id")): contact for contact in self._contacts}
        self._by_phone = {digits(contact.get("wa_id")): contact for contact in self._contacts}

    def events(self) -> Iterator[Event]:
        if not isinstance(object_of(self.change).get("value"), dict):
            yield self._unrecognised("change", self.change)
        elif self.field in ("messages", "user_preferences", ""):
            yield from self._news_of_people()
        elif self.field in _TEMPLATE_FIELDS:
            yield _TEMPLATE_FIELDS[self.field](self)
        else:
            yield self._unrecognised(self.field, self.value)

    def _news_of_people(self) -> Iterator[Event]:
        readers = {"messages": self._message, "statuses": self._status, "user_preferences": self._preference}
        for key, content in self.value.items():
            if key in ("messaging_product", "metadata", "contacts"):
                continue
            if key == "errors":
                yield self._account_errors()
            elif key in readers and isinstance(content, list):
                for item in content:
                    yield readers[key](item) if isinstance(item, dict) else self._unrecognised(key, item)
            else:
                yield self._unrecognised(key, content)

    def _message(self, message: Object) -> Event:
        kind = text_of(message.get("type"))
        wamid = text_of(message.get("id"))
        sender = self._person(digits(message.get("from")), text_of(message.get("from_user_id")))
        if kind == "system" and text_of(object_of(message.get("system")).get("type")) in NUMBER_CHANGES:
            return self._number_change(message, wamid)
        known = sender.wa_id or sender.user_id
        if not 0 < len(wamid) <= LONGEST_WAMID or not known or kind in ("", "edit", "revoke", "request_welcome"):
            return self._unrecognised(f"messages.{kind}", message)
        text, payload = _words(kind, message)
        return MessageReceived(
            phone_number_id=self.phone_number_id,
            waba_id=self.waba_id,
            wamid=wamid,
            at=moment(message.get("timestamp")) or self.at,
            sender=sender,
            type=kind,
            text=text,
            payload=payload,
            quoted_wamid=text_of(object_of(message.get("context")).get("id")) or None,
            opens_session=kind not in NOT_OPENING,
            content=message,
        )

    def _number_change(self, message: Object, wamid: str) -> Event:
        system = object_of(message.get("system"))
        named = _FROM_TO.search(text_of(system.get("body")))
        before, after = named.groups() if named else ("", "")
        # Without the fields of late 2026 the sentence in `body` is the only place that names the old identity.
        old = Person(
            wa_id=digits(message.get("from")) or digits(before) or None,
            user_id=text_of(system.get("previous_user_id")) or user_id_in(before) or None,
        )
        new = Person(
            wa_id=digits(system.get("wa_id")) or digits(system.get("new_wa_id")) or digits(after) or None,
            user_id=text_of(system.get("user_id")) or user_id_in(after) or None,
        )
        if not wamid or not (old.wa_id or old.user_id) or not (new.wa_id or new.user_id):
            return self._unrecognised("messages.system", message)
        return NumberChanged(
            phone_number_id=self.phone_number_id,
            waba_id=self.waba_id,
            wamid=wamid,
            at=moment(message.get("timestamp")) or self.at,
            old=old,
            new=new,
            content=message,
        )

    def _status(self, status: Object) -> Event:
        name, wamid = text_of(status.get("status")), text_of(status.get("id"))
        if name not in STATUSES or not 0 < len(wamid) <= LONGEST_WAMID:
            return self._unrecognised(f"statuses.{name}", status)
        in_group = text_of(status.get("recipient_type")) == "group"
        prefix = "recipient_participant" if in_group else "recipient"
        pricing = object_of(status.get("pricing"))
        billable = pricing.get("billable")
        return StatusChanged(
            phone_number_id=self.phone_number_id,
            wamid=wamid,
            status=name,
            at=moment(status.get("timestamp")) or self.at,
            callback_data=text_of(status.get("biz_opaque_callback_data")) or None,
            recipient=self._person(digits(status.get(f"{prefix}_id")), text_of(status.get(f"{prefix}_user_id"))),
            errors=_codes(status.get("errors")),
            error_details=_details(status.get("errors")),
            pricing_category=text_of(pricing.get("category")).replace("-", "_") or None,
            pricing_type=text_of(pricing.get("type")) or None,
            pricing_model=text_of(pricing.get("pricing_model")) or None,
            billable=billable if isinstance(billable, bool) else None,
        )

    def _preference(self, preference: Object) -> Event:
        value = text_of(preference.get("value")).lower()
        person = self._person(digits(preference.get("wa_id")), text_of(preference.get("user_id")))
        # A missing category is read as marketing, the only one there is: a stop must not be lost for want of a word.
        category = text_of(preference.get("category")) or "marketing_messages"
        if value not in PREFERENCES or category != "marketing_messages" or not (person.wa_id or person.user_id):
            return self._unrecognised("user_preferences", preference)
        return PreferenceChanged(
            value=value,
            at=moment(preference.get("timestamp")) or self.at,
            person=person,
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
        )

    def _account_errors(self) -> Event:
        errors = self.value.get("errors")
        if not _codes(errors):
            return self._unrecognised("errors", errors)
        return AccountErrors(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            errors=_codes(errors),
            details=_details(errors),
        )

    def _template(self) -> dict[str, Any] | None:
        """What the three template events share; None when the template is not named."""
        name = text_of(self.value.get("message_template_name"))
        language = text_of(self.value.get("message_template_language")).replace("-", "_")
        if not name or not language:
            return None
        template_id = identifier(self.value.get("message_template_id"))
        return {
            "waba_id": self.waba_id,
            "template_id": template_id,
            "name": name,
            "language": language,
            "at": self.at,
        }

    def template_status(self) -> Event:
        template, event = self._template(), text_of(self.value.get("event")).upper()
        if template is None or not event:
            return self._unrecognised(self.field, self.value)
        reason = text_of(self.value.get("reason"))
        category = text_of(self.value.get("message_template_category"))
        return TemplateStatusChanged(
            **template, event=event, reason="" if reason == "NONE" else reason, category=category
        )

    def template_category(self) -> Event:
        template, category = self._template(), text_of(self.value.get("new_category")).upper()
        if template is None or not category:
            return self._unrecognised(self.field, self.value)
        # While a change is only announced, `new_category` is the present one and `correct_category` the coming one.
        return TemplateCategoryChanged(
            **template,
            category=category,
            previous=text_of(self.value.get("previous_category")).upper(),
            upcoming=text_of(self.value.get("correct_category")).upper(),
        )

    def template_quality(self) -> Event:
        template, quality = self._template(), text_of(self.value.get("new_quality_score")).upper()
        if template is None or not quality:
            return self._unrecognised(self.field, self.value)
        return TemplateQualityChanged(
            **template, quality=quality, previous=text_of(self.value.get("previous_quality_score")).upper()
        )

    def _person(self, wa_id: str, user_id: str) -> Person:
        """The person of an event, completed from the contacts beside it where one is surely the same."""
        user_id = _short(user_id)
        contact = self._by_user.get(user_id) if user_id else None
        if contact is None and wa_id:
            contact = self._by_phone.get(wa_id)
            # A phone that came back with another user id is another person: nothing is taken over from the old one.
            if contact and user_id and text_of(contact.get("user_id")) not in ("", user_id):
                contact = None
        if contact is None and not wa_id and not user_id and len(self._contacts) == 1:
            contact = self._contacts[0]
        if contact is None:
            return Person(wa_id=wa_id or None, user_id=user_id or None)
        profile = object_of(contact.get("profile"))
        return Person(
            wa_id=wa_id or digits(contact.get("wa_id")) or None,
            user_id=user_id or _short(text_of(contact.get("user_id"))) or None,
            username=text_of(profile.get("username")).lstrip("@") or None,
            name=text_of(profile.get("name")) or None,
        )

    def _unrecognised(self, kind: str, value: Any) -> Unrecognised:
        return Unrecognised(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id or None,
            field=self.field,
            kind=kind,
            value=value,
        )


_TEMPLATE_FIELDS = {
    "message_template_status_update": _Change.template_status,
    "template_category_update": _Change.template_category,
    "message_template_quality_update": _Change.template_quality,
}


def _words(kind: str, message: Object) -> tuple[str, str | None]:
    """What the person said in words, and what the button or row they tapped carries."""
    content = object_of(message.get(kind))
    if kind == "text":
        return text_of(content.get("body")), None
    if kind == "button":
        label = text_of(content.get("text"))
        return label, text_of(content.get("payload")) or label or None
    if kind == "interactive":
        reply = object_of(content.get(text_of(content.get("type"))))
        words = text_of(reply.get("title")) or text_of(reply.get("body"))
        return words, text_of(reply.get("id")) or None
    if kind == "reaction":
        return text_of(content.get("emoji")), None
    if kind == "location":
        return text_of(content.get("name")) or text_of(content.get("address")), None
    if kind == "order":
        return text_of(content.get("text")), None
    if kind == "system":
        return text_of(content.get("body")), None
    return text_of(content.get("caption")), None


def _short(user_id: str) -> str:
    return user_id if len(user_id) <= LONGEST_USER_ID else ""


def _codes(errors: Any) -> tuple[int, ...]:
    found = (integer(error.get("code")) for error in objects_of(errors))
    return tuple(code if 0 <= code < NO_SUCH_CODE else NO_SUCH_CODE for code in found if code is not None)


def _details(errors: Any) -> str:
    for error in objects_of(errors):
        data = error.get("error_data")
        text = text_of(object_of(data).get("details")) or text_of(data) or text_of(error.get("title"))
        if text:
            return text
    return ""
