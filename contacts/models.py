"""People we may or may not write to, and the ledger that proves which."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import JobRun

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

E164 = RegexValidator(r"^\+[1-9]\d{6,14}$", _("Write the number with + and the country code."))


class Tag(models.Model):
    """A label on contacts; campaigns choose their audience by it."""

    name = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ContactQuerySet(models.QuerySet["Contact"]):
    def tagged(self, tag: Tag) -> Self:
        """Contacts that carry the tag."""
        through = Contact.tags.through
        return self.filter(Exists(through.objects.filter(contact=OuterRef("pk"), tag=tag)))

    def agreed_to(self, scope: "Scope", *, at: datetime) -> Self:
        """Contacts whose consent in scope stands at a moment; what expired by then does not count."""
        stands = Consent.objects.filter(contact=OuterRef("pk"), scope=scope, standing=Standing.GRANTED)
        return self.filter(Exists(stands.exclude(expires_at__lte=at)))


class Contact(models.Model):
    """A person we may or may not write to, known by a phone number, other identities, or both.

    `country` and `time_zone` follow from the number until somebody knows better.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    phone = models.CharField(_("phone"), max_length=16, null=True, blank=True, unique=True, validators=[E164])
    first_name = models.CharField(_("first name"), max_length=120, blank=True)
    last_name = models.CharField(_("last name"), max_length=120, blank=True)
    profile_name = models.CharField(_("name on WhatsApp"), max_length=200, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)  # ISO 3166-1 alpha-2
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)  # IANA
    stage = models.CharField(_("stage"), max_length=40, blank=True)
    attributes = models.JSONField(_("other columns"), default=dict, blank=True)  # {column: text}
    tags = models.ManyToManyField(Tag, blank=True, related_name="contacts")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Contact"]] = ContactQuerySet.as_manager()

    if TYPE_CHECKING:
        head: "ContactHead"
        consent_events: RelatedManager["ConsentEvent"]
        consents: RelatedManager["Consent"]

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(phone=None) | Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"), name="contact_phone_is_e164"
            ),
        ]
        indexes = [models.Index(fields=["last_name", "first_name"], name="contact_by_name")]  # the admin's search

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What we call them: the name we know, their name on WhatsApp, or the number."""
        return (
            f"{self.first_name} {self.last_name}".strip() or self.profile_name or self.phone or str(_("Unknown person"))
        )


class Identity(models.Model):
    """Another name WhatsApp knows a contact by, beside the phone number. Found before the number is."""

    class Kind(models.TextChoices):
        BSUID = "bsuid", _("business-scoped user id")
        PARENT_BSUID = "parent_bsuid", _("parent business-scoped user id")
        PHONE_VARIANT = "phone_variant", _("the same number, written the national way")
        USERNAME = "username", _("username")

    contact = models.ForeignKey(Contact, models.PROTECT, related_name="identities")
    kind = models.CharField(max_length=14, choices=Kind)
    namespace = models.CharField(max_length=64, blank=True)  # whose id it is: our portfolio; empty for phones
    value = models.CharField(max_length=160)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["kind", "namespace", "value"], name="identity_of_one_contact")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.contact_id}"


class Scope(models.Model):
    """A purpose a person can agree to, in the words they are shown."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    description = models.TextField(help_text=_("What people are told they agree to."))
    validity_months = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("How long an agreement lasts. Empty: until it is withdrawn.")
    )
    double_opt_in = models.BooleanField(
        default=False, help_text=_("An agreement counts once confirmed from the phone.")
    )
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ("position", "slug")

    def __str__(self) -> str:
        return self.name


class Wording(models.Model):
    """One version of the text a person was shown when they agreed. A trigger refuses changes: make a new version."""

    key = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    scope = models.ForeignKey(Scope, models.PROTECT, related_name="wordings")
    language = models.CharField(max_length=10)
    text = models.TextField()
    shown_at = models.CharField(
        _("where it stood"), max_length=200, blank=True
    )  # "checkout page, below the phone field"
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("key", "-version")
        constraints = [models.UniqueConstraint(fields=["key", "version"], name="wording_version_once")]

    def __str__(self) -> str:
        return f"{self.key} v{self.version}"


class Action(models.TextChoices):
    REQUESTED = "requested", _("asked")
    GRANTED = "granted", _("agreed")
    RENEWED = "renewed", _("renewed")
    HELD = "held", _("held")
    RELEASED = "released", _("released")
    WITHDRAWN = "withdrawn", _("withdrew")
    EXPIRED = "expired", _("expired")
    BLOCKED = "blocked", _("stopped marketing in WhatsApp")
    UNBLOCKED = "unblocked", _("allowed marketing in WhatsApp")


