"""What the sandbox tells: signed bodies that Parley reads, people who act, and deliveries that come again."""

import itertools
import json
from typing import Any

import pytest

from conversations.sandbox import seed
from conversations.sandbox.store import user_id_of
from conversations.whatsapp.events import (
    MessageReceived,
    Person,
    PreferenceChanged,
    StatusChanged,
    TemplateStatusChanged,
)
from conversations.whatsapp.payloads import reply_buttons, template_message, text_message

PHONE = "+393471234567"


def promo(to: str = PHONE, callback_data: str = "k.1", **changes: Any) -> dict[str, Any]:
    parameters = {"body": ["Giulia", "20%"], "buttons": {"0": "autunno"}}
    values: dict[str, Any] = {"name": "promo_autunno", "language": "it", "parameters": parameters}
    return template_message(to=to, callback_data=callback_data, **{**values, **changes})


def statuses(receiver) -> list[str]:
    return [event.status for event in receiver.events() if isinstance(event, StatusChanged)]


def words(receiver) -> list[str]:
    return [event.text for event in receiver.events() if isinstance(event, MessageReceived)]


def persona(desk, rule: Any, phone: str = PHONE) -> None:
    desk.switch("personas", {"phones": {phone: rule}})


def test_a_reader_gets_it_and_reads_it_in_signed_bodies(desk, receiver):
    wamid = desk.accepted(promo())
    desk.switch("settle", {})
    events = receiver.events()
    assert [event.status for event in events] == ["sent", "delivered", "read"]
    assert {event.wamid for event in events} == {wamid}
    assert {event.callback_data for event in events} == {"k.1"}
    person = events[0].recipient
    assert (person.wa_id, person.user_id) == ("393471234567", user_id_of("393471234567"))
    assert events[0].pricing_category == "marketing"
    assert receiver.signed and all(receiver.signed)


def test_a_status_waits_for_its_time(desk, clock, receiver):
    desk.switch("personas", {"pace": {"sent": 1, "delivered": 2, "read": 3, "spread": 0}})
    desk.accepted(promo())
    for expected in ([], ["sent"], ["sent", "delivered"], ["sent", "delivered", "read"]):
        desk.sandbox.webhooks.turn()
        assert statuses(receiver) == expected
        clock.now += 1.001


def test_many_statuses_come_together_in_few_bodies(desk, receiver):
    for number in range(150):
        desk.accepted(promo(to=f"+3934700{number:05d}"))
    desk.switch("settle", {})
    assert len(statuses(receiver)) == 450
    assert len(receiver.bodies) == 3


def test_bodies_are_escaped_as_the_platform_does_it(desk, receiver):
    desk.switch("inbound", {"from": PHONE, "text": "È/👍", "name": "Zoë"})
    desk.switch("settle", {})
    [raw] = receiver.bodies
    assert raw.isascii() and rb"\u00c8\/\ud83d\udc4d" in raw
    assert receiver.signed == [True]
    assert receiver.events()[0].text == "È/👍"


def test_bodies_may_be_plain_unicode(make_desk, receiver):
    make_desk(plain_unicode=True).switch("inbound", {"from": PHONE, "text": "È/👍"})
    desk = make_desk(plain_unicode=True)
    desk.switch("settle", {})
    assert "È/👍".encode() in receiver.bodies[0]
    assert receiver.signed == [True]


def test_the_older_shapes_have_phones_and_conversations_only(make_desk, receiver):
    desk = make_desk(old_shapes=True)
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    desk.accepted(promo())
    desk.switch("settle", {})
    assert b"user_id" not in b"".join(receiver.bodies)
    assert b'"conversation"' in b"".join(receiver.bodies)
    assert words(receiver) == ["Ciao"] and statuses(receiver) == ["sent", "delivered", "read"]


def test_a_silent_person_never_reads(desk, receiver):
    persona(desk, "silent")
    desk.accepted(promo())
    desk.switch("settle", {})
    assert statuses(receiver) == ["sent", "delivered"]


def test_an_unreachable_person_fails_with_131026(desk, receiver):
    persona(desk, "unreachable")
    desk.accepted(promo())
    desk.switch("settle", {})
    [event] = receiver.events()
    assert (event.status, event.errors) == ("failed", (131026,))
    assert event.recipient == Person(wa_id="393471234567")


