"""Who waits for whom: one connection holds its locks until the other one waits, and only then goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from contacts import consent, news
from contacts.models import ConsentEvent, LedgerNews
from conversations import departures, inbound, settling, statuses
from conversations.models import LimitUse, Message, Pump, RateBucket, WebhookDelivery
from conversations.settling import Result
from tests import make
from tests.conversations.conftest import said
from tests.conversations.test_bad_rows import told
from tests.conversations.test_departures import TOKEN, claim, depart, queue, state, until_somebody_waits_for_a_lock

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="a lock is proven with two connections"),
    pytest.mark.django_db(transaction=True),
]


def race(first: Callable[[], Any], second: Callable[[], Any], then: Callable[[], Any] | None = None) -> tuple[Any, Any]:
    """first() in a transaction that stays open until second() waits for it; then() ends that transaction."""
    held, go_on = threading.Event(), threading.Event()

    def one() -> Any:
        try:
            with transaction.atomic():
                result = first()
                held.set()
                go_on.wait(20)
                return then() if then else result
        finally:
            held.set()
            connections.close_all()

    def two() -> Any:
        try:
            return second()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as others:
        earlier = others.submit(one)
        assert held.wait(20)
        later = others.submit(two)
        try:
            until_somebody_waits_for_a_lock(unless=later)
        finally:
            go_on.set()
        return earlier.result(), later.result()


def sent(number):
    """A message on its way, as a status would find it."""
    row = queue(number)
    claim(number)
    RateBucket.objects.update(paid_until=0)
    depart(number)
    row.refresh_from_db()
    return row


def free(row):
    """Lock the message, which nobody else may hold: a NOWAIT fails at once."""
    return lambda: Message.objects.select_for_update(nowait=True, of=("self",)).get(pk=row.pk)


def test_what_a_status_says_has_arrived_does_not_depart_again():
    number = make.number()
    row = sent(number)
    statuses.apply([told(row, "failed", codes=(131016,))])
    Message.objects.update(due_at=timezone.now())
    RateBucket.objects.update(paid_until=0)
    claim(number)
    _, left = race(lambda: statuses.apply([told(row, "delivered")]), lambda: depart(number))
    assert (left, state(row), row.attempt) == ([], "delivered", 1)


def test_what_recovery_gave_back_does_not_depart():
    number = make.number()
    row = queue(number)
    claim(number)
    Pump.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    _, left = race(departures.recover, lambda: depart(number))
    assert (left, state(row)) == ([], "queued")


def test_a_withdrawal_waits_for_a_departure_and_is_recorded_after_it():
    number = make.number()
    row = queue(number)
    claim(number)
    left, line = race(lambda: departures.depart(number, TOKEN, room=10), lambda: make.withdraw(row.contact))
    row.refresh_from_db()
    assert [out.message_id for out in left] == [row.pk]
    assert row.sending_at < line.recorded_at


def test_a_departure_that_waited_is_dated_after_what_it_waited_for():
    number = make.number()
    row = queue(number)
    claim(number)
    line, left = race(
        lambda: consent.lock_heads([row.contact_id]), lambda: depart(number),
        then=lambda: make.withdraw(row.contact, "reminders"),
    )  # fmt: skip
    row.refresh_from_db()
    assert [out.message_id for out in left] == [row.pk]
    assert row.sending_at > line.recorded_at


def test_two_who_record_about_one_person_take_turns():
    who = make.contact()
    make.agree(who)
    race(lambda: make.withdraw(who), lambda: make.agree(who))
    lines = list(who.consent_events.order_by("number"))
    assert [(line.number, line.action) for line in lines] == [(1, "granted"), (2, "withdrawn"), (3, "requested")]
    assert lines[1].recorded_at < lines[2].recorded_at


def test_the_first_two_lines_of_a_new_person_take_turns_too():
    who = make.contact()
    make.scope()
    race(lambda: make.withdraw(who), lambda: make.withdraw(who, "marketing"))
    assert list(who.consent_events.order_by("number").values_list("number", flat=True)) == [1, 2]


@pytest.mark.parametrize("way", ["status", "answer"])
def test_a_stop_told_by_an_error_locks_the_head_before_the_message(way):
    row = sent(make.number())
    tell = {
        "status": lambda: statuses.apply([told(row, "failed", codes=(131050,))]),
        "answer": lambda: settling.settle([Result(row.pk, 1, "refused", code=131050)]),
    }[way]
    race(lambda: consent.lock_heads([row.contact_id]), tell, then=free(row))
    assert row.contact.blocks.get().blocked


@pytest.mark.parametrize("way", ["status", "answer"])
def test_a_rate_error_locks_the_rate_before_the_message(way):
    number = make.number()
    row = sent(number)
    tell = {
        "status": lambda: statuses.apply([told(row, "failed", codes=(130429,))]),
        "answer": lambda: settling.settle([Result(row.pk, 1, "refused", code=130429)]),
    }[way]
    race(lambda: RateBucket.objects.select_for_update().get(number=number), tell, then=free(row))
    assert RateBucket.objects.get().slowed_until is not None


def test_two_machines_take_turns_at_one_rate():
    number = make.number(rate_per_second=1)
    queue(number)
    queue(number)
    claim(number)
    first, second = race(lambda: departures.depart(number, TOKEN, room=10), lambda: depart(number))
    assert (len(first), len(second)) == (1, 0)


def test_two_numbers_share_one_messaging_limit():
    one = make.number()
    one.portfolio.messaging_limit = 1
    one.portfolio.save()
    two = make.number("2")
    queue(one)
    queue(two)
    claim(one)
    claim(two)
    first, second = race(lambda: departures.depart(one, TOKEN, room=10), lambda: depart(two))
    assert (len(first), len(second), LimitUse.objects.count()) == (1, 0, 1)
    assert Message.objects.get(verdict="messaging_limit").status == "queued"


def test_two_sequencers_never_give_one_place_twice():
    for _ in range(3):
        make.withdraw(make.contact())
    race(news._place_block, news._place_block)
    assert list(LedgerNews.objects.order_by("position").values_list("position", flat=True)) == [1, 2, 3]


def test_one_stop_applied_by_two_readers_is_obeyed_once(post):
    make.number()
    make.agree(make.contact("+393471234567"))
    post(said("+393471234567", "STOP", wamid="w1", at=int(timezone.now().timestamp())))
    delivery = WebhookDelivery.objects.get()
    race(lambda: inbound.apply_delivery(delivery), lambda: inbound.apply_delivery(delivery))
    assert Message.objects.filter(kind="inbound").count() == 1
    assert Message.objects.filter(kind="stop_confirmation").count() == 1
    assert ConsentEvent.objects.filter(action="withdrawn").count() == 1
