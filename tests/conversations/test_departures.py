"""What leaves, in which order, how fast, and that nothing leaves after a withdrawal."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from accounts import clock
from accounts.models import WorkerHost
from contacts.models import Action
from conversations import departures, outbox, pump, settling
from conversations.models import Attempt, Batch, Conversation, Kind, LimitUse, Message, Pump, RateBucket
from conversations.settling import Result
from tests import make

TOKEN = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")


def until_somebody_waits_for_a_lock(*, unless):
    """Wait until a statement of this database waits; unless: who would have to, and fails the test by not waiting."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            assert not unless.done(), "it did not wait"


def queue(number, *, who=None, agreed=True, **fields):
    who = who or make.contact()
    if agreed and not who.consent_events.exists():
        make.agree(who)
    now = timezone.now()
    defaults = {
        "kind": Kind.CAMPAIGN, "template": make.template(), "type": "template", "priority": 40, "queued_at": now,
        "content": {"parameters": {"body": ["Anna", "20%"]}}, "text": "Hi Anna",
    }  # fmt: skip
    return Message.objects.create(contact=who, number=number, at=now, due_at=now, status="queued", **defaults | fields)


def claim(number, room=100):
    Pump.objects.get_or_create(token=TOKEN, defaults={"host": "here", "heartbeat_at": timezone.now()})
    return departures.claim(number, TOKEN, room=room)


def depart(number, room=100):
    with transaction.atomic():
        return departures.depart(number, TOKEN, room=room)


def state(*rows):
    found = []
    for row in rows:
        row.refresh_from_db()
        found.append(row.status)
    return found if len(found) > 1 else found[0]


@pytest.fixture
def at(monkeypatch):
    """Set the database's clock, in seconds from now."""
    start = timezone.now()

    def move(*, seconds):
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=seconds))

    return move


