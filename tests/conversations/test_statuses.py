"""A status only moves forward, whatever the order; a failure does what its code asks."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Action
from conversations import statuses
from conversations.models import Attempt, Batch, Kind, Message, Reachability, UnrecognisedEvent
from conversations.whatsapp.events import StatusChanged
from tests import make
from tests.conversations.conftest import status

pytestmark = pytest.mark.django_db
AT = 1_795_255_200


def out(number, **fields):
    who = fields.pop("contact", None) or make.contact()
    event = who.consent_events.first() or make.agree(who)
    now = timezone.now()
    defaults = {
        "kind": Kind.CAMPAIGN, "template": make.template(), "status": "sending", "type": "template", "attempt": 1,
        "stands_on": event, "sending_at": now - timedelta(minutes=1), "claim": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    }  # fmt: skip
    return Message.objects.create(contact=who, number=number, at=now, due_at=now, **defaults | fields)


def fate(row):
    row.refresh_from_db()
    return row.status


def test_a_status_that_overtakes_the_answer_is_matched_by_our_key(tell, number):
    row = out(number)
    tell(status("delivered", wamid="w1", at=AT, key=row.callback_data))
    assert fate(row) == "delivered"
    assert (row.wamid, row.delivered_at.timestamp(), row.claim) == ("w1", AT, None)


def test_an_unknown_fate_is_settled_by_a_status(tell, number):
    row = out(number, status="unknown")
    tell(status("sent", wamid="w1", at=AT, key=row.callback_data))
    assert (fate(row), row.wamid) == ("sent", "w1")


def test_a_status_for_a_stranger_is_kept(tell, number):
    tell(status("sent", wamid="nobody", at=AT), status("sent", wamid="nobody", at=AT, key="not.ours"))
    assert UnrecognisedEvent.objects.count() == 2


NEWS = ["sent", "delivered", "read"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.sampled_from([*NEWS, "failed"]), min_size=1, max_size=7))
def test_statuses_only_move_forward_in_any_order_however_often(told, number):
    row = out(number)
    for word in told:
        change = StatusChanged(
            phone_number_id="1", wamid=f"w{row.pk}", status=word, at=timezone.now(), callback_data=row.callback_data,
            errors=(131026,) if word == "failed" else (),
        )  # fmt: skip
        statuses.apply([change])
    best = max((word for word in told if word != "failed"), key=NEWS.index, default=None)
    row.refresh_from_db()
    if best in ("delivered", "read"):
        assert row.status == best
    else:
        assert row.status == ("failed" if "failed" in told else "sent")
    assert {word for word in NEWS if getattr(row, f"{word}_at")} <= set(told)
    assert (row.failed_at is not None) == ("failed" in told)


def test_every_order_of_the_usual_three_keeps_each_step_with_its_own_time(tell, number):
    for order in itertools.permutations(enumerate(NEWS)):
        row = out(number)
        for step, word in order:
            tell(status(word, wamid=f"w{row.pk}", at=AT + step, key=row.callback_data))
        assert fate(row) == "read"
        assert [getattr(row, f"{word}_at").timestamp() for word in NEWS] == [AT, AT + 1, AT + 2]


def test_a_step_told_twice_keeps_the_time_it_was_told_first(tell, number):
    row = out(number)
    for at in (AT, AT + 60):
        tell(status("delivered", wamid="w1", at=at, key=row.callback_data))
    row.refresh_from_db()
    assert row.delivered_at.timestamp() == AT


def test_failed_after_delivered_is_kept_as_news(tell, number):
    row = out(number, status="delivered", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(131026,)))
    assert (fate(row), row.error_code) == ("delivered", 131026)


@pytest.mark.parametrize("code", [131016, 130429, 131049])
def test_failures_that_pass_are_queued_again_with_the_earlier_attempt_kept(tell, number, code):
    row = out(number, status="sent", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(code,)))
    assert (fate(row), row.wamid, row.error_code) == ("queued", None, code)
    assert row.due_at.timestamp() > AT
    attempt = Attempt.objects.get(message=row)
    assert (attempt.number, attempt.wamid, attempt.outcome, attempt.code) == (1, "w1", "failed", code)


def test_a_late_sent_does_not_stop_the_retry_but_a_delivery_does(tell, number):
    row = out(number, status="sent", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(131016,)), status("sent", wamid="w1", at=AT, key=row.callback_data))
    assert fate(row) == "queued"
    tell(status("delivered", wamid="w1", at=AT, key=row.callback_data))
    assert fate(row) == "delivered"


def test_an_attempt_taken_for_lost_that_was_accepted_is_kept_as_a_duplicate(tell, number):
    row = out(number, status="sent", wamid="w2", attempt=2)
    Attempt.objects.create(message=row, number=1, outcome="not_sent", sending_at=timezone.now())
    tell(status("sent", wamid="w1", at=AT, key=f"{row.public_id.hex}.1"))
    attempt = Attempt.objects.get()
    assert (fate(row), row.wamid, attempt.outcome, attempt.wamid) == ("sent", "w2", "sent", "w1")


def test_marketing_waits_a_day_twice_and_then_fails(tell, number):
    row = out(number, status="sent", wamid="w1", attempt=3)
    tell(status("failed", wamid="w1", at=AT, codes=(131049,)))
    assert fate(row) == "failed"
    assert Reachability.objects.get().resting_until is not None


def test_131050_writes_the_stop_into_the_ledger(tell, number):
    row = out(number, status="sent", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(131050,)))
    line = row.contact.consent_events.get(action=Action.BLOCKED)
    assert (fate(row), line.source, line.evidence.data) == ("failed", "delivery_error", {"wamid": "w1", "code": 131050})
    assert row.contact.blocks.get().blocked


def test_three_undeliverables_on_three_days_make_a_person_unreachable_and_a_delivery_ends_it(tell, number):
    who = make.contact()
    for day in range(3):
        for again in range(2):
            wamid = f"w{day}.{again}"
            out(number, contact=who, status="sent", wamid=wamid)
            tell(status("failed", wamid=wamid, at=AT - 86400 * (3 - day), codes=(131026,)))
        assert Reachability.objects.get(contact=who).unreachable == (day == 2)
    row = out(number, contact=who, status="sent", wamid="w9")
    tell(status("delivered", wamid="w9", at=AT))
    assert (fate(row), Reachability.objects.get(contact=who).unreachable) == ("delivered", False)


@pytest.mark.parametrize(("code", "reason"), [(190, "code 190"), (131042, "code 131042"), (368, "code 368")])
def test_trouble_with_the_account_holds_the_number_and_keeps_the_message(tell, number, code, reason):
    row = out(number, status="sent", wamid="w1")
    tell(status("failed", wamid="w1", at=AT, codes=(code,)))
    number.refresh_from_db()
    assert (number.held_reason, fate(row), row.verdict) == (reason, "queued", "number_held")


@pytest.mark.parametrize(("code", "template"), [(132015, "PAUSED"), (132016, "DISABLED"), (132001, "GONE")])
def test_template_trouble_pauses_what_uses_it(tell, number, code, template):
    batch = Batch.objects.create(number=number, label="Autumn")
    row = out(number, status="sent", wamid="w1", batch=batch)
    tell(status("failed", wamid="w1", at=AT, codes=(code,)))
    batch.refresh_from_db()
    row.template.refresh_from_db()
    assert (batch.state, batch.state_reason, row.template.status) == ("paused", "template_not_approved", template)


def test_our_own_fault_stops_a_batch_after_five_and_not_after_all(tell, number):
    batch = Batch.objects.create(number=number, label="Autumn")
    for turn in range(5):
        batch.refresh_from_db()
        assert batch.state == "running"
        out(number, status="sent", wamid=f"w{turn}", batch=batch)
        tell(status("failed", wamid=f"w{turn}", at=AT, codes=(131008,)))
    batch.refresh_from_db()
    assert (batch.state, batch.state_reason) == ("broken", "code 131008")


def test_a_contact_known_by_phone_gains_the_user_id(tell, number):
    row = out(number, status="sent", wamid="w1")
    told = status("delivered", wamid="w1", at=AT)
    told["entry"][0]["changes"][0]["value"]["statuses"][0]["recipient_user_id"] = "IT.77"
    tell(told, told)
    assert row.contact.identities.get(kind="bsuid").value == "IT.77"
