"""A STOP is obeyed at once and everywhere; START gives back; the order of arrival changes nothing."""

import itertools
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Action, Contact, Source
from conversations import gate, inbound
from conversations.models import Conversation, Kind, Message, Status, WebhookDelivery
from tests import make
from tests.contacts.test_consent import standing
from tests.conversations.conftest import body, payload, said

pytestmark = pytest.mark.django_db
PHONE = "+393471234567"


@pytest.fixture
def anna(number) -> Contact:
    who = make.contact(PHONE, first_name="Anna")
    make.agree(who)
    return who


def queue(who, number, **fields):
    now = timezone.now()
    defaults = {"kind": Kind.CAMPAIGN, "template": make.template(), "status": Status.QUEUED, "type": "template"}
    return Message.objects.create(contact=who, number=number, at=now, due_at=now, **defaults | fields)


def ago(**delta: int) -> int:
    return int(time.time() - timedelta(**delta).total_seconds())


def answers(kind=None):
    rows = Message.objects.exclude(kind__in=[Kind.INBOUND, Kind.CAMPAIGN])
    return list(rows.filter(kind=kind) if kind else rows)


def test_a_message_opens_a_conversation_with_the_campaign_it_answers(tell, anna, number):
    sent = queue(anna, number, status="sent", wamid="out1", stands_on=anna.consent_events.get(),
                 sending_at=timezone.now() - timedelta(hours=1))  # fmt: skip
    assert not Conversation.objects.exists()
    at = ago(minutes=5)
    tell(said(PHONE, "is it in blue?", wamid="w1", at=at))
    conversation = Conversation.objects.get()
    assert (conversation.unread, conversation.state) == (1, "open")
    assert conversation.session_expires_at.timestamp() == at + 24 * 3600
    assert conversation.last_inbound.in_reply_to == sent


def test_a_reaction_opens_no_session(tell, anna, number):
    tell("reaction.json")
    assert not Conversation.objects.exists()


def test_stop_withdraws_everything_quoting_the_wamid_and_withholds_what_is_queued(tell, anna, number):
    queued = queue(anna, number)
    at = ago(seconds=30)
    tell(said(PHONE, "Stop!!", wamid="wamid.STOP", at=at))
    line = anna.consent_events.get(action=Action.WITHDRAWN)
    assert (line.covers_all, line.source) == (True, Source.KEYWORD)
    assert line.occurred_at.timestamp() == at
    assert line.evidence.data == {"wamid": "wamid.STOP", "quote": "Stop!!"}
    queued.refresh_from_db()
    assert (queued.status, queued.verdict) == ("withheld", "stopped")
    assert Message.objects.get(wamid="wamid.STOP").led_to == line
    [confirmation] = answers()
    assert (confirmation.kind, confirmation.status, confirmation.answers.wamid) == (
        "stop_confirmation", "queued", "wamid.STOP",
    )  # fmt: skip
    assert "START" in confirmation.text
    assert gate.may_answer(Conversation.objects.get()) == "stopped"


def test_stop_delivered_twice_is_recorded_once(tell, anna):
    stop = said(PHONE, "STOP", wamid="w1", at=ago(seconds=30))
    tell(stop, stop)
    WebhookDelivery.objects.update(applied_at=None)
    inbound.drain_people()
    assert [line.action for line in anna.consent_events.order_by("number")] == ["granted", "withdrawn"]
    assert len(answers()) == 1


def test_a_second_stop_within_a_week_is_recorded_but_not_confirmed_again(tell, anna):
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=9)), said(PHONE, "STOP", wamid="w2", at=ago(minutes=2)))
    assert anna.consent_events.filter(action=Action.WITHDRAWN).count() == 2
    assert len(answers()) == 1


def test_a_stop_whose_window_has_closed_is_obeyed_and_not_confirmed(tell, anna):
    tell(said(PHONE, "STOP", wamid="w1", at=ago(hours=25)))
    assert standing(anna) == "withdrawn"
    assert answers() == []


