"""The verbs of a campaign: schedule, start, pause, resume, cancel, finish.

Each moves the state by an UPDATE that names the states it may come from, so of any number of people and processes that
try at once exactly one succeeds. The engine obeys the batch; the campaign keeps what staff decided, and both change in
one transaction.
"""

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import note
from accounts.models import JobRun, User
from campaigns import audience
from campaigns.audience import DryRun, dry_run, newest_contact
from campaigns.models import Campaign
from campaigns.values import check
from contacts.models import Contact
from conversations import outbox
from conversations.models import Batch, Message, MessageTemplate, Status
from conversations.template_values import wants_media
from conversations.verdicts import Verdict, sentence

logger = logging.getLogger(__name__)

State = Campaign.State
SEND_FOR = timedelta(hours=24)  # what has not left by then stays
WAKE_AGAIN = timedelta(seconds=30)  # a freeze that showed no sign of life for so long is woken again
REOPENED_FOR = SEND_FOR + timedelta(hours=1)  # a delivery error can queue a message again after the end
NOT_LEFT = (Status.QUEUED, Status.CLAIMED, Status.SENDING)

Problems = dict[str, list[ValidationError]]


# ---- Before it starts ----


def problems(campaign: Campaign, *, at: datetime | None, counted: DryRun | None = None) -> Problems:
    """What stands against leaving at a moment, by the field where it is put right; values as "values.<slot>".

    counted: a dry run made already, so that it is not made twice.
    """
    found: Problems = defaultdict(list)
    found.update(template_problems(campaign))
    number = campaign.number
    if not number.token_set:
        found["number"].append(ValidationError(_("This number has no access token yet. Enter it first."), "no_token"))
    elif number.held_reason:
        words = _("This number is on hold (%(reason)s). Release it first.")
        found["number"].append(ValidationError(words, "number_held", {"reason": number.held_reason}))
    if at is None:
        found["scheduled_at"].append(ValidationError(_("Say when it leaves."), "required"))
    elif at < timezone.now().replace(second=0, microsecond=0):
        found["scheduled_at"].append(ValidationError(_("This time has passed. Choose a later one."), "past"))
    if not Contact.objects.tagged(campaign.tag).exists():
        words = _("Nobody is tagged “%(tag)s” yet. Tag people first, or choose another tag.")
        found["tag"].append(ValidationError(words, "nobody_tagged", {"tag": campaign.tag.name}))
    elif not found.keys() - {"scheduled_at"}:
        counted = counted or dry_run(campaign)
        if not counted.allowed + counted.later:
            most = max(counted.by_verdict, key=lambda pair: pair[1])[0]
            words = _("Nobody would get this. Most of them: %(why)s")
            found["tag"].append(ValidationError(words, "nobody", {"why": sentence(most)}))
    return dict(found)


def template_problems(campaign: Campaign) -> Problems:
    """What stands against the template and its values; asked again when the campaign starts and when it resumes."""
    found: Problems = defaultdict(list)
    template = campaign.template
    if template.archived_at or template.status != MessageTemplate.Status.APPROVED:
        found["template"].append(ValidationError(_status_words(template), "template_not_approved"))
    if template.scope_id is None:
        words = _("This template has no scope. Say first what a person must have agreed to.")
        found["template"].append(ValidationError(words, "no_scope"))
    if template.waba_id != campaign.number.waba_id:
        words = _("This template belongs to another WhatsApp account than the number. Choose one of %(number)s.")
        found["template"].append(ValidationError(words, "another_account", {"number": campaign.number.name}))
    if wants_media(template):
        words = _("This template wants a picture or file in its header, which campaigns cannot give. Choose another.")
        found["template"].append(ValidationError(words, "wants_media"))
    for slot, error in check(template, campaign.values).items():
        found[f"values.{slot}"].append(error)
    return dict(found)


def _status_words(template: MessageTemplate) -> str:
    return {
        MessageTemplate.Status.PAUSED: _(
            "WhatsApp has paused this template. Wait until it is active again, or choose another."
        ),
        MessageTemplate.Status.PENDING: _("WhatsApp has not approved this template yet. Wait, or choose another."),
        MessageTemplate.Status.REJECTED: _("WhatsApp has rejected this template. Choose another."),
        MessageTemplate.Status.DISABLED: _("WhatsApp has disabled this template. Choose another."),
    }.get(MessageTemplate.Status(template.status), _("This template cannot be used any more. Choose another."))