def test_a_replier_writes_once_and_opens_the_window(desk, receiver):
    persona(desk, "replier:È anche in blu?")
    desk.accepted(promo())
    desk.switch("settle", {})
    desk.accepted(promo())
    desk.accepted(text_message(to=PHONE, body="Sì, certo"))
    desk.switch("settle", {})
    assert words(receiver) == ["È anche in blu?"]
    assert statuses(receiver) == ["sent", "delivered", "read"] * 1 + ["sent", "sent", "delivered", "delivered"] + [
        "read",
        "read",
    ]


def test_a_stopper_writes_stop(desk, receiver):
    persona(desk, {"kind": "stopper", "after": 5})
    desk.accepted(promo())
    desk.switch("settle", {})
    assert words(receiver) == ["STOP"]


def test_an_opt_out_taps_the_button_of_the_template(desk, receiver):
    persona(desk, "opt_out")
    wamid = desk.accepted(
        promo(
            parameters={
                "body": ["Giulia", "20%"],
                "buttons": {"0": "autunno", "1": {"quick_reply": "OPTOUT:promo"}},
            }
        )
    )
    desk.switch("settle", {})
    [tap] = [event for event in receiver.events() if isinstance(event, MessageReceived)]
    assert (tap.type, tap.text, tap.payload) == ("button", seed.OPT_OUT_BUTTON_IT, "OPTOUT:promo")
    assert tap.quoted_wamid == wamid


def test_a_blocker_stops_marketing_and_later_marketing_fails_with_131050(desk, receiver):
    persona(desk, "blocker")
    desk.accepted(promo())
    desk.switch("settle", {})
    [preference] = [event for event in receiver.events() if isinstance(event, PreferenceChanged)]
    assert (preference.value, preference.person.wa_id) == ("stop", "393471234567")
    receiver.bodies.clear()
    desk.accepted(promo())
    shipped = {"first_name": "Giulia", "order_id": "A-1", "delivery_day": "lunedì"}
    desk.accepted(promo(name="ordine_spedito", parameters={"body": shipped, "buttons": {"0": "A-1"}}))
    desk.switch("settle", {})
    assert sorted((event.status, event.errors) for event in receiver.events()) == [
        ("delivered", ()),
        ("failed", (131050,)),
        ("read", ()),
        ("sent", ()),
    ]


def test_resume_lets_marketing_through_again(desk, receiver):
    for value in ("stop", "resume"):
        desk.switch("preferences", {"phone": PHONE, "value": value})
    desk.accepted(promo())
    desk.switch("settle", {})
    assert statuses(receiver) == ["sent", "delivered", "read"]


def test_shares_divide_people_and_always_in_the_same_way(desk, receiver):
    desk.switch("personas", {"shares": {"silent": 0.5}})
    phones = [f"+3934700{number:05d}" for number in range(200)]
    for _ in range(2):
        for phone in phones:
            desk.accepted(promo(to=phone))
    desk.switch("settle", {})
    read = [event.recipient.wa_id for event in receiver.events() if event.status == "read"]
    assert 60 < len(set(read)) < 140
    assert len(read) == 2 * len(set(read))


@pytest.mark.parametrize("checked_at_once", [False, True])
def test_free_text_outside_the_window_fails_with_131047(desk, clock, receiver, checked_at_once):
    desk.switch("faults", {"window_checked_at_once": checked_at_once})
    desk.switch("inbound", {"from": PHONE, "text": "Ciao", "at": clock.now - 24 * 3600 - 1})
    body = text_message(to=PHONE, body="Eccoci")
    if checked_at_once:
        assert desk.refused(body) == 131047
        return
    desk.accepted(body)
    desk.switch("settle", {})
    assert [event.errors for event in receiver.events() if isinstance(event, StatusChanged)] == [(131047,)]


def test_a_tap_on_a_session_button_carries_its_id(desk, receiver):
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    wamid = desk.accepted(reply_buttons(to=PHONE, body="Confermi?", buttons=[("yes:81", "Sì"), ("no:81", "No")]))
    desk.switch("inbound", {"from": PHONE, "button": "No"})
    desk.switch("settle", {})
    tap = next(event for event in receiver.events() if getattr(event, "type", "") == "interactive")
    assert (tap.text, tap.payload, tap.quoted_wamid) == ("No", "no:81", wamid)


def test_a_person_with_a_hidden_phone_is_known_by_user_id_alone(desk, receiver):
    desk.switch(
        "inbound", {"from": PHONE, "text": "Ciao", "hide_phone": True, "username": "@giuliab", "name": "Giulia"}
    )
    desk.switch("settle", {})
    [event] = receiver.events()
    user_id = user_id_of("393471234567")
    assert event.sender == Person(user_id=user_id, username="giuliab", name="Giulia")
    desk.accepted(text_message(recipient=user_id, body="Ciao"))
    desk.switch("settle", {})
    assert b"393471234567" not in b"".join(raw for raw in receiver.bodies if b"wamid" not in raw)
    assert receiver.events()[-1].recipient == Person(user_id=user_id, username="giuliab", name="Giulia")