def test_confirmations_can_be_switched_off(tell, anna, number):
    number.confirm_stops = False
    number.save()
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=1)))
    assert (standing(anna), answers()) == ("withdrawn", [])


def test_a_later_message_may_be_answered_by_a_person_and_by_nothing_automatic(tell, anna):
    tell(
        said(PHONE, "STOP", wamid="w1", at=ago(minutes=9)),
        said(PHONE, "where is my order?", wamid="w2", at=ago(minutes=1)),
    )
    assert gate.may_answer(Conversation.objects.get()) == "allowed"
    assert standing(anna) == "withdrawn"
    automatic = queue(anna, Conversation.objects.get().number, kind=Kind.AUTOMATIC, template=None, type="text",
                      answers=Message.objects.get(wamid="w2"))  # fmt: skip
    assert gate.with_verdict(Message.objects.filter(pk=automatic.pk)).get().answer == "withdrawn"


def test_a_question_inside_the_stop_may_be_answered(tell, anna):
    tell(said(PHONE, "STOP. But where is my order?", wamid="w1", at=ago(minutes=1)))
    assert standing(anna) == "withdrawn"
    assert gate.may_answer(Conversation.objects.get()) == "allowed"


def test_the_order_in_which_messages_arrive_never_changes_the_answer(post, number):
    """Every order of STOP, START, STOP and a question ends the same."""
    told = [("STOP", 50), ("START", 40), ("hello", 30), ("STOP", 20), ("and my order?", 10)]
    ends = set()
    for index, order in enumerate(itertools.permutations(range(len(told)), len(told))):
        if index % 9:
            continue  # a tenth of the orders says as much
        phone = f"+39347200{index:04d}"
        who = make.contact(phone)
        make.agree(who)
        for turn in order:
            text, minutes = told[turn]
            post(said(phone, text, wamid=f"{index}.{turn}", at=ago(minutes=minutes)))
        inbound.drain_people()
        conversation = Conversation.objects.get(contact=who)
        ends.add((standing(who), gate.may_answer(conversation), conversation.last_inbound.text))
    assert ends == {("withdrawn", "allowed", "and my order?")}


def test_a_button_withdraws_only_its_scope(tell, anna, number):
    make.agree(anna, "reminders")
    tap = {"type": "button", "button": {"payload": "OPTOUT:marketing", "text": "No more offers"}}
    message = said(PHONE, "", wamid="w1", at=ago(minutes=1))
    message["entry"][0]["changes"][0]["value"]["messages"][0] |= tap
    tell(message)
    line = anna.consent_events.get(action=Action.WITHDRAWN)
    assert (line.scope.slug, line.source) == ("marketing", Source.BUTTON)
    assert (standing(anna), standing(anna, "reminders")) == ("withdrawn", "granted")
    assert gate.may_answer(Conversation.objects.get()) == "allowed"


def test_start_restores_what_the_stop_took_with_the_confirmation_as_wording(tell, anna):
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=9)), said(PHONE, "START", wamid="w2", at=ago(minutes=1)))
    line = anna.consent_events.order_by("number").last()
    assert (line.action, line.scope.slug, line.source) == ("granted", "marketing", Source.KEYWORD)
    assert "STOP" in line.wording.text
    assert line.evidence.data["wamid"] == "w2"
    assert standing(anna) == "granted"
    [answer] = answers(Kind.OWN_REQUEST)
    assert "Offers and news" in answer.text


def test_start_with_nothing_to_restore_grants_nothing_and_offers_each_scope(tell, number):
    make.contact(PHONE)
    tell(said(PHONE, "START", wamid="w1", at=ago(minutes=1)))
    who = Contact.objects.get(phone=PHONE)
    assert not who.consent_events.exists()
    [answer] = answers(Kind.OWN_REQUEST)
    assert [button for button, _ in answer.content["buttons"]] == [
        "OPTIN:marketing", "OPTIN:order_updates", "OPTIN:reminders",
    ]  # fmt: skip


