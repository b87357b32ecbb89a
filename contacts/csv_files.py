"""CSV files as people have them: any separator, any encoding, broken rows among good ones, of any size.

Reading streams: memory does not grow with the file. A row that cannot be read has its reason and the ones after it are
read all the same. Only a file that is no CSV at all is refused, by UnreadableFile.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, TextIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from contacts import phones

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_ROW_CHARACTERS = 100_000  # beyond it a quotation mark was opened and never closed
_SAMPLE_BYTES = 64 * 1024
_SAMPLE_ROWS = 100
_CHUNK_BYTES = 1024 * 1024
_DELIMITERS = (";", ",", "\t", "|")

# What files begin with that somebody named .csv; the ZIP family is told apart by what is inside.
_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_INSIDE_WORKBOOKS = (b"[Content_Types].xml", b"xl/", b"opendocument.spreadsheet")
_COMPRESSED = (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\x00")
_OTHERS: "tuple[tuple[bytes, StrOrPromise], ...]" = (
    (b"%PDF", _lazy("This is a PDF document, not a CSV file.")),
    (b"\x89PNG\r\n", _lazy("This is an image, not a CSV file.")),
    (b"\xff\xd8\xff", _lazy("This is an image, not a CSV file.")),
    (b"GIF8", _lazy("This is an image, not a CSV file.")),
    (b"SQLite format 3\x00", _lazy("This is a database, not a CSV file.")),
    (b"{\\rtf", _lazy("This is a text document, not a CSV file.")),
    (b"BEGIN:VCARD", _lazy("This is a file of contact cards (vCard), not a CSV file.")),
)
_WEB_PAGE = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|meta|div|script|style)\b", re.IGNORECASE | re.DOTALL
)
_XML = re.compile(r"\s*<\?xml\b", re.IGNORECASE)
_JSON = re.compile(r'\s*(?:\[\s*[\[{"]|\{\s*")')
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=([;,|:\t])[\r\n]*\Z", re.IGNORECASE)  # Excel's own first line
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

_UNCLOSED = _lazy("A quotation mark is opened here and never closed.")
_TOO_LONG = _lazy("The row is too long to be one contact.")
_HAS_NUL = _lazy("The row holds characters that no text has (NUL).")


class UnreadableFile(Exception):
    """The whole file cannot be read as CSV; `str()` is one sentence for the person who chose it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of data. number counts from 1, empty rows too. cells: as many as the header has, none if it is broken."""

    number: int
    cells: list[str]
    error: str = ""  # why the row cannot be used


class Place(NamedTuple):
    """Where reading stopped: after row `number`; `position` means something to the same file only."""

    number: int
    position: int


@dataclass(slots=True)
class Table:
    """An open file. `rows` can be read once; use it in a `with`, or close it."""

    header: list[str]
    rows: "Rows"
    encoding: str
    delimiter: str
    has_header: bool
    notes: list[str]  # sentences about how the file was understood
    sample: list[list[str]]  # cells of the first good rows; `rows` gives them too
    file: TextIO = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()


def open_rows(path: str | Path, *, encoding: str = "", delimiter: str = "", has_header: bool | None = None) -> Table:
    """Open a CSV file for reading row by row. What is not given is found out from the file.

    encoding: one of Python's names. delimiter: one character. has_header: whether the first row names the columns; it
    does unless it holds a phone number. Raises UnreadableFile.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE_BYTES)
            _refuse_other_formats(sample)
            encoding = encoding or _encoding(file, sample)
        text = path.open(encoding=encoding, errors=_errors(encoding), newline="")
    except (OSError, LookupError) as error:
        raise UnreadableFile(_("The file cannot be opened.")) from error
    try:
        return _table(text, encoding, delimiter, has_header)
    except UnicodeError as error:
        text.close()
        raise UnreadableFile(_("The file is not in the encoding that was chosen.")) from error
    except BaseException:
        text.close()
        raise


