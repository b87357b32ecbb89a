"""What we plan to say, to whom, when, and what came of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import JobRun
from contacts.models import Contact, Tag
from conversations.models import Batch, BusinessNumber, Message, MessageTemplate
from conversations.verdicts import Verdict


class Campaign(models.Model):
    """A template, an audience and a time.

    draft → scheduled → starting → running → finished; scheduled → missed (its time passed by more than the tolerance:
    a person decides); running ↔ paused; any but finished → cancelled. The recipients are frozen while it is starting,
    and sending begins meanwhile. Pause and cancel live on the batch, so the engine obeys without knowing campaigns.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        STARTING = "starting", _("choosing recipients")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")
        MISSED = "missed", _("missed its time")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    number = models.ForeignKey(BusinessNumber, models.PROTECT, related_name="+", verbose_name=_("from number"))
    template = models.ForeignKey(MessageTemplate, models.PROTECT, related_name="+", verbose_name=_("template"))
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="+", verbose_name=_("people tagged"))
    # {"body.1": {"field": "first_name", "fallback": "there"} | {"constant": "20%"}}
    values = models.JSONField(default=dict, blank=True)
    scheduled_at = models.DateTimeField(_("leaves at"), null=True, blank=True)
    tolerance_minutes = models.PositiveIntegerField(
        default=60, help_text=_("Started later than this after its time, it waits for you instead.")
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    state_reason = models.CharField(max_length=60, blank=True)
    batch = models.OneToOneField(Batch, models.PROTECT, null=True, related_name="+")
    freezing = models.OneToOneField(JobRun, models.PROTECT, null=True, related_name="+")
    audience_upto = models.BigIntegerField(null=True)  # the newest contact id when it started: later ones are not asked
    frozen_upto = models.BigIntegerField(default=0)  # contact id up to which recipients exist: where to resume
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(state="draft") | Q(state="cancelled") | Q(scheduled_at__isnull=False),
                name="campaign_scheduled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("starting", "running", "paused", "finished")) | Q(batch__isnull=False),
                name="campaign_started_has_batch",
            ),
        ]
        indexes = [models.Index(fields=["state", "scheduled_at"], name="campaign_due")]  # start_due()

    def __str__(self) -> str:
        return self.name


class Recipient(models.Model):
    """One contact in one campaign: with a message, or with the reason there is none."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="recipients")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="+")
    message = models.OneToOneField(Message, models.PROTECT, null=True, related_name="recipient")
    verdict = models.CharField(max_length=24, choices=Verdict)  # when the recipients were frozen

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "contact"], name="recipient_once_per_campaign"),
            models.CheckConstraint(
                condition=Q(message__isnull=False) | ~Q(verdict=Verdict.ALLOWED), name="recipient_left_out_has_reason"
            ),
        ]
        indexes = [models.Index(fields=["campaign", "verdict"], name="recipient_by_verdict")]  # left out, by verdict

    def __str__(self) -> str:
        return f"contact {self.contact_id} in campaign {self.campaign_id}"
