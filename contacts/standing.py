"""The fold: from a contact's ledger lines to where they stand. Pure; the order of arrival never changes the answer.

Lines are read in the order the person acted (`occurred_at`, whole seconds). On a tie the more careful one counts last,
so withdrawal wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contacts.models import GRANTS, PHONE_SOURCES, Action, ConsentEvent, Source, Standing

# Read last among lines of the same second: the most careful word stands.
_CARE = {
    Action.REQUESTED: 0,
    Action.GRANTED: 1,
    Action.RENEWED: 1,
    Action.RELEASED: 2,
    Action.HELD: 3,
    Action.WITHDRAWN: 4,
    Action.EXPIRED: -1,  # a note; the clock decides
    Action.UNBLOCKED: 1,
    Action.BLOCKED: 4,
}
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a contact stands in one scope, apart from the clock: `granted` may have run out by `expires_at`."""

    standing: Standing = Standing.UNKNOWN
    since: datetime | None = None
    expires_at: datetime | None = None
    event: ConsentEvent | None = None  # the line that decided
    refused: bool = False  # a withdrawal that nothing from the phone has ended

    def at(self, moment: datetime) -> Standing:
        """The standing by the clock."""
        if self.standing == Standing.GRANTED and self.expires_at is not None and self.expires_at <= moment:
            return Standing.EXPIRED
        return self.standing


@dataclass(frozen=True, slots=True)
class _Course:
    """Half-way through the lines: the stand without holds, and whether a hold lies over it."""

    base: Stand = Stand()
    hold: Stand | None = None

    def result(self) -> Stand:
        if self.hold is None or self.base.standing == Standing.WITHDRAWN:
            return self.base
        return replace(self.hold, refused=self.base.refused)

    def after(self, line: ConsentEvent) -> "_Course":
        at = _second(line.occurred_at)
        from_phone = line.source in PHONE_SOURCES
        base = self.base
        if line.action == Action.WITHDRAWN:
            return replace(self, base=Stand(Standing.WITHDRAWN, at, None, line, refused=True))
        if line.action == Action.HELD:
            return replace(self, hold=Stand(Standing.HELD, at, None, line))
        if line.action == Action.RELEASED:
            never = Stand(Standing.UNKNOWN, at, None, line)  # released, and nothing else was ever said
            return _Course(base if base.event is not None else never)
        if line.action in GRANTS and (from_phone or not base.refused):
            granted = Stand(Standing.GRANTED, at, line.expires_at, line)
            return _Course(granted, None if from_phone else self.hold)
        if line.source == Source.IMPORT and base.refused:
            return self  # a file never moves what a person withdrew
        if line.action in (*GRANTS, Action.REQUESTED) and base.at(at) != Standing.GRANTED:
            return replace(self, base=Stand(Standing.PENDING, at, None, line, refused=base.refused))
        return self


def fold_scope(lines: Iterable[ConsentEvent], scope_id: int) -> Stand:
    """Where these lines leave one scope. A withdrawal of everything covers scopes that were never mentioned."""
    course = _Course()
    for line in sorted(lines, key=_reading_order):
        if line.scope_id == scope_id or line.covers_all:
            course = course.after(line)
    return course.result()


def fold_block(lines: Iterable[ConsentEvent], portfolio: str) -> ConsentEvent | None:
    """The line that decides whether WhatsApp's own stop stands for this portfolio; None if there never was one."""
    last = None
    for line in sorted(lines, key=_reading_order):
        if line.portfolio == portfolio:
            last = line
    return last


def all_withdrawn_at(lines: Iterable[ConsentEvent]) -> datetime | None:
    """When the person last withdrew everything, to the second."""
    said = [_second(line.occurred_at) for line in lines if line.covers_all and line.action == Action.WITHDRAWN]
    return max(said, default=None)


def scopes_named(lines: Iterable[ConsentEvent]) -> set[int]:
    return {line.scope_id for line in lines if line.scope_id is not None}


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _reading_order(line: ConsentEvent) -> tuple[datetime, int, bool, datetime, int]:
    return (
        _second(line.occurred_at),
        _CARE[Action(line.action)],
        line.source in PHONE_SOURCES,
        line.expires_at or _NEVER,  # of two agreements in one second the longer stands
        line.number,
    )
