"""STOP and START where it is hard: under two contacts, out of order, of one scope, and of a scope nobody knows."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Contact, Source
from conversations import gate, inbound
from conversations.models import Conversation, Kind, Message
from tests import make
from tests.contacts.test_consent import standing
from tests.conversations.conftest import said
from tests.conversations.test_replies import PHONE, ago, answers

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(number) -> Contact:
    who = make.contact(PHONE, first_name="Anna")
    make.agree(who)
    return who


def tap(payload, *, wamid, at):
    told = said(PHONE, "", wamid=wamid, at=at)
    message = told["entry"][0]["changes"][0]["value"]["messages"][0]
    message |= {"type": "button", "button": {"payload": payload, "text": "Tap"}}
    return told


def test_every_order_of_agreeing_stopping_and_starting_ends_the_same(post, number):
    told = [("STOP", 50), ("START", 40), ("hello", 30)]
    ends = set()
    for index, order in enumerate(itertools.permutations(told)):
        phone = f"+39347300{index:04d}"
        who = make.contact(phone)
        line = make.agree(who, expires_at=timezone.now() + timedelta(days=9))
        for text, minutes in order:
            post(said(phone, text, wamid=f"{index}.{text}", at=ago(minutes=minutes)))
            inbound.drain_people()
        row = who.consents.get(scope__slug="marketing")
        ends.add((row.standing, row.expires_at == line.expires_at))
        assert gate.may_answer(Conversation.objects.get(contact=who)) == "allowed"
    assert ends == {("granted", True)}


def test_a_start_that_comes_late_and_was_overtaken_by_a_stop_welcomes_nobody(tell, anna):
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=50)))
    tell(said(PHONE, "STOP", wamid="w3", at=ago(minutes=10)))
    tell(said(PHONE, "START", wamid="w2", at=ago(minutes=30)))
    assert standing(anna) == "withdrawn"
    assert answers(Kind.OWN_REQUEST) == []


def test_start_gives_back_the_one_scope_that_the_last_stop_took(tell, anna):
    make.agree(anna, "reminders")
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=50)))
    make.agree(anna, at=timezone.now() - timedelta(minutes=40), source=Source.BUTTON)
    tell(tap("OPTOUT:marketing", wamid="w2", at=ago(minutes=30)))
    tell(said(PHONE, "START", wamid="w3", at=ago(minutes=10)))
    assert (standing(anna), standing(anna, "reminders")) == ("granted", "withdrawn")


@pytest.mark.parametrize("payload", ["OPTOUT", "OPTOUT:", "OPTOUT:all", "optout:no_such_scope", "OPTOUT:'; --"])
def test_a_stop_of_a_scope_nobody_knows_stops_everything_and_says_so(tell, anna, payload):
    """They asked to stop. Too little would break the law; too much costs them one START, and the answer says so."""
    make.agree(anna, "reminders")
    tell(tap(payload, wamid="w1", at=ago(minutes=1)))
    assert (standing(anna), standing(anna, "reminders")) == ("withdrawn", "withdrawn")
    [confirmation] = answers(Kind.STOP_CONFIRMATION)
    assert "START" in confirmation.text


@pytest.mark.parametrize("payload", ["OPTIN:no_such_scope", "OPTIN:'; --"])
def test_an_agreement_to_a_scope_nobody_knows_agrees_to_nothing(tell, number, payload):
    who = make.contact(PHONE)
    tell(tap(payload, wamid="w1", at=ago(minutes=1)))
    assert not who.consent_events.exists()


def test_a_stop_known_under_two_contacts_ends_the_session_of_both(tell, anna, number):
    tell(said(PHONE, "hello", wamid="w1", at=ago(minutes=9)))
    tell("text_username_only.json")
    by_id = Contact.objects.exclude(pk=anna.pk).get()
    user_id = by_id.identities.get(kind="bsuid").value
    tell(said(PHONE, "STOP", wamid="w2", at=ago(minutes=1), from_user_id=user_id))
    assert gate.may_answer(Conversation.objects.get(contact=anna)) == "stopped"
    assert gate.may_answer(Conversation.objects.get(contact=by_id)) == "stopped"


@pytest.mark.parametrize("status", ["claimed", "sending"])
def test_a_stop_while_the_message_is_on_its_way_lets_only_what_is_sending_go(tell, anna, number, status):
    now = timezone.now()
    row = Message.objects.create(
        contact=anna, number=number, kind=Kind.CAMPAIGN, template=make.template(), type="template", status=status,
        at=now, due_at=now, claim="7c9e6679-7425-40de-944b-e07fc1f90ae7", sending_at=now, attempt=1,
        stands_on=anna.consent_events.get(),
    )  # fmt: skip
    tell(said(PHONE, "STOP", wamid="w1", at=ago(minutes=1)))
    row.refresh_from_db()
    assert row.status == status  # the departure decides about the first; the second has left
    assert gate.with_verdict(Message.objects.filter(pk=row.pk)).get().answer == "stopped"


def test_scopes_whose_names_begin_alike_are_offered_on_buttons_of_their_own(tell, number):
    for slug in ("news_a", "news_b"):
        make.scope(slug, name=f"News from the workshop {slug}", position=1)
    make.contact(PHONE)
    tell(said(PHONE, "START", wamid="w1", at=ago(minutes=1)))
    [answer] = answers(Kind.OWN_REQUEST)
    titles = [title for _, title in answer.content["buttons"]]
    assert len(set(titles)) == len(titles) == 3
    assert all(len(title) <= 20 for title in titles)
