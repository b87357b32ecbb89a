"""The ground floor: who works here, what they did, and which process does what now."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """Somebody who works here. They log in by e-mail; what they may do is their role (a group)."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, help_text=_("Taken from the browser."))

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.get_full_name() or self.email


class AuditEntry(models.Model):
    """One thing a person did to the set-up or to a campaign. Consent has its own ledger; this is for the rest."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")  # NULL: the system itself
    verb = models.CharField(max_length=60)  # "campaign.scheduled"
    subject = models.CharField(max_length=80)  # kind and public id: "campaign 1f0c…"
    details = models.JSONField(default=dict)  # ids, codes and counts only

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ("-id",)
        indexes = [models.Index(fields=["subject", "id"], name="audit_by_subject")]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


class JobRun(models.Model):
    """One run of a long job, with its progress: rows done out of total, and what went wrong.

    queued → running → done | failed. A running one whose heartbeat stopped is taken up again by its job.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    total = models.PositiveBigIntegerField(null=True)  # NULL: not known yet
    done = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    started_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(total=None) | Q(done__lte=F("total")), name="jobrun_done_within_total"),
        ]
        indexes = [models.Index(fields=["kind", "state"], name="jobrun_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    @property
    def percent(self) -> int | None:
        """Whole per cent done, None while the total is unknown."""
        return None if not self.total else self.done * 100 // self.total


class Lease(models.Model):
    """Who holds a duty and until when. Only accounts/leases.py writes it."""

    name = models.CharField(max_length=100, primary_key=True)
    owner = models.CharField(max_length=100)
    expires_at = models.DateTimeField()
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} held by {self.owner}"


class WorkerHost(models.Model):
    """One `manage.py work`. Its jobs read `draining` and stop taking work when it is set."""

    name = models.CharField(max_length=100, unique=True)
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField()
    draining = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Canary(models.Model):
    """The last canary of one cluster: asked, ran in a worker, acknowledged by the monitor (see the supervisor)."""

    cluster = models.CharField(max_length=140, unique=True)  # "<host>/<queue>"
    asked_at = models.DateTimeField()
    ran_at = models.DateTimeField(null=True)
    acked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "canaries"

    def __str__(self) -> str:
        return self.cluster
