"""The verbs of a campaign, each once, whoever tries them at the same time."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import AuditEntry, JobRun, User
from campaigns import audience, dispatch
from campaigns.models import Campaign
from conversations import outbox
from conversations.models import Batch, Message, MessageTemplate, Status
from tests import make
from tests.campaigns import plan

pytestmark = pytest.mark.django_db
State = Campaign.State


@pytest.fixture
def planner(db: None) -> User:
    return make.user("marketing")


def in_an_hour() -> Any:
    return timezone.now() + timedelta(hours=1)


def refusals(campaign: Campaign, planner: User, **at: Any) -> dict[str, list[str]]:
    """The codes that scheduling is refused with, by field."""
    with pytest.raises(ValidationError) as refused:
        dispatch.schedule(campaign, at=at.get("at", in_an_hour()), by=planner)
    assert Campaign.objects.get(pk=campaign.pk).state == State.DRAFT
    return {field: [error.code or "" for error in errors] for field, errors in refused.value.error_dict.items()}


# ---- Schedule ----


def test_scheduling_keeps_the_time_and_writes_who_did_it(planner: User) -> None:
    plan.person()
    campaign, at = plan.campaign(), in_an_hour()

    dispatch.schedule(campaign, at=at, by=planner)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.scheduled_at) == (State.SCHEDULED, at)
    entry = AuditEntry.objects.get(verb="campaign.scheduled")
    assert (entry.actor, entry.details["people"]) == (planner, 1)


@pytest.mark.parametrize(
    "status", [status for status in MessageTemplate.Status if status != MessageTemplate.Status.APPROVED]
)
def test_a_template_that_is_not_approved_is_refused_beside_it(planner: User, status: str) -> None:
    plan.person()
    campaign = plan.campaign(template=make.template(status=status))

    assert refusals(campaign, planner) == {"template": ["template_not_approved"]}


def test_a_template_without_scope_is_refused_beside_it(planner: User) -> None:
    plan.person()

    assert refusals(plan.campaign(template=make.template(slug=None)), planner) == {"template": ["no_scope"]}


def test_a_template_of_another_account_is_refused_beside_it(planner: User) -> None:
    plan.person()

    assert refusals(plan.campaign(template=make.template(waba_id="999")), planner) == {"template": ["another_account"]}


def test_a_template_that_wants_a_picture_is_refused_beside_it(planner: User) -> None:
    plan.person()
    components = [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Look at this"}]

    campaign = plan.campaign(template=make.template(components=components), values={})

    assert refusals(campaign, planner) == {"template": ["wants_media"]}


@pytest.mark.parametrize(
    ("sources", "codes"),
    [
        ({}, {"values.body.1": ["missing"], "values.body.2": ["missing"]}),
        (plan.VALUES | {"body.2": {"constant": " \t"}}, {"values.body.2": ["missing"]}),
        (plan.VALUES | {"body.1": {"field": "phone", "fallback": "x"}}, {"values.body.1": ["unknown_field"]}),
        (plan.VALUES | {"body.2": {"constant": "x" * 301}}, {"values.body.2": ["too_long"]}),
    ],
)
def test_a_gap_without_a_usable_value_is_refused_beside_it(
    planner: User, sources: dict[str, Any], codes: dict[str, list[str]]
) -> None:
    plan.person()

    assert refusals(plan.campaign(values=sources), planner) == codes


def test_a_time_in_the_past_is_refused_beside_it(planner: User) -> None:
    plan.person()

    assert refusals(plan.campaign(), planner, at=timezone.now() - timedelta(minutes=2)) == {"scheduled_at": ["past"]}


def test_the_minute_that_runs_is_not_the_past(planner: User) -> None:
    plan.person()
    campaign = plan.campaign()

    dispatch.schedule(campaign, at=timezone.now().replace(second=0, microsecond=0), by=planner)

    assert campaign.state == State.SCHEDULED


def test_a_tag_that_nobody_has_is_refused_beside_it(planner: User) -> None:
    assert refusals(plan.campaign(), planner) == {"tag": ["nobody_tagged"]}


def test_a_campaign_that_nobody_would_get_is_refused_beside_the_tag(planner: User) -> None:
    make.contact(tags=[make.tag()])

    assert refusals(plan.campaign(), planner) == {"tag": ["nobody"]}


@pytest.mark.parametrize(
    ("fields", "code"), [({"held_reason": "code 131042"}, "number_held"), ({"token": ""}, "no_token")]
)
def test_a_number_that_cannot_send_is_refused_beside_it(planner: User, fields: dict[str, str], code: str) -> None:
    plan.person()

    assert refusals(plan.campaign(number=make.number(**fields)), planner) == {"number": [code]}


def test_a_campaign_is_scheduled_once(planner: User) -> None:
    plan.person()
    campaign, at = plan.campaign(), in_an_hour()
    dispatch.schedule(campaign, at=at, by=planner)
    with pytest.raises(ValidationError) as refused:
        dispatch.schedule(Campaign.objects.get(pk=campaign.pk), at=at + timedelta(hours=1), by=planner)

    assert refused.value.code == "changed"
    campaign.refresh_from_db()
    assert campaign.scheduled_at == at


def test_a_scheduled_campaign_can_become_a_draft_again(planner: User) -> None:
    plan.person()
    campaign = plan.campaign()
    dispatch.schedule(campaign, at=in_an_hour(), by=planner)

    dispatch.unschedule(campaign, by=planner)

    assert campaign.state == State.DRAFT
    assert AuditEntry.objects.filter(verb="campaign.unscheduled", actor=planner).exists()


# ---- Start ----


def test_a_campaign_starts_at_its_time_and_wakes_the_freeze() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())

    dispatch.start_due()

    campaign.refresh_from_db()
    assert campaign.state == State.STARTING
    assert campaign.batch is not None and campaign.batch.label == "Autumn offer"
    assert campaign.batch.send_until == campaign.scheduled_at + timedelta(hours=24)
    assert [(task.func(), task.args()) for task in OrmQ.objects.all()] == [
        ("campaigns.audience.freeze", (campaign.pk,))
    ]


def test_nothing_starts_before_its_time(planner: User) -> None:
    plan.person()
    campaign = plan.campaign()
    dispatch.schedule(campaign, at=in_an_hour(), by=planner)

    dispatch.start_due()

    campaign.refresh_from_db()
    assert campaign.state == State.SCHEDULED


def test_asking_twice_starts_once() -> None:
    plan.person()
    plan.due(plan.campaign())

    dispatch.start_due()
    dispatch.start_due()

    assert Batch.objects.count() == JobRun.objects.count() == OrmQ.objects.count() == 1


def test_a_campaign_that_missed_its_time_by_more_than_its_tolerance_waits_for_a_person(planner: User) -> None:
    plan.person()
    campaign = plan.due(plan.campaign(tolerance_minutes=10))
    Campaign.objects.update(scheduled_at=timezone.now() - timedelta(minutes=11))

    dispatch.start_due()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == (State.MISSED, "late")
    assert Batch.objects.count() == 0
    dispatch.schedule(campaign, at=in_an_hour(), by=planner)
    assert campaign.state == State.SCHEDULED


@pytest.mark.parametrize(
    ("change", "reason"), [({"status": "PAUSED"}, "template_not_approved"), ({"scope": None}, "no_scope")]
)
def test_the_template_is_looked_at_again_when_the_time_has_come(change: dict[str, Any], reason: str) -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    MessageTemplate.objects.update(**change)

    dispatch.start_due()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == (State.MISSED, reason)


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_that_see_a_due_campaign_exactly_one_starts_it() -> None:
    plan.person()
    for _ in range(5):
        plan.due(plan.campaign())
    barrier = threading.Barrier(4)
    troubles: list[BaseException] = []

    def look() -> None:
        try:
            barrier.wait()
            dispatch.start_due()
        except BaseException as error:
            troubles.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert troubles == []
    assert set(Campaign.objects.values_list("state", flat=True)) == {State.STARTING}
    assert Batch.objects.count() == JobRun.objects.count() == OrmQ.objects.count() == 5
    assert AuditEntry.objects.filter(verb="campaign.started").count() == 5


def test_a_campaign_that_cannot_start_keeps_no_other_waiting() -> None:
    plan.person()
    broken, sound = plan.due(plan.campaign()), plan.due(plan.campaign())
    Campaign.objects.filter(pk=broken.pk).update(values=["not what we keep there"])

    dispatch.start_due()

    assert Campaign.objects.get(pk=broken.pk).state == State.SCHEDULED
    assert Campaign.objects.get(pk=sound.pk).state == State.STARTING


def test_a_freeze_without_a_sign_of_life_is_woken_again_and_once() -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    OrmQ.objects.all().delete()
    dispatch.start_due()
    assert OrmQ.objects.count() == 0  # it has just been woken
    JobRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))

    dispatch.start_due()
    dispatch.start_due()

    assert [task.args() for task in OrmQ.objects.all()] == [(campaign.pk,)]


# ---- While it runs ----


def test_pause_and_resume_move_the_batch_with_the_campaign(planner: User) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())

    dispatch.pause(campaign, by=planner)
    assert campaign.state == State.PAUSED
    assert Batch.objects.get().state == Batch.State.PAUSED

    dispatch.resume(campaign, by=planner)
    assert campaign.state == State.RUNNING
    assert Batch.objects.get().state == Batch.State.RUNNING
    assert list(AuditEntry.objects.filter(actor=planner).order_by("id").values_list("verb", flat=True)) == [
        "campaign.paused", "campaign.resumed",
    ]  # fmt: skip


def test_a_campaign_resumed_before_all_its_people_were_chosen_is_starting_again(planner: User) -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    dispatch.start_due()
    campaign.refresh_from_db()
    dispatch.pause(campaign, by=planner)

    dispatch.resume(campaign, by=planner)

    assert campaign.state == State.STARTING
    audience.freeze(campaign.pk)
    assert Campaign.objects.get().state == State.RUNNING


def test_a_campaign_is_not_resumed_while_its_template_is_paused(planner: User) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    dispatch.pause(campaign, by=planner)
    MessageTemplate.objects.update(status="PAUSED")
    campaign = Campaign.objects.get()

    with pytest.raises(ValidationError) as refused:
        dispatch.resume(campaign, by=planner)

    assert refused.value.code == "template_not_approved"
    assert Batch.objects.get().state == Batch.State.PAUSED


def test_a_campaign_is_not_resumed_after_its_day(planner: User) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    dispatch.pause(campaign, by=planner)
    Batch.objects.update(send_until=timezone.now() - timedelta(minutes=1))

    with pytest.raises(ValidationError) as refused:
        dispatch.resume(Campaign.objects.get(), by=planner)

    assert refused.value.code == "over"


def test_cancelling_ends_what_waits_and_nothing_else(planner: User) -> None:
    plan.person(), plan.person()
    campaign = plan.started(plan.campaign())
    left, waits = Message.objects.order_by("id")
    plan.leave(left)

    dispatch.cancel(campaign, by=planner)

    assert (campaign.state, Batch.objects.get().state) == (State.CANCELLED, Batch.State.CANCELLED)
    assert Message.objects.get(pk=left.pk).status == Status.SENT
    assert Message.objects.get(pk=waits.pk).status == Status.CANCELLED
    assert AuditEntry.objects.filter(verb="campaign.cancelled", actor=planner).exists()


def test_a_cancel_that_died_half_way_is_finished_by_the_next_look(
    planner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "cancel", lambda *args, **kwargs: None)  # the process dies here
        dispatch.cancel(campaign, by=planner)
    assert Message.objects.get().status == Status.QUEUED

    dispatch.start_due()

    assert Message.objects.get().status == Status.CANCELLED


def test_what_is_over_stays_over(planner: User) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    dispatch.cancel(campaign, by=planner)

    for verb in (dispatch.pause, dispatch.resume, dispatch.cancel, dispatch.unschedule):
        with pytest.raises(ValidationError):
            verb(Campaign.objects.get(), by=planner)

    assert Campaign.objects.get().state == State.CANCELLED


@pytest.mark.parametrize(
    ("state", "reason"), [(Batch.State.PAUSED, "template_not_approved"), (Batch.State.BROKEN, "code 132000")]
)
def test_a_batch_that_the_engine_stopped_pauses_its_campaign(state: str, reason: str) -> None:
    plan.person()
    plan.started(plan.campaign())
    Batch.objects.update(state=state, state_reason=reason)

    dispatch.start_due()

    campaign = Campaign.objects.get()
    assert (campaign.state, campaign.state_reason) == (State.PAUSED, reason)


# ---- The end ----


def test_a_campaign_is_finished_when_nothing_of_it_waits_or_is_leaving() -> None:
    plan.person()
    plan.started(plan.campaign())
    message = Message.objects.get()

    dispatch.finish_done()
    assert Campaign.objects.get().state == State.RUNNING

    plan.leave(message)
    dispatch.finish_done()

    campaign = Campaign.objects.get()
    assert campaign.state == State.FINISHED and campaign.finished_at is not None
    assert Batch.objects.get().state == Batch.State.FINISHED


def test_a_campaign_is_not_finished_before_all_its_people_are_chosen() -> None:
    plan.person()
    plan.due(plan.campaign())
    dispatch.start_due()

    dispatch.finish_done()

    assert Campaign.objects.get().state == State.STARTING


def test_a_message_that_failed_late_and_is_queued_again_opens_the_campaign_again() -> None:
    plan.person()
    plan.started(plan.campaign())
    message = Message.objects.get()
    plan.leave(message)
    dispatch.finish_done()
    Message.objects.update(status=Status.QUEUED, wamid=None)

    dispatch.finish_done()

    assert Campaign.objects.get().state == State.RUNNING
    assert Batch.objects.get().state == Batch.State.RUNNING
