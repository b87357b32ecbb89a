"""An import before it begins: what the first rows of a file would become. Nothing is written."""

from dataclasses import dataclass
from itertools import islice
from zoneinfo import ZoneInfo

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from accounts import clock
from contacts.csv_files import open_rows
from contacts.dates import MonthOrder
from contacts.import_rows import Line, RowReader, Terms
from contacts.importing import KeptFile, Options
from contacts.models import Action, Standing
from contacts.wordings import Wordings

SHOWN = 12  # rows
_ASKED = 2_000  # rows whose dates are looked at, so that the preview mostly turns days and months as the import will


@dataclass(frozen=True, slots=True)
class Shown:
    """One row: what it would become, and what stands in the way."""

    number: int
    phone: str
    name: str
    standing: Standing | None  # None: no contact is made
    words: str  # about the consent
    notes: list[str]


def preview(kept: KeptFile, options: Options) -> list[Shown]:
    """The first rows as they would be imported. The options have passed importing.check. Raises UnreadableFile."""
    with open_rows(default_storage.path(kept.name), encoding=options.encoding) as table:
        rows = list(islice(table.rows, _ASKED))
        header = table.header
    order = MonthOrder()
    dated = [column for name in ("occurred_at", "opted_out", "opted_in") for column in options.mapping.get(name, ())]
    for row in rows:
        for column in dated if row.cells else ():
            order.see(row.cells[header.index(column)])
    terms = Terms(
        recorded_at=clock.now(),
        zone=ZoneInfo(options.time_zone),
        region=options.region,
        day_first=order.day_first,
        scope=options.scope or (options.wording.scope if options.wording else None),
        wording=options.wording,
        source=options.source,
        occurred_at=options.occurred_at,
        keeps_other_columns=options.keeps_other_columns,
    )
    reader = RowReader(header, options.mapping, terms, Wordings(only_looks=True))
    return [_shown(reader.read(row)) for row in rows[:SHOWN]]


def _shown(line: Line) -> Shown:
    name = " ".join(filter(None, (line.fields.get("first_name"), line.fields.get("last_name"))))
    if line.problem:
        return Shown(line.number, "", name, None, _("not imported"), [line.problem])
    if line.said is None:
        return Shown(line.number, line.phone, name, Standing.UNKNOWN, _("unknown"), line.notes)
    what = line.said.scope.name if line.said.scope else _("everything")
    standing = Standing.GRANTED if line.said.action == Action.GRANTED else Standing.WITHDRAWN
    if line.said.scope and standing == Standing.GRANTED and line.said.scope.double_opt_in:
        standing = Standing.PENDING
    return Shown(line.number, line.phone, name, standing, what, line.notes)
