"""Importing a list: CSV rows to contacts, with the consent they can prove. The admin and the command do it here.

1. keep(): the file is stored and its hash taken.
2. start(): the options are checked against the file, and the import is a row that somebody takes up.
3. run(), a job: reads the file once to count it, then imports it chunk by chunk. A chunk is one short transaction
   that holds everything: contacts, tags, lines of the ledger, counts, and the place in the file up to which this was
   done. What a killed process left is a whole number of chunks; the next one goes on behind the last.
"""

import hashlib
import logging
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, clock, hosts, leases, queues
from accounts.models import JobRun, User
from contacts import import_rows
from contacts.columns import FIELDS, SEVERAL, guess_mapping
from contacts.csv_files import Place, Row, Table, UnreadableFile, open_rows
from contacts.dates import InvalidDate, MonthOrder, parse_when
from contacts.import_chunks import import_chunk
from contacts.import_report import Report, Result
from contacts.import_rows import Line, RowReader, Terms
from contacts.models import Import, Scope, Tag, Wording
from contacts.wordings import Wordings
from contacts.zones import ZONES

logger = logging.getLogger(__name__)

KIND = "import"
_UNFINISHED = (JobRun.State.QUEUED, JobRun.State.RUNNING)
RUN_SECONDS = 60  # then others on the queue have their turn, and we ask to be called again
LEASE_SECONDS = 30  # an import that died is taken up again after this
_MOST_NEW_TAGS = 200  # of one list; more of them are no tags but a column of something else
_MOST_REASONS = 40  # that are counted apart
_COUNTED_AT_ONCE = 2_000  # rows between two looks at the clock while counting
_CHUNK_BYTES = 1024 * 1024

Progress = Callable[[int, int | None], None]  # rows done, rows in all (None while they are being counted)


@dataclass(frozen=True, slots=True)
class Pace:
    """How large a chunk may be. first, most: rows; hold: seconds of a transaction; rest: seconds between two."""

    first: int
    most: int
    hold: float
    rest: float


