"""What must not stop the pump, and what departures, answers and statuses do to one another."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Action
from conversations import departures, pump, settling, statuses
from conversations.models import Attempt, Batch, Conversation, Kind, Message, RateBucket
from conversations.settling import Result
from conversations.whatsapp.events import StatusChanged
from tests import make
from tests.conversations.test_departures import claim, depart, queue, state


def told(row, word, *, wamid="w1", codes=(), attempt=None):
    key = f"{row.public_id.hex}.{attempt or row.attempt}"
    return StatusChanged(
        phone_number_id="1", wamid=wamid, status=word, at=timezone.now(), callback_data=key, errors=codes
    )


def wrote(who, number, **fields):
    defaults = {"kind": "inbound", "status": "received", "wamid": uuid.uuid4().hex, "type": "text"}
    row = Message.objects.create(contact=who, number=number, at=timezone.now(), **defaults | fields)
    Conversation.objects.create(
        contact=who, number=number, last_inbound=row, changed_at=timezone.now(),
        session_expires_at=timezone.now() + timedelta(hours=3),
    )  # fmt: skip
    return row


@pytest.mark.django_db
class TestOneBadRow:
    def test_a_message_that_cannot_be_built_fails_and_stops_no_other(self, number):
        who = make.contact()
        twins = {"buttons": [("OPTIN:a", "The same"), ("OPTIN:b", "The same")]}
        bad = queue(
            number, who=who, kind=Kind.OWN_REQUEST, template=None, type="interactive", text="What?", content=twins,
            answers=wrote(who, number), priority=0,
        )  # fmt: skip
        good = queue(number)
        claim(number)
        assert [out.message_id for out in depart(number)] == [good.pk]
        assert (state(bad, good), bad.error_code) == (["failed", "sending"], departures.BUILT_WRONGLY)

    def test_a_confirmation_to_somebody_without_any_address_is_withheld_and_stops_no_other(self, number):
        who = make.contact()
        bad = queue(
            number, who=who, kind=Kind.STOP_CONFIRMATION, template=None, type="text", text="Stopped.",
            answers=wrote(who, number), priority=0,
        )  # fmt: skip
        good = queue(number)
        claim(number)
        type(who).objects.filter(pk=who.pk).update(phone=None)
        assert [out.message_id for out in depart(number)] == [good.pk]
        assert (state(bad), bad.verdict) == ("withheld", "no_address")

    def test_five_of_a_batch_that_cannot_be_built_stop_the_batch(self, number):
        batch = Batch.objects.create(number=number, label="Autumn")
        for _ in range(6):
            queue(number, batch=batch, content={"parameters": "not what it should be"})
        claim(number)
        depart(number)
        batch.refresh_from_db()
        assert (batch.state, batch.state_reason) == ("broken", "code 100")


@pytest.mark.django_db
def test_two_campaigns_that_leave_together_do_not_pass_the_cap_together(number):
    type(number.portfolio).objects.update(marketing_cap=1)
    first = queue(number, batch=Batch.objects.create(number=number, label="One"))
    second = queue(number, batch=Batch.objects.create(number=number, label="Two"), who=first.contact)
    claim(number)
    assert [out.message_id for out in depart(number)] == [first.pk]
    RateBucket.objects.update(paid_until=0)
    assert depart(number) == []
    assert (state(first, second), second.verdict) == (["sending", "queued"], "frequency_cap")


@pytest.mark.django_db
class TestAnswersAndStatuses:
    def test_an_answer_after_a_failure_that_is_tried_again_belongs_to_its_attempt(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        row.refresh_from_db()
        statuses.apply([told(row, "failed", codes=(131016,))])
        Message.objects.update(due_at=timezone.now())
        claim(number)
        settling.settle([Result(row.pk, 1, "sent", wamid="w1")])
        assert (state(row), row.wamid) == ("claimed", None)
        assert Attempt.objects.get().wamid == "w1"

    def test_a_late_answer_of_an_attempt_given_up_is_kept_as_a_duplicate(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        settling.settle([Result(row.pk, 1, "not_sent")])
        Message.objects.update(due_at=timezone.now())
        RateBucket.objects.update(paid_until=0)
        claim(number)
        depart(number)
        settling.settle([Result(row.pk, 1, "sent", wamid="w1"), Result(row.pk, 2, "sent", wamid="w2")])
        assert (state(row), row.wamid, row.attempt) == ("sent", "w2", 2)
        attempt = Attempt.objects.get()
        assert (attempt.outcome, attempt.wamid) == ("sent", "w1")

    def test_results_told_twice_change_nothing(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        for code in (131016, 131050):
            settling.settle([Result(row.pk, 1, "refused", code=code)])
        assert (state(row), row.error_code, Attempt.objects.count()) == ("queued", 131016, 1)
        assert not row.contact.consent_events.filter(action=Action.BLOCKED).exists()

    def test_an_answer_after_a_status_told_more_is_ignored(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        row.refresh_from_db()
        statuses.apply([told(row, "delivered")])
        for outcome in ("not_sent", "unknown"):
            settling.settle([Result(row.pk, 1, outcome)])
        settling.settle([Result(row.pk, 1, "refused", code=131016)])
        assert (state(row), Attempt.objects.count()) == ("delivered", 0)


@pytest.mark.django_db
def test_a_number_whose_posts_hang_leaves_room_for_the_others(number):
    other = make.number("2", rate_per_second=1000)
    run = pump._Run("lease", "me", until=0)
    run.numbers = {number.pk: number, other.pk: other}
    run.in_flight = {(pk, 1): number.pk for pk in range(pump.THREADS)}
    assert (run.room(number), run.room(other)) == (-pump.THREADS // 2, 0)
    run.in_flight = {(pk, 1): number.pk for pk in range(pump.THREADS // 2)}
    assert (run.room(number), run.room(other)) == (0, pump.THREADS // 2)
