"""Consent: recording what a person said, and reading where they stand.

The one place that appends to the ledger and writes its projections. Who may call: admin, inbox, API, jobs; each passes
source, evidence and the moment the person acted. *Lock first, decide second*: the heads are locked, and only the next
statement reads what stands, because a statement keeps the snapshot it began with.
"""

import calendar
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import clock
from accounts.models import User
from contacts import ledger
from contacts.models import (
    BLOCKS,
    GRANTS,
    PHONE_SOURCES,
    Action,
    Block,
    Consent,
    ConsentEvent,
    Contact,
    ContactHead,
    Evidence,
    LedgerNews,
    Scope,
    Source,
    Standing,
    Wording,
)
from contacts.standing import Stand, all_withdrawn_at, fold_block, fold_scope, scopes_named

# News from the platform may carry a clock ahead of ours: cut to ours. From others a date in the future is a mistake.
_CUT_TO_OURS = PHONE_SOURCES | {Source.WHATSAPP_PREFERENCE, Source.DELIVERY_ERROR, Source.SYSTEM}


@dataclass(frozen=True, slots=True)
class Proof:
    """What backs a line. data: see Evidence.Kind for its shape."""

    kind: Evidence.Kind
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to record. A scope, or covers_all, or (for blocks) a portfolio; never two of them."""

    contact: Contact
    action: Action
    source: Source
    proof: Proof
    occurred_at: datetime
    scope: Scope | None = None
    covers_all: bool = False
    portfolio: str | None = None
    wording: Wording | None = None
    expires_at: datetime | None = None
    actor: User | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry: the line, or the code of the rule that refused it (REFUSALS has the sentences)."""

    event: ConsentEvent | None
    refused: str = ""


REFUSALS = {
    "withdrew": "This person withdrew. Only they can agree again, from their phone.",
    "future": "The date lies in the future.",
    "no_scope": "Say which scope this is about.",
    "no_wording": "Say which wording the person was shown.",
    "wrong_wording": "This wording belongs to another scope.",
    "only_withdrawals_cover_all": "Only a withdrawal can cover everything.",
    "known": "This was recorded before.",
}


@dataclass(frozen=True, slots=True)
class ScopeStanding:
    """Where a contact stands in one scope at a moment. `since` and `event` are None where nothing was ever said."""

    scope: Scope
    standing: Standing
    since: datetime | None = None
    until: datetime | None = None
    event: ConsentEvent | None = None


def record(contact: Contact, **what: Any) -> ConsentEvent:
    """Append one line and return it. The keywords are Entry's; a refusal raises ValidationError with its code."""
    outcome = record_many([Entry(contact=contact, **what)])[0]
    if outcome.event is None:
        raise ValidationError(_(REFUSALS[outcome.refused]), code=outcome.refused)
    return outcome.event


def record_many(entries: Sequence[Entry]) -> list[Outcome]:
    """Append many lines in one transaction, in the order given; one outcome per entry.

    A refused entry changes nothing and stops no other. Locks the heads in id order.
    """
    with transaction.atomic():
        heads = lock_heads(entry.contact.pk for entry in entries)
        chains = _chains(heads)
        recorded_at = clock.now()
        book = _Book(heads, chains, recorded_at)
        outcomes = [book.write(entry) for entry in entries]
        book.save()
    return outcomes


def lock_heads(contact_ids: Iterable[int]) -> dict[int, ContactHead]:
    """Lock these contacts' heads until the transaction ends, in id order; makes those that are missing.

    On SQLite the transaction itself is the lock (BEGIN IMMEDIATE).
    """
    wanted = sorted(set(contact_ids))
    there = ContactHead.objects.select_for_update().order_by("pk").in_bulk(wanted)
    if len(there) < len(wanted):
        missing = [ContactHead(contact_id=pk) for pk in wanted if pk not in there]
        ContactHead.objects.bulk_create(missing, ignore_conflicts=True)
        there = ContactHead.objects.select_for_update().order_by("pk").in_bulk(wanted)
    return there


