"""The gate: may this message leave now, and if not, why.

One word over stored columns, asked of messages (`with_verdict`) or of contacts we think of writing to (`dry_run`); the
answer for one message is that word on one row. Rate, pair and messaging limit are not here: they are reservations,
taken in the transaction that moves a message to `sending`. Erasure is not built yet, so nobody is `erased`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, reduce
from operator import or_
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThanOrEqual
from django.utils import timezone

from contacts.models import Block, Consent, Contact, ContactHead, Identity, Scope, Standing
from conversations.models import (
    ANSWERS_INBOUND,
    LEFT,
    STANDS_ON_EVENT,
    BusinessNumber,
    Conversation,
    Kind,
    Message,
    MessageTemplate,
    Portfolio,
    Status,
)
from conversations.verdicts import Verdict

APPROVED = MessageTemplate.Status.APPROVED
MARKETING = MessageTemplate.Category.MARKETING
# Single sends by a person or the API are not capped, and may be made in quiet hours.
CAPPED = (Kind.CAMPAIGN, Kind.JOURNEY, Kind.OPT_IN_REQUEST, Kind.RENEWAL)
COUNTED = (Kind.CAMPAIGN, Kind.JOURNEY)  # what the cap counts
# Whoever asked for it gets this answer even after a STOP.
EVEN_WHEN_STOPPED = (Kind.OWN_REQUEST, Kind.STOP_CONFIRMATION)

NEVER = Q(pk__in=[])
ALWAYS = ~NEVER
CODE = CharField(max_length=24)


def with_verdict(messages: QuerySet[Message], *, at: datetime | None = None) -> QuerySet[Message]:
    """Annotate outbound messages with `answer`, a Verdict, and `grant`, the event a template would stand on."""
    staff_only = Scope.objects.filter(slug="internal_tests").values("pk")
    grant = Consent.objects.filter(contact=OuterRef("contact_id"), scope=OuterRef("asked_scope"))
    return messages.alias(  # type: ignore[no-redef]
        asked_scope=Case(When(kind=Kind.TEST, then=Subquery(staff_only)), default="template__scope_id")
    ).annotate(
        answer=_word(_of_messages(at or timezone.now())),
        grant=Subquery(grant.values("event")[:1]),
    )


def dry_run(
    contacts: QuerySet[Contact],
    *,
    number: BusinessNumber,
    template: MessageTemplate | None = None,
    kind: Kind = Kind.CAMPAIGN,
    missing: Q = NEVER,
    at: datetime | None = None,
) -> QuerySet[Contact]:
    """Annotate contacts with `answer`: what the gate would say now to such a message. missing: who lacks a value."""
    return contacts.annotate(answer=_word(_of_contacts(at or timezone.now(), number, template, kind, missing)))


def may_write(
    contact: Contact, *, number: BusinessNumber, template: MessageTemplate, at: datetime | None = None
) -> Verdict:
    """The answer for one template, sent by a person."""
    asked = dry_run(Contact.objects.filter(pk=contact.pk), number=number, template=template, kind=Kind.TEMPLATE, at=at)
    return Verdict(asked.values_list("answer", flat=True).get())  # type: ignore[misc]


def may_answer(conversation: Conversation, *, at: datetime | None = None) -> Verdict:
    """The answer for free text in this conversation."""
    who = Contact.objects.filter(pk=conversation.contact_id)
    asked = dry_run(who, number=conversation.number, kind=Kind.TEXT, at=at)
    return Verdict(asked.values_list("answer", flat=True).get())  # type: ignore[misc]


def next_look(verdict: str, *, at: datetime) -> datetime:
    """When to ask again about a message that waits: soon where a person may end it, later where only time does."""
    minutes = {Verdict.NUMBER_HELD: 1, Verdict.HELD: 10, Verdict.MESSAGING_LIMIT: 5}.get(Verdict(verdict), 15)
    return at + timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """The facts as seen from a row: the paths of columns, or what is known beforehand."""

    at: datetime
    contact: OuterRef  # the contact's id
    person: str  # prefix of the contact's columns
    number: Any
    business: Any  # the portfolio's business id
    scope: Any
    kinds: Kind | None  # None: the row's own
    has_scope: Q
    marketing: Q
    usable: Q  # the template is approved, and of this number's account
    missing: Q
    number_held: Q
    portfolios: list[tuple[Q, Portfolio]]

    def of_kind(self, *kinds: Kind) -> Q:
        if self.kinds is None:
            return Q(kind__in=kinds)
        return ALWAYS if self.kinds in kinds else NEVER

    def consent(self) -> Combinable:
        """The verdict of consent alone; `allowed` where a grant stands."""
        rows = Consent.objects.filter(contact=self.contact, scope=self.scope)
        code = Case(
            When(standing=Standing.GRANTED, expires_at__lte=self.at, then=Value(Verdict.EXPIRED.value)),
            When(standing=Standing.GRANTED, then=Value(Verdict.ALLOWED.value)),
            When(standing=Standing.UNKNOWN, then=Value(Verdict.NO_CONSENT.value)),
            default="standing",  # pending, held, withdrawn, expired: the same words
            output_field=CODE,
        )
        withdrew_all = ContactHead.objects.filter(pk=self.contact, all_withdrawn_at__isnull=False)
        return Coalesce(
            Subquery(rows.values(code=code)[:1]),
            Subquery(withdrew_all.values(code=Value(Verdict.WITHDRAWN.value, CODE))[:1]),
            Value(Verdict.NO_CONSENT.value),
            output_field=CODE,
        )

    def addressable(self) -> Q:
        ids = Identity.objects.filter(contact=self.contact, kind=Identity.Kind.BSUID, namespace=self.business)
        return Q(**{f"{self.person}phone__isnull": False}) | Q(Exists(ids))

    def session(self, **more: Any) -> Q:
        """An open session on this number."""
        open_now = {"contact": self.contact, "number": self.number, "session_expires_at__gt": self.at}
        return Q(Exists(Conversation.objects.filter(**open_now, **more)))

    def anything(self, standing: Standing) -> Q:
        """The contact stands so in any scope, or withdrew everything."""
        found = Q(Exists(Consent.objects.filter(contact=self.contact, standing=standing)))
        if standing == Standing.WITHDRAWN:
            found |= Q(Exists(ContactHead.objects.filter(pk=self.contact, all_withdrawn_at__isnull=False)))
        return found

    def blocked(self) -> Q:
        return Q(Exists(Block.objects.filter(contact=self.contact, portfolio=self.business, blocked=True)))

    def reach(self, **what: Any) -> Q:
        return Q(**{f"{self.person}reachability__{name}": value for name, value in what.items()})

    def country_closed(self) -> Q:
        """+1 with a US area code, or WhatsApp told us so (130497)."""
        american = Q(**{f"{self.person}country": "US", f"{self.person}phone__startswith": "+1"})
        return american | self.reach(country_closed=True)

    def had_enough(self) -> Q:
        conditions = [NEVER]
        for ours, portfolio in self.portfolios:
            if portfolio.marketing_cap is None:
                continue
            since = self.at - timedelta(days=portfolio.marketing_cap_days)
            had = Message.objects.filter(
                contact=self.contact, number__portfolio=portfolio, kind__in=COUNTED, sending_at__gt=since,
                status__in=set(LEFT) - {Status.FAILED},
            )  # fmt: skip
            count = Subquery(had.order_by().values("contact").annotate(n=Count("pk")).values("n")[:1])
            conditions.append(ours & Q(GreaterThanOrEqual(Coalesce(count, 0), portfolio.marketing_cap)))
        return reduce(or_, conditions)

    def quiet(self) -> Q:
        conditions = [NEVER]
        for ours, portfolio in self.portfolios:
            zones = quiet_zones(portfolio, at=self.at)
            if zones:
                conditions.append(ours & Q(**{f"{self.person}time_zone__in": zones}))
        return reduce(or_, conditions)


def quiet_zones(portfolio: Portfolio, *, at: datetime) -> list[str]:
    """The time zones in which it is quiet now; a contact without a zone is taken to live in UTC."""
    start, end = portfolio.quiet_from, portfolio.quiet_until
    if start is None or end is None:
        return []
    quiet = []
    for zone in _zones():
        clock = at.astimezone(ZoneInfo(zone or "UTC")).time()
        overnight = start > end
        if (clock >= start or clock < end) if overnight else (start <= clock < end):
            quiet.append(zone)
    return quiet


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    return ("", *sorted(available_timezones()))


def _of_messages(at: datetime) -> _Ground:
    template_fits = Q(
        template__status=APPROVED, template__archived_at=None, template__scope__isnull=False,
        template__waba_id=F("number__waba_id"),
    )  # fmt: skip
    return _Ground(
        at=at,
        contact=OuterRef("contact_id"),
        person="contact__",
        number=OuterRef("number_id"),
        business=OuterRef("number__portfolio__business_id"),
        scope=OuterRef("asked_scope"),
        kinds=None,
        has_scope=Q(asked_scope__isnull=False),
        marketing=Q(template__category=MARKETING),
        usable=template_fits,
        missing=Q(missing_value=True),
        number_held=~Q(number__held_reason="") | Q(number__token_set=False),
        portfolios=[(Q(number__portfolio=portfolio), portfolio) for portfolio in Portfolio.objects.all()],
    )


def _of_contacts(
    at: datetime, number: BusinessNumber, template: MessageTemplate | None, kind: Kind, missing: Q
) -> _Ground:
    scope = template.scope_id if template else None
    fits = template is not None and template.is_approved and scope is not None and template.waba_id == number.waba_id
    return _Ground(
        at=at,
        contact=OuterRef("pk"),
        person="",
        number=number.pk,
        business=number.portfolio.business_id,
        scope=scope,
        kinds=kind,
        has_scope=_known(scope is not None),
        marketing=_known(template is not None and template.category == MARKETING),
        usable=_known(fits),
        missing=missing,
        number_held=_known(bool(number.held_reason) or not number.token_set),
        portfolios=[(ALWAYS, number.portfolio)],
    )


def _known(fact: bool) -> Q:
    return ALWAYS if fact else NEVER


def _word(ground: _Ground) -> Case:
    reasons = [When(condition, then=Value(verdict.value)) for verdict, condition in _reasons(ground)]
    return Case(*reasons, default=Value(Verdict.ALLOWED.value), output_field=CODE)


def _reasons(ground: _Ground) -> Iterator[tuple[Verdict, Q]]:
    """The reasons in the order they are tried; part of each is who is asked at all (the table in the design)."""
    templates = ground.of_kind(*STANDS_ON_EVENT)
    answers = ground.of_kind(*ANSWERS_INBOUND)
    automatic = ground.of_kind(Kind.AUTOMATIC)
    marketing = templates & ground.marketing
    asking = ground.of_kind(Kind.OPT_IN_REQUEST)  # for the very consent that is missing
    consent = ground.consent()

    def stands(verdict: Verdict) -> Q:
        return templates & ground.has_scope & Q(Exact(consent, Value(verdict.value)))

    yield Verdict.NO_ADDRESS, ~ground.of_kind(Kind.STOP_CONFIRMATION) & ~ground.addressable()
    yield Verdict.STOPPED, ~ground.of_kind(*EVEN_WHEN_STOPPED) & ground.session(stopped_at__isnull=False)
    yield Verdict.WITHDRAWN, stands(Verdict.WITHDRAWN) | (automatic & ground.anything(Standing.WITHDRAWN))
    yield Verdict.BLOCKED, marketing & ground.blocked()
    yield Verdict.HELD, stands(Verdict.HELD) | (automatic & ground.anything(Standing.HELD))
    yield Verdict.NO_CONSENT, ~asking & stands(Verdict.NO_CONSENT)
    yield Verdict.PENDING, ~asking & stands(Verdict.PENDING)
    yield Verdict.EXPIRED, stands(Verdict.EXPIRED)
    yield Verdict.UNREACHABLE, templates & ground.reach(unreachable=True)
    yield Verdict.COUNTRY_CLOSED, marketing & ground.country_closed()
    yield Verdict.TEMPLATE_NOT_APPROVED, templates & ~ground.usable
    yield Verdict.WINDOW_CLOSED, answers & ~ground.session()
    yield Verdict.MISSING_VALUE, templates & ground.missing
    yield Verdict.FREQUENCY_CAP, ground.of_kind(*CAPPED) & ground.had_enough()
    yield Verdict.QUIET_HOURS, ground.of_kind(*CAPPED) & ground.quiet()
    yield Verdict.RESTING, marketing & ground.reach(resting_until__gt=ground.at)
    yield Verdict.NUMBER_HELD, ground.number_held
