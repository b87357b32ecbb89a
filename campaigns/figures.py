"""What came of a campaign, counted from the rows, and the people behind every number.

Everybody it aimed at is in exactly one of: left out, waiting, sent, failed, unknown, cancelled. Delivered, read,
replied and opted out are parts of those that left.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from campaigns.audience import answered
from campaigns.models import Campaign, Recipient
from contacts.models import Action, Contact
from conversations.failures import sentence as failure
from conversations.models import Kind, Message, Status
from conversations.verdicts import WAITS_FOR, Verdict, what_next
from conversations.verdicts import sentence as verdict_sentence

NOT_LEFT = (Status.QUEUED, Status.CLAIMED, Status.SENDING)
SENT = (Status.SENT, Status.DELIVERED, Status.READ)
DELIVERED = (Status.DELIVERED, Status.READ)
LEFT_OUT = tuple(verdict for verdict in Verdict if verdict not in (Verdict.ALLOWED, *WAITS_FOR))


@dataclass(frozen=True, slots=True)
class Reason:
    """A number with its reason. group: the door to the people (see `people`); code: a verdict or WhatsApp's error."""

    group: str
    code: str
    label: str
    sentence: str
    what_next: str
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    aimed_at: int
    left_out: list[Reason]  # when the recipients were chosen, and withheld later: by verdict
    waiting: int  # in the queue or leaving now
    waits_for: list[Reason]  # those of them that wait for something
    sent: int  # accepted by WhatsApp, whatever came after
    delivered: int
    read: int
    replied: int
    opted_out: int
    failed: list[Reason]  # by WhatsApp's code
    unknown: int
    cancelled: int

    @property
    def left_out_total(self) -> int:
        return sum(reason.count for reason in self.left_out)

    @property
    def failed_total(self) -> int:
        return sum(reason.count for reason in self.failed)

    @property
    def settled(self) -> int:
        """People whose message is not waiting any more, of those who have one."""
        return self.sent + self.failed_total + self.unknown + self.cancelled


def figures(campaign: Campaign) -> Figures:
    """The figures at this moment. Before a campaign has started all are zero."""
    messages = Message.objects.filter(batch=campaign.batch_id) if campaign.batch_id else Message.objects.none()
    by_status = dict(messages.order_by().values_list("status").annotate(Count("pk")))
    chosen = dict(campaign.recipients.order_by().values_list("verdict").annotate(Count("pk")))
    withheld = _by(messages.filter(status=Status.WITHHELD), "verdict")
    left_out = {
        verdict: chosen.get(verdict, 0) * (verdict in LEFT_OUT) + withheld.get(verdict, 0) for verdict in Verdict
    }
    waits_for = _by(messages.filter(status=Status.QUEUED).exclude(verdict=""), "verdict")
    failed = _by(messages.filter(status=Status.FAILED), "error_code")

    def having(*statuses: Status) -> int:
        return sum(by_status.get(status, 0) for status in statuses)

    return Figures(
        aimed_at=sum(chosen.values()),
        left_out=[for_verdict("left_out", verdict, left_out[verdict]) for verdict in Verdict if left_out[verdict]],
        waiting=having(*NOT_LEFT),
        waits_for=[for_verdict("waits", verdict, waits_for[verdict]) for verdict in Verdict if waits_for.get(verdict)],
        sent=having(*SENT),
        delivered=having(*DELIVERED),
        read=having(Status.READ),
        replied=_answers(campaign).values("contact").distinct().count(),
        opted_out=_opt_outs(campaign).values("contact").distinct().count(),
        failed=[_for_code(code, count) for code, count in sorted(failed.items(), key=lambda pair: -pair[1])],
        unknown=having(Status.UNKNOWN),
        cancelled=having(Status.CANCELLED),
    )


def _by(messages: QuerySet[Message], column: str) -> dict[object, int]:
    return dict(messages.order_by().values_list(column).annotate(Count("pk")))


def for_verdict(kind: str, verdict: Verdict, count: int) -> Reason:
    return Reason(
        group=f"{kind}-{verdict.value}",
        code=verdict.value,
        label=str(verdict.label),
        sentence=verdict_sentence(verdict),
        what_next=what_next(verdict),
        count=count,
    )


def _for_code(code: object, count: int) -> Reason:
    number = int(str(code)) if code is not None else None
    words = failure(number) if number is not None else _("WhatsApp did not deliver it and gave no reason.")
    label = _("code %(code)d") % {"code": number} if number is not None else _("no code")
    return Reason(f"failed-{number or 0}", str(number or ""), label, words, "", count)


def _replies(campaign: Campaign) -> QuerySet[Message]:
    """What people wrote back to messages of this campaign, a STOP included."""
    if campaign.batch_id is None:
        return Message.objects.none()
    return Message.objects.filter(kind=Kind.INBOUND, in_reply_to__batch=campaign.batch_id)


