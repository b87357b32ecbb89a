"""What this room adds to a person: what was said, and whether we may write to them now."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import look
from contacts import consent, person
from contacts.consent import ScopeStanding
from contacts.models import ConsentEvent, Contact, Scope
from contacts.person import Line, Panel, Part, Place
from conversations import failures, gate, verdicts
from conversations.formatting import to_html
from conversations.models import (
    Attempt,
    BusinessNumber,
    Conversation,
    Kind,
    LimitUse,
    Message,
    MessageTemplate,
    Reachability,
    Status,
)
from conversations.verdicts import Verdict

TONES = {
    Verdict.ALLOWED: "good",
    Verdict.WITHDRAWN: "withdrawn",
    Verdict.BLOCKED: "withdrawn",
    Verdict.STOPPED: "withdrawn",
    Verdict.ERASED: "withdrawn",
    Verdict.HELD: "held",
    Verdict.PENDING: "pending",
    Verdict.NO_CONSENT: "unknown",
    Verdict.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """ "May we write to them about this, from this number?" """

    verdict: Verdict
    number: BusinessNumber
    without_template: bool

    @property
    def tone(self) -> str:
        return TONES.get(self.verdict, "warn")

    @property
    def sentence(self) -> str:
        return verdicts.sentence(self.verdict)

    @property
    def what_next(self) -> str:
        return verdicts.what_next(self.verdict)


@dataclass(frozen=True, slots=True)
class ScopeAnswer:
    scope: Scope
    answers: list[Answer]  # one where all numbers agree
    deciding: ConsentEvent | None


def message_lines(contact: Contact, before: Place | None, limit: int) -> list[Line]:
    rows = (
        contact.messages.filter(person.older(before))
        .select_related("author", "template", "batch", "number", "stands_on", "led_to__scope")
        .order_by("-at", "-public_id")
    )
    return [Line(row.at, row.public_id, "admin/conversations/line.html", context_of(row)) for row in rows[:limit]]


def context_of(message: Message) -> dict[str, object]:
    inbound = message.kind == Kind.INBOUND
    return {
        "message": message,
        "inbound": inbound,
        "who": _who(message),
        "html": to_html(message.text),
        "reason": why(message),
        "tick": message.status,
    }


def _who(message: Message) -> str:
    if message.kind == Kind.INBOUND:
        return _("They wrote")
    if message.batch is not None:
        return _("Campaign: %(name)s") % {"name": message.batch.label}
    if message.author is not None:
        return _("%(name)s answered") % {"name": message.author}
    label = str(message.get_kind_display())
    return label[:1].upper() + label[1:]


def why(message: Message) -> str:
    """Why it waits, was withheld or failed; empty when all is well."""
    if message.status == Status.FAILED:
        if message.error_code is None:
            return _("WhatsApp did not deliver it and gave no reason.")
        return _("%(sentence)s (code %(code)d)") % {
            "sentence": failures.sentence(message.error_code), "code": message.error_code,
        }  # fmt: skip
    if message.status == Status.UNKNOWN:
        return _("It left, and no answer came back. It may have arrived, so it is not sent again by itself.")
    if message.verdict and message.status in (Status.QUEUED, Status.CLAIMED, Status.WITHHELD):
        return verdicts.sentence(message.verdict)
    return ""


def may_we_write(contact: Contact, at: datetime) -> list[Panel]:
    """Per scope, what the gate says now, with the ledger line behind it; and whether free text may be sent."""
    numbers = list(BusinessNumber.objects.select_related("portfolio").order_by("pk"))
    stands = consent.standings(contact, at=at)
    scopes = [_scope_answer(contact, stand, numbers, at) for stand in stands] if numbers else []
    spoken = [row for row in scopes if any(answer.verdict != Verdict.NO_CONSENT for answer in row.answers)]
    silent = [row.scope.name for row in scopes if row not in spoken]
    context = {
        "scopes": spoken,
        "silent": silent,
        "no_consent": verdicts.sentence(Verdict.NO_CONSENT),
        "no_consent_next": verdicts.what_next(Verdict.NO_CONSENT),
        "free_text": [_free_text(row, at) for row in _conversations(contact)],
        "has_numbers": bool(numbers),
        "several": len(numbers) > 1,
    }
    return [Panel("admin/conversations/may_we_write.html", context)]


def _conversations(contact: Contact) -> list[Conversation]:
    return list(contact.conversations.select_related("contact", "number__portfolio").order_by("-changed_at"))


def _scope_answer(contact: Contact, stand: ScopeStanding, numbers: list[BusinessNumber], at: datetime) -> ScopeAnswer:
    answers = [_answer(contact, stand.scope, number, at) for number in numbers]
    if len({answer.verdict for answer in answers}) == 1:
        answers = answers[:1]
    return ScopeAnswer(stand.scope, answers, stand.event)


def _answer(contact: Contact, scope: Scope, number: BusinessNumber, at: datetime) -> Answer:
    """Asked with a template we have for this scope, or with one we could have: the scope is what is asked about."""
    approved = MessageTemplate.Status.APPROVED
    ours = MessageTemplate.objects.filter(waba_id=number.waba_id, scope=scope, status=approved, archived_at=None)
    template = ours.order_by("pk").first()
    asked = template or MessageTemplate(
        waba_id=number.waba_id, scope=scope, status=approved,
        category=MessageTemplate.Category.MARKETING if scope.slug == "marketing" else MessageTemplate.Category.UTILITY,
    )  # fmt: skip
    verdict = gate.may_write(contact, number=number, template=asked, at=at)
    return Answer(verdict, number, template is None)


def _free_text(conversation: Conversation, at: datetime) -> dict[str, object]:
    verdict = gate.may_answer(conversation, at=at)
    until = conversation.session_expires_at
    return {
        "conversation": conversation,
        "verdict": verdict,
        "tone": TONES.get(verdict, "warn"),
        "sentence": verdicts.sentence(verdict),
        "what_next": verdicts.what_next(verdict),
        "until": until if verdict == Verdict.ALLOWED else None,
        "left": look.length(until - at) if verdict == Verdict.ALLOWED and until else "",
    }


def register() -> None:
    person.add(
        Part(
            name="messages",
            title=gettext_lazy("Messages"),
            models=(Message, Attempt, Conversation, Reachability, LimitUse),
            timeline=message_lines,
            panels=may_we_write,
        )
    )
