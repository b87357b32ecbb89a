"""Rows and readings for tests of the inbox: who wrote what when, and what a page says."""

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

from django.utils import timezone

from contacts.models import Contact
from conversations.models import Batch, BusinessNumber, Conversation, Kind, Message, Status
from tests import make

PARTS = {"X-Parley-Parts": "1"}


def wamid() -> str:
    return f"wamid.{uuid.uuid4().hex}"


def wrote(
    who: Contact, number: BusinessNumber, text: str = "Is it in blue?", *, ago: float = 5, **more: Any
) -> Message:
    """An inbound message so many minutes ago."""
    fields: dict[str, Any] = {"kind": Kind.INBOUND, "status": Status.RECEIVED, "type": "text", "wamid": wamid()} | more
    at = timezone.now() - timedelta(minutes=ago)
    return Message.objects.create(contact=who, number=number, text=text, at=at, **fields)


def sent_campaign(who: Contact, number: BusinessNumber, *, ago: float = 60, label: str = "Autumn offer") -> Message:
    at = timezone.now() - timedelta(minutes=ago)
    grant = who.consent_events.first() or make.agree(who)
    return Message.objects.create(
        contact=who, number=number, kind=Kind.CAMPAIGN, status=Status.READ, type="template", text="Hi Giulia, 20% off.",
        at=at, queued_at=at, sending_at=at, sent_at=at, read_at=at, wamid=wamid(), stands_on=grant,
        template=make.template(),
        batch=Batch.objects.get_or_create(number=number, label=label, defaults={"send_until": None})[0],
    )  # fmt: skip


def conversation(message: Message, **fields: Any) -> Conversation:
    """The conversation that this message opened."""
    defaults: dict[str, Any] = {
        "contact": message.contact, "number": message.number, "changed_at": message.at, "last_message": message,
        "last_inbound": message, "session_expires_at": message.at + timedelta(hours=24),
    }  # fmt: skip
    return Conversation.objects.create(**defaults | fields)


def url(of: Conversation, act: str = "") -> str:
    return f"/inbox/{of.public_id}/" + (f"{act}/" if act else "")


def words(response: Any) -> str:
    """What a person reads: the page without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())