class Source(models.TextChoices):
    WEB_FORM = "web_form", _("web form")
    CLICK_TO_CHAT = "click_to_chat", _("click to chat")
    LEAD_FORM = "lead_form", _("lead form")
    IMPORT = "import", _("import")
    API = "api", _("API")
    KEYWORD = "keyword", _("keyword")
    DOUBLE_OPT_IN = "double_opt_in", _("double opt-in")
    BUTTON = "button", _("button")
    PREFERENCE_PAGE = "preference_page", _("preference page")
    WHATSAPP_PREFERENCE = "whatsapp_preference", _("WhatsApp's settings")
    DELIVERY_ERROR = "delivery_error", _("delivery error")
    STAFF = "staff", _("staff")
    SYSTEM = "system", _("system")


# What the person does from the phone itself: only this ends a withdrawal or a hold.
PHONE_SOURCES = frozenset({Source.KEYWORD, Source.CLICK_TO_CHAT, Source.DOUBLE_OPT_IN, Source.BUTTON})
BLOCKS = (Action.BLOCKED, Action.UNBLOCKED)
GRANTS = (Action.GRANTED, Action.RENEWED)


class ConsentEvent(models.Model):
    """One line of the ledger. Written only by contacts/consent.py; triggers refuse update, delete and truncate.

    Lines of a contact are numbered from 1 and chained: `hash` covers this line and `previous_hash`. Nothing personal is
    in the row; what backs it is in Evidence, and only `commitment`, a salted hash of that, is chained.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="consent_events")
    number = models.PositiveIntegerField()
    scope = models.ForeignKey(Scope, models.PROTECT, null=True, related_name="+")
    covers_all = models.BooleanField(default=False)
    portfolio = models.CharField(max_length=64, null=True)  # whose marketing WhatsApp stopped; blocks only
    action = models.CharField(max_length=10, choices=Action)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    source = models.CharField(max_length=20, choices=Source)
    wording = models.ForeignKey(Wording, models.PROTECT, null=True, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField(null=True)
    commitment = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("contact_id", "number")
        constraints = [
            models.UniqueConstraint(fields=["contact", "number"], name="consentevent_numbered_once"),
            models.CheckConstraint(
                condition=(
                    Q(action__in=BLOCKS, scope=None, covers_all=False, portfolio__isnull=False)
                    | (~Q(action__in=BLOCKS) & Q(portfolio=None, scope=None, covers_all=True))
                    | (~Q(action__in=BLOCKS) & Q(portfolio=None, scope__isnull=False, covers_all=False))
                ),
                name="consentevent_scope_or_all",
            ),
            models.CheckConstraint(
                condition=~Q(action__in=GRANTS) | Q(scope__isnull=False, wording__isnull=False),
                name="consentevent_grant_has_scope_and_wording",
            ),
            models.CheckConstraint(
                condition=Q(occurred_at__lte=F("recorded_at")), name="consentevent_not_from_the_future"
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(action__in=GRANTS), name="consentevent_only_grants_expire"
            ),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="consentevent_action_known"),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="consentevent_source_known"),
            models.CheckConstraint(condition=Q(number__gte=1), name="consentevent_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"line {self.number} of contact {self.contact_id}"


class Evidence(models.Model):
    """What backs one ledger line: a quote, a wamid, a file's hash and row, a form's URL. Triggers refuse changes."""

    class Kind(models.TextChoices):
        MESSAGE = "message", _("message")  # {"wamid": str, "quote": str}
        FILE_ROW = "file_row", _("row of a file")  # {"sha256": str, "file": str, "row": int}
        FORM = "form", _("form")  # {"url": str, "ip": str}
        NOTE = "note", _("note")  # {"note": str, "reference": str}
        STATUS = "status", _("status from WhatsApp")  # {"wamid": str, "code": int}
        PREFERENCE = "preference", _("WhatsApp preference")  # {"value": str}

    event = models.OneToOneField(ConsentEvent, models.PROTECT, primary_key=True, related_name="evidence")
    kind = models.CharField(max_length=12, choices=Kind)
    data = models.JSONField()
    salt = models.CharField(max_length=64)  # hex

    class Meta:
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"evidence of event {self.event_id}"


class ContactHead(models.Model):
    """The end of a contact's chain, and the row one locks before deciding or recording anything about them."""

    contact = models.OneToOneField(Contact, models.PROTECT, primary_key=True, related_name="head")
    last_number = models.PositiveIntegerField(default=0)
    last_hash = models.CharField(max_length=64, blank=True)
    all_withdrawn_at = models.DateTimeField(null=True)  # when the person last withdrew everything

    def __str__(self) -> str:
        return f"head of contact {self.contact_id}"


