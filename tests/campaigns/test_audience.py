"""Who would get a campaign, and who is frozen into it: the same people, whatever happens on the way."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from django_q.models import OrmQ

from accounts import leases
from accounts.models import JobRun, Lease
from campaigns import audience, dispatch
from campaigns.models import Campaign
from contacts import consent
from contacts.models import Action, Contact, Source
from conversations.models import Batch, Message, MessageTemplate, Status
from conversations.verdicts import WAITS_FOR
from tests import make
from tests.campaigns import plan
from tests.conftest import eventually

pytestmark = pytest.mark.django_db


def frozen(campaign: Campaign) -> Counter[str]:
    return Counter(campaign.recipients.values_list("verdict", flat=True))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = audience.Pace(first=3, most=3, hold=1, rest=0)
    monkeypatch.setattr(audience, "_PACES", {"sqlite": pace})
    monkeypatch.setattr(audience, "_PACE", pace)


@pytest.fixture
def breaks() -> Iterator[Callable[[int], None]]:
    """Let the database fail at the n-th statement that adds recipients: amid a transaction, as a lost connection."""
    with ExitStack() as stack:

        def at(count: int) -> None:
            calls = iter(range(1, count + 1))

            def door(execute: Any, sql: str, *rest: Any) -> Any:
                if "INSERT" in sql and "campaigns_recipient" in sql and next(calls, 0) == count:
                    raise DatabaseError("the server went away")
                return execute(sql, *rest)

            stack.enter_context(connection.execute_wrapper(door))

        yield at


def test_the_dry_run_counts_everybody_once_by_verdict() -> None:
    people = plan.all_sorts()
    make.contact()  # without the tag

    found = audience.dry_run(plan.campaign())

    assert found.total == len(people)
    assert {verdict.value: number for verdict, number in found.by_verdict} == dict.fromkeys(people, 1)
    assert (found.allowed, found.later) == (1, 1)


def test_the_freeze_says_what_the_dry_run_said() -> None:
    plan.all_sorts()
    campaign = plan.campaign()
    counted = {verdict.value: number for verdict, number in audience.dry_run(campaign).by_verdict}

    plan.started(campaign)

    assert frozen(campaign) == counted


def test_whoever_may_or_may_later_get_it_has_a_message_and_nobody_else() -> None:
    people = plan.all_sorts()
    campaign = plan.started(plan.campaign())

    queued = set(Message.objects.filter(batch=campaign.batch).values_list("contact__first_name", flat=True))

    assert queued == {people["allowed"].first_name, people["resting"].first_name}
    for recipient in campaign.recipients.all():
        assert (recipient.message is None) == (recipient.verdict not in ("allowed", *WAITS_FOR))


def test_a_message_keeps_the_words_the_person_will_read() -> None:
    anna, nameless = plan.person(first_name="Anna"), plan.person()
    campaign = plan.started(plan.campaign())
    Contact.objects.filter(pk=anna.pk).update(first_name="Hannah")

    messages = {message.contact_id: message for message in Message.objects.filter(batch=campaign.batch)}

    assert messages[anna.pk].content == {"parameters": {"body": ["Anna", "20%"]}}
    assert messages[anna.pk].text.startswith("Hi Anna, until Sunday everything is 20% off.")
    assert messages[nameless.pk].text.startswith("Hi there,")
    assert messages[anna.pk].send_until == campaign.scheduled_at + timedelta(hours=24)
    assert messages[anna.pk].priority == 40


def test_a_person_without_a_value_is_left_out() -> None:
    plan.person(first_name="Anna")
    nameless = plan.person(first_name="  ")
    values = {"body.1": {"field": "first_name", "fallback": ""}, "body.2": {"constant": "20%"}}

    campaign = plan.started(plan.campaign(values=values))

    assert campaign.recipients.get(contact=nameless).verdict == "missing_value"
    assert frozen(campaign) == {"allowed": 1, "missing_value": 1}


def test_the_job_counts_first_and_ends_full() -> None:
    for _ in range(5):
        plan.person()
    campaign = plan.started(plan.campaign())

    assert campaign.freezing is not None and campaign.batch is not None
    assert (campaign.freezing.total, campaign.freezing.done, campaign.freezing.state) == (5, 5, JobRun.State.DONE)
    assert campaign.batch.filled
    assert campaign.state == Campaign.State.RUNNING


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_a_freeze_that_died_goes_on_behind_its_last_whole_chunk(
    chunk: int, small_chunks: None, breaks: Callable[[int], None]
) -> None:
    people = [plan.person() for _ in range(8)]
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    breaks(chunk)
    with pytest.raises(DatabaseError):
        audience.freeze(campaign.pk)
    whole = (chunk - 1) * 3
    assert Message.objects.filter(batch__isnull=False).count() == campaign.recipients.count() == whole
    campaign.refresh_from_db()
    assert campaign.frozen_upto == (people[whole - 1].pk if whole else 0)
    assert campaign.freezing is not None and campaign.freezing.error == "DatabaseError"

    audience.freeze(campaign.pk)

    assert list(campaign.recipients.order_by("contact").values_list("contact", flat=True)) == [one.pk for one in people]
    assert Message.objects.filter(batch__isnull=False).count() == 8
    assert Campaign.objects.get(pk=campaign.pk).state == Campaign.State.RUNNING


def test_a_chunk_frozen_twice_adds_nothing(small_chunks: None) -> None:
    for _ in range(4):
        plan.person()
    campaign = plan.started(plan.campaign())
    Campaign.objects.filter(pk=campaign.pk).update(frozen_upto=0, state=Campaign.State.STARTING)
    Batch.objects.update(filled=False)

    audience.freeze(campaign.pk)

    assert campaign.recipients.count() == Message.objects.filter(batch=campaign.batch).count() == 4


def test_nobody_is_frozen_who_came_after_the_start() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    late = plan.person()

    audience.freeze(campaign.pk)

    assert not campaign.recipients.filter(contact=late).exists()


def test_a_second_freeze_at_once_does_nothing() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    leases.hold(f"freeze campaign {campaign.pk}", "somebody else", 30)

    audience.freeze(campaign.pk)

    assert campaign.recipients.count() == 0


def test_a_freeze_whose_time_is_over_asks_to_be_called_again(
    small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    OrmQ.objects.all().delete()
    monkeypatch.setattr(audience, "RUN_SECONDS", 0)

    audience.freeze(campaign.pk)

    assert campaign.recipients.count() == 3
    assert [task.func() for task in OrmQ.objects.all()] == ["campaigns.audience.freeze"]


def test_cancelling_stops_the_freeze(small_chunks: None) -> None:
    for _ in range(4):
        plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    campaign.refresh_from_db()
    dispatch.cancel(campaign, by=make.user("marketing"))

    audience.freeze(campaign.pk)

    assert campaign.recipients.count() == 0


def test_a_template_paused_meanwhile_pauses_the_campaign_and_blames_nobody() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    MessageTemplate.objects.update(status=MessageTemplate.Status.PAUSED)

    audience.freeze(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == (Campaign.State.PAUSED, "template_not_approved")
    assert campaign.batch is not None and campaign.batch.state == "paused"
    assert campaign.recipients.count() == 0

    MessageTemplate.objects.update(status=MessageTemplate.Status.APPROVED)
    dispatch.resume(campaign, by=make.user("marketing"))
    audience.freeze(campaign.pk)

    assert frozen(campaign) == {"allowed": 1}


def test_a_paused_campaign_is_filled_while_it_waits() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    campaign.refresh_from_db()
    dispatch.pause(campaign, by=make.user("marketing"))

    audience.freeze(campaign.pk)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    assert campaign.batch is not None and campaign.batch.filled
    assert Message.objects.filter(batch=campaign.batch, status=Status.QUEUED).count() == 1


def test_people_tagged_between_the_count_and_the_freeze_do_not_break_the_progress(small_chunks: None) -> None:
    late = make.contact()
    make.agree(late)
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    campaign.refresh_from_db()
    JobRun.objects.update(total=1)
    late.tags.add(make.tag())

    audience.freeze(campaign.pk)

    job = JobRun.objects.get()
    assert (job.done, job.total) == (2, 2)


FREEZE = """
import django
django.setup()
from campaigns import audience
audience._PACES = {"sqlite": audience.Pace(10, 10, 1, 0.01)}
audience._PACE = audience.Pace(10, 10, 1, 0.01)
audience.freeze(%d)
"""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_freeze_killed_with_its_process_is_finished_by_the_next(process_environment: dict[str, str]) -> None:
    tag, wording = make.tag(), make.wording()
    Contact.objects.bulk_create(Contact(phone=f"+39348{n:07d}", first_name=f"N{n}") for n in range(600))
    people = list(Contact.objects.order_by("pk"))
    tag.contacts.set(people)
    consent.record_many(
        [
            consent.Entry(
                contact=one, action=Action.GRANTED, source=Source.WEB_FORM, scope=wording.scope, wording=wording,
                proof=make.proof(), occurred_at=timezone.now() - timedelta(days=30),
            )
            for one in people[::2]
        ]
    )  # fmt: skip
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    process = subprocess.Popen([sys.executable, "-c", FREEZE % campaign.pk], env=process_environment)
    eventually(lambda: campaign.recipients.count() >= 100)
    process.kill()
    process.wait()
    half = campaign.recipients.count()
    campaign.refresh_from_db()
    assert half < 600
    assert half == Contact.objects.filter(pk__lte=campaign.frozen_upto).count()  # whole chunks, and their mark
    Lease.objects.update(expires_at=timezone.now())  # as if its time had passed

    audience.freeze(campaign.pk)

    assert frozen(campaign) == {"allowed": 300, "no_consent": 300}
    assert Message.objects.filter(batch=campaign.batch).values("contact").distinct().count() == 300
    assert Message.objects.count() == 300
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.RUNNING
    job = JobRun.objects.get()
    assert (job.done, job.total, job.state) == (600, 600, JobRun.State.DONE)
