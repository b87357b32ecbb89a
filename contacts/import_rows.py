"""One row of an imported list: whose it is, what it says about them, and the consent it can prove.

Reading only: nothing here writes a contact or a line of the ledger. A consent is proved by all four of scope, wording,
source and date, each from a column or said once for the file; what is missing is said in the row's notes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from contacts import phones
from contacts.columns import FIELDS, yes_or_no
from contacts.csv_files import Row
from contacts.dates import InvalidDate, When, parse_when
from contacts.models import Action, Scope, Wording
from contacts.wordings import Wordings

MOST_NAME = 120  # characters of a name, as the model has them
MOST_TAG = 80
MOST_TAGS = 20  # of one row; more means that the column holds something else
MOST_ATTRIBUTES = 60
MOST_ATTRIBUTE_NAME = 80
MOST_ATTRIBUTE = 500
MOST_SOURCE = 200

EVIDENCE = ("scope", "wording", "source", "occurred_at")

_TEXT_FORMULA = re.compile(r'^=\s*"(.*)"$', re.DOTALL)
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{2}|[0-9]{3}))?")
_LANGUAGE_NAMES = {
    "english": "en", "inglese": "en", "inglés": "en", "englisch": "en", "anglais": "en",
    "italian": "it", "italiano": "it", "italienisch": "it", "italien": "it",
    "spanish": "es", "spagnolo": "es", "español": "es", "spanisch": "es", "espagnol": "es",
    "french": "fr", "francese": "fr", "francés": "fr", "français": "fr", "französisch": "fr",
    "german": "de", "tedesco": "de", "alemán": "de", "deutsch": "de", "allemand": "de",
    "portuguese": "pt", "portoghese": "pt", "português": "pt", "portugués": "pt",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for a whole file. scope, wording, source and occurred_at stand in for empty and missing cells."""

    recorded_at: datetime  # no date may be later
    zone: tzinfo
    region: str = ""
    day_first: bool = True
    scope: Scope | None = None
    wording: Wording | None = None
    source: str = ""
    occurred_at: str = ""
    keeps_other_columns: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """What the person said, by this row. A withdrawal without scope is one of everything.

    is_dated: False for a withdrawal that counts from the import, because the list does not say when it was.
    """

    action: Action
    occurred_at: datetime
    scope: Scope | None = None
    wording: Wording | None = None
    source: str = ""
    is_dated: bool = True


@dataclass(slots=True)
class Line:
    """A row that was read. With a problem there is no contact to make of it; notes say what was left out of one."""

    number: int
    phone: str = ""  # E.164
    problem: str = ""
    fields: dict[str, str] = field(default_factory=dict)  # first_name, last_name, email, language; never empty ones
    attributes: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    said: Said | None = None
    notes: list[str] = field(default_factory=list)


