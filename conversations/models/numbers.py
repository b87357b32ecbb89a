"""What Meta gives us to send with: portfolio, business numbers, templates, and what is known of reaching a person."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.encrypted import EncryptedTextField
from contacts.models import Contact, Scope


class Portfolio(models.Model):
    """Our Meta business: it owns the business-scoped user ids, the messaging limit and WhatsApp's own stop."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    business_id = models.CharField(_("Meta business id"), max_length=64, unique=True)
    messaging_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("People you may start with in 24 hours, outside sessions. Empty: no limit.")
    )
    marketing_cap = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("Most campaign messages one person gets in the days below. Empty: no cap.")
    )
    marketing_cap_days = models.PositiveSmallIntegerField(default=7, validators=[MinValueValidator(1)])
    quiet_from = models.TimeField(
        null=True, blank=True, help_text=_("Campaigns rest from this time, on the person's clock.")
    )
    quiet_until = models.TimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None) | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="portfolio_quiet_hours_have_both_ends",
                violation_error_message=_("Give both ends of the quiet hours, or neither."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BusinessNumber(models.Model):
    """A WhatsApp business phone number of ours. While `held_reason` is set nothing leaves from it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="numbers")
    name = models.CharField(max_length=80)
    phone_number_id = models.CharField(max_length=64, unique=True)
    waba_id = models.CharField(_("messaging account (WABA) id"), max_length=64)
    display_phone = models.CharField(max_length=24)  # +E.164 as we show it
    token = EncryptedTextField(_("access token"), blank=True)
    token_set = models.BooleanField(default=False, editable=False)  # the gate reads this column; save() keeps it
    rate_per_second = models.PositiveSmallIntegerField(
        default=80, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    quality = models.CharField(max_length=10, blank=True)
    held_reason = models.CharField(max_length=60, blank=True)  # "code 131042", "by staff"
    held_at = models.DateTimeField(null=True, blank=True)
    confirm_stops = models.BooleanField(default=True, help_text=_("Answer a STOP with one confirmation."))

    class Meta:
        indexes = [models.Index(fields=["waba_id"], name="number_by_waba")]

    def __str__(self) -> str:
        return f"{self.name} ({self.display_phone})"

    def save(self, *args: object, **kwargs: object) -> None:
        self.token_set = bool(self.token)
        fields = kwargs.get("update_fields")
        if fields is not None and "token" in fields:  # type: ignore[operator]
            kwargs["update_fields"] = {*fields, "token_set"}  # type: ignore[misc]
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class RateBucket(models.Model):
    """The one rate of a number, shared by every pump on every machine: when the last granted message is paid for."""

    number = models.OneToOneField(BusinessNumber, models.CASCADE, primary_key=True, related_name="bucket")
    paid_until = models.FloatField(default=0)  # Unix seconds on the database's clock (GCRA's theoretical arrival time)
    slowed_until = models.DateTimeField(null=True)  # after a rate error: half the rate until then

    def __str__(self) -> str:
        return f"rate of number {self.number_id}"


class MessageTemplate(models.Model):
    """A WhatsApp template as the platform last told us, and the scope a person must have agreed to for it."""

    class Status(models.TextChoices):
        APPROVED = "APPROVED", _("approved")
        PENDING = "PENDING", _("in review")
        REJECTED = "REJECTED", _("rejected")
        PAUSED = "PAUSED", _("paused")
        DISABLED = "DISABLED", _("disabled")
        OTHER = "OTHER", _("not usable")
        GONE = "GONE", _("no longer listed")

    class Category(models.TextChoices):
        MARKETING = "MARKETING", _("marketing")
        UTILITY = "UTILITY", _("utility")
        AUTHENTICATION = "AUTHENTICATION", _("authentication")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    waba_id = models.CharField(max_length=64)
    meta_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=16)
    category = models.CharField(max_length=20, choices=Category)
    status = models.CharField(max_length=10, choices=Status)
    platform_status = models.CharField(
        max_length=30, blank=True
    )  # the platform's own word, of which status is our reading
    parameter_format = models.CharField(max_length=12, default="POSITIONAL")
    components = models.JSONField(default=list)
    quality = models.CharField(max_length=10, blank=True)
    scope = models.ForeignKey(
        Scope, models.PROTECT, null=True, blank=True, related_name="+",
        help_text=_("What a person must have agreed to. Without it the template cannot be sent."),
    )  # fmt: skip
    synced_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name", "language")
        constraints = [
            models.UniqueConstraint(fields=["waba_id", "name", "language"], name="template_once_per_language")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"

    @property
    def is_approved(self) -> bool:
        return self.status == self.Status.APPROVED and self.archived_at is None


class Reachability(models.Model):
    """What the platform told us about reaching one person. The gate reads it; only statuses write it."""

    contact = models.OneToOneField(Contact, models.PROTECT, primary_key=True, related_name="reachability")
    undeliverable_count = models.PositiveSmallIntegerField(default=0)  # 131026 since the last delivery
    undeliverable_at = models.DateTimeField(null=True)  # the last of them
    unreachable = models.BooleanField(default=False)  # after the third on different days
    resting_until = models.DateTimeField(null=True)  # 131049: marketing waits until then
    country_closed = models.BooleanField(default=False)  # 130497

    class Meta:
        verbose_name_plural = "reachability"

    def __str__(self) -> str:
        return f"reachability of contact {self.contact_id}"


class LimitUse(models.Model):
    """One person counted against the portfolio's messaging limit, for 24 hours from `opened_at`."""

    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="+")
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["portfolio", "contact"], name="limituse_once")]
        indexes = [models.Index(fields=["portfolio", "opened_at"], name="limituse_window")]

    def __str__(self) -> str:
        return f"contact {self.contact_id} in portfolio {self.portfolio_id}"