def schedule(campaign: Campaign, *, at: datetime, by: User) -> None:
    """Let the campaign leave at a moment. ValidationError by field when something stands against it."""
    campaign.scheduled_at = at
    counted = None if template_problems(campaign) else dry_run(campaign)
    if found := problems(campaign, at=at, counted=counted):
        raise ValidationError(found)
    with transaction.atomic():
        _move(campaign, (State.DRAFT, State.MISSED), State.SCHEDULED, scheduled_at=at, state_reason="")
        people = counted.allowed if counted else 0
        note("campaign.scheduled", campaign, actor=by, at=at.isoformat(), people=people)
    logger.info("campaign %s scheduled", campaign.pk)


def unschedule(campaign: Campaign, *, by: User) -> None:
    """Make it a draft again, to change it."""
    with transaction.atomic():
        _move(campaign, (State.SCHEDULED, State.MISSED), State.DRAFT, state_reason="")
        note("campaign.unscheduled", campaign, actor=by)


def _move(campaign: Campaign, before: tuple[State, ...], after: State, **fields: object) -> None:
    """Change the state, if it still is one of those. ValidationError when somebody was faster."""
    if not Campaign.objects.filter(pk=campaign.pk, state__in=before).update(state=after, **fields):
        raise ValidationError(_("Somebody changed this campaign a moment ago. Look again."), code="changed")
    campaign.refresh_from_db()


# ---- What the one-second loop asks ----


def start_due() -> None:
    """Job, once a second: start what is due, mark what was missed, and keep starting and running campaigns going."""
    now = timezone.now()
    due = Campaign.objects.filter(state=State.SCHEDULED, scheduled_at__lte=now).order_by("scheduled_at")
    for campaign in due.select_related("number", "template", "tag")[:20]:
        try:
            _start(campaign, now)
        except Exception:  # one that cannot start must not keep the others waiting; it is missed when its time is over
            logger.exception("campaign %s could not start", campaign.pk)
    _follow_batches(now)
    _wake_freezing(now)
    finish_done()


def _start(campaign: Campaign, now: datetime) -> None:
    assert campaign.scheduled_at is not None
    if now - campaign.scheduled_at > timedelta(minutes=campaign.tolerance_minutes):
        _miss(campaign, "late")
        return
    if found := template_problems(campaign):
        first = next(iter(found.values()))[0]
        _miss(campaign, str(first.code))
        return
    with transaction.atomic():
        batch = outbox.make_batch(
            number=campaign.number,
            label=campaign.name,
            send_until=campaign.scheduled_at + SEND_FOR,
        )
        job = JobRun.objects.create(kind="campaign.freeze", heartbeat_at=now)
        mine = Campaign.objects.filter(
            pk=campaign.pk, state=State.SCHEDULED, scheduled_at=campaign.scheduled_at
        ).update(state=State.STARTING, batch=batch, freezing=job, audience_upto=newest_contact(), started_at=now)
        if not mine:  # another process was faster: the batch and the job go with our transaction
            transaction.set_rollback(True)
            return
        note("campaign.started", campaign, actor=None)
        audience.wake(campaign.pk)
    logger.info("campaign %s started", campaign.pk)


def _miss(campaign: Campaign, reason: str) -> None:
    with transaction.atomic():
        still = Campaign.objects.filter(pk=campaign.pk, state=State.SCHEDULED, scheduled_at=campaign.scheduled_at)
        if still.update(state=State.MISSED, state_reason=reason):
            note("campaign.missed", campaign, actor=None, reason=reason)
            logger.warning("campaign %s did not leave at its time: %s", campaign.pk, reason)


def _follow_batches(now: datetime) -> None:
    """A batch that the engine stopped pauses its campaign; one that outlived its cancelled campaign is stopped."""
    stopped = Campaign.objects.filter(
        state__in=(State.STARTING, State.RUNNING), batch__state__in=(Batch.State.PAUSED, Batch.State.BROKEN)
    )
    for campaign in stopped.select_related("batch"):
        assert campaign.batch is not None
        still = Campaign.objects.filter(
            Exists(Batch.objects.filter(pk=OuterRef("batch"), state=campaign.batch.state)),
            pk=campaign.pk,
            state__in=(State.STARTING, State.RUNNING),
        )
        still.update(state=State.PAUSED, state_reason=campaign.batch.state_reason or campaign.batch.state)
    queued = Exists(Message.objects.filter(batch=OuterRef("batch"), status=Status.QUEUED))
    outlived = Campaign.objects.filter(
        queued | ~Q(batch__state=Batch.State.CANCELLED),
        state=State.CANCELLED,
        batch__isnull=False,
        finished_at__gt=now - REOPENED_FOR,
    )
    for campaign in outlived.select_related("batch"):
        assert campaign.batch is not None
        outbox.cancel(campaign.batch, reason="campaign cancelled")


