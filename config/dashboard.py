"""The page that opens the day: what needs a person first, then what runs, waits and was sent.

Counts are bounded, so that the page costs the same with a hundred messages and with a hundred million.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_q.models import Failure

from accounts.roles import AGENT, AUDITOR, MARKETING, has_role
from campaigns.models import Campaign
from contacts.models import Contact, Wording
from conversations.models import (
    LEFT,
    Batch,
    BusinessNumber,
    Conversation,
    Message,
    MessageTemplate,
    Portfolio,
    Status,
    WebhookDelivery,
)

COUNTED_UPTO = 9_999


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that waits for a person: what it is, and the page where it is put right."""

    sentence: str
    url: str
    tone: str = "warn"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A number that opens what it counts."""

    number: str
    label: str
    url: str
    is_urgent: bool = False  # people are waiting behind it


def today(request: HttpRequest) -> dict[str, Any]:
    needs = [need for roles, ask in NEEDS if has_role(request.user, *roles) and (need := ask())]
    doors = [door() for roles, door in DOORS if has_role(request.user, *roles)]
    return {"lead": _lead(len(needs), doors), "needs": needs, "doors": doors, "steps": first_steps(request)}


def _lead(needs: int, doors: list[Door]) -> str:
    waiting = next((door for door in doors if door.is_urgent and door.number != "0"), None)
    if waiting is not None and not needs:
        return f"{waiting.number} {waiting.label}."
    if needs < 2:
        return _("One thing needs you.") if needs else _("Nothing needs you right now.")
    return _("%d things need you.") % needs


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[: COUNTED_UPTO + 1].count()


def _shown(count: int) -> str:
    return f"{COUNTED_UPTO:,}+" if count > COUNTED_UPTO else f"{count:,}"


def _list(name: str, **query: str) -> str:
    return reverse(f"admin:{name}_changelist", query=query or None)


# ---- What needs a person ----


def _held_numbers() -> Need | None:
    held = list(BusinessNumber.objects.exclude(held_reason="")[:5])
    if not held:
        return None
    names = ", ".join(number.name for number in held)
    said = ngettext(
        "%(names)s is on hold: nothing leaves from it.", "%(names)s are on hold: nothing leaves from them.", len(held)
    )
    return Need(sentence=said % {"names": names}, url=_list("conversations_businessnumber"), tone="bad")


def _numbers_without_token() -> Need | None:
    without = BusinessNumber.objects.filter(token_set=False).first()
    if without is None:
        return None
    return Need(
        sentence=_("%(name)s has no access token, so nothing can leave from it.") % {"name": without.name},
        url=reverse("admin:conversations_businessnumber_change", args=[without.public_id]),
    )


def _missed_campaigns() -> Need | None:
    count = Campaign.objects.filter(state=Campaign.State.MISSED).count()
    if not count:
        return None
    said = ngettext(
        "%d campaign missed its time and waits for your decision.",
        "%d campaigns missed their time and wait for your decision.",
        count,
    )
    return Need(sentence=said % count, url=_list("campaigns_campaign", state__exact=Campaign.State.MISSED))


def _broken_batches() -> Need | None:
    broken = list(Batch.objects.filter(state=Batch.State.BROKEN).order_by("-pk")[:3])
    if not broken:
        return None
    names = ", ".join(batch.label for batch in broken)
    said = _("%(names)s stopped because too much of it failed.") % {"names": names}
    return Need(sentence=said, url=_list("conversations_batch"), tone="bad")


def _unknown_fate() -> Need | None:
    count = _count(Message.objects.filter(status=Status.UNKNOWN))
    if not count:
        return None
    said = ngettext(
        "%s message left and no answer came back: it may have arrived.",
        "%s messages left and no answer came back: they may have arrived.",
        count,
    )
    return Need(sentence=said % _shown(count), url=_list("conversations_message", status=Status.UNKNOWN))


def _parked_webhooks() -> Need | None:
    count = _count(WebhookDelivery.objects.filter(parked_at__isnull=False, applied_at=None))
    if not count:
        return None
    said = ngettext("%s webhook could not be applied.", "%s webhooks could not be applied.", count)
    return Need(sentence=said % _shown(count), url=_list("conversations_webhookdelivery", state="parked"), tone="bad")


def _failed_tasks() -> Need | None:
    count = _count(Failure.objects.filter(stopped__gte=timezone.now() - timedelta(days=1)))
    if not count:
        return None
    said = ngettext("%s task failed since yesterday.", "%s tasks failed since yesterday.", count)
    return Need(sentence=said % _shown(count), url=_list("django_q_failure"))


def _templates_without_scope() -> Need | None:
    approved = MessageTemplate.objects.filter(status=MessageTemplate.Status.APPROVED, scope=None, archived_at=None)
    count = approved.count()
    if not count:
        return None
    said = ngettext(
        "%d approved template has no scope, so it cannot be sent.",
        "%d approved templates have no scope, so they cannot be sent.",
        count,
    )
    return Need(sentence=said % count, url=_list("conversations_messagetemplate", status="APPROVED"), tone="wait")


ADMINISTRATORS_ONLY = (AUDITOR,)
NEEDS: tuple[tuple[tuple[str, ...], Callable[[], Need | None]], ...] = (
    (ADMINISTRATORS_ONLY, _held_numbers),
    (ADMINISTRATORS_ONLY, _numbers_without_token),
    ((MARKETING, AUDITOR), _missed_campaigns),
    ((MARKETING, AUDITOR), _broken_batches),
    ((MARKETING, AUDITOR), _unknown_fate),
    (ADMINISTRATORS_ONLY, _parked_webhooks),
    (ADMINISTRATORS_ONLY, _failed_tasks),
    ((MARKETING, AUDITOR), _templates_without_scope),
)


# ---- Numbers that are doors ----


def _replies() -> Door:
    """Those who can be answered: their session is open, and no STOP ended it."""
    waiting = Conversation.objects.filter(unread__gt=0, state=Conversation.State.OPEN, stopped_at=None)
    count = _count(waiting.filter(session_expires_at__gt=timezone.now()))
    label = ngettext("person waits for an answer", "people wait for an answer", count)
    return Door(number=_shown(count), label=label, url=reverse("inbox"), is_urgent=True)


def _running() -> Door:
    going = Campaign.objects.filter(state__in=(Campaign.State.STARTING, Campaign.State.RUNNING))
    return Door(number=str(going.count()), label=_("campaigns running"), url=_list("campaigns_campaign"))


def _waiting() -> Door:
    waiting = _count(Message.objects.filter(status=Status.QUEUED))
    url = _list("conversations_message", status=Status.QUEUED)
    return Door(number=_shown(waiting), label=_("messages waiting"), url=url)


def _left_today() -> Door:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    # By batch, because that is what an index serves: the batches a pump has looked at since midnight.
    batches = list(Batch.objects.filter(claimed_at__gte=midnight).values_list("pk", flat=True)[:500])
    left = Message.objects.filter(batch__in=batches, status__in=LEFT, sending_at__gte=midnight)
    return Door(number=_shown(_count(left)), label=_("campaign messages left today"), url=_list("conversations_batch"))


DOORS: tuple[tuple[tuple[str, ...], Callable[[], Door]], ...] = (
    ((MARKETING, AGENT, AUDITOR), _replies),
    ((MARKETING, AUDITOR), _running),
    ((MARKETING, AUDITOR), _waiting),
    ((MARKETING, AUDITOR), _left_today),
)


# ---- The first day ----


@dataclass(frozen=True, kw_only=True)
class Step:
    sentence: str
    url: str
    done: bool


def first_steps(request: HttpRequest) -> list[Step]:
    """What an empty installation needs before it can send; empty once all of it was done, or for who may not do it."""
    steps = []
    if has_role(request.user):
        steps += [
            Step(
                sentence=_("Name your Meta business"), url=_list("conversations_portfolio"),
                done=Portfolio.objects.exists(),
            ),
            Step(
                sentence=_("Add the number you write from"), url=_list("conversations_businessnumber"),
                done=BusinessNumber.objects.exists(),
            ),
            Step(
                sentence=_("Write down the words people agree to"), url=_list("contacts_wording"),
                done=Wording.objects.exists(),
            ),
        ]  # fmt: skip
    if has_role(request.user, MARKETING):
        steps += [
            Step(
                sentence=_("Fetch your templates and give them a scope"), url=_list("conversations_messagetemplate"),
                done=MessageTemplate.objects.filter(scope__isnull=False).exists(),
            ),
            Step(
                sentence=_("Bring in your contacts"), url=_list("contacts_import"),
                done=Contact.objects.exists(),
            ),
            Step(
                sentence=_("Make your first campaign"), url=_list("campaigns_campaign"), done=Campaign.objects.exists()
            ),
        ]  # fmt: skip
    return [] if all(step.done for step in steps) else steps