class RowReader:
    """Reads the rows of one file. mapping: {field: its columns}, of contacts.columns.FIELDS."""

    def __init__(
        self, header: Sequence[str], mapping: Mapping[str, Sequence[str]], terms: Terms, wordings: Wordings
    ) -> None:
        self.terms = terms
        self.wordings = wordings
        places = {name: place for place, name in enumerate(header)}
        self.places = {name: [places[column] for column in mapping.get(name, ())] for name in FIELDS}
        used = {place for found in self.places.values() for place in found}
        others = [(name[:MOST_ATTRIBUTE_NAME], place) for name, place in places.items() if place not in used]
        self.others = others[:MOST_ATTRIBUTES] if terms.keeps_other_columns else []
        given = {
            "scope": terms.scope,
            "wording": terms.wording,
            "source": terms.source,
            "occurred_at": terms.occurred_at,
        }
        self.expects_consent = any(given.values()) or any(self.places[name] for name in EVIDENCE)
        self.known_dates: dict[str, When | InvalidDate] = {}

    def read(self, row: Row) -> Line:
        line = Line(row.number, problem=row.error)
        if line.problem:
            return line
        try:
            line.phone = self._phone(row)
        except phones.InvalidPhone as refusal:
            line.problem = str(refusal)
            return line
        self._read_person(row, line)
        line.said = self._said(row, line)
        return line

    def _cells(self, row: Row, name: str) -> list[str]:
        return [cell for place in self.places[name] if (cell := _plain(row.cells[place]))]

    def _cell(self, row: Row, name: str) -> str:
        return next(iter(self._cells(row, name)), "")

    def _phone(self, row: Row) -> str:
        """The first of the phone columns that holds a number that can be used."""
        refusal = None
        for place in self.places["phone"]:
            if row.cells[place].strip():
                try:
                    return phones.to_e164(row.cells[place], self.terms.region)
                except phones.InvalidPhone as error:
                    refusal = refusal or error
        raise refusal or phones.InvalidPhone(_("There is no phone number."))

    def _read_person(self, row: Row, line: Line) -> None:
        first, last = self._cell(row, "first_name"), self._cell(row, "last_name")
        if not first and not last:
            first, last = _split_name(self._cell(row, "name"))
        email, language = self._cell(row, "email"), self._cell(row, "language")
        if email and not _is_email(email):
            line.notes.append(_("The e-mail address cannot be right and was left out."))
            email = ""
        if language and not (code := _language(language)):
            line.notes.append(_("The language is none we know and was left out."))
        fields = {
            "first_name": first[:MOST_NAME],
            "last_name": last[:MOST_NAME],
            "email": email,
            "language": code if language else "",
        }
        line.fields = {name: value for name, value in fields.items() if value}
        tags = [tag for cell in self._cells(row, "tags") for part in re.split(r"[,;|]", cell) if (tag := part.strip())]
        if len(tags) > MOST_TAGS or any(len(tag) > MOST_TAG for tag in tags):
            line.notes.append(_("The tags are too many or too long and were left out."))
            tags = []
        line.tags = list(dict.fromkeys(tags))
        line.attributes = {
            name: value[:MOST_ATTRIBUTE] for name, place in self.others if (value := _plain(row.cells[place]))
        }

    # ---- Consent ----

    def _said(self, row: Row, line: Line) -> Said | None:
        out = self._cell(row, "opted_out")
        out_when = self._when(out)
        if isinstance(out_when, When) or yes_or_no(out):
            return self._withdrawal(row, line, out_when)
        if yes_or_no(out) is None:
            line.notes.append(_("Whether the person opted out cannot be read, so no consent was recorded."))
            return None
        agreed = self._cell(row, "opted_in")
        agreed_when = self._when(agreed)
        if self.places["opted_in"] and not isinstance(agreed_when, When) and not yes_or_no(agreed):
            if yes_or_no(agreed) is None:
                line.notes.append(_("Whether the person agreed cannot be read, so no consent was recorded."))
            return None
        return self._grant(row, line, agreed if isinstance(agreed_when, When) else "")

    def _withdrawal(self, row: Row, line: Line, said_when: When | InvalidDate | None) -> Said:
        """A withdrawal is never lost for want of a date: without one it counts from the import."""
        recorded_at = self.terms.recorded_at
        when = said_when if isinstance(said_when, When) else self._when(self._date(row))
        is_dated = isinstance(when, When) and when.first <= recorded_at
        occurred_at = when.for_withdrawal(recorded_at) if isinstance(when, When) and is_dated else recorded_at
        if when is not None and not is_dated:
            line.notes.append(_("The date cannot be right; the opt-out counts from the import."))
        scope = self.wordings.scope(self._cell(row, "scope")) or self.terms.scope
        if self._cell(row, "scope") and self.wordings.scope(self._cell(row, "scope")) is None:
            line.notes.append(_("There is no such scope; the opt-out counts for everything."))
            scope = None
        return Said(Action.WITHDRAWN, occurred_at, scope, None, self._source(row), is_dated)

    def _grant(self, row: Row, line: Line, agreed_on: str) -> Said | None:
        scope_text, wording_text = self._cell(row, "scope"), self._cell(row, "wording")
        source, date = self._source(row), self._cell(row, "occurred_at") or agreed_on or self.terms.occurred_at
        missing = [
            label
            for label, is_given in (
                (_("scope"), scope_text or self.terms.scope),
                (_("wording"), wording_text or self.terms.wording),
                (_("source"), source),
                (_("date"), date),
            )
            if not is_given
        ]
        if missing:
            if self.expects_consent:
                line.notes.append(_("No consent was recorded; missing: %(parts)s.") % {"parts": ", ".join(missing)})
            return None
        try:
            scope = self._scope(scope_text)
            wording = self._wording(scope, wording_text)
            when = self._when(date)
            if isinstance(when, InvalidDate):
                raise when
            assert when is not None  # the date is not empty
            if when.for_grant() > self.terms.recorded_at:
                raise InvalidDate(_("The date lies in the future."))
        except ValidationError as refusal:
            line.notes.append(_("No consent was recorded. %(reason)s") % {"reason": " ".join(refusal.messages)})
            return None
        return Said(Action.GRANTED, when.for_grant(), scope, wording, source)

    def _scope(self, text: str) -> Scope:
        scope = self.wordings.scope(text) if text else self.terms.scope
        if scope is None:
            raise ValidationError(_("There is no such scope."))
        return scope

    def _wording(self, scope: Scope, text: str) -> Wording:
        if text:
            return self.wordings.find(scope, text)
        wording = self.terms.wording
        if wording is None or wording.scope_id != scope.pk:
            raise ValidationError(_("This wording belongs to another scope."))
        return wording

    def _source(self, row: Row) -> str:
        return (self._cell(row, "source") or self.terms.source)[:MOST_SOURCE]

    def _date(self, row: Row) -> str:
        return self._cell(row, "occurred_at") or self.terms.occurred_at

    def _when(self, text: str) -> When | InvalidDate | None:
        """The date in a cell; None for an empty one. Lists hold few different dates, so they are remembered."""
        if not text:
            return None
        if text not in self.known_dates:
            if len(self.known_dates) > 10_000:
                self.known_dates.clear()
            try:
                self.known_dates[text] = parse_when(text, self.terms.zone, day_first=self.terms.day_first)
            except InvalidDate as refusal:
                self.known_dates[text] = refusal
        return self.known_dates[text]


def _plain(cell: str) -> str:
    """The text of a cell, out of the shell that spreadsheets put around text: ="…"."""
    formula = _TEXT_FORMULA.match(cell.strip())
    return (formula[1] if formula else cell).strip()


def _split_name(name: str) -> tuple[str, str]:
    """First and last name: "Anna Maria Rossi" and "Rossi, Anna Maria" alike."""
    last, comma, first = name.partition(",")
    if comma:
        return first.strip(), last.strip()
    first, _space, last = name.rpartition(" ")
    return (first.strip(), last.strip()) if first else (last.strip(), "")


def _language(text: str) -> str:
    """`it`, `pt_BR` as WhatsApp writes them, from `IT`, `pt-br`, `Italiano`; empty for anything else."""
    written = text.casefold()
    found = _LANGUAGE.fullmatch(_LANGUAGE_NAMES.get(written, written))
    if found is None:
        return ""
    return f"{found[1]}_{found[2].upper()}" if found[2] else found[1]


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254