def test_a_review_changes_a_template_and_tells(desk, receiver):
    answer = desk.switch("templates/promo_autunno", {"status": "PAUSED"})
    assert answer["changed"] == ["it", "en"]
    desk.switch("settle", {})
    events = receiver.events()
    assert all(isinstance(event, TemplateStatusChanged) for event in events)
    assert {(event.name, event.language, event.event) for event in events} == {
        ("promo_autunno", "it", "PAUSED"),
        ("promo_autunno", "en", "PAUSED"),
    }
    assert desk.refused(promo()) == 132015
    desk.switch("templates/promo_autunno", {"status": "APPROVED", "language": "it"})
    assert desk.accepted(promo())


def test_a_body_that_is_not_taken_comes_again_byte_for_byte(desk, clock, receiver):
    receiver.answers = [500, 404]
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    assert desk.switch("settle", {}) == {"accepted": 0, "refused": 1, "pending": 1}
    assert desk.switch("settle", {}) == {"accepted": 0, "refused": 1, "pending": 1}
    assert desk.switch("settle", {}) == {"accepted": 1, "refused": 0, "pending": 0}
    assert len(receiver.bodies) == 3 and len(set(receiver.bodies)) == 1


def test_tries_come_later_each_time(desk, clock, receiver):
    receiver.answers = [500] * 3
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    tried_at = []
    for _ in range(50):
        before = len(receiver.bodies)
        desk.sandbox.webhooks.turn()
        if len(receiver.bodies) > before:
            tried_at.append(clock.now)
        clock.now += 0.25
    waits = [later - earlier for earlier, later in itertools.pairwise(tried_at)]
    assert waits == [0.5, 1.0, 2.0]


def test_what_was_not_told_survives_a_restart(make_desk, receiver):
    first = make_desk()
    first.accepted(promo())
    first.switch("personas", {"shares": {"silent": 1.0}})
    first.sandbox.stop()
    second = make_desk()
    second.switch("settle", {})
    assert statuses(receiver) == ["sent", "delivered", "read"]
    assert second.sandbox.people.shares == {"silent": 1.0}
    assert len(second.sent()) == 1


def test_duplicates_silence_shuffle_and_a_wrong_secret(desk, receiver):
    desk.switch("faults", {"webhooks": {"silence": True}})
    desk.accepted(promo())
    assert desk.switch("settle", {})["pending"] == 3
    assert receiver.bodies == []
    desk.switch("faults", {"webhooks": {"silence": False, "duplicate_share": 1.0, "wrong_secret": True}})
    desk.switch("settle", {})
    assert len(receiver.bodies) == 2 and len(set(receiver.bodies)) == 1
    assert receiver.signed == [False, False]
    desk.switch("faults", {"webhooks": {"shuffle": True, "duplicate_share": 0, "wrong_secret": False}})
    receiver.bodies.clear()
    for number in range(5):
        desk.accepted(promo(to=f"+39347123450{number}"))
    desk.switch("settle", {})
    order = statuses(receiver)
    assert sorted(order) == ["delivered"] * 5 + ["read"] * 5 + ["sent"] * 5
    assert order != ["sent"] * 5 + ["delivered"] * 5 + ["read"] * 5


def test_every_event_can_be_delayed(desk, clock, receiver):
    desk.switch("faults", {"webhooks": {"delay_ms": 60_000}})
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    clock.now += 59
    desk.sandbox.webhooks.turn()
    assert receiver.bodies == []
    clock.now += 2
    desk.sandbox.webhooks.turn()
    assert words(receiver) == ["Ciao"]


def test_an_address_where_nobody_listens_loses_nothing(make_desk, receiver):
    desk = make_desk(webhook_url="http://127.0.0.1:9/")
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})
    assert desk.switch("settle", {})["pending"] == 1
    desk.sandbox.webhooks.url = receiver.url
    assert desk.switch("settle", {})["pending"] == 0
    assert words(receiver) == ["Ciao"]


def test_the_signature_covers_the_very_bytes(desk, receiver):
    desk.accepted(promo())
    desk.switch("settle", {})
    raw = receiver.bodies[0]
    assert json.dumps(json.loads(raw)).encode() != raw
    assert receiver.signed == [True]
