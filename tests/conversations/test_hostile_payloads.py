"""Bodies as they should not come: nothing they carry blocks a neighbour, and no STOP is lost to them."""

import json
import time

import pytest
from django.utils import timezone

from contacts.models import Contact, Identity
from conversations import inbound, statuses
from conversations.models import Message, UnrecognisedEvent, WebhookDelivery
from conversations.whatsapp import events
from tests import make
from tests.contacts.test_consent import standing
from tests.conversations.conftest import body, said, status
from tests.conversations.test_statuses import AT, fate, out

pytestmark = pytest.mark.django_db
PHONE = "+393471234567"


def now() -> int:
    return int(time.time()) - 5


def value_of(told):
    return told["entry"][0]["changes"][0]["value"]


@pytest.fixture
def anna(number) -> Contact:
    who = make.contact(PHONE)
    make.agree(who)
    return who


def test_a_stop_with_the_longest_names_is_obeyed(tell, number):
    told = said(PHONE, "STOP", wamid="w1", at=now(), from_user_id="IT.1")
    value_of(told)["contacts"] = [
        {"wa_id": PHONE[1:], "user_id": "IT.1", "profile": {"name": "N" * 5000, "username": "u" * 5000}}
    ]
    tell(told)
    assert standing(Contact.objects.get(phone=PHONE)) == "withdrawn"


@pytest.mark.parametrize("wa_id", ["0", "12", "0039347", "9" * 40, "000000000000"])
def test_a_number_that_is_none_is_kept_and_shown(tell, number, wa_id):
    tell(said(wa_id, "STOP", wamid="w1", at=now()))
    assert UnrecognisedEvent.objects.get().kind == "message from nobody we could name"
    assert not Message.objects.exists()


def test_a_number_that_is_none_beside_a_user_id_does_not_lose_the_stop(tell, number):
    told = said("12", "STOP", wamid="w1", at=now(), from_user_id="IT.1")
    tell(told)
    assert standing(Identity.objects.get(value="IT.1").contact) == "withdrawn"


@pytest.mark.parametrize(
    "timestamp", ["", "0", "-5", "1e9", "NaN", "99999999999", "20262026202620262026", None, 1.5, {}]
)
def test_a_stop_without_a_usable_time_counts_from_when_it_reached_us(tell, anna, timestamp):
    told = said(PHONE, "STOP", wamid="w1", at=now())
    value_of(told)["messages"][0]["timestamp"] = timestamp
    before = timezone.now().replace(microsecond=0)
    tell(told)
    assert standing(anna) == "withdrawn"
    assert anna.consent_events.last().occurred_at >= before


@pytest.mark.parametrize("missing", ["from", "id", "timestamp", "type", "text"])
def test_a_message_that_lacks_something_blocks_no_neighbour(tell, anna, missing):
    told = said(PHONE, "hello", wamid="w1", at=now())
    del value_of(told)["messages"][0][missing]
    value_of(told)["messages"] += value_of(said(PHONE, "STOP", wamid="w2", at=now()))["messages"]
    tell(told)
    assert standing(anna) == "withdrawn"


def test_the_longest_identifiers_block_no_neighbour(tell, anna, number):
    row = out(number, status="unknown")
    told = said(PHONE, "hello", wamid="w" * 5000, at=now())
    value_of(told)["messages"] += value_of(said(PHONE, "STOP", wamid="w2", at=now(), from_user_id="I" * 5000))[
        "messages"
    ]
    value_of(told)["statuses"] = [
        value_of(status("sent", wamid="s" * 5000, at=AT, key=row.callback_data))["statuses"][0],
        value_of(status("failed", wamid="s1", at=AT, codes=(10**15, -7)))["statuses"][0],
        value_of(status("delivered", wamid="s2", at=AT, key=row.callback_data))["statuses"][0],
    ]
    tell(told)
    assert (standing(anna), fate(row)) == ("withdrawn", "delivered")


def test_a_failure_with_a_code_beyond_all_numbers_is_a_failure(tell, number):
    row = out(number, status="sent", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(10**15,)))
    assert fate(row) == "failed"


def test_one_bad_status_blocks_no_other_of_its_body(post, number, monkeypatch):
    good, bad = out(number), out(number)
    real = statuses._advance
    monkeypatch.setattr(statuses, "_advance", lambda row, change: 1 / 0 if row.pk == bad.pk else real(row, change))
    told = status("delivered", wamid="w1", at=AT, key=good.callback_data)
    value_of(told)["statuses"] += value_of(status("sent", wamid="w2", at=AT, key=bad.callback_data))["statuses"]
    post(told)
    inbound.drain_statuses()
    delivery = WebhookDelivery.objects.get()
    assert (fate(good), fate(bad)) == ("delivered", "sending")
    assert (delivery.applied_at, delivery.error) == (None, "StatusChanged: ZeroDivisionError")


def test_two_messages_with_one_wamid_of_the_platform_block_no_other(post, number):
    first, second, third = out(number, status="sent", wamid="w1"), out(number), out(number)
    told = status("sent", wamid="w1", at=AT, key=second.callback_data)
    value_of(told)["statuses"] += value_of(status("sent", wamid="w3", at=AT, key=third.callback_data))["statuses"]
    post(told)
    inbound.drain_statuses()
    assert (fate(first), fate(second), fate(third)) == ("sent", "sending", "sent")


