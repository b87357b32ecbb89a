"""Messages, what they are queued in, and the conversations they make."""

import uuid
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import ConsentEvent, Contact
from conversations.models.numbers import BusinessNumber, MessageTemplate
from conversations.verdicts import WITHHELD_FOR, Verdict


class Status(models.TextChoices):
    """See the drawing in the design, section 5. `received` is every inbound message's."""

    RECEIVED = "received", _("received")
    QUEUED = "queued", _("waiting")
    CLAIMED = "claimed", _("next to leave")
    SENDING = "sending", _("leaving")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    READ = "read", _("read")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("fate unknown")
    WITHHELD = "withheld", _("withheld")
    CANCELLED = "cancelled", _("cancelled")


class Kind(models.TextChoices):
    """Why a message exists; decides what it stands on and what the gate asks."""

    INBOUND = "inbound", _("from the person")
    ECHO = "echo", _("from the phone app")
    CAMPAIGN = "campaign", _("campaign")
    JOURNEY = "journey", _("journey")
    TEMPLATE = "template", _("template")
    TEXT = "text", _("answer")
    OWN_REQUEST = "own_request", _("answer to their own request")
    AUTOMATIC = "automatic", _("automatic answer")
    STOP_CONFIRMATION = "stop_confirmation", _("STOP confirmation")
    OPT_IN_REQUEST = "opt_in_request", _("opt-in request")
    RENEWAL = "renewal", _("renewal")
    TEST = "test", _("test")


STANDS_ON_EVENT = (Kind.CAMPAIGN, Kind.JOURNEY, Kind.TEMPLATE, Kind.OPT_IN_REQUEST, Kind.RENEWAL, Kind.TEST)
ANSWERS_INBOUND = (Kind.TEXT, Kind.OWN_REQUEST, Kind.AUTOMATIC, Kind.STOP_CONFIRMATION)
SINGLE_ANSWERS = (Kind.OWN_REQUEST, Kind.AUTOMATIC, Kind.STOP_CONFIRMATION)  # one per inbound message
LEFT = (Status.SENDING, Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED, Status.UNKNOWN)
WAITING = (Status.QUEUED, Status.CLAIMED)


class Batch(models.Model):
    """Messages queued for one cause. The engine knows batches only; who made one keeps a key to it."""

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        CANCELLED = "cancelled", _("cancelled")
        BROKEN = "broken", _("stopped itself")
        FINISHED = "finished", _("finished")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.ForeignKey(BusinessNumber, models.PROTECT, related_name="batches")
    label = models.CharField(max_length=120)  # what a thread and the queue show: the campaign's name
    priority = models.PositiveSmallIntegerField(default=40)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    state_reason = models.CharField(max_length=60, blank=True)  # "template_not_approved", "code 132000"
    filled = models.BooleanField(default=False)  # no more messages will be added
    rate_per_second = models.PositiveSmallIntegerField(null=True)
    send_until = models.DateTimeField(null=True)
    our_faults = models.PositiveIntegerField(default=0)  # refusals that would repeat for everyone; a few stop the batch
    claimed_at = models.DateTimeField(null=True)  # whose turn it is: the one served longest ago
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["number", "claimed_at"], name="batch_turn", condition=Q(state="running"))]

    def __str__(self) -> str:
        return self.label


class MessageQuerySet(models.QuerySet["Message"]):
    def thread(self, contact: Contact, number: BusinessNumber) -> Self:
        """Everything said between a contact and a number, oldest first."""
        return self.filter(contact=contact, number=number).order_by("at", "id")


