"""The webhook's door: what is taken, what is refused, and that nothing taken is lost."""

import json
import time

import pytest
from django.conf import settings
from django.db import IntegrityError

from contacts import keywords
from conversations import inbound, replies
from conversations.models import Message, UnrecognisedEvent, WebhookDelivery
from conversations.whatsapp.events import sign
from tests import make
from tests.conversations.conftest import body, payload, said, status

pytestmark = pytest.mark.django_db
URL = "/webhooks/whatsapp/"


def test_the_handshake_answers_the_challenge(client):
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": settings.WHATSAPP_VERIFY_TOKEN}
    answer = client.get(URL, asked)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize("wrong", [{"hub.verify_token": "x"}, {"hub.mode": "x"}, {"hub.verify_token": ""}])
def test_the_handshake_refuses_a_wrong_token(client, wrong):
    asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": settings.WHATSAPP_VERIFY_TOKEN} | wrong
    assert client.get(URL, asked).status_code == 403


@pytest.mark.parametrize("header", [None, "", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "sha256=ü"])
def test_a_wrong_signature_is_refused_and_nothing_is_stored(client, header):
    headers = {"X-Hub-Signature-256": header} if header is not None else {}
    answer = client.post(URL, json.dumps(payload("text.json")), content_type="application/json", headers=headers)
    assert answer.status_code == 403
    assert not WebhookDelivery.objects.exists()


def test_an_unset_secret_refuses_everything(client, settings):
    settings.WHATSAPP_APP_SECRET = ""
    raw = b'{"entry":[]}'
    answer = client.post(URL, raw, content_type="application/json", headers={"X-Hub-Signature-256": sign(raw, "")})
    assert answer.status_code == 403


@pytest.mark.parametrize("raw", [b"", b"hello", b"[1]", b'"x"', b'{"a":1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_webhook_body_is_answered_400_and_not_stored(post, raw):
    assert post(raw) == 400
    assert not WebhookDelivery.objects.exists()


def test_a_body_of_three_megabytes_is_taken(post, number):
    big = said("+393471234567", "x" * 3_000_000, wamid="wamid.BIG", at=1_795_255_200)
    assert post(big) == 200
    inbound.drain_people()
    assert len(Message.objects.get(wamid="wamid.BIG").text) == 3_000_000


def test_the_raw_bytes_are_kept_as_they_came(post):
    raw = json.dumps(payload("text.json"), ensure_ascii=True).replace("/", "\\/").encode()
    assert post(raw) == 200
    assert bytes(WebhookDelivery.objects.get().body) == raw


def test_a_message_to_an_unknown_number_is_kept_and_shown(tell):
    tell("text.json")
    assert UnrecognisedEvent.objects.get().kind == "message to a number we do not know"
    assert not Message.objects.exists()


def test_an_unknown_field_is_kept_and_shown_once(tell, number):
    tell("unknown_field.json")
    WebhookDelivery.objects.update(applied_at=None)
    inbound.drain_statuses()
    assert UnrecognisedEvent.objects.count() == 1
    assert WebhookDelivery.objects.get().applied_at is not None


def test_people_are_read_before_statuses(post, number):
    post(status("sent", wamid="w1", at=1_795_255_200))
    post(said("+393471234567", "ciao", wamid="w2", at=1_795_255_200))
    assert list(WebhookDelivery.objects.order_by("id").values_list("people", flat=True)) == [False, True]
    inbound.drain_people()
    assert Message.objects.filter(wamid="w2").exists()
    assert list(WebhookDelivery.objects.filter(applied_at=None).values_list("people", flat=True)) == [False]


def test_one_bad_change_never_blocks_its_neighbours_and_is_tried_again(post, number, monkeypatch):
    good = said("+393471234567", "ciao", wamid="w1", at=1_795_255_200)
    bad = said("+393471234568", "boom", wamid="w2", at=1_795_255_200)
    good["entry"] += bad["entry"]
    post(good)
    real = keywords.read_reply
    monkeypatch.setattr(keywords, "read_reply", lambda text, **more: 1 / 0 if text == "boom" else real(text, **more))
    inbound.drain_people()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.applied_at, delivery.attempts, delivery.error) == (None, 1, "MessageReceived: ZeroDivisionError")
    assert [row.wamid for row in Message.objects.all()] == ["w1"]
    monkeypatch.setattr(keywords, "read_reply", real)
    WebhookDelivery.objects.update(due_at=None)
    inbound.drain_people()
    assert sorted(str(row.wamid) for row in Message.objects.all()) == ["w1", "w2"]
    assert WebhookDelivery.objects.get().applied_at is not None


def test_a_refusal_of_the_database_is_tried_again_and_never_taken_for_a_message_applied_before(
    post, number, monkeypatch
):
    def refuse(*args):
        raise IntegrityError

    post(said("+393471234567", "STOP", wamid="w1", at=1_795_255_200))
    with monkeypatch.context() as broken:
        broken.setattr(replies, "obey", refuse)
        inbound.drain_people()
    assert not Message.objects.exists()
    assert WebhookDelivery.objects.get().error == "MessageReceived: IntegrityError"
    WebhookDelivery.objects.update(due_at=None)
    inbound.drain_people()
    assert Message.objects.get(wamid="w1").led_to is not None


def test_a_body_that_keeps_failing_is_parked(post, number, monkeypatch):
    post(said("+393471234567", "ciao", wamid="w1", at=1_795_255_200))
    monkeypatch.setattr(keywords, "read_reply", lambda text, **more: 1 / 0)
    for _ in range(inbound.PARK_AFTER):
        WebhookDelivery.objects.update(due_at=None)
        inbound.drain_people()
    assert WebhookDelivery.objects.get().parked_at is not None
    assert not inbound.unread(people=True)


@pytest.mark.parametrize("name", ["text.json", "text_old_shape.json", "text_username_only.json"])
def test_current_and_older_shapes_of_a_message_are_read(tell, number, name):
    tell(name)
    message = Message.objects.get()
    assert message.text
    assert message.contact.phone or message.contact.identities.filter(kind="bsuid").exists()


def test_an_empty_batch_is_taken(tell):
    tell({"object": "whatsapp_business_account", "entry": []})
    assert WebhookDelivery.objects.get().applied_at is not None


def test_a_late_clock_of_the_platform_is_cut_to_ours(tell, number):
    tell(said("+393471234567", "STOP", wamid="w1", at=int(time.time()) + 3600))
    message = Message.objects.get(kind="inbound")
    assert message.led_to.occurred_at <= message.led_to.recorded_at


def test_hostile_text_is_kept_as_it_was_written(tell, number):
    text = "<script>alert(1)</script> \u202eabc 🦄\x00"
    tell(said("+393471234567", text, wamid="w1", at=1_795_255_200))
    assert Message.objects.get().text == text.replace("\x00", "")


def test_a_contact_known_by_another_spelling_of_the_number_is_found(tell, number):
    bia = make.contact("+5511987654321", country="BR")
    tell(said("+551187654321", "oi", wamid="w1", at=1_795_255_200))
    assert Message.objects.get().contact == bia


def test_a_body_of_a_thousand_statuses_is_applied(tell, number):
    told = [{"id": f"w{n}", "status": "sent", "timestamp": "1795255200"} for n in range(1000)]
    tell(body(statuses=told))
    assert UnrecognisedEvent.objects.count() == 1000
