"""The public doors of the conversations room, for tests."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.roles import AGENT
from conversations import inbound
from conversations.models import BusinessNumber, Conversation, WebhookDelivery
from conversations.whatsapp.events import sign
from tests import make
from tests.conversations import talk

PAYLOADS = Path(__file__).parent.parent / "payloads"


@pytest.fixture
def number(db: None) -> BusinessNumber:
    return make.number()


@pytest.fixture
def agent(db: None) -> User:
    return make.user(AGENT)


@pytest.fixture
def desk(client: Client, agent: User) -> Client:
    """The browser of an agent who is logged in."""
    client.force_login(agent)
    return client


@pytest.fixture
def giulia(number: BusinessNumber) -> Conversation:
    """She answered a campaign five minutes ago."""
    who = make.contact(first_name="Giulia", last_name="Rinaldi")
    campaign = talk.sent_campaign(who, number)
    return talk.conversation(talk.wrote(who, number, in_reply_to=campaign, quoted=campaign), unread=1)


@pytest.fixture
def post(client: Client) -> Callable[[dict[str, Any] | bytes], int]:
    """Post a signed body to the webhook; returns the HTTP status. Nothing is applied yet."""

    def send(body: dict[str, Any] | bytes) -> int:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(
            "/webhooks/whatsapp/", raw, content_type="application/json",
            headers={"X-Hub-Signature-256": sign(raw, settings.WHATSAPP_APP_SECRET)},
        )  # fmt: skip
        return answer.status_code

    return send


@pytest.fixture
def tell(post: Callable[..., int]) -> Callable[..., None]:
    """Post bodies and apply them, people first, as the workers do. A body is a dict or a file of tests/payloads."""

    def send(*bodies: dict[str, Any] | str) -> None:
        for body in bodies:
            assert post(payload(body) if isinstance(body, str) else body) == 200
        inbound.drain_people()
        inbound.drain_statuses()
        assert not WebhookDelivery.objects.exclude(error="").exists()

    return send


def payload(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((PAYLOADS / name).read_text())
    return told


def body(field: str = "messages", **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "390236789012", "phone_number_id": "118877665544332"}
    change = {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": "104857600112233", "changes": [change]}]}


def said(phone: str, text: str, *, wamid: str, at: int, **more: Any) -> dict[str, Any]:
    """Somebody writes. at: Unix seconds."""
    message = {"from": phone.lstrip("+"), "id": wamid, "timestamp": str(at), "type": "text", "text": {"body": text}}
    contact = {"profile": {"name": "Somebody"}, "wa_id": phone.lstrip("+")}
    return body(contacts=[contact], messages=[deepcopy(message) | more])


def status(word: str, *, wamid: str, at: int, key: str | None = None, codes: tuple[int, ...] = ()) -> dict[str, Any]:
    told: dict[str, Any] = {"id": wamid, "status": word, "timestamp": str(at), "recipient_id": "393471234567"}
    if key:
        told["biz_opaque_callback_data"] = key
    if codes:
        told["errors"] = [{"code": code, "title": "", "error_data": {"details": ""}} for code in codes]
    return body(statuses=[told])