def test_a_body_that_cannot_be_read_is_parked_and_blocks_no_other(post, anna, monkeypatch):
    post(said(PHONE, "hello", wamid="w1", at=now()))
    post(said(PHONE, "STOP", wamid="w2", at=now()))
    real = events.parse

    def stumble(told, **more):
        if value_of(told)["messages"][0]["id"] == "w1":
            raise RecursionError
        return real(told, **more)

    monkeypatch.setattr(events, "parse", stumble)
    for _ in range(inbound.PARK_AFTER):
        WebhookDelivery.objects.update(due_at=None)
        inbound.drain_people()
    assert standing(anna) == "withdrawn"
    assert [row.parked_at is not None for row in WebhookDelivery.objects.order_by("id")] == [True, False]
    assert WebhookDelivery.objects.order_by("id")[0].error == "body: RecursionError"


def test_deep_nesting_is_applied_or_refused_but_never_stuck(post, anna):
    told = said(PHONE, "STOP", wamid="w1", at=now())
    nested = "[" * 400 + "]" * 400
    raw = json.dumps(told).replace('"type": "text"', f'"type": "text", "deep": {nested}').encode()
    assert post(raw) == 200
    inbound.drain_people()
    assert standing(anna) == "withdrawn"


STRANGER = "7c9e6679742540de944be07fc1f90ae7"


@pytest.mark.parametrize(
    "key", ["", ".", "x.1", STRANGER, f"{STRANGER}.1", f"{STRANGER}.{'9' * 30}", f"{{{STRANGER}}}.1"]
)
def test_keys_of_other_applications_change_nothing(tell, number, key):
    row = out(number, status="sent", wamid="w1")
    tell(status("read", wamid="of another application", at=AT, key=key))
    assert (fate(row), UnrecognisedEvent.objects.count()) == ("sent", 1)


@pytest.mark.parametrize("attempt", ["0", "2", "-1", "9" * 18, "9" * 400])
def test_an_attempt_there_never_was_changes_nothing(tell, number, attempt):
    row = out(number, status="sent", wamid="w1")
    tell(status("read", wamid="w2", at=AT, key=f"{row.public_id.hex}.{attempt}"))
    assert (fate(row), row.wamid) == ("sent", "w1")


def test_a_status_of_a_message_that_never_left_changes_nothing(tell, anna, number):
    row = out(number, status="queued", attempt=0, sending_at=None, claim=None, stands_on=None)
    tell(status("delivered", wamid="w1", at=AT, key=row.callback_data))
    assert (fate(row), row.wamid) == ("queued", None)


@pytest.mark.parametrize("word", ["", "warning", "deleted", "SENT", 7, None])
def test_a_status_we_do_not_know_is_kept_and_shown(tell, number, word):
    row = out(number, status="sent", wamid="w1")
    tell(status(word, wamid="w1", at=AT))
    assert (fate(row), UnrecognisedEvent.objects.count()) == ("sent", 1)


def test_a_status_that_names_another_user_id_does_not_lend_it_the_consent(tell, anna, number):
    """The phone may have become somebody else's: when they write, they are a new person."""
    anna.identities.create(kind="bsuid", namespace=number.portfolio.business_id, value="IT.1")
    out(number, contact=anna, status="sent", wamid="w1")
    told = status("delivered", wamid="w1", at=AT)
    value_of(told)["statuses"][0]["recipient_user_id"] = "IT.2"
    tell(told)
    assert [identity.value for identity in anna.identities.filter(kind="bsuid")] == ["IT.1"]
    tell(said(PHONE, "hello", wamid="w2", at=now(), from_user_id="IT.2"))
    writer = Message.objects.get(wamid="w2").contact
    assert (writer != anna, standing(writer)) == (True, "unknown")


def test_a_preference_with_a_clock_ahead_of_ours_is_recorded_once(tell, anna, number):
    at = int(time.time()) + 3600
    preference = {"wa_id": PHONE[1:], "category": "marketing_messages", "value": "stop", "timestamp": str(at)}
    told = body("user_preferences", user_preferences=[preference])
    tell(told)
    for _ in range(2):
        WebhookDelivery.objects.update(applied_at=None)
        inbound.drain_people()
    assert anna.consent_events.filter(action="blocked").count() == 1


def test_bodies_twice_and_in_any_order_end_the_same(post, number):
    row = out(number, contact=make.contact(PHONE))
    make.agree(row.contact)
    told = [
        said(PHONE, "hello", wamid="w1", at=now() - 60), said(PHONE, "STOP", wamid="w2", at=now() - 30),
        status("delivered", wamid="s1", at=AT, key=row.callback_data), status("sent", wamid="s1", at=AT - 1),
        status("read", wamid="s1", at=AT + 1),
    ]  # fmt: skip
    for order in (told, told[::-1], told[2:] + told[:2]):
        for one in order:
            post(one)
        inbound.drain_people()
        inbound.drain_statuses()
    assert Message.objects.filter(kind="inbound").count() == 2
    assert row.contact.consent_events.filter(action="withdrawn").count() == 1
    assert (fate(row), standing(row.contact)) == ("read", "withdrawn")
