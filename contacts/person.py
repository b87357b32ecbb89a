"""What concerns a whole person: a list of parts, one from each room, filled in AppConfig.ready.

A part names the models it answers for (a test fails when a model that leads to a contact has none), gives lines to the
timeline and panels beside it. The contact page draws them without knowing what they are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from django.utils.functional import Promise

from contacts.models import Contact

# Where a page of the timeline ended: older than this moment, or of the same one with a lower id.
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, drawn by a template that gets `line` and the context."""

    at: datetime
    public_id: UUID
    template: str
    context: dict[str, Any]

    @property
    def place(self) -> Place:
        return (self.at, self.public_id)


@dataclass(frozen=True, slots=True)
class Panel:
    """Something shown beside the timeline."""

    template: str
    context: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A room's share of a person. timeline: (contact, place, limit) to the newest lines before the place."""

    name: str
    title: str | Promise  # the word over the filter of the timeline
    models: Sequence[type[Model]]
    timeline: Callable[[Contact, Place | None, int], list[Line]] | None = None
    panels: Callable[[Contact, datetime], list[Panel]] | None = field(default=None)


_parts: dict[str, Part] = {}


def add(part: Part) -> None:
    _parts[part.name] = part


def parts() -> list[Part]:
    """Every part, in the order the rooms were loaded."""
    return list(_parts.values())


def timeline(contact: Contact, *, only: str = "", before: Place | None = None, limit: int = 30) -> list[Line]:
    """The newest lines of all parts together, or of one, strictly older than `before`."""
    wanted = [part for part in parts() if part.timeline is not None and only in ("", part.name)]
    lines = [line for part in wanted if part.timeline for line in part.timeline(contact, before, limit)]
    return sorted(lines, key=lambda line: line.place, reverse=True)[:limit]


def panels(contact: Contact, *, at: datetime) -> Iterable[Panel]:
    """What stands beside the timeline at a moment."""
    for part in parts():
        if part.panels is not None:
            yield from part.panels(contact, at)


def older(before: Place | None, *, at: str = "at", public_id: str = "public_id") -> Q:
    """Rows of a part that come after this place in the timeline; at and public_id are names of columns."""
    if before is None:
        return Q()
    moment, last = before
    return Q(**{f"{at}__lt": moment}) | Q(**{at: moment, f"{public_id}__lt": last})