def _wake_freezing(now: datetime) -> None:
    """Wake the freeze of every campaign that has not all its recipients and shows no sign of life."""
    quiet = Q(freezing__heartbeat_at__lt=now - WAKE_AGAIN)
    unfinished = Campaign.objects.filter(quiet, state__in=audience.FREEZING, batch__filled=False)
    for pk, job in unfinished.exclude(state_reason=Verdict.TEMPLATE_NOT_APPROVED).values_list("pk", "freezing"):
        # The heartbeat is the claim: one wake-up per WAKE_AGAIN, however many loops look.
        if JobRun.objects.filter(pk=job, heartbeat_at__lt=now - WAKE_AGAIN).update(heartbeat_at=now):
            audience.wake(pk)


def finish_done() -> None:
    """Close what has nothing left to send, and open again what a late delivery error put back into the queue."""
    now = timezone.now()
    waiting = Exists(Message.objects.filter(batch=OuterRef("batch"), status__in=NOT_LEFT))
    done = Campaign.objects.filter(~waiting, state=State.RUNNING, batch__filled=True, batch__state=Batch.State.RUNNING)
    for pk, batch in done.values_list("pk", "batch"):
        with transaction.atomic():
            if Campaign.objects.filter(~waiting, pk=pk, state=State.RUNNING).update(
                state=State.FINISHED, finished_at=now
            ):
                Batch.objects.filter(pk=batch, state=Batch.State.RUNNING).update(state=Batch.State.FINISHED)
                logger.info("campaign %s finished", pk)
    again = Campaign.objects.filter(waiting, state=State.FINISHED, finished_at__gt=now - REOPENED_FOR)
    for pk, batch in again.values_list("pk", "batch"):
        with transaction.atomic():
            if Campaign.objects.filter(pk=pk, state=State.FINISHED).update(state=State.RUNNING, finished_at=None):
                Batch.objects.filter(pk=batch, state=Batch.State.FINISHED).update(state=Batch.State.RUNNING)


# ---- While it runs ----


def pause(campaign: Campaign, *, by: User) -> None:
    """Hold back what has not left. What is leaving at this moment may still arrive."""
    with transaction.atomic():
        _move(campaign, (State.STARTING, State.RUNNING), State.PAUSED, state_reason="by staff")
        assert campaign.batch is not None
        outbox.pause(campaign.batch)
        note("campaign.paused", campaign, actor=by)


def resume(campaign: Campaign, *, by: User) -> None:
    """Go on. ValidationError when the template may not be sent any more, or when the time is over."""
    for errors in template_problems(campaign).values():
        raise errors[0]
    batch = campaign.batch
    if batch is None:
        raise ValidationError(_("This campaign has not started."), code="not_started")
    if batch.send_until and batch.send_until <= timezone.now():
        raise ValidationError(_("Its 24 hours are over. Cancel it and make a new one for those left."), code="over")
    with transaction.atomic():
        _move(campaign, (State.PAUSED,), State.RUNNING, state_reason="")
        batch = Batch.objects.get(pk=batch.pk)
        if not batch.filled:
            Campaign.objects.filter(pk=campaign.pk).update(state=State.STARTING)
            audience.wake(campaign.pk)
        outbox.resume(batch)
        note("campaign.resumed", campaign, actor=by)
    campaign.refresh_from_db()


def cancel(campaign: Campaign, *, by: User) -> None:
    """Stop for good: what has not left never will. A draft is put away."""
    with transaction.atomic():
        before = tuple(state for state in State if state not in (State.FINISHED, State.CANCELLED))
        _move(campaign, before, State.CANCELLED, state_reason="by staff", finished_at=timezone.now())
        # No chunk can commit after this: a freeze moves its mark only while the campaign is starting or paused.
        if campaign.freezing is not None:
            freezing = JobRun.objects.filter(pk=campaign.freezing.pk).exclude(state=JobRun.State.DONE)
            freezing.update(state=JobRun.State.DONE, finished_at=timezone.now())
        note("campaign.cancelled", campaign, actor=by)
    if campaign.batch is not None:
        outbox.cancel(campaign.batch, reason="campaign cancelled")
