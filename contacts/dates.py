"""Dates as lists hold them: when a person agreed or withdrew.

A date without a time is a whole day: it counts as its first second for an agreement and as its last for a withdrawal.
Day before month, unless the column shows that it must be the other way round (MonthOrder).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_TIME = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?(?:\s*(?P<zone>z|utc|gmt|[+-]\d{2}(?::?\d{2})?))?"
)
_AND_TIME = rf"(?:(?:\s*[T,]\s*|\s+(?:-\s*)?){_TIME})?"
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){_AND_TIME}", re.IGNORECASE)
_COMPACT = re.compile(rf"(?P<year>(?:19|20)\d{{2}})(?P<month>\d{{2}})(?P<day>\d{{2}}){_AND_TIME}", re.IGNORECASE)
_YEAR_LAST = re.compile(
    rf"(?P<one>\d{{1,2}})([-/.])(?P<two>\d{{1,2}})\2(?P<year>\d{{4}}|\d{{2}}){_AND_TIME}", re.IGNORECASE
)
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")  # days since 1900, as spreadsheets count
_YEARS = range(1970, 2101)


class InvalidDate(ValidationError, ValueError):
    """A text that is no date we can read; `str()` is one sentence that says why."""

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True, slots=True)
class When:
    """A moment, or a whole day: `first` and `last` are its first and last second, aware, UTC."""

    first: datetime
    last: datetime

    @property
    def is_date_only(self) -> bool:
        return self.first != self.last

    def for_grant(self) -> datetime:
        """The moment an agreement of that day counts from."""
        return self.first

    def for_withdrawal(self, recorded_at: datetime) -> datetime:
        """The moment a withdrawal of that day counts from: its end, but not later than we heard of it."""
        return min(self.last, recorded_at) if self.first <= recorded_at else self.first


def parse_when(text: str, zone: tzinfo, *, day_first: bool = True) -> When:
    """2025-12-31, 31/12/2025, 31.12.25, 20251231, each with or without a time and an offset; else in `zone`.

    Raises InvalidDate.
    """
    written = _tidy(text)
    if not written:
        raise InvalidDate(_("There is no date."))
    found = _YEAR_FIRST.fullmatch(written) or _COMPACT.fullmatch(written) or _YEAR_LAST.fullmatch(written)
    if found is None:
        if _SERIAL.fullmatch(written):
            raise InvalidDate(
                _("A spreadsheet wrote this date as a number. Format the column as a date and export again.")
            )
        raise InvalidDate(_("This date cannot be read. Write it as 2025-12-31."))
    parts = found.groupdict()
    try:
        day = _day(parts, day_first)
        if parts["hour"] is None:
            start = datetime.combine(day, datetime.min.time(), zone)
            following = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
            return When(start.astimezone(UTC), following.astimezone(UTC) - timedelta(seconds=1))
        moment = _moment(day, parts, zone)
    except ValueError as error:
        raise InvalidDate(_("There is no such date.")) from error
    return When(moment, moment)


class MonthOrder:
    """Whether a column writes the day first. Show it every cell; a month above 12 in one of them decides."""

    def __init__(self) -> None:
        self.some_day_first = False
        self.some_month_first = False

    def see(self, text: str) -> None:
        found = _YEAR_LAST.fullmatch(_tidy(text))
        if found:
            self.some_day_first |= int(found["one"]) > 12
            self.some_month_first |= int(found["two"]) > 12

    @property
    def day_first(self) -> bool:
        return self.some_day_first or not self.some_month_first


def _tidy(text: str) -> str:
    written = " ".join(_INVISIBLE.sub("", text).split()).lstrip("'").strip()
    return written[2:-1] if written.startswith('="') and written.endswith('"') else written


def _day(parts: dict[str, str | None], day_first: bool) -> date:
    written = parts["year"] or ""
    year = int(written) + (2000 if len(written) == 2 else 0)
    if year not in _YEARS:
        raise ValueError("year")
    if "one" in parts:
        one, two = int(parts["one"] or 0), int(parts["two"] or 0)
        return date(year, two, one) if day_first else date(year, one, two)
    return date(year, int(parts["month"] or 0), int(parts["day"] or 0))


def _moment(day: date, parts: dict[str, str | None], zone: tzinfo) -> datetime:
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("hour")
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    if parts["zone"]:
        zone = _offset(parts["zone"])
    moment = datetime(
        day.year, day.month, day.day, hour, int(parts["minute"] or 0), int(parts["second"] or 0), tzinfo=zone
    )
    return moment.astimezone(UTC)


def _offset(text: str) -> tzinfo:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))