@pytest.mark.django_db
class TestTheQueue:
    def test_a_message_leaves_standing_on_the_line_that_granted(self, number):
        row = queue(number)
        assert claim(number) == 1
        [out] = depart(number)
        assert state(row) == "sending"
        assert row.stands_on == row.contact.consent_events.get()
        assert out.body["biz_opaque_callback_data"] == f"{row.public_id.hex}.1"
        assert out.body["to"] == row.contact.phone

    def test_the_database_refuses_a_message_that_leaves_standing_on_nothing(self, number):
        row = queue(number)
        with pytest.raises(IntegrityError), transaction.atomic():
            Message.objects.filter(pk=row.pk).update(status="sending", claim=TOKEN, sending_at=timezone.now())

    def test_one_batch_holds_one_message_a_contact(self, number):
        batch = Batch.objects.create(number=number, label="Autumn")
        row = queue(number, batch=batch)
        with pytest.raises(IntegrityError), transaction.atomic():
            queue(number, batch=batch, who=row.contact)

    def test_a_withdrawal_between_claim_and_departure_wins(self, number):
        stays, goes = queue(number), queue(number)
        claim(number)
        make.withdraw(stays.contact)
        assert [out.message_id for out in depart(number)] == [goes.pk]
        assert state(stays, goes) == ["withheld", "sending"]
        assert stays.verdict == "withdrawn"
        line = stays.contact.consent_events.last()
        assert goes.sending_at > line.recorded_at

    def test_agents_go_first_then_confirmations_then_campaigns(self, number):
        batch = Batch.objects.create(number=number, label="Autumn")
        campaign = queue(number, batch=batch)
        api = queue(number, kind=Kind.TEMPLATE, priority=10)
        who = make.contact()
        inbound = Message.objects.create(contact=who, number=number, kind="inbound", status="received", wamid="w1",
                                         type="text", at=timezone.now())  # fmt: skip
        session = {"session_expires_at": timezone.now() + timedelta(hours=3), "changed_at": timezone.now()}
        Conversation.objects.create(contact=who, number=number, last_inbound=inbound, **session)
        answer = queue(
            number, who=who, agreed=False, kind=Kind.TEXT, template=None, type="text", priority=0, answers=inbound
        )
        claim(number)
        assert [out.message_id for out in depart(number)] == [answer.pk, api.pk, campaign.pk]

    def test_running_batches_take_turns(self, number):
        first, second = (Batch.objects.create(number=number, label=label) for label in ("One", "Two"))
        for batch in (first, first, first, first, second, second):
            queue(number, batch=batch)
        assert claim(number, room=4) == 4
        held = Message.objects.filter(status="claimed")
        assert [held.filter(batch=batch).count() for batch in (first, second)] == [2, 2]

    @pytest.mark.parametrize("act", ["pause", "cancel"])
    def test_a_paused_or_cancelled_batch_sends_nothing_more(self, number, act):
        batch = Batch.objects.create(number=number, label="Autumn")
        claimed = queue(number, batch=batch)
        claim(number)
        queued = queue(number, batch=batch)
        getattr(outbox, act)(batch)
        assert depart(number) == []
        assert claim(number) == 0
        expected = {"pause": ["queued", "queued"], "cancel": ["cancelled", "cancelled"]}[act]
        assert state(claimed, queued) == expected

    def test_resume_goes_on_where_it_stopped(self, number):
        batch = Batch.objects.create(number=number, label="Autumn")
        rows = [queue(number, batch=batch) for _ in range(3)]
        claim(number, room=1)
        assert len(depart(number)) == 1
        outbox.pause(batch)
        outbox.resume(batch)
        claim(number)
        RateBucket.objects.update(paid_until=0)
        assert len(depart(number)) == 2
        assert state(*rows) == ["sending"] * 3

    def test_a_held_number_sends_nothing_and_release_sends_it_all(self, number):
        row = queue(number)
        outbox.hold(number, reason="by staff")
        assert claim(number) == 0
        assert (state(row), row.verdict) == ("queued", "number_held")
        outbox.release(number)
        assert claim(number) == 1

    def test_what_waits_too_long_is_withheld_for_what_it_waited_for(self, number):
        row = queue(number, send_until=timezone.now() + timedelta(hours=1))
        outbox.hold(number, reason="by staff")
        claim(number)
        past = timezone.now() - timedelta(seconds=1)
        Message.objects.update(due_at=past, send_until=past)
        claim(number)
        assert (state(row), row.verdict) == ("withheld", "number_held")

    def test_an_unapproved_template_pauses_its_batch_and_keeps_the_messages(self, number):
        batch = Batch.objects.create(number=number, label="Autumn")
        template = make.template("paused_one", status="PAUSED")
        row = queue(number, batch=batch, template=template)
        assert claim(number) == 0
        batch.refresh_from_db()
        assert (batch.state, batch.state_reason, state(row)) == ("paused", "template_not_approved", "queued")
        type(template).objects.update(status="APPROVED")
        outbox.resume(batch)
        assert claim(number) == 1

    def test_the_rate_is_what_the_number_may_do(self, number, at):
        number.rate_per_second = 80
        number.save()
        for _ in range(40):
            queue(number)
        at(seconds=600)
        claim(number)
        assert len(depart(number)) == 8  # a tenth of a second's worth at once
        assert depart(number) == []
        at(seconds=600.05)
        assert len(depart(number)) == 4
        at(seconds=609)
        assert len(depart(number)) == 8  # what was not used is not saved up

    def test_a_rate_error_halves_the_rate_for_a_while(self, number, at):
        for _ in range(20):
            queue(number)
        at(seconds=600)
        claim(number)
        [first, *_] = depart(number, room=1)
        settling.settle([Result(first.message_id, 1, "refused", code=130429)])
        RateBucket.objects.update(paid_until=0)
        assert len(depart(number)) == 4

    def test_one_person_gets_no_more_at_once_than_the_platform_allows(self, number):
        who = make.contact()
        for turn in range(departures.PAIR_BURST):
            queue(number, who=who, sending_at=timezone.now(), stands_on=make.agree(make.contact()))
            Message.objects.filter(status="queued").update(status="sent", wamid=f"w{turn}", due_at=None)
        make.agree(who)
        row = queue(number, who=who)
        claim(number)
        assert depart(number) == []
        assert state(row) == "queued"

    def test_the_messaging_limit_counts_people_once_and_makes_the_rest_wait(self, number):
        number.portfolio.messaging_limit = 2
        number.portfolio.save()
        rows = [queue(number) for _ in range(3)]
        again = queue(number, who=rows[0].contact, kind=Kind.TEMPLATE, priority=50)
        claim(number)
        assert {out.message_id for out in depart(number)} == {rows[0].pk, rows[1].pk, again.pk}
        assert (state(rows[2]), rows[2].verdict) == ("queued", "messaging_limit")
        assert LimitUse.objects.count() == 2

    def test_recipients_without_a_phone_are_addressed_by_their_id(self, number):
        who = make.contact(None)
        who.identities.create(kind="bsuid", namespace=number.portfolio.business_id, value="IT.77")
        queue(number, who=who)
        claim(number)
        [out] = depart(number)
        assert (out.body["recipient"], "to" in out.body) == ("IT.77", False)


