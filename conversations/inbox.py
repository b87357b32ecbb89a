"""The shared inbox: which conversations are in it, what is said about each, and whether anything of it changed.

Reads only; views.py draws it and takes the answers. Nothing here counts everything, and pages go on by key.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import IntegerField, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from contacts import consent
from contacts.consent import ScopeStanding
from contacts.models import Block, Consent, Standing
from conversations import bubbles, verdicts
from conversations.models import Conversation, Kind, Message
from conversations.verdicts import Verdict

VIEWS = {
    "open": gettext_lazy("Open"),
    "unassigned": gettext_lazy("Unassigned"),
    "mine": gettext_lazy("Mine"),
    "resolved": gettext_lazy("Resolved"),
}
COUNTED = ("unassigned", "mine")  # what waits for somebody, and what waits for me
MOST_COUNTED = 99  # then "99+"
ROWS = 40
MESSAGES = 50
SESSION = timedelta(hours=24)
OPEN_FOR = (Verdict.ALLOWED, Verdict.NUMBER_HELD)  # a number on hold delays an answer; it does not forbid it


class CappedCount(Subquery):
    """How many rows a query finds, looking at no more than it is sliced to."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation in the list. `order` is microseconds since 1970, `key` where the next page goes on."""

    conversation: Conversation
    order: int
    line: str
    campaign: str
    left: "Left"

    @property
    def key(self) -> str:
        return f"{self.order}-{self.conversation.public_id}"


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a session at a moment: words, and how urgent it is."""

    until: datetime | None
    at: datetime

    @property
    def seconds(self) -> int:
        return max(0, int((self.until - self.at).total_seconds())) if self.until else 0

    @property
    def words(self) -> str:
        """ "2 h 10", "18 min", or "closed"; the page counts down in the same words."""
        minutes = -(-self.seconds // 60)  # the last seconds are a minute, not nothing
        if not minutes:
            return _("closed")
        return f"{minutes // 60} h {minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"

    @property
    def urgency(self) -> str:
        """ "soon" in the last fifth, "last" in the last twentieth, "over" after it."""
        day = SESSION.total_seconds()
        for name, share in (("over", 0), ("last", day / 20), ("soon", day / 5)):
            if self.seconds <= share:
                return name
        return "calm"


@dataclass(frozen=True, slots=True)
class MayWrite:
    """The answer of the person pane, and what would change it."""

    tone: str  # "good", "warn": templates only, "bad": nothing
    answer: str
    next: str


@dataclass(frozen=True, slots=True)
class Composer:
    """The box below a thread. `state` names what it shows; the page replaces the box only when it changes."""

    state: str  # "allowed", "reader", or another verdict
    reason: str = ""
    next: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_FOR


@dataclass(frozen=True, slots=True)
class Thread:
    """One page of a conversation, oldest first; `earlier` is the message before which there is more."""

    shown: list[bubbles.Bubble | bubbles.Day]
    earlier: UUID | None


@dataclass(frozen=True, slots=True)
class Person:
    """Who they are, what they agreed to, and whether one may write."""

    standings: list[ScopeStanding]
    is_blocked: bool
    may_write: MayWrite
    local_time: str


def in_view(view: str, user: User) -> QuerySet[Conversation]:
    """The conversations of one tab, in no order."""
    if view == "resolved":
        return Conversation.objects.filter(state=Conversation.State.RESOLVED)
    found = Conversation.objects.filter(state=Conversation.State.OPEN)
    if view == "unassigned":
        return found.filter(assignee=None)
    return found.filter(assignee=user) if view == "mine" else found


def rows(view: str, user: User, *, after: str = "", now: datetime) -> tuple[list[Row], bool]:
    """One page of a tab, newest first, and whether there is more. after: the `key` of the row before it."""
    answered = Message.objects.filter(
        contact=OuterRef("contact"), number=OuterRef("number"), kind=Kind.INBOUND, in_reply_to__batch__isnull=False
    ).order_by("-at", "-id")
    found = list(
        _page(view, user, after)
        .select_related("contact", "assignee", "last_message")
        .annotate(campaign=Subquery(answered.values("in_reply_to__batch__label")[:1]))[: ROWS + 1]
    )
    return [_row(conversation, now) for conversation in found[:ROWS]], len(found) > ROWS


def _row(conversation: Any, now: datetime) -> Row:
    return Row(
        conversation=conversation,
        order=bubbles.microseconds(conversation.changed_at),
        line=bubbles.preview(conversation.last_message),
        campaign=conversation.campaign or "",
        left=session_left(conversation, now),
    )


def _page(view: str, user: User, after: str = "") -> QuerySet[Conversation]:
    found = in_view(view, user).order_by("-changed_at", "-public_id")
    if not after:
        return found
    order, _dash, public_id = after.partition("-")
    try:
        at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(order))
        last = UUID(public_id)
    except (ValueError, OverflowError):
        return found.none()
    # The first comparison alone would do for the answer; it lets the index find where to begin.
    return found.filter(changed_at__lte=at).filter(Q(changed_at__lt=at) | Q(public_id__lt=last))


def session_left(conversation: Conversation, now: datetime) -> Left:
    """Nothing is left of a session that a STOP ended."""
    return Left(conversation.session_expires_at if conversation.stopped_at is None else None, now)


def counts(user: User) -> dict[str, int]:
    """How many conversations each tab holds, and how many are unread, never counting beyond 100; one query."""
    asked = {view: in_view(view, user) for view in COUNTED}
    asked["unread"] = in_view("open", user).filter(unread__gt=0).filter(Q(assignee=user) | Q(assignee=None))
    capped = {name: CappedCount(found.order_by().values("pk")[: MOST_COUNTED + 1]) for name, found in asked.items()}
    found = User.objects.filter(pk=user.pk).values_list(*capped.values()).get()
    return dict(zip(capped, found, strict=True))


def thread(conversation: Conversation, *, before: UUID | None = None) -> Thread:
    """The newest messages, or those before one of them."""
    found = _messages(conversation)
    if before is not None:
        first = found.filter(public_id=before).first()
        if first is None:
            return Thread([], None)
        found = found.filter(Q(at__lt=first.at) | Q(at=first.at, pk__lt=first.pk))
    page = list(bubbles.in_thread(found)[: MESSAGES + 1])
    messages = page[:MESSAGES][::-1]
    earlier = messages[0].public_id if len(page) > MESSAGES else None
    return Thread(bubbles.bubbles(messages, today=timezone.localdate()), earlier)


def _messages(conversation: Conversation) -> QuerySet[Message]:
    """Newest first."""
    return Message.objects.filter(contact=conversation.contact_id, number=conversation.number_id).order_by("-at", "-id")


def composer(conversation: Conversation, verdict: Verdict, *, may_answer: bool) -> Composer:
    if not may_answer:
        return Composer("reader", _("You can read conversations. Sales agents and administrators answer them."))
    if verdict == Verdict.ALLOWED:
        return Composer(verdict.value)
    return Composer(verdict.value, verdicts.sentence(verdict), verdicts.what_next(verdict))


def person(conversation: Conversation, verdict: Verdict, *, now: datetime) -> Person:
    standings = consent.standings(conversation.contact, at=now)
    blocked = Block.objects.filter(contact=conversation.contact_id, blocked=True).exists()
    return Person(
        standings=standings,
        is_blocked=blocked,
        may_write=_may_write(conversation, verdict, standings),
        local_time=_local_time(conversation.contact.time_zone, now),
    )


def _may_write(conversation: Conversation, verdict: Verdict, standings: list[ScopeStanding]) -> MayWrite:
    agreed = [standing.scope.name for standing in standings if standing.standing == Standing.GRANTED]
    scopes = ", ".join(agreed)
    if verdict == Verdict.ALLOWED and conversation.session_expires_at is not None:
        until = clock(conversation.session_expires_at)
        later = (
            _("Then only templates for %(scopes)s.") % {"scopes": scopes}
            if agreed
            else _("Then nothing, until they write again or agree to something.")
        )
        return MayWrite("good", _("Yes, until %(time)s.") % {"time": until}, later)
    if verdict == Verdict.WINDOW_CLOSED:
        later = (
            _("Only templates for %(scopes)s, until they write again.") % {"scopes": scopes}
            if agreed
            else _("They agreed to nothing that a template could stand on. Wait until they write.")
        )
        return MayWrite(
            "warn" if agreed else "bad", _("No free text. %(why)s") % {"why": verdicts.sentence(verdict)}, later
        )
    return MayWrite("bad", _("No. %(why)s") % {"why": verdicts.sentence(verdict)}, verdicts.what_next(verdict))


def clock(moment: datetime) -> str:
    """A time of today as "12:10", another day's as "12 Mar, 10:04"."""
    local = timezone.localtime(moment)
    return date_format(local, "H:i" if local.date() == timezone.localdate() else "j M, H:i")