def standings(contact: Contact, *, at: datetime) -> list[ScopeStanding]:
    """Where the contact stands in every scope there is, by the clock of `at`."""
    rows = {row.scope_id: row for row in contact.consents.select_related("event__wording", "event__actor")}
    head = ContactHead.objects.filter(pk=contact.pk).first()
    withdrawn_at = head.all_withdrawn_at if head else None
    found = []
    for scope in Scope.objects.all():
        row = rows.get(scope.pk)
        if row is not None:
            stand = Stand(Standing(row.standing), row.since, row.expires_at)
            found.append(ScopeStanding(scope, stand.at(at), row.since, row.expires_at, row.event))
        elif withdrawn_at is not None:
            line = (
                contact.consent_events.filter(covers_all=True, action=Action.WITHDRAWN).order_by("-occurred_at").first()
            )
            found.append(ScopeStanding(scope, Standing.WITHDRAWN, withdrawn_at, None, line))
        else:
            found.append(ScopeStanding(scope, Standing.UNKNOWN))
    return found


def restorable(contact: Contact, *, at: datetime) -> list[tuple[Scope, Stand]]:
    """What a START would give back: the scopes that the person's last STOP took, if they would still be valid."""
    lines = list(contact.consent_events.select_related("wording"))
    stops = [
        line for line in lines
        if line.action == Action.WITHDRAWN and line.source in (Source.KEYWORD, Source.BUTTON) and line.occurred_at <= at
    ]  # fmt: skip
    now_granted = {row.scope_id for row in contact.consents.filter(standing=Standing.GRANTED)}
    # A second STOP takes nothing, so it is the last one that took something that counts.
    for stop in sorted(stops, key=lambda line: (line.occurred_at, line.number), reverse=True):
        second = stop.occurred_at.replace(microsecond=0)
        before = [line for line in lines if line.occurred_at.replace(microsecond=0) < second]
        scopes = Scope.objects.in_bulk(scopes_named(before) if stop.covers_all else {stop.scope_id})
        taken = [(scope, fold_scope(before, pk)) for pk, scope in scopes.items()]
        taken = [(scope, stand) for scope, stand in taken if stand.at(second) == Standing.GRANTED]
        if taken:
            return [
                (scope, stand) for scope, stand in taken
                if stand.at(at) == Standing.GRANTED and scope.pk not in now_granted
            ]  # fmt: skip
    return []


def _chains(heads: dict[int, ContactHead]) -> dict[int, list[ConsentEvent]]:
    grown = [pk for pk, head in heads.items() if head.last_number]
    chains: dict[int, list[ConsentEvent]] = defaultdict(list)
    for line in ConsentEvent.objects.filter(contact__in=grown).order_by("contact_id", "number"):
        chains[line.contact_id].append(line)
    return chains