@pytest.mark.django_db
class TestRecovery:
    def test_a_dead_pumps_claimed_rows_are_queued_and_its_sending_ones_become_unknown(self, number):
        sending, claimed = queue(number), queue(number)
        claim(number)
        depart(number, room=1)
        assert departures.recover() == 0
        Pump.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        assert departures.recover() == 2
        assert state(sending, claimed) == ["unknown", "queued"]

    def test_an_unknown_is_never_sent_again_by_itself(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        settling.settle([Result(row.pk, 1, "unknown")])
        RateBucket.objects.update(paid_until=0)
        assert (state(row), claim(number), depart(number)) == ("unknown", 0, [])

    def test_a_late_answer_settles_the_unknown(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        Pump.objects.all().delete()
        departures.recover()
        settling.settle([Result(row.pk, 1, "sent", wamid="w1")])
        assert (state(row), row.wamid) == ("sent", "w1")

    def test_what_did_not_leave_is_queued_again_later_under_a_new_attempt(self, number):
        row = queue(number)
        claim(number)
        depart(number)
        settling.settle([Result(row.pk, 1, "not_sent")])
        assert state(row) == "queued"
        assert row.due_at > timezone.now()
        assert Attempt.objects.get().outcome == "not_sent"
        Message.objects.update(due_at=timezone.now())
        RateBucket.objects.update(paid_until=0)
        claim(number)
        [out] = depart(number)
        assert out.body["biz_opaque_callback_data"] == f"{row.public_id.hex}.2"

    def test_an_answer_of_an_earlier_attempt_changes_nothing(self, number):
        row = queue(number, attempt=1)
        claim(number)
        depart(number)
        settling.settle([Result(row.pk, 1, "sent", wamid="w1")])
        assert (state(row), row.wamid, row.attempt) == ("sending", None, 2)


@pytest.mark.django_db
class TestAnswers:
    @pytest.fixture
    def conversation(self, number):
        who = make.contact()
        inbound = Message.objects.create(contact=who, number=number, kind="inbound", status="received", wamid="w1",
                                         type="text", at=timezone.now())  # fmt: skip
        return Conversation.objects.create(
            contact=who, number=number, last_inbound=inbound, changed_at=timezone.now(),
            session_expires_at=timezone.now() + timedelta(hours=3),
        )  # fmt: skip

    def test_an_answer_stands_on_the_message_it_answers(self, number, conversation):
        row = outbox.queue_text(conversation, "Yes, in blue too.", author=make.user("agent"))
        claim(number)
        [out] = depart(number)
        assert out.body["text"]["body"] == "Yes, in blue too."
        assert row.answers == conversation.last_inbound

    def test_pressing_send_twice_sends_once(self, conversation):
        agent = make.user("agent")
        rows = {outbox.queue_text(conversation, "Yes.", author=agent, idempotency_key="k1").pk for _ in range(2)}
        assert len(rows) == 1

    @pytest.mark.parametrize(("change", "code"), [
        ({"session_expires_at": timezone.now()}, "window_closed"), ({"stopped_at": timezone.now()}, "stopped"),
    ])  # fmt: skip
    def test_outside_a_session_free_text_is_refused(self, conversation, change, code):
        Conversation.objects.update(**change)
        with pytest.raises(ValidationError) as refusal:
            outbox.queue_text(conversation, "Hello?", author=make.user("agent"))
        assert refusal.value.code == code
        assert not Message.objects.filter(kind="text").exists()

    def test_a_session_that_closes_before_the_answer_leaves_withholds_it(self, number, conversation):
        row = outbox.queue_text(conversation, "Yes.", author=make.user("agent"))
        Conversation.objects.update(session_expires_at=timezone.now())
        claim(number)
        assert (state(row), row.verdict) == ("withheld", "window_closed")

    @pytest.mark.parametrize(("text", "code"), [("  \n", "empty"), ("x" * 4097, "too_long")])
    def test_no_text_and_too_much_text_are_refused(self, conversation, text, code):
        with pytest.raises(ValidationError) as refusal:
            outbox.queue_text(conversation, text, author=make.user("agent"))
        assert refusal.value.code == code


class Door(BaseHTTPRequestHandler):
    """A lean stand-in for the platform: accepts everything, remembers it."""

    protocol_version = "HTTP/1.1"
    taken: list[dict] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append(body)
        answer = json.dumps({"messages": [{"id": f"wamid.{body['biz_opaque_callback_data']}"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def door(settings):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    Door.taken = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.WHATSAPP_API_URL = f"http://127.0.0.1:{server.server_port}"
    yield Door
    server.shutdown()
    server.server_close()


@pytest.fixture
def brisk(monkeypatch):
    monkeypatch.setattr(pump, "IDLE", 0.0)


@pytest.mark.django_db(transaction=True)
def test_the_pump_sends_what_is_due_once_and_ends(number, door, brisk):
    batch = Batch.objects.create(number=number, label="Autumn", filled=True)
    rows = [queue(number, batch=batch) for _ in range(30)]
    refused = queue(number, batch=batch, agreed=False)
    pump.pump()
    assert {row.status for row in Message.objects.filter(pk__in=[row.pk for row in rows])} == {"sent"}
    assert (state(refused), refused.verdict) == ("withheld", "no_consent")
    keys = [body["biz_opaque_callback_data"] for body in door.taken]
    assert sorted(keys) == sorted(f"{row.public_id.hex}.1" for row in rows)
    assert not Pump.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_second_pump_of_the_same_machine_returns_at_once(number, door, brisk, monkeypatch):
    queue(number)
    tick = pump._Run.tick

    def meanwhile(run, row):
        tick(run, row)
        monkeypatch.setattr(pump._Run, "tick", tick)
        pump.pump()

    monkeypatch.setattr(pump._Run, "tick", meanwhile)
    pump.pump()
    assert len(door.taken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_draining_machine_claims_nothing_and_gives_back_what_it_holds(number, door, brisk, settings):
    settings.WORKER_NAME = "here"
    WorkerHost.objects.create(name="here", heartbeat_at=timezone.now(), draining=True)
    row = queue(number)
    pump.pump()
    assert (door.taken, state(row)) == ([], "queued")


@pytest.mark.django_db(transaction=True)
def test_nobody_listening_means_not_sent_and_nothing_is_lost(number, brisk, settings):
    settings.WHATSAPP_API_URL = "http://127.0.0.1:9"
    row = queue(number)
    pump.pump()
    assert (state(row), Attempt.objects.get().outcome) == ("queued", "not_sent")


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time: its transaction is the lock"
)
@pytest.mark.django_db(transaction=True)
def test_of_two_hundred_racing_withdrawals_none_is_followed_by_a_departure():
    """Two connections: one withdraws person after person, the other moves their messages to sending."""
    number = make.number(rate_per_second=1000)
    rows = [queue(number) for _ in range(200)]
    claim(number, room=200)

    def withdraw():
        try:
            for row in rows:
                make.withdraw(row.contact)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as other:
        withdrawing = other.submit(withdraw)
        while Message.objects.filter(status="claimed").exists():
            RateBucket.objects.update(paid_until=0)
            depart(number, room=3)
        withdrawing.result()
    left = Message.objects.filter(status="sending").select_related("contact__head")
    withheld = Message.objects.filter(status="withheld").count()
    assert left.count() + withheld == 200
    late = [
        row.pk for row in left
        if row.sending_at > row.contact.consent_events.get(action=Action.WITHDRAWN).recorded_at
    ]  # fmt: skip
    assert late == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a lock is proven with two connections")
@pytest.mark.django_db(transaction=True)
def test_a_departure_waits_for_a_withdrawal_that_holds_the_head_and_then_sees_it():
    number = make.number()
    row = queue(number)
    claim(number)
    held, go_on = threading.Event(), threading.Event()

    def withdraw():
        try:
            with transaction.atomic():
                make.withdraw(row.contact)
                held.set()
                go_on.wait(10)
        finally:
            connections.close_all()

    def leave():
        try:
            return depart(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as others:
        withdrawing = others.submit(withdraw)
        assert held.wait(10)
        leaving = others.submit(leave)
        try:
            until_somebody_waits_for_a_lock(unless=leaving)
        finally:
            go_on.set()
        withdrawing.result()
        assert leaving.result() == []
    assert (state(row), row.verdict) == ("withheld", "withdrawn")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SKIP LOCKED needs two connections")
@pytest.mark.django_db(transaction=True)
def test_two_pumps_never_claim_the_same_row():
    number = make.number()
    for _ in range(60):
        queue(number)

    def take(token):
        try:
            taken = 0
            while got := departures.claim(number, token, room=7):
                taken += got
            return taken
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as others:
        taken = list(others.map(take, [uuid.uuid4(), uuid.uuid4()]))
    assert sum(taken) == 60
    assert Message.objects.filter(status="claimed").count() == 60
