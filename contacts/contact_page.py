"""The page of one person: who they are, where their consent stands, and everything that happened, newest first."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts import look
from contacts import consent, person, phones
from contacts.consent import ScopeStanding
from contacts.models import Contact, Standing

LINES = 30  # of the timeline on one page
TAB_ALL = ""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def context(contact: Contact, *, tab: str = "", before: str = "", address: str, at: datetime) -> dict[str, Any]:
    """What the page shows. tab: name of a part, or empty; before: where the last page of the timeline ended."""
    stands = consent.standings(contact, at=at)
    place = read_place(before)
    lines = person.timeline(contact, only=tab, before=place, limit=LINES + 1)
    shown = lines[:LINES]
    return {
        "contact": contact,
        "phone": phones.readable(contact.phone) if contact.phone else "",
        "identities": [(row.get_kind_display(), row.value) for row in contact.identities.order_by("pk")],
        "tags": list(contact.tags.all()),
        "local_time": local_time(contact, at),
        "lead": lead(contact, stands),
        "stands": standings(stands, at),
        "unknown": [row.scope.name for row in stands if row.standing == Standing.UNKNOWN],
        "blocks": list(contact.blocks.filter(blocked=True)),
        "panels": list(person.panels(contact, at=at)),
        "tabs": tabs(tab),
        "tab": tab,
        "days": by_day(shown, at),
        "is_first_page": place is None,
        "older_url": older_url(address, tab, shown[-1]) if len(lines) > LINES else "",
        "newest_url": f"{address}?{urlencode({'show': tab})}" if tab else address,
        "now": at,
    }


def lead(contact: Contact, stands: list[ScopeStanding]) -> str:
    """The sentence one came for."""
    name = contact.first_name or contact.name
    granted = [row.scope.name for row in stands if row.standing == Standing.GRANTED]
    withdrawn = [row.scope.name for row in stands if row.standing == Standing.WITHDRAWN]
    if granted:
        said = _("%(name)s agreed to %(scopes)s.") % {"name": name, "scopes": get_text_list(granted, _("and"))}
        if withdrawn:
            said += " " + _("Withdrawn: %(scopes)s.") % {"scopes": ", ".join(withdrawn)}
        return said
    if withdrawn and len(withdrawn) == len(stands):
        return _("%(name)s withdrew everything. Nothing may be sent until they agree again from their phone.") % {
            "name": name
        }
    if withdrawn:
        return _("%(name)s withdrew %(scopes)s and agreed to nothing else.") % {
            "name": name, "scopes": get_text_list(withdrawn, _("and")),
        }  # fmt: skip
    for standing, sentence in (
        (Standing.PENDING, _("%(name)s has not confirmed from their phone yet: nothing may be sent.")),
        (Standing.HELD, _("The consent of %(name)s is on hold: nothing may be sent.")),
        (Standing.EXPIRED, _("What %(name)s agreed to has expired: nothing may be sent.")),
    ):
        if any(row.standing == standing for row in stands):
            return sentence % {"name": name}
    return _("%(name)s never agreed to anything we know of: nothing may be sent.") % {"name": name}


def standings(stands: list[ScopeStanding], at: datetime) -> list[dict[str, Any]]:
    """One entry per scope somebody spoke about; what one word ended everywhere is told once."""
    told: list[dict[str, Any]] = []
    at_once: dict[int, dict[str, Any]] = {}
    for row in stands:
        if row.standing == Standing.UNKNOWN:
            continue
        if row.event is not None and row.event.covers_all:
            if row.event.pk in at_once:
                at_once[row.event.pk]["scopes"].append(row.scope.name)
                continue
            at_once[row.event.pk] = {"scopes": [row.scope.name], "row": row, "left": None, "everything": True}
            told.append(at_once[row.event.pk])
        else:
            told.append({"scopes": [row.scope.name], "row": row, "left": time_left(row, at), "everything": False})
    return told


def time_left(row: ScopeStanding, at: datetime) -> dict[str, str] | None:
    """How long an agreement lasts: amber in its last fifth, red in its last twentieth."""
    if row.standing != Standing.GRANTED or row.until is None or row.since is None:
        return None
    share = (row.until - at) / max(row.until - row.since, row.until - at)
    tone = "last" if share <= 0.05 else "soon" if share <= 0.2 else ""
    return {"tone": tone, "words": _("%(length)s left") % {"length": look.length(row.until - at)}}


def local_time(contact: Contact, at: datetime) -> str:
    """What their clock shows."""
    try:
        return date_format(at.astimezone(ZoneInfo(contact.time_zone)), "H:i") if contact.time_zone else ""
    except (ZoneInfoNotFoundError, ValueError):
        return ""


def tabs(chosen: str) -> list[dict[str, Any]]:
    """The filters of the timeline: everything, and one per part that has lines."""
    named = [(part.name, part.title) for part in person.parts() if part.timeline is not None]
    return [
        {"title": title, "query": f"?show={name}" if name else "?", "here": name == chosen}
        for name, title in [(TAB_ALL, _("All")), *named]
    ]


def by_day(lines: list[person.Line], at: datetime) -> list[tuple[str, list[person.Line]]]:
    """Lines under the day they fall on, on the reader's calendar."""
    days: list[tuple[str, list[person.Line]]] = []
    year = timezone.localtime(at).year
    for line in lines:
        local = timezone.localtime(line.at)
        day = date_format(local, "j F" if local.year == year else "j F Y")
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(line)
    return days


def older_url(address: str, tab: str, last: person.Line) -> str:
    query = {"before": f"{(last.at - EPOCH) // timedelta(microseconds=1)}~{last.public_id}"} | (
        {"show": tab} if tab else {}
    )
    return f"{address}?{urlencode(query)}"


def read_place(text: str) -> person.Place | None:
    """The place in an address; None for what is none, which is the newest page."""
    moment, _sign, public_id = text.partition("~")
    try:
        return (EPOCH + timedelta(microseconds=int(moment)), UUID(public_id))
    except (ValueError, OverflowError):
        return None
