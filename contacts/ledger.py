"""The chain: how a ledger line is hashed, and the proof that no line was changed, removed or added behind our back."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

from contacts import triggers
from contacts.models import Action, Block, Consent, ConsentEvent, Contact, ContactHead, Evidence
from contacts.standing import all_withdrawn_at, fold_block, fold_scope, scopes_named


def new_salt() -> str:
    return secrets.token_hex(32)


def commitment(kind: str, data: dict[str, Any], salt: str) -> str:
    """A salted hash of evidence: it binds the line to it and, once the evidence is erased, tells nothing about it."""
    return hashlib.sha256(f"{salt}:{_canonical({'kind': str(kind), 'data': data})}".encode()).hexdigest()


def line_hash(event: ConsentEvent) -> str:
    """SHA-256 over everything in the line and the hash before it. Needs contact, scope, wording and actor loaded."""
    body = {
        "event": str(event.public_id),
        "contact": str(event.contact.public_id),
        "number": event.number,
        "scope": event.scope.slug if event.scope else None,
        "covers_all": event.covers_all,
        "portfolio": event.portfolio,
        "action": str(event.action),
        "occurred_at": _moment(event.occurred_at),
        "recorded_at": _moment(event.recorded_at),
        "source": str(event.source),
        "wording": f"{event.wording.key} v{event.wording.version}" if event.wording else None,
        "wording_text": hashlib.sha256(event.wording.text.encode()).hexdigest() if event.wording else None,
        "actor": str(event.actor.public_id) if event.actor else None,
        "expires_at": _moment(event.expires_at),
        "evidence": event.commitment,
        "previous": event.previous_hash,
    }
    return hashlib.sha256(_canonical(body).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the ledger that cannot be true. `line` is None where no single line is to blame."""

    contact: str  # public id
    line: int | None
    what: str

    def __str__(self) -> str:
        place = f"line {self.line} of contact {self.contact}" if self.line else f"contact {self.contact}"
        return f"{place}: {self.what}"


@dataclass(slots=True)
class Report:
    contacts: int
    lines: int
    faults: list[Fault]


def verify() -> Report:
    """Walk every chain and compare every projection with the fold of its lines. Bounded memory; reads only."""
    report = Report(0, 0, [])
    for name in triggers.missing(connection):
        report.faults.append(Fault("-", None, f"the trigger {name} is missing, so lines can be changed"))
    lines = _InStep(ConsentEvent.objects.select_related("contact", "scope", "wording", "actor", "evidence", "news"))
    consents, blocks = _InStep(Consent.objects.all()), _InStep(Block.objects.all())
    for contact in Contact.objects.select_related("head").order_by("pk").iterator(chunk_size=2000):
        chain = sorted(lines.of(contact.pk), key=lambda event: event.number)
        report.contacts += 1
        report.lines += len(chain)
        shown = _Shown(
            {row.scope_id: row for row in consents.of(contact.pk)},
            {row.portfolio: row for row in blocks.of(contact.pk)},
        )
        report.faults.extend(_faults_of(contact, chain, shown))
    return report


class _InStep:
    """Rows that belong to contacts, read once, in step with a walk over the contacts by id."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        ordered = rows.order_by("contact_id", "pk").iterator(chunk_size=2000)
        self._groups = groupby(ordered, key=lambda row: row.contact_id)
        self._next = self._read()

    def of(self, contact_id: int) -> list[Any]:
        """The rows of this contact; ids asked for only grow."""
        if self._next is None or self._next[0] != contact_id:
            return []
        rows = self._next[1]
        self._next = self._read()
        return rows

    def _read(self) -> tuple[int, list[Any]] | None:
        for contact_id, group in self._groups:
            return contact_id, list(group)
        return None


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the projections say of one contact."""

    consents: dict[int, Consent]
    blocks: dict[str, Block]


def _faults_of(contact: Contact, lines: list[ConsentEvent], shown: _Shown) -> Iterator[Fault]:
    who = str(contact.public_id)
    previous = ""
    for expected, event in enumerate(lines, 1):
        if event.number != expected:
            yield Fault(who, expected, "is missing")
            return  # every later number is off, and says nothing more
        if event.previous_hash != previous:
            yield Fault(who, event.number, "does not follow from the line before it")
        if line_hash(event) != event.hash:
            yield Fault(who, event.number, "was changed after it was written")
        yield from _evidence_faults(who, event)
        if _lacks(event, "news"):
            yield Fault(who, event.number, "was never announced")
        previous = event.hash
    head = ContactHead(contact=contact) if _lacks(contact, "head") else contact.head
    if (head.last_number, head.last_hash) != (len(lines), previous):
        yield Fault(who, head.last_number or len(lines), "is where the head ends, but the chain ends elsewhere")
    if head.all_withdrawn_at != all_withdrawn_at(lines):
        yield Fault(who, None, "the date of withdrawing everything is not what the lines say")
    yield from _projection_faults(who, lines, shown)


def _lacks(row: Model, relation: str) -> bool:
    return not hasattr(row, relation)


def _evidence_faults(who: str, event: ConsentEvent) -> Iterator[Fault]:
    if _lacks(event, "evidence"):
        yield Fault(who, event.number, "has lost its evidence")
        return
    evidence: Evidence = event.evidence
    if commitment(evidence.kind, evidence.data, evidence.salt) != event.commitment:
        yield Fault(who, event.number, "has evidence that was changed")


def _projection_faults(who: str, lines: list[ConsentEvent], shown: _Shown) -> Iterator[Fault]:
    for scope_id in sorted(scopes_named(lines) | set(shown.consents)):
        stand = fold_scope(lines, scope_id)
        row = shown.consents.get(scope_id)
        told = (row.standing, row.since, row.expires_at, row.event_id) if row else None
        if told != (stand.standing, stand.since, stand.expires_at, stand.event.pk if stand.event else None):
            yield Fault(who, stand.event.number if stand.event else None, "does not match the consent shown for it")
    for portfolio in sorted({line.portfolio for line in lines if line.portfolio} | set(shown.blocks)):
        line, block = fold_block(lines, portfolio), shown.blocks.get(portfolio)
        stands = (line.pk, line.action == Action.BLOCKED, line.occurred_at) if line else None
        if stands != ((block.event_id, block.blocked, block.since) if block else None):
            yield Fault(who, line.number if line else None, "does not match the marketing stop shown for it")


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
