"""manage.py verify_ledger: is the ledger whole? Exit code 0 when it is, 1 when it is not."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from contacts import ledger, triggers


class Command(BaseCommand):
    help = "Check every line of the consent ledger: numbers, hashes, evidence, and that what is shown follows from it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--guard", action="store_true", help="first put missing triggers back on the ledger's tables"
        )
        parser.add_argument("--at-most", type=int, default=50, metavar="N", help="name at most N faults (50)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["guard"]:
            self._guard()
        report = ledger.verify()
        for fault in report.faults[: options["at_most"]]:
            self.stdout.write(self.style.ERROR(str(fault)))
        if report.faults:
            faults = "1 fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
            raise CommandError(
                f"The ledger is not whole: {faults} in {report.lines} lines of {report.contacts} contacts."
            )
        self.stdout.write(f"The ledger is whole: {report.lines} lines of {report.contacts} contacts.")

    def _guard(self) -> None:
        lost = triggers.missing(connection)
        with transaction.atomic():
            triggers.install(connection)
        self.stdout.write(f"Put back: {', '.join(lost)}." if lost else "No trigger was missing.")