def zone_or_none(name: str) -> ZoneInfo | None:
    """The time zone of that name, which a browser or a file may have made up."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError):  # no such file, or a name that is none
        return None


def _local_time(zone_name: str, now: datetime) -> str:
    zone = zone_or_none(zone_name)
    return date_format(now.astimezone(zone), "H:i") if zone else ""


def version(view: str, user: User, conversation: Conversation | None, *, now: datetime, extra: Iterable[Any]) -> str:
    """A tag that differs when anything shown differs; far cheaper to make than what is shown.

    It reads the stored columns behind the page. Not the greatest `changed_at`: rows commit out of order, and a late one
    would hide behind it. extra: what else the page depends on (role, time zone).
    """
    seen: list[Any] = [view, user.pk, timezone.localdate(now), *extra]
    seen += sorted(counts(user).items())
    seen += _page(view, user).values_list(
        "pk", "changed_at", "unread", "session_expires_at", "stopped_at", "contact__updated_at",
        "assignee__first_name", "assignee__last_name", "assignee_id", "last_message_id", "last_message__status",
    )[: ROWS + 1]  # fmt: skip
    if conversation is not None:
        seen += Conversation.objects.filter(pk=conversation.pk).values_list(
            "state", "assignee_id", "unread", "session_expires_at", "stopped_at", "contact__updated_at",
            "contact__head__last_number", "number__held_reason", "number__token_set",
        )  # fmt: skip
        ends = conversation.session_expires_at
        seen.append(bool(ends and ends > now))
        seen += Consent.objects.filter(contact=conversation.contact_id, expires_at__lte=now).values_list("pk")
        seen += _messages(conversation).values_list("pk", "at", "status", "verdict", "error_code")[: MESSAGES + 1]
    return hashlib.blake2b(repr(seen).encode(), digest_size=12).hexdigest()