# SQLite has one writer for everybody: it is held briefly and then given up for a while, or single writes wait seconds.
_PACES = {"sqlite": Pace(first=40, most=1000, hold=0.035, rest=0.02)}
_PACE = Pace(first=500, most=2000, hold=1.0, rest=0.0)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file in our storage. name: there; file_name: as it was called where it came from."""

    name: str
    file_name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a file is to be read. mapping: {field: its columns}; what is not in it is not read.

    occurred_at: a date as people write it. scope, wording, source and occurred_at hold for rows that say nothing else.
    """

    mapping: Mapping[str, Sequence[str]] = field(default_factory=dict)
    region: str = ""
    time_zone: str = "UTC"
    scope: Scope | None = None
    wording: Wording | None = None
    source: str = ""
    occurred_at: str = ""
    tag: Tag | None = None
    encoding: str = ""
    keeps_other_columns: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it would be read: its columns, its first rows, and what the columns seem to hold."""

    header: list[str]
    sample: list[list[str]]
    mapping: dict[str, list[str]]
    has_header: bool
    notes: list[str]


def keep(file: File) -> KeptFile:
    """Store a file under a name that tells nothing about it."""
    name = default_storage.save(f"imports/{uuid.uuid4().hex}.csv", file)
    digest = hashlib.sha256()
    with default_storage.open(name) as kept:
        for chunk in kept.chunks(_CHUNK_BYTES):
            digest.update(chunk)
    return KeptFile(name, PurePath(file.name or "list.csv").name[:255], digest.hexdigest())


def discard(kept: KeptFile) -> None:
    """Delete a file that nothing was imported from."""
    if not Import.objects.filter(file=kept.name).exists():
        default_storage.delete(kept.name)


def look(kept: KeptFile, *, region: str = "", encoding: str = "") -> Look:
    """What the file holds, for a person to confirm. Raises UnreadableFile."""
    with open_rows(default_storage.path(kept.name), encoding=encoding) as table:
        mapping = guess_mapping(table.header, table.sample, region=region)
        return Look(table.header, table.sample, mapping, table.has_header, table.notes)


def check(kept: KeptFile, options: Options) -> dict[str, str]:
    """What start() would refuse: a sentence per field of Options. Raises UnreadableFile."""
    with open_rows(default_storage.path(kept.name), encoding=options.encoding) as table:
        return _mistakes(table, options, clock.now())


def start(kept: KeptFile, *, by: User | None, options: Options, in_background: bool = True) -> Import:
    """Check the options against the file and queue its import. by: who answers for it.

    in_background: False when the caller runs it. Raises UnreadableFile, or ValidationError by field of Options.
    """
    recorded_at = clock.now()
    with open_rows(default_storage.path(kept.name), encoding=options.encoding) as table:
        errors = _mistakes(table, options, recorded_at)
        if errors:
            raise ValidationError(errors)
        reading = {
            "encoding": table.encoding,
            "delimiter": table.delimiter,
            "has_header": table.has_header,
            "other_columns": options.keeps_other_columns,
        }
        notes = table.notes
    wording = options.wording
    with transaction.atomic():
        job = JobRun.objects.create(kind=KIND, started_by=by, heartbeat_at=recorded_at)
        made = Import.objects.create(
            job=job,
            file=kept.name,
            file_name=kept.file_name,
            sha256=kept.sha256,
            mapping={name: list(columns) for name, columns in options.mapping.items() if columns},
            region=options.region,
            time_zone=options.time_zone,
            scope=options.scope or (wording.scope if wording else None),
            wording=wording,
            source=options.source,
            occurred_at=options.occurred_at,
            tag=options.tag,
            created_by=by,
            recorded_at=recorded_at,
            reading=reading | {"notes": notes},
        )
        audit.note("import.started", made, actor=by)
        if in_background:
            queues.wake("contacts.importing.run", made.pk)
    return made


def _mistakes(table: Table, options: Options, recorded_at: datetime) -> dict[str, str]:
    """What is wrong with the options, a sentence per field."""
    errors: dict[str, str] = {}
    named = [column for columns in options.mapping.values() for column in columns]
    unknown = [column for column in named if column not in table.header]
    if not options.mapping.get("phone"):
        errors["mapping"] = _("Say which column holds the phone number.")
    elif unknown:
        errors["mapping"] = _("There is no column “%(name)s”.") % {"name": unknown[0]}
    elif any(name not in FIELDS for name in options.mapping):
        errors["mapping"] = _("There is no such field. The fields are: %(fields)s.") % {"fields": ", ".join(FIELDS)}
    elif len(set(named)) < len(named):
        errors["mapping"] = _("A column can be used for one field only.")
    elif any(len(columns) > 1 for name, columns in options.mapping.items() if name not in SEVERAL):
        errors["mapping"] = _("Only phone and tags may have more than one column.")
    if options.region and options.region not in ZONES:
        errors["region"] = _("There is no such country. Write its code of two letters, such as IT.")
    if options.time_zone not in available_timezones():
        errors["time_zone"] = _("There is no such time zone. Write it as Europe/Rome.")
    elif options.occurred_at:
        try:
            if parse_when(options.occurred_at, ZoneInfo(options.time_zone)).first > recorded_at:
                errors["occurred_at"] = _("The date lies in the future.")
        except InvalidDate as refusal:
            errors["occurred_at"] = str(refusal)
    if options.wording and options.scope and options.wording.scope_id != options.scope.pk:
        errors["wording"] = _("This wording belongs to another scope.")
    if len(options.source) > import_rows.MOST_SOURCE:
        errors["source"] = _("The source is too long.")
    return errors


def run(import_id: int, *, seconds: float | None = RUN_SECONDS, progress: Progress | None = None) -> None:
    """Job: import, going on where an earlier run stopped.

    Two at once are harmless: the second finds the lease taken. Leaves after `seconds` (None: when done) and asks to be
    called again. progress is told of every chunk.
    """
    lease, owner = f"import {import_id}", leases.new_owner()
    if not leases.hold(lease, owner, LEASE_SECONDS):
        return
    duty = _Duty(_job(import_id), lease, owner, math.inf if seconds is None else time.monotonic() + seconds)
    try:
        source = Import.objects.select_related("job", "scope", "wording__scope", "tag", "created_by").get(pk=import_id)
        if source.job.state not in _UNFINISHED:
            return
        since = source.job.started_at or timezone.now()
        duty.job.update(state=JobRun.State.RUNNING, started_at=since)
        with _opened(source) as table:
            is_done = _count(source, table, duty, progress)
        if is_done:
            with _opened(source) as table:
                is_done = _Work(source, table, duty, progress).until_done()
    except UnreadableFile as refusal:
        _finish(import_id, JobRun.State.FAILED, str(refusal))
    except (OperationalError, _Overtaken):
        # The database is busy or gone, or somebody else went on: what was committed stands, the rest comes later.
        logger.warning("import %s stopped early", import_id)
    except Exception as error:
        sentence = _("It stopped because of a mistake of ours (%(kind)s). What was imported stays.")
        _finish(import_id, JobRun.State.FAILED, sentence % {"kind": type(error).__name__})
        raise
    else:
        if is_done:
            _finish(import_id, JobRun.State.DONE, "")
        else:
            duty.job.update(heartbeat_at=None)  # whoever works takes it up at once
    finally:
        leases.release(lease, owner)


def wake_waiting() -> None:
    """Every second: have somebody take up imports that wait or whose process died."""
    silent = timezone.now() - timedelta(seconds=LEASE_SECONDS)
    unfinished = Import.objects.filter(job__kind=KIND, job__state__in=_UNFINISHED)
    for pk, job_id in unfinished.filter(_is_silent(silent, "job__")).values_list("pk", "job_id"):
        # The sign of life is ours until somebody begins: one wake-up in LEASE_SECONDS is enough.
        if JobRun.objects.filter(_is_silent(silent), pk=job_id).update(heartbeat_at=timezone.now()):
            queues.wake("contacts.importing.run", pk)


def prune() -> None:
    """Job, daily: delete files that were uploaded and never imported."""
    old = timezone.now() - timedelta(days=1)
    _folders, names = default_storage.listdir("imports") if default_storage.exists("imports") else ([], [])
    for name in names:
        path = f"imports/{name}"
        is_used = Import.objects.filter(Q(file=path) | Q(report=path)).exists()
        if not is_used and default_storage.get_modified_time(path) < old:
            default_storage.delete(path)


def _is_silent(since: datetime, prefix: str = "") -> Q:
    return Q(**{f"{prefix}heartbeat_at": None}) | Q(**{f"{prefix}heartbeat_at__lt": since})


class _Overtaken(Exception):
    """Another process went on with this import."""


@dataclass(slots=True)
class _Duty:
    """How long this process may go on: while it holds the lease, has time and is not asked to stop."""

    job: QuerySet[JobRun]
    lease: str
    owner: str
    deadline: float
    looked_at: float = field(default_factory=time.monotonic)

    def is_over(self) -> bool:
        now = time.monotonic()
        if now >= self.deadline:
            return True
        if now - self.looked_at > 1:
            self.looked_at = now
            self.job.update(heartbeat_at=Now())
            return hosts.draining() or not leases.hold(self.lease, self.owner, LEASE_SECONDS)
        return False


def _opened(source: Import) -> Table:
    reading = source.reading
    return open_rows(
        source.file.path,
        encoding=reading["encoding"],
        delimiter=reading["delimiter"],
        has_header=reading["has_header"],
    )


def _finish(import_id: int, state: str, error: str) -> None:
    _job(import_id).update(state=state, error=error, finished_at=timezone.now())


def _job(import_id: int) -> QuerySet[JobRun]:
    return JobRun.objects.filter(pk__in=Import.objects.filter(pk=import_id).values("job"))


def _save_reading(source: Import) -> None:
    Import.objects.filter(pk=source.pk).update(reading=source.reading)


def _count(source: Import, table: Table, duty: _Duty, progress: Progress | None) -> bool:
    """Count the rows, and see in all dates whether days or months come first. True when that is known."""
    reading = source.reading
    if "total" in reading:
        return True
    order = MonthOrder()
    number, position, order.some_day_first, order.some_month_first = reading.get("counted", (0, None, False, False))
    if position is not None:
        table.rows.go_on_from(Place(number, position))
    dated = [column for name in ("occurred_at", "opted_out", "opted_in") for column in source.mapping.get(name, ())]
    columns = [table.header.index(column) for column in dated]
    while rows := _rows(table, _COUNTED_AT_ONCE):
        for row in rows:
            if row.cells:
                for column in columns:
                    order.see(row.cells[column])
        if progress:
            progress(table.rows.number, None)
        if duty.is_over():
            if place := table.rows.place():
                reading["counted"] = [*place, order.some_day_first, order.some_month_first]
                _save_reading(source)
            return False
    reading.pop("counted", None)
    reading |= {"total": table.rows.number, "day_first": order.day_first}
    _save_reading(source)
    JobRun.objects.filter(pk=source.job_id).update(total=table.rows.number)
    return True


def _rows(table: Table, number: int) -> list[Row]:
    """So many rows, and a few more where reading could not be taken up again after the last of them."""
    rows = list(islice(table.rows, number))
    while rows and table.rows.place() is None:
        following = next(table.rows, None)
        if following is None:
            break
        rows.append(following)
    return rows


class _Work:
    """Imports the rows of one file, a chunk at a time."""

    def __init__(self, source: Import, table: Table, duty: _Duty, progress: Progress | None) -> None:
        self.source = source
        self.table = table
        self.duty = duty
        self.progress = progress
        self.pace = _PACES.get(connection.vendor, _PACE)
        self.size = self.pace.first
        self.row_seconds = 0.0  # of the transaction, lately
        self.tags: dict[str, Tag] = {}
        self.new_tags = 0
        wording, reading = source.wording, source.reading
        terms = Terms(
            recorded_at=source.recorded_at,
            zone=ZoneInfo(source.time_zone),
            region=source.region,
            day_first=reading["day_first"],
            scope=source.scope,
            wording=wording,
            source=source.source,
            occurred_at=source.occurred_at,
            keeps_other_columns=reading["other_columns"],
        )
        self.rows = RowReader(table.header, source.mapping, terms, Wordings())
        if "place" in reading:
            table.rows.go_on_from(Place(*reading["place"]))

    def until_done(self) -> bool:
        """Import chunk after chunk. True when there is no more; False when the duty is over first."""
        source = self.source
        if not source.report:
            source.report.name = f"imports/{source.public_id.hex}-report.csv"
            Import.objects.filter(pk=source.pk).update(report=source.report.name)
        with Report(source.report.path, source.reading.get("report_bytes", 0)) as report:
            while rows := _rows(self.table, self.size):
                lines = [self.rows.read(row) for row in rows]
                self._find_tags(lines)
                self._adapt(len(rows), self._write(lines, report))
                if self.progress:
                    self.progress(source.rows_done, source.reading["total"])
                if self.duty.is_over():
                    return False
                time.sleep(self.pace.rest)
        return True

    def _adapt(self, rows: int, took: float) -> None:
        """Make the next chunk as large as `hold` allows; one slow chunk among quick ones changes little."""
        self.row_seconds += (took / rows - self.row_seconds) * (0.2 if self.row_seconds else 1.0)
        self.size = max(1, min(self.pace.most, 4 * rows, int(self.pace.hold / max(self.row_seconds, 1e-6))))

    def _write(self, lines: Sequence[Line], report: Report) -> float:
        """One chunk in one transaction; the seconds it was held.

        Tried again when somebody else makes one of its contacts at the same moment.
        """
        for _attempt in range(3):
            try:
                with transaction.atomic():
                    began = time.monotonic()
                    results, counts = import_chunk(self.source, lines, self.tags)
                    state = self._move_on(results, counts, report.write(results))
            except IntegrityError:
                continue
            for name, value in state.items():
                setattr(self.source, name, value)
            report.size = self.source.reading["report_bytes"]
            return time.monotonic() - began
        raise _Overtaken

    def _move_on(self, results: Sequence[Result], counts: Counter[str], report_bytes: int) -> dict[str, Any]:
        """Commit with the chunk how far we are; what is new about the import."""
        source, place = self.source, self.table.rows.place()
        reasons = Counter(source.reading.get("reasons", {}))
        for reason in filter(None, (result.error for result in results)):
            reasons[reason if reason in reasons or len(reasons) < _MOST_REASONS else _("Other reasons.")] += 1
        reading = source.reading | {"report_bytes": report_bytes, "reasons": dict(reasons)}
        if place is not None:  # else this is the end of the file
            reading["place"] = list(place)
        state = {
            "rows_done": self.table.rows.number,
            "counts": dict(Counter(source.counts) + counts),
            "reading": reading,
        }
        if not Import.objects.filter(pk=source.pk, rows_done=source.rows_done).update(**state):
            raise _Overtaken
        JobRun.objects.filter(pk=source.job_id).update(done=state["rows_done"], heartbeat_at=Now())
        return state

    def _find_tags(self, lines: Sequence[Line]) -> None:
        """Rows for all tags the lines name, made where there were none; too many new ones are left out."""
        wanted = dict.fromkeys(name for line in lines for name in line.tags if name not in self.tags)
        self.tags |= {tag.name: tag for tag in Tag.objects.filter(name__in=wanted)}
        for name in wanted:
            if name not in self.tags and self.new_tags < _MOST_NEW_TAGS:
                self.tags[name], is_new = Tag.objects.get_or_create(name=name)
                self.new_tags += is_new
        for line in lines:
            if any(name not in self.tags for name in line.tags):
                line.notes.append(_("This list has too many different tags; some were left out."))