def _answers(campaign: Campaign) -> QuerySet[Message]:
    """Replies proper: who only says STOP has opted out, and has not replied."""
    return _replies(campaign).exclude(led_to__action=Action.WITHDRAWN)


def _opt_outs(campaign: Campaign) -> QuerySet[Message]:
    return _replies(campaign).filter(led_to__action=Action.WITHDRAWN)


# ---- The people behind a number ----

_BY_STATUS = {
    "waiting": NOT_LEFT,
    "sent": SENT,
    "delivered": DELIVERED,
    "read": (Status.READ,),
    "unknown": (Status.UNKNOWN,),
    "cancelled": (Status.CANCELLED,),
    "failed": (Status.FAILED,),
}


@dataclass(frozen=True, slots=True)
class Person:
    """One row of a list: who, and what came of it for them. verdict_code: why not, where there is a reason."""

    contact: Contact
    status: str
    verdict: str
    sentence: str
    at: datetime | None


class NoSuchGroup(LookupError):
    """The name of a group that no number leads to."""


def group_title(group: str) -> str:
    """What a list of people is called. NoSuchGroup for a name that means nothing."""
    plain = {
        "everyone": _("Everybody it aimed at"),
        "left_out": _("Left out"),
        "waiting": _("Waiting"),
        "sent": _("Sent"),
        "delivered": _("Delivered"),
        "read": _("Read"),
        "replied": _("Replied"),
        "opted_out": _("Opted out"),
        "failed": _("Failed"),
        "unknown": _("Fate unknown"),
        "cancelled": _("Cancelled"),
    }
    if group in plain:
        return plain[group]
    kind, _dash, detail = group.partition("-")
    if kind in ("left_out", "waits", "would") and detail in Verdict.values:
        words = {"left_out": _("Left out: %(why)s"), "waits": _("Waiting: %(why)s"), "would": "%(why)s"}[kind]
        label = _("would get it") if (kind, detail) == ("would", Verdict.ALLOWED.value) else Verdict(detail).label
        return words % {"why": label}
    if kind == "failed" and detail.isdecimal() and len(detail) < 10:
        return _("Failed: %(why)s") % {"why": _for_code(int(detail) or None, 0).label}
    raise NoSuchGroup(group)


def people(campaign: Campaign, group: str, *, after: int, limit: int, at: datetime) -> list[Person]:
    """The people of a group by contact id, behind `after`. "would-<verdict>" asks the gate as the dry run does.

    Before a campaign has started only those exist; after that only the others.
    """
    group_title(group)  # refuses what is no group
    kind, _dash, detail = group.partition("-")
    if kind == "would":
        found = answered(campaign, at=at).filter(pk__gt=after, answer=detail).order_by("pk")[:limit]
        return [Person(contact, "", detail, verdict_sentence(detail), None) for contact in found]
    rows = campaign.recipients.filter(contact__gt=after).select_related("contact", "message").order_by("contact_id")
    return [_person(recipient) for recipient in rows.filter(_condition(campaign, kind, detail))[:limit]]


def _condition(campaign: Campaign, kind: str, detail: str) -> Q:
    if kind == "everyone":
        return Q()
    if kind == "left_out":
        withheld = Q(message__status=Status.WITHHELD)
        if detail:
            return Q(message=None, verdict=detail) | withheld & Q(message__verdict=detail)
        return Q(message=None) | withheld
    if kind == "waits":
        return Q(message__status=Status.QUEUED, message__verdict=detail)
    if kind == "replied":
        return Q(contact__in=_answers(campaign).values("contact"))
    if kind == "opted_out":
        return Q(contact__in=_opt_outs(campaign).values("contact"))
    if kind == "failed" and detail:
        return Q(message__status=Status.FAILED, message__error_code=int(detail) or None)
    return Q(message__status__in=_BY_STATUS[kind])


def _person(recipient: Recipient) -> Person:
    message = recipient.message
    if message is None:
        return Person(recipient.contact, "", recipient.verdict, verdict_sentence(recipient.verdict), None)
    status = Status(message.status)
    words, moment = "", message.at
    if status == Status.FAILED:
        words, moment = _for_code(message.error_code, 0).sentence, message.failed_at or message.at
    elif status == Status.UNKNOWN:
        words = _("It left, and no answer came back. It may have arrived, so it is not sent again by itself.")
    elif status in (Status.WITHHELD, Status.QUEUED) and message.verdict:
        words, moment = verdict_sentence(message.verdict), message.withheld_at or message.at
    elif status in SENT:
        moment = message.read_at or message.delivered_at or message.sent_at or message.at
    return Person(recipient.contact, status.value, message.verdict, words, moment)