def test_a_tap_on_an_offered_scope_grants_it(tell, number):
    who = make.contact(PHONE)
    tap = {
        "type": "interactive",
        "interactive": {"type": "button_reply", "button_reply": {"id": "OPTIN:reminders", "title": "x"}},
    }
    message = said(PHONE, "", wamid="w1", at=ago(minutes=1))
    message["entry"][0]["changes"][0]["value"]["messages"][0] |= tap
    tell(message)
    line = who.consent_events.get()
    assert (line.action, line.source, line.wording.key) == ("granted", "button", "offer-reminders-it")
    assert standing(who, "reminders") == "granted"


def test_somebody_new_who_writes_becomes_a_contact_with_consent_unknown(tell, number):
    tell("text.json")
    who = Contact.objects.get()
    assert standing(who) == "unknown"
    assert who.identities.filter(kind="bsuid").exists()
    assert gate.may_answer(Conversation.objects.get()) in ("allowed", "window_closed")


def test_a_phone_that_returns_with_another_user_id_is_a_new_person(tell, number):
    first = payload("text.json")
    tell(first)
    old = Contact.objects.get()
    make.agree(old)
    again = payload("text.json")
    value = again["entry"][0]["changes"][0]["value"]
    value["messages"][0] |= {"id": "wamid.NEW", "from_user_id": "IT.999"}
    value["contacts"][0]["user_id"] = "IT.999"
    tell(again)
    old.refresh_from_db()
    new = Contact.objects.exclude(pk=old.pk).get()
    assert (old.phone, new.phone) == (None, PHONE)
    assert (standing(old), standing(new)) == ("granted", "unknown")


def test_a_stop_known_under_two_contacts_is_withdrawn_for_both(tell, number):
    by_phone = make.contact(PHONE)
    make.agree(by_phone)
    tell("text_username_only.json")
    by_id = Contact.objects.exclude(pk=by_phone.pk).get()
    user_id = by_id.identities.get(kind="bsuid").value
    stop = said(PHONE, "STOP", wamid="w9", at=ago(minutes=1), from_user_id=user_id)
    stop["entry"][0]["changes"][0]["value"]["contacts"][0]["user_id"] = user_id
    tell(stop)
    assert (standing(by_phone), standing(by_id)) == ("withdrawn", "withdrawn")


def test_a_number_change_keeps_the_person(tell, anna, number):
    tell("text.json", "number_change.json")
    anna.refresh_from_db()
    assert anna.phone == "+393489876543"
    assert standing(anna) == "granted"


def test_whatsapps_own_stop_blocks_marketing_and_changes_no_consent(tell, anna, number):
    queued = queue(anna, number)
    reminder = queue(anna, number, template=make.template("visit", slug="reminders", category="UTILITY"))
    make.agree(anna, "reminders")
    tell("preference_stop.json", "preference_stop.json")
    assert (anna.blocks.get().blocked, standing(anna)) == (True, "granted")
    assert anna.consent_events.filter(action=Action.BLOCKED).count() == 1
    queued.refresh_from_db()
    reminder.refresh_from_db()
    assert (queued.status, queued.verdict, reminder.status) == ("withheld", "blocked", "queued")
    tell("preference_resume.json")
    assert (anna.blocks.get().blocked, standing(anna)) == (False, "granted")


def test_news_about_a_template_is_applied(tell, number):
    row = make.template("promo_autunno")
    type(row).objects.update(language="it")
    tell("template_paused.json")
    row.refresh_from_db()
    assert row.status == "PAUSED"


def test_account_trouble_holds_the_number(tell, number):
    errors = [{"code": 131042, "title": "", "message": ""}]
    tell(body(errors=errors))
    number.refresh_from_db()
    assert number.held_reason == "code 131042"