def neutralised(cell: str) -> str:
    """Text for a cell that a spreadsheet will open: never run as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _refuse_other_formats(sample: bytes) -> None:
    is_zip = sample.startswith(_ZIPS)
    if sample.startswith(_WORKBOOK) or (is_zip and any(name in sample for name in _INSIDE_WORKBOOKS)):
        raise UnreadableFile(_("This is an Excel workbook. Save it as CSV and choose that file."))
    if is_zip:
        raise UnreadableFile(_("This is a ZIP archive. Unpack it and choose the CSV file inside."))
    if sample.startswith(_COMPRESSED):
        raise UnreadableFile(_("This is a compressed file. Unpack it and choose the CSV file inside."))
    for start, sentence in _OTHERS:
        if sample.startswith(start):
            raise UnreadableFile(str(sentence))
    text = sample.decode(_marked_encoding(sample) or _unmarked_utf16(sample) or "latin-1", errors="replace")
    text = text.lstrip("\ufeff")
    if not text.strip("\0 \t\r\n"):
        raise UnreadableFile(_("The file is empty."))
    if _WEB_PAGE.match(text):
        raise UnreadableFile(_("This is a web page, not a CSV file."))
    if _XML.match(text):
        raise UnreadableFile(_("This is an XML file, not a CSV file."))
    if _JSON.match(text):
        raise UnreadableFile(_("This is a JSON file, not a CSV file."))
    if len(_CONTROL.findall(text)) > len(text) // 20:
        raise UnreadableFile(_("This is not a text file. Save the list as CSV and choose that file."))


def _marked_encoding(sample: bytes) -> str:
    """The encoding that the file's first bytes declare."""
    marks = (
        (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    )
    return next((name for mark, name in marks if sample.startswith(mark)), "")


def _unmarked_utf16(sample: bytes) -> str:
    """UTF-16 without a mark: digits, separators and line ends leave a zero in every second byte, on the same side."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > len(sample) // 16 and zeros > 20 * others:
            text = sample[: len(sample) // 2 * 2].decode(name, errors="replace")
            if text.count("\ufffd") <= 1 and not _CONTROL.search(text):
                return name
    return ""


def _encoding(file: BinaryIO, sample: bytes) -> str:
    """The file's encoding. All of it is looked at: the first letter that is not ASCII may come after a gigabyte."""
    found = _marked_encoding(sample) or _unmarked_utf16(sample)
    if found:
        return found
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    good = broken = 0
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        escaped = len(_ESCAPED_BYTE.findall(text)) if not _is_utf8(text) else 0
        broken += escaped
        good += len(text) - len(text.encode("ascii", "ignore")) - escaped
    broken += len(decoder.decode(b"", final=True))
    return "cp1252" if broken > good else "utf-8"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _errors(encoding: str) -> str:
    """What becomes of bytes that do not fit: in UTF-8 they are kept, so that the cell can be mended."""
    if encoding.startswith("utf-8"):
        return "surrogateescape"
    return "latin-1" if encoding == "cp1252" else "replace"


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """cp1252 leaves five bytes undefined; Latin-1 has a (control) character for each."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("latin-1", _as_latin_1)


def _mended(cell: str) -> str:
    """Bytes of cp1252 that stand in a UTF-8 file become the letters they were meant as."""
    return _ESCAPED_BYTE.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", "latin-1"), cell)


def _table(file: TextIO, encoding: str, delimiter: str, has_header: bool | None) -> Table:
    lines = _peek(file)
    declared = _SEPARATOR_LINE.match(lines[0]) if lines else None
    lines = lines[1:] if declared else lines
    delimiter = delimiter or (declared[1] if declared else _delimiter(lines))
    spaced = re.compile(rf'{re.escape(delimiter)} "[^"\r\n{re.escape(delimiter)}]')  # opens a cell, and closes none
    skips_spaces = any(spaced.search(line) for line in lines)
    sample = _sampled(lines, delimiter, skips_spaces)
    if not sample:
        raise UnreadableFile(_("The file holds no rows that can be read."))
    if has_header is None:
        has_header = not any(map(phones.looks_like_phone, sample[0]))
    width = len(sample[0]) if has_header else max(map(len, sample))
    header = _names(sample[0] if has_header else [], width)
    data = [fitted for cells in (sample[1:] if has_header else sample) if (fitted := _fitted(cells, width))]
    notes = []
    if encoding == "cp1252":
        notes.append(_("The file is not in Unicode. It was read as Western European (Windows-1252)."))
    if not has_header:
        notes.append(_("The first row holds a phone number, so the columns have no names."))
    if declared:
        file.readline()
    rows = Rows(Records(file, delimiter, width=width, skips_spaces=skips_spaces), width, has_header)
    return Table(header, rows, encoding, delimiter, has_header, notes, data, file)


def _peek(file: TextIO) -> list[str]:
    """The first lines, not too many, and the file back at its beginning."""
    lines: list[str] = []
    size = 0
    while len(lines) < _SAMPLE_ROWS and size < _SAMPLE_BYTES and (line := file.readline(MAX_ROW_CHARACTERS)):
        lines.append(line)
        size += len(line)
    file.seek(0)
    return lines


def _sampled(lines: list[str], delimiter: str, skips_spaces: bool = False) -> list[list[str]]:
    """Cells of the good rows among these lines, without the empty ones."""
    records = Records(io.StringIO("".join(lines), newline=""), delimiter, skips_spaces=skips_spaces)
    return [cells for cells, error in records if not error and any(map(str.strip, cells))]


def _delimiter(lines: list[str]) -> str:
    """The separator under which most of the first rows have the same number of columns, more than one.

    It must split the first row, which mostly names the columns and so holds no other separators.
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = [len(cells) for cells in _sampled(lines, delimiter)]
        if widths and widths[0] > 1:
            alike = sum(width == widths[0] for width in widths) / len(widths)
            score = (round(alike, 1), widths[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _names(cells: list[str], width: int) -> list[str]:
    """Names of the columns: every column has one, and no two the same."""
    names: list[str] = []
    for position in range(width):
        cell = " ".join(cells[position].split()) if position < len(cells) else ""
        name = base = cell or _("column %(number)d") % {"number": position + 1}
        count = 1
        while name in names:
            count += 1
            name = f"{base} ({count})"
        names.append(name)
    return names


def _fitted(cells: list[str], width: int) -> list[str]:
    """Cells filled up to the width, or cut where nothing is beyond it; none where something is."""
    if len(cells) <= width:
        return cells + [""] * (width - len(cells))
    return [] if any(cell.strip() for cell in cells[width:]) else cells[:width]


class Rows:
    """The rows of data, in order. Can say where it is, and go on from there in another process."""

    def __init__(self, records: "Records", width: int, has_header: bool) -> None:
        self.records = records
        self.width = width
        self.header_is_due = has_header
        self.number = 0  # of the row given last

    def place(self) -> Place | None:
        """Where the next row begins; None while lines are being read again."""
        position = self.records.tell()
        return None if position is None else Place(self.number, position)

    def go_on_from(self, place: Place) -> None:
        """The next row is the one after the place."""
        self.records.seek(place.position)
        self.number = place.number
        self.header_is_due = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        for cells, error in self.records:
            is_empty = not error and not any(cell.strip() for cell in cells)
            if self.header_is_due:  # what stands above it is empty or broken, and no row of data
                self.header_is_due = is_empty or bool(error)
                continue
            self.number += 1
            if error or is_empty:
                return Row(self.number, [], error or _("The row is empty."))
            fitted = _fitted(cells, self.width)
            if fitted:
                return Row(self.number, fitted)
            sentence = _("The row has %(cells)d cells, and there are %(columns)d columns.")
            return Row(self.number, [], sentence % {"cells": len(cells), "columns": self.width})
        raise StopIteration


class Records:
    """Iterates over (cells, error) of a text stream, each record in bounded memory.

    csv.reader does the reading. It is fed line by line, so that we know what a record took, and strictly, so that a
    quotation mark that was never closed shows: where it meets the next one, at the end, or after too many characters.
    Then only the line it stands in is lost. The lines it swallowed are read again, each as its own record, for none
    of them holds a mark that could open a record of several lines; so no line is read more than twice.
    """

    def __init__(self, file: TextIO, delimiter: str, *, width: int = 0, skips_spaces: bool = False) -> None:
        """width: columns of a good row, 0 if unknown. skips_spaces: `"a", "b"` has a space after the separator."""
        self.file = file
        self.width = width
        self.format: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": skips_spaces}
        self.is_first_line = True
        self.ahead = ""  # a character read too early
        self.again: list[str] = []  # lines to read again, the next one last
        self.alone = 0  # how many of those are a record each
        self.taken: list[str] = []  # lines of the record being read
        self.size = 0  # their characters
        self.is_cut_off = False  # the reader wanted another line and there was none to give
        self.reader = self._new_reader()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[list[str], str]:
        self.taken, self.size, self.is_cut_off = [], 0, False
        try:
            cells = next(self.reader)
        except csv.Error:
            self.reader = self._new_reader()
            found = None if self.is_cut_off or len(self.taken) > 1 else self._leniently(self.taken[0])
        else:
            found = None if self._has_swallowed_rows(cells) else cells
        self.alone = max(self.alone - 1, 0)
        if found is None:
            self._give_back()
        if any(len(line) > MAX_ROW_CHARACTERS for line in self.taken):
            return [], str(_TOO_LONG)
        if found is None:
            return [], str(_UNCLOSED)
        if any("\0" in line for line in self.taken):
            return [], str(_HAS_NUL)
        return [cell if cell.isascii() else _mended(cell) for cell in found], ""

    def tell(self) -> int | None:
        """Where the next record begins in the file; None while lines wait to be read again."""
        return None if self.again or self.ahead else self.file.tell()

    def seek(self, position: int) -> None:
        self.file.seek(position)
        self.again, self.ahead, self.alone = [], "", 0
        self.is_first_line = position == 0
        self.reader = self._new_reader()

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(iter(self._line, None), strict=True, **self.format)

    def _line(self) -> str | None:
        """The next line of the record, or None, which is the end to the reader."""
        if self.taken and (self.alone or self.size > MAX_ROW_CHARACTERS):
            self.is_cut_off = True
            return None
        line = self.again.pop() if self.again else self._fresh_line()
        if not line:
            self.is_cut_off = True
            return None
        self.taken.append(line)
        self.size += len(line)
        return line

    def _fresh_line(self) -> str:
        """A line of the file; of one without end only the beginning is kept, longer than any line may be."""
        line = rest = self._read()
        while len(rest) > MAX_ROW_CHARACTERS and rest[-1] not in "\r\n":
            rest = self._read()
        if self.is_first_line:
            self.is_first_line = False
            line = line.lstrip("\ufeff")
            return line or self._fresh_line()
        return line

    def _read(self) -> str:
        """A line, or as much of it as we want at once; its \\r\\n is never torn in two."""
        ahead, self.ahead = self.ahead, ""
        line = ahead if ahead == "\r" else ahead + self.file.readline(MAX_ROW_CHARACTERS + 1)
        if len(line) > MAX_ROW_CHARACTERS and line[-1] == "\r":
            following = self.file.readline(1)
            if following != "\n":
                self.ahead = following
            else:
                line += following
        return line

    def _leniently(self, line: str) -> list[str] | None:
        """One line with a mark out of place (`"Anna" Rossi;…`); None if it opens one that it does not close."""
        asked = []
        lines = iter([line])

        def give() -> str | None:
            given = next(lines, None)
            asked.append(given)
            return given

        cells = next(csv.reader(iter(give, None), **self.format))
        return None if None in asked else cells

    def _has_swallowed_rows(self, cells: list[str]) -> bool:
        """Whether a record of several lines has a wrong number of cells while one of its lines has the right one."""
        if len(self.taken) == 1 or not self.width or len(cells) == self.width:
            return False
        return any(len(next(csv.reader([line], **self.format), [])) == self.width for line in self.taken[1:])

    def _give_back(self) -> None:
        """Keep only the first line of what was taken; the others are read again."""
        lines = self.taken[1:]
        # Where two marks met in the last line, that line may well open a record of its own.
        self.alone += len(lines) if self.is_cut_off else max(len(lines) - 1, 0)
        self.again += reversed(lines)
        self.taken = self.taken[:1]
