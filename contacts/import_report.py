"""The report of an import: one line per row of the file, with the number it had and what was wrong with it."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from contacts.csv_files import neutralised

COLUMNS = ("row", "e164", "error")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row. error: sentences about what was left out; with an empty e164 that is the whole row."""

    number: int
    e164: str
    error: str


class Report:
    """A CSV file that only grows. What was written after the last commit is cut off when it is opened again."""

    def __init__(self, path: str | Path, size: int) -> None:
        """size: bytes that the last commit knows of; 0 begins the file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("r+b" if path.exists() else "w+b")
        self.size = min(size, path.stat().st_size)
        if not self.size:
            self.size = self._write([COLUMNS])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.file.close()

    def write(self, results: Iterable[Result]) -> int:
        """Put lines behind what is committed; the file's size with them, to be committed and set as `size`."""
        return self._write((result.number, result.e164, neutralised(result.error)) for result in results)

    def _write(self, rows: Iterable[Iterable[object]]) -> int:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.file.seek(self.size)
        self.file.truncate()
        self.file.write(text.getvalue().encode())
        self.file.flush()
        return self.file.tell()