class Standing(models.TextChoices):
    UNKNOWN = "unknown", _("unknown")
    PENDING = "pending", _("waiting for confirmation")
    GRANTED = "granted", _("agreed")
    HELD = "held", _("on hold")
    WITHDRAWN = "withdrawn", _("withdrawn")
    EXPIRED = "expired", _("expired")


class Consent(models.Model):
    """Where one contact stands in one scope: a projection of the ledger, written only by the function that appends.

    A grant past `expires_at` reads as expired; the clock decides, the row need not change. No row: nothing was ever
    said about this scope, so the standing is unknown, or withdrawn when the head says that everything was.
    """

    contact = models.ForeignKey(Contact, models.PROTECT, related_name="consents")
    scope = models.ForeignKey(Scope, models.PROTECT, related_name="+")
    standing = models.CharField(max_length=10, choices=Standing)
    since = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    event = models.ForeignKey(ConsentEvent, models.PROTECT, related_name="+")  # the line that decided

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "scope"], name="consent_one_per_scope"),
            models.CheckConstraint(condition=Q(standing__in=Standing.values), name="consent_standing_known"),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(standing=Standing.GRANTED), name="consent_only_grants_expire"
            ),
        ]
        indexes = [models.Index(fields=["scope", "standing", "contact"], name="consent_by_standing")]  # agreed_to()

    def __str__(self) -> str:
        return f"{self.scope_id} of contact {self.contact_id}: {self.standing}"


class Block(models.Model):
    """WhatsApp's own "stop marketing", per contact and portfolio, beside the standing. A projection as Consent is."""

    contact = models.ForeignKey(Contact, models.PROTECT, related_name="blocks")
    portfolio = models.CharField(max_length=64)
    blocked = models.BooleanField()
    since = models.DateTimeField()
    event = models.ForeignKey(ConsentEvent, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "portfolio"], name="block_one_per_portfolio")]

    def __str__(self) -> str:
        return f"block of contact {self.contact_id}"


class LedgerNews(models.Model):
    """What the rooms above must hear of: one row per ledger line, given its `position` after the commit.

    Readers follow `position`. The id will not do: ids are handed out before commit, so a reader of `id > last` misses
    the late ones.
    """

    event = models.OneToOneField(ConsentEvent, models.PROTECT, primary_key=True, related_name="news")
    position = models.PositiveBigIntegerField(null=True, unique=True)

    class Meta:
        verbose_name_plural = "ledger news"
        indexes = [
            models.Index(fields=["event"], name="ledgernews_unplaced", condition=Q(position=None)),  # the sequencer
        ]

    def __str__(self) -> str:
        return f"news {self.position} of event {self.event_id}"


class Import(models.Model):
    """One file of contacts: what it was, how it was read, how far it got and what came of it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    job = models.OneToOneField(JobRun, models.PROTECT, related_name="+")
    file = models.FileField(upload_to="imports/")
    file_name = models.CharField(max_length=255)  # as it was called where it came from
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField(default=dict)  # {field: [its columns, best first]}
    region = models.CharField(max_length=2, blank=True)  # for numbers without a country code
    time_zone = models.CharField(max_length=64)
    scope = models.ForeignKey(Scope, models.PROTECT, null=True, blank=True, related_name="+")
    wording = models.ForeignKey(Wording, models.PROTECT, null=True, blank=True, related_name="+")
    source = models.CharField(max_length=200, blank=True)  # where people agreed: "paper form, Milan shop"
    occurred_at = models.CharField(max_length=40, blank=True)  # as it was written; may be a date without a time
    tag = models.ForeignKey(Tag, models.PROTECT, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    recorded_at = models.DateTimeField()  # dates in the file may not be later than this
    report = models.FileField(upload_to="imports/", blank=True)
    reading = models.JSONField(default=dict)  # how the file is read, and where to go on: see contacts/importing.py
    rows_done = models.PositiveBigIntegerField(default=0)  # committed with the rows
    counts = models.JSONField(default=dict)  # {"created": 9, "updated": 1, "granted": 8, "failed": 2, …}

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.file_name
