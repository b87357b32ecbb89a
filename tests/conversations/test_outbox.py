"""What is queued: answers once, batches resumed, numbers held, limits and times kept."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import leases
from conversations import departures, outbox, pump, settling
from conversations.models import Batch, Conversation, Kind, LimitUse, Message, Pump, RateBucket
from conversations.settling import Result
from tests import make
from tests.conversations.test_bad_rows import wrote
from tests.conversations.test_departures import claim, depart, queue, state

pytestmark = pytest.mark.django_db


def soon():
    RateBucket.objects.update(paid_until=0)


@pytest.mark.parametrize("kind", [Kind.OWN_REQUEST, Kind.STOP_CONFIRMATION, Kind.AUTOMATIC])
def test_a_message_gets_one_answer_of_a_kind(number, kind):
    asked = wrote(make.contact(), number)
    first, again = (outbox.queue_answer(asked, kind, text) for text in ("Yes.", "Yes again."))
    assert (first, first.text) == (again, "Yes.")
    with pytest.raises(IntegrityError), transaction.atomic():
        outbox.queue(asked.contact, number, kind, text="Behind its back", answers=asked)


def test_an_agent_may_answer_one_message_twice(number):
    wrote(make.contact(), number)
    conversation, agent = Conversation.objects.get(), make.user("agent")
    assert outbox.queue_text(conversation, "One", author=agent) != outbox.queue_text(conversation, "Two", author=agent)


def test_one_key_is_one_message_even_behind_the_first_look(number, monkeypatch):
    wrote(make.contact(), number)
    conversation, agent = Conversation.objects.get(), make.user("agent")
    first = outbox.queue_text(conversation, "One", author=agent, idempotency_key="k1")
    told = Message.objects.filter
    blind = iter([Message.objects.none()])
    monkeypatch.setattr(Message.objects, "filter", lambda *a, **k: next(blind, None) or told(*a, **k))
    assert outbox.queue_text(conversation, "One", author=agent, idempotency_key="k1") == first


def test_a_resumed_batch_counts_its_faults_anew(number):
    batch = Batch.objects.create(number=number, label="Autumn", state="broken", our_faults=settling.OUR_FAULTS)
    outbox.resume(batch)
    row = queue(number, batch=batch)
    claim(number)
    depart(number)
    settling.settle([Result(row.pk, 1, "refused", code=131008)])
    batch.refresh_from_db()
    assert (batch.state, batch.our_faults) == ("running", 1)


def test_the_batch_served_longest_ago_is_served_next(number):
    first, second = (Batch.objects.create(number=number, label=label) for label in ("One", "Two"))
    for batch in (first, first, first, second, second):
        queue(number, batch=batch)
    served = []
    for _ in range(4):
        claim(number, room=1)
        [row] = Message.objects.filter(status="claimed")
        served.append(row.batch)
        Message.objects.filter(pk=row.pk).update(status="cancelled", claim=None)
    assert served == [first, second, first, second]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"status": "claimed", "claim": None}, "claimed_by_somebody"),
        ({"status": "sent", "wamid": None}, "sent_has_wamid"),
        ({"status": "queued", "due_at": None}, "waiting_has_due_time"),
        ({"status": "unknown", "sending_at": None}, "sending_has_time"),
        ({"status": "withheld", "verdict": ""}, "withheld_has_verdict"),
        ({"status": "received"}, "received_only_inbound"),
        ({"template": None}, "first_touch_is_a_template"),
        ({"status": "gone"}, "status_known"),
        ({"kind": "rumour"}, "kind_known"),
    ],
)
def test_the_database_refuses_a_message_that_cannot_be(number, change, constraint):
    row = queue(number, stands_on=make.agree(make.contact()))
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Message.objects.filter(pk=row.pk).update(**change)


def test_a_number_keeps_the_first_reason_it_was_held_for(number):
    for reason in ("code 131042", "code 190"):
        outbox.hold(number, reason=reason)
    number.refresh_from_db()
    assert number.held_reason == "code 131042"


def test_a_pump_sends_only_what_it_claimed_itself(number):
    row = queue(number)
    claim(number)
    with transaction.atomic():
        assert departures.depart(number, uuid.uuid4(), room=10) == []
    assert state(row) == "claimed"


def test_nothing_is_claimed_after_its_time(number):
    row = queue(number, send_until=timezone.now())
    assert claim(number) == 0
    assert state(row) == "cancelled"


def test_nothing_leaves_after_its_time(number):
    row = queue(number, send_until=timezone.now() + timedelta(hours=1))
    assert claim(number) == 1
    Message.objects.update(send_until=timezone.now())
    assert depart(number) == []
    assert state(row) == "cancelled"


class TestTheMessagingLimit:
    @pytest.fixture
    def number(self, number):
        number.portfolio.messaging_limit = 1
        number.portfolio.save()
        return number

    def test_who_is_in_a_session_takes_no_place(self, number):
        who = make.contact()
        wrote(who, number)
        rows = [queue(number, who=who), queue(number)]
        claim(number)
        assert {out.message_id for out in depart(number)} == {row.pk for row in rows}
        assert [use.contact for use in LimitUse.objects.all()] == [rows[1].contact]

    def test_a_place_is_free_again_after_24_hours(self, number):
        first, second = queue(number), queue(number)
        claim(number)
        assert [out.message_id for out in depart(number)] == [first.pk]
        LimitUse.objects.update(opened_at=timezone.now() - timedelta(hours=24))
        Message.objects.filter(pk=second.pk).update(due_at=timezone.now())
        soon()
        claim(number)
        assert [out.message_id for out in depart(number)] == [second.pk]


@pytest.mark.django_db(transaction=True)
def test_a_pump_that_was_taken_for_dead_stops():
    run = pump._Run("pump:here", "me", until=float("inf"))
    Pump.objects.create(token=run.token, host="here", heartbeat_at=timezone.now())
    assert run.alive()
    Pump.objects.all().delete()
    run.beaten = float("-inf")
    assert not run.alive()


@pytest.mark.django_db(transaction=True)
def test_a_pump_whose_lease_somebody_else_took_stops():
    run = pump._Run("pump:here", "me", until=float("inf"))
    Pump.objects.create(token=run.token, host="here", heartbeat_at=timezone.now())
    assert leases.hold("pump:here", "somebody else", 20)
    assert not run.alive()