class Message(models.Model):
    """Everything said either way: one row.

    Outbound: queued → claimed → sending → sent → delivered → read, or withheld, cancelled, failed, unknown. Only the
    commit of `sending` lets a request leave. Inbound: received. `at` is when it was said: the sender's timestamp, for
    ours the moment it left (until then the moment it was queued).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="messages")
    number = models.ForeignKey(BusinessNumber, models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=20, choices=Kind)
    status = models.CharField(max_length=10, choices=Status)
    at = models.DateTimeField()

    # What is said
    type = models.CharField(max_length=20)  # the platform's word: text, template, image, interactive, button, …
    text = models.TextField(blank=True)  # what a person reads, rendered when it was queued or received
    content = models.JSONField(
        default=dict
    )  # inbound: the platform's object; outbound: {"parameters": …} or {"buttons": …}
    template = models.ForeignKey(MessageTemplate, models.PROTECT, null=True, related_name="+")
    missing_value = models.BooleanField(default=False)  # a variable without value or fallback
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    quoted = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")  # shown as a quote

    # What it stands on
    stands_on = models.ForeignKey(ConsentEvent, models.PROTECT, null=True, related_name="+")
    answers = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")  # the inbound message it answers

    # Inbound: what it was about and what it did
    in_reply_to = models.ForeignKey("self", models.PROTECT, null=True, related_name="replies")  # our message it answers
    led_to = models.ForeignKey(ConsentEvent, models.PROTECT, null=True, related_name="+")  # the ledger line it caused

    # The queue
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, related_name="messages")
    priority = models.PositiveSmallIntegerField(
        default=20
    )  # 0 agents, 10 confirmations and API, 30 journeys, 40 campaigns
    due_at = models.DateTimeField(null=True)
    send_until = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)  # the pump that holds it
    idempotency_key = models.CharField(max_length=64, null=True, unique=True)

    # What became of it
    verdict = models.CharField(max_length=24, choices=Verdict, blank=True)  # why it waits or was withheld
    attempt = models.PositiveSmallIntegerField(default=0)
    wamid = models.CharField(max_length=200, null=True, unique=True)
    error_code = models.PositiveIntegerField(null=True)
    queued_at = models.DateTimeField(null=True)
    sending_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    withheld_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Message"]] = MessageQuerySet.as_manager()

    if TYPE_CHECKING:
        answer: str  # annotated by gate.with_verdict
        grant: int | None  # the same: the event a template would stand on

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "contact"], name="message_once_per_batch"),
            models.UniqueConstraint(
                fields=["answers", "kind"], condition=Q(kind__in=SINGLE_ANSWERS), name="message_one_automatic_answer"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=LEFT)
                | (Q(kind__in=STANDS_ON_EVENT) & Q(stands_on__isnull=False))
                | (Q(kind__in=ANSWERS_INBOUND) & Q(answers__isnull=False))
                | Q(kind=Kind.ECHO),
                name="message_that_leaves_stands_on_something",
            ),
            models.CheckConstraint(
                condition=(Q(kind=Kind.INBOUND) & Q(status=Status.RECEIVED) & Q(wamid__isnull=False))
                | (~Q(kind=Kind.INBOUND) & ~Q(status=Status.RECEIVED)),
                name="message_received_only_inbound",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.WITHHELD) | Q(verdict__in=WITHHELD_FOR), name="message_withheld_has_verdict"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=(Status.CLAIMED, Status.SENDING)) | Q(claim__isnull=False),
                name="message_claimed_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=(Status.SENT, Status.DELIVERED, Status.READ)) | Q(wamid__isnull=False),
                name="message_sent_has_wamid",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=WAITING) | Q(due_at__isnull=False), name="message_waiting_has_due_time"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=(Status.SENDING, Status.UNKNOWN)) | Q(sending_at__isnull=False),
                name="message_sending_has_time",
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="message_status_known"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="message_kind_known"),
            models.CheckConstraint(
                condition=~Q(
                    kind__in=(Kind.CAMPAIGN, Kind.JOURNEY, Kind.TEMPLATE, Kind.OPT_IN_REQUEST, Kind.RENEWAL, Kind.TEST)
                )
                | Q(template__isnull=False),
                name="message_first_touch_is_a_template",
            ),
        ]
        indexes = [
            models.Index(fields=["contact", "number", "at"], name="message_thread"),
            models.Index(
                fields=["batch", "due_at", "id"], name="message_due_in_batch", condition=Q(status="queued")
            ),  # claim(); by time, as a whole batch may wait for tomorrow
            models.Index(
                fields=["number", "priority", "due_at"],
                name="message_queued_single",
                condition=Q(status="queued", batch=None),
            ),  # claim()
            models.Index(
                fields=["claim"], name="message_held", condition=Q(status__in=("claimed", "sending"))
            ),  # recover()
            models.Index(fields=["batch", "status"], name="message_batch_status"),  # figures
            models.Index(fields=["id"], name="message_unknown", condition=Q(status="unknown")),  # the operator's list
        ]

    def __str__(self) -> str:
        return f"message {self.public_id}"

    @property
    def callback_data(self) -> str:
        """What we give the platform with this attempt and get back in every status."""
        return f"{self.public_id.hex}.{self.attempt}"


class Attempt(models.Model):
    """An earlier try of a message; the latest is on the message itself. Two accepted ones are a duplicate."""

    message = models.ForeignKey(Message, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20)  # "not_sent", "refused", "failed", "unknown", "sent"
    code = models.PositiveIntegerField(null=True)
    wamid = models.CharField(max_length=200, null=True, unique=True)
    sending_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="attempt_numbered_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of message {self.message_id}"


class Pump(models.Model):
    """One running sending loop. Rows claimed by a pump without a heartbeat are taken back."""

    token = models.UUIDField(unique=True, default=uuid.uuid4)
    host = models.CharField(max_length=100)
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"pump {self.token}"


class Conversation(models.Model):
    """The two-way state between a contact and a number. One row for good; a campaign alone creates none."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        PENDING = "pending", _("pending")
        RESOLVED = "resolved", _("resolved")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="conversations")
    number = models.ForeignKey(BusinessNumber, models.PROTECT, related_name="conversations")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    unread = models.PositiveIntegerField(default=0)
    session_expires_at = models.DateTimeField(null=True)  # 24 h after the person's last message, by its own time
    stopped_at = models.DateTimeField(null=True)  # this session was ended by a STOP said then
    last_inbound = models.ForeignKey(Message, models.PROTECT, null=True, related_name="+")  # the newest that opened it
    last_message = models.ForeignKey(Message, models.PROTECT, null=True, related_name="+")
    changed_at = models.DateTimeField()  # of anything the list shows

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "number"], name="conversation_one_per_number")]
        indexes = [
            models.Index(fields=["-changed_at"], name="conversation_newest"),  # the inbox list
            models.Index(fields=["state", "-changed_at"], name="conversation_by_state"),
        ]

    def __str__(self) -> str:
        return f"conversation {self.public_id}"