@dataclass(slots=True)
class _Book:
    """One transaction's worth of lines, written together at the end."""

    heads: dict[int, ContactHead]
    chains: dict[int, list[ConsentEvent]]
    recorded_at: datetime
    lines: list[ConsentEvent] = field(default_factory=list)
    evidence: list[tuple[ConsentEvent, Proof, str]] = field(default_factory=list)
    touched: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # contact: scopes
    blocks: set[tuple[int, str]] = field(default_factory=set)

    def write(self, entry: Entry) -> Outcome:
        occurred_at = entry.occurred_at
        if occurred_at > self.recorded_at:
            if entry.source not in _CUT_TO_OURS:
                return Outcome(None, "future")
            occurred_at = self.recorded_at
        refused = self._refusal(entry)
        if refused:
            return Outcome(None, refused)
        action = self._action(entry)
        salt = ledger.new_salt()
        head = self.heads[entry.contact.pk]
        line = ConsentEvent(
            contact=entry.contact,
            number=head.last_number + 1,
            scope=entry.scope,
            covers_all=entry.covers_all,
            portfolio=entry.portfolio,
            action=action,
            occurred_at=occurred_at,
            recorded_at=self.recorded_at,
            source=entry.source,
            wording=entry.wording,
            actor=entry.actor,
            expires_at=_expiry(entry, occurred_at) if action in GRANTS else None,
            commitment=ledger.commitment(entry.proof.kind, entry.proof.data, salt),
            previous_hash=head.last_hash,
        )
        line.hash = ledger.line_hash(line)
        head.last_number, head.last_hash = line.number, line.hash
        self.chains[entry.contact.pk].append(line)
        self.lines.append(line)
        self.evidence.append((line, entry.proof, salt))
        self._touch(entry)
        return Outcome(line)

    def _refusal(self, entry: Entry) -> str:
        if entry.action in GRANTS:
            if entry.scope is None:
                return "no_scope"
            if entry.wording is None:
                return "no_wording"
            if entry.wording.scope_id != entry.scope.pk:
                return "wrong_wording"
        if entry.covers_all and entry.action != Action.WITHDRAWN:
            return "only_withdrawals_cover_all"
        if entry.source != Source.IMPORT:
            return ""
        asks = entry.scope is not None and entry.action in (*GRANTS, Action.REQUESTED)
        if asks and self._stand(entry).refused:
            return "withdrew"
        return "known" if self._said_before(entry) else ""

    def _said_before(self, entry: Entry) -> bool:
        """A file imported again, or the next export of the same list, adds nothing to the ledger."""
        second = entry.occurred_at.replace(microsecond=0)
        return any(
            line.action == entry.action
            and line.scope_id == (entry.scope.pk if entry.scope else None)
            and line.covers_all == entry.covers_all
            and line.wording_id == (entry.wording.pk if entry.wording else None)
            and line.source == entry.source
            and line.occurred_at.replace(microsecond=0) == second
            for line in self.chains.get(entry.contact.pk, ())
        )

    def _action(self, entry: Entry) -> Action:
        """A grant that still needs the person's own word from the phone is written down as asked for."""
        if entry.action not in GRANTS or entry.source in PHONE_SOURCES:
            return entry.action
        assert entry.scope is not None
        needs_word = entry.scope.double_opt_in or self._stand(entry).refused
        return Action.REQUESTED if needs_word else entry.action

    def _stand(self, entry: Entry) -> Stand:
        assert entry.scope is not None
        return fold_scope(self.chains.get(entry.contact.pk, ()), entry.scope.pk)

    def _touch(self, entry: Entry) -> None:
        if entry.action in BLOCKS:
            assert entry.portfolio is not None
            self.blocks.add((entry.contact.pk, entry.portfolio))
        elif entry.scope is not None:
            self.touched[entry.contact.pk].add(entry.scope.pk)
        else:
            self.touched[entry.contact.pk] |= scopes_named(self.chains[entry.contact.pk])

    def save(self) -> None:
        ConsentEvent.objects.bulk_create(self.lines, batch_size=500)
        Evidence.objects.bulk_create(
            [Evidence(event=line, kind=proof.kind, data=proof.data, salt=salt) for line, proof, salt in self.evidence],
            batch_size=500,
        )
        LedgerNews.objects.bulk_create([LedgerNews(event=line) for line in self.lines], batch_size=500)
        self._save_projections()

    def _save_projections(self) -> None:
        written = {line.contact_id for line in self.lines}
        heads = [self.heads[pk] for pk in sorted(written)]
        for head in heads:
            head.all_withdrawn_at = all_withdrawn_at(self.chains[head.pk])
        ContactHead.objects.bulk_create(  # an upsert of rows that are there: bulk_update takes five times as long
            heads,
            update_conflicts=True,
            unique_fields=["contact"],
            update_fields=["last_number", "last_hash", "all_withdrawn_at"],
            batch_size=500,
        )
        rows = []
        for contact_id, scope_ids in self.touched.items():
            for scope_id in scope_ids:
                stand = fold_scope(self.chains[contact_id], scope_id)
                assert stand.event is not None and stand.since is not None  # a line names this scope
                rows.append(
                    Consent(
                        contact_id=contact_id,
                        scope_id=scope_id,
                        standing=stand.standing,
                        since=stand.since,
                        expires_at=stand.expires_at,
                        event=stand.event,
                    )
                )
        Consent.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["contact", "scope"],
            update_fields=["standing", "since", "expires_at", "event"],
            batch_size=500,
        )
        for contact_id, portfolio in self.blocks:
            line = fold_block(self.chains[contact_id], portfolio)
            assert line is not None
            Block.objects.update_or_create(
                contact_id=contact_id,
                portfolio=portfolio,
                defaults={"blocked": line.action == Action.BLOCKED, "since": line.occurred_at, "event": line},
            )


def _expiry(entry: Entry, occurred_at: datetime) -> datetime | None:
    """When the grant runs out: as said, or by the scope's validity."""
    assert entry.scope is not None
    if entry.expires_at is not None or entry.scope.validity_months is None:
        return entry.expires_at
    return _months_later(occurred_at, entry.scope.validity_months)


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day so many months on, or that month's last day."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))
