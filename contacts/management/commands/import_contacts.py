"""manage.py import_contacts FILE: the import of the admin, here and now."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.management.base import BaseCommand, CommandError

from accounts.models import JobRun
from contacts import import_summary, importing, phones
from contacts.columns import FIELDS
from contacts.csv_files import UnreadableFile
from contacts.models import Import, Scope, Tag, Wording
from contacts.wordings import Wordings


class Command(BaseCommand):
    help = (
        "Import contacts from a CSV file, with the consent it proves: scope, wording, source and date, each from a "
        "column or once for the file. Columns are recognised by their names; --map says otherwise."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--map", action="append", default=[], metavar="FIELD=COLUMN",
            help=f"Read a field from a column; again for more. FIELD= reads it from none. Fields: {', '.join(FIELDS)}.",
        )  # fmt: skip
        parser.add_argument("--scope", default="", help="What people agreed to, such as marketing.")
        parser.add_argument("--wording", default="", help="The text they were shown, or the key of a known one.")
        parser.add_argument("--source", default="", help="Where they agreed, such as 'paper form, Milan shop'.")
        parser.add_argument("--occurred-at", default="", metavar="DATE", help="When they agreed, such as 2025-12-31.")
        parser.add_argument(
            "--region", default="", metavar="IT", help="The country of numbers that do not name theirs."
        )
        parser.add_argument(
            "--timezone", default="", metavar="ZONE", help="Of dates in the file; else the region's, or UTC."
        )
        parser.add_argument("--tag", default="", help="A tag for everybody in the file.")
        parser.add_argument("--encoding", default="", help="Of the file, such as cp1250; it is found out otherwise.")
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="Write row,e164,error for every row of the file."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = Path(options["report"]) if options["report"] else None
        if report is not None:
            self._check_writable(report)
        kept = self._keep(Path(options["file"]))
        try:
            source = importing.start(kept, by=None, options=self._options(kept, options), in_background=False)
        except (UnreadableFile, ValidationError) as refusal:
            importing.discard(kept)
            raise CommandError(_sentences(refusal)) from refusal
        except CommandError:
            importing.discard(kept)
            raise
        self._run(source)
        if report is not None and source.report:
            shutil.copyfile(source.report.path, report)
        if source.job.state != JobRun.State.DONE:
            raise CommandError(source.job.error or "The import stopped. `manage.py work` goes on with it.")
        self.stdout.write(import_summary.headline(source))
        for figure in import_summary.figures(source):
            self.stdout.write(f"  {figure.label}: {figure.number:,}")

    def _check_writable(self, report: Path) -> None:
        try:
            report.open("a").close()
        except OSError as error:
            raise CommandError(f"The report cannot be written there: {error.strerror}.") from error

    def _keep(self, path: Path) -> importing.KeptFile:
        try:
            with path.open("rb") as file:
                return importing.keep(File(file, name=path.name))
        except OSError as error:
            raise CommandError(f"The file cannot be opened: {error.strerror}.") from error

    def _options(self, kept: importing.KeptFile, options: dict[str, Any]) -> importing.Options:
        region = options["region"].upper()
        seen = importing.look(kept, region=region, encoding=options["encoding"])
        mapping = _mapping(seen, options["map"])
        for note in seen.notes:
            self.stdout.write(note)
        for field, columns in mapping.items():
            self.stdout.write(f"  {field}: {', '.join(columns)}")
        scope, wording = _evidence(options["scope"], options["wording"])
        return importing.Options(
            mapping=mapping,
            region=region,
            time_zone=options["timezone"] or (phones.time_zone(region) if region else "UTC"),
            scope=scope,
            wording=wording,
            source=options["source"],
            occurred_at=options["occurred_at"],
            tag=Tag.objects.get_or_create(name=options["tag"])[0] if options["tag"] else None,
            encoding=options["encoding"],
        )

    def _run(self, source: Import) -> None:
        is_watched = self.stdout.isatty()

        def progress(done: int, total: int | None) -> None:
            words = f"{done:,} of {total:,} rows" if total is not None else f"{done:,} rows counted"
            self.stdout.write(f"\r{words}   ", ending="")
            self.stdout.flush()

        try:
            importing.run(source.pk, seconds=None, progress=progress if is_watched else None)
        finally:
            if is_watched:
                self.stdout.write("")
        source.refresh_from_db()


def _mapping(seen: importing.Look, given: list[str]) -> dict[str, list[str]]:
    """What the columns seem to hold, and what --map says otherwise: FIELD=COLUMN by name, or by number from 1."""
    said: dict[str, list[str]] = {}
    for pair in given:
        field, sign, column = pair.partition("=")
        field = field.strip()
        if not sign or field not in FIELDS:
            raise CommandError(f"--map needs FIELD=COLUMN, with one of these fields: {', '.join(FIELDS)}.")
        columns = said.setdefault(field, [])
        if column.strip():
            columns.append(_column(seen.header, column.strip()))
    taken = {column for columns in said.values() for column in columns}
    mapping: dict[str, list[str]] = {}
    for field in FIELDS:
        columns = said[field] if field in said else [name for name in seen.mapping.get(field, []) if name not in taken]
        if columns:
            mapping[field] = columns
    return mapping


def _column(header: list[str], name: str) -> str:
    if name in header:
        return name
    alike = [column for column in header if column.casefold() == name.casefold()]
    if alike:
        return alike[0]
    if name.isdecimal() and 1 <= int(name) <= len(header):
        return header[int(name) - 1]
    raise CommandError(f"There is no column “{name}”. The columns are: {', '.join(header)}.")


def _evidence(scope_text: str, wording_text: str) -> tuple[Scope | None, Wording | None]:
    """The scope by its slug or name, and the wording by its key or its text; a key tells its scope."""
    wordings = Wordings()
    scope = wordings.scope(scope_text) if scope_text else None
    if scope_text and scope is None:
        raise CommandError(
            f"There is no such scope. The scopes are: {', '.join(Scope.objects.values_list('slug', flat=True))}."
        )
    if not wording_text:
        return scope, None
    if scope is None:
        known = wordings.newest.get(wording_text.casefold())
        if known is None:
            raise CommandError("Say with --scope what this wording is about.")
        return known.scope, known
    try:
        return scope, wordings.find(scope, wording_text)
    except ValidationError as refusal:
        raise CommandError(f"--wording: {' '.join(refusal.messages)}") from refusal


def _sentences(refusal: UnreadableFile | ValidationError) -> str:
    if isinstance(refusal, UnreadableFile):
        return str(refusal)
    return "\n".join(f"{field}: {' '.join(sentences)}" for field, sentences in refusal.message_dict.items())
