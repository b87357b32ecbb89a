"""Whom the one-second loop wakes, and that it asks little when there is nothing to do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import leases, queues
from accounts.models import WorkerHost
from campaigns import dispatch
from contacts import news
from contacts.models import LedgerNews
from conversations import inbound, wakeups
from conversations.models import Batch, Message, Pump, WebhookDelivery
from tests import make
from tests.conversations.test_departures import claim, depart, queue, state

pytestmark = pytest.mark.django_db
PEOPLE, STATUSES = "conversations.inbound.drain_people", "conversations.inbound.drain_statuses"
PUMP, SEQUENCER = "conversations.pump.pump", "contacts.news.place"


@pytest.fixture
def woken(monkeypatch):
    """The jobs that were woken, in order."""
    jobs: list[str] = []
    monkeypatch.setattr(wakeups, "_woken", {})
    monkeypatch.setattr(queues, "wake", lambda job, queue: jobs.append(job))
    return jobs


def test_with_nothing_to_do_nobody_is_woken_and_little_is_asked(woken, number, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        wakeups.look()
        dispatch.start_due()
    assert woken == []


def test_an_unread_body_wakes_the_reader_of_its_lane(woken):
    for people in (False, True):
        WebhookDelivery.objects.create(body=b"{}", people=people)
    wakeups.look()
    assert woken == [PEOPLE, STATUSES]


@pytest.mark.parametrize("people", [True, False])
def test_a_lane_that_somebody_reads_is_left_to_them(woken, people):
    WebhookDelivery.objects.create(body=b"{}", people=people)
    assert leases.hold(inbound.lane_lease(people=people), "somebody else", 20)
    wakeups.look()
    assert woken == []
    inbound.drain_people()
    inbound.drain_statuses()
    assert WebhookDelivery.objects.get().attempts == 0  # a second reader returns at once


def test_a_parked_body_wakes_nobody_and_one_to_try_again_only_at_its_time(woken):
    later = timezone.now() + timedelta(minutes=1)
    WebhookDelivery.objects.create(body=b"{}", people=True, parked_at=timezone.now())
    WebhookDelivery.objects.create(body=b"{}", people=True, due_at=later)
    wakeups.look()
    assert woken == []


def test_the_same_wake_up_is_not_repeated_every_second(woken):
    WebhookDelivery.objects.create(body=b"{}", people=True)
    wakeups.look()
    wakeups.look()
    assert woken == [PEOPLE]


@pytest.mark.parametrize("alone", [True, False])
def test_due_messages_wake_a_pump(woken, number, alone):
    batch = None if alone else Batch.objects.create(number=number, label="Autumn")
    row = queue(number, batch=batch)
    LedgerNews.objects.update(position=1)
    wakeups.look()
    assert woken == [PUMP]
    assert state(row) == "queued"


def test_messages_of_a_later_hour_or_a_paused_batch_wake_no_pump(woken, number):
    queue(number, batch=Batch.objects.create(number=number, label="Autumn", state="paused"))
    row = queue(number)
    Message.objects.filter(pk=row.pk).update(due_at=timezone.now() + timedelta(hours=1))
    news.place()
    wakeups.look()
    assert woken == []


def test_each_machine_gets_one_pump(woken, number):
    queue(number)
    news.place()
    for name in ("one", "two"):
        WorkerHost.objects.create(name=name, heartbeat_at=timezone.now())
    Pump.objects.create(host="one", heartbeat_at=timezone.now())
    wakeups.look()
    assert woken == [PUMP]
    Pump.objects.create(host="two", heartbeat_at=timezone.now())
    wakeups._woken.clear()
    wakeups.look()
    assert woken == [PUMP]


def test_what_a_dead_pump_held_is_taken_back(woken, number):
    sending, claimed = queue(number), queue(number)
    claim(number)
    depart(number, room=1)
    wakeups.look()
    assert state(sending, claimed) == ["sending", "claimed"]
    Pump.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    wakeups.look()
    assert state(sending, claimed) == ["unknown", "queued"]


def test_news_of_the_ledger_get_their_places_in_the_order_of_their_commits(woken):
    for _ in range(2):
        make.withdraw(make.contact())
    wakeups.look()
    assert woken == [SEQUENCER]
    news.place()
    make.withdraw(make.contact())
    news.place()
    assert list(LedgerNews.objects.order_by("event_id").values_list("position", flat=True)) == [1, 2, 3]
    wakeups._woken.clear()
    wakeups.look()
    assert woken == [SEQUENCER]


def test_a_second_sequencer_returns_at_once(woken):
    make.withdraw(make.contact())
    assert leases.hold("ledger-news", "somebody else", 30)
    wakeups.look()
    news.place()
    assert woken == []
    assert news.unplaced()
