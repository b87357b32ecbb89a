"""Files as people have them, and what is read from them."""

import csv
import io
import subprocess
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import csv_files
from contacts.csv_files import MAX_ROW_CHARACTERS, UnreadableFile, neutralised, open_rows

ROWS = [
    ["phone", "first name", "city"],
    ["+393471234567", "Niccolò", "Forlì"],
    ["347 765 4321", "Zoë", "Zürich"],
]
PLAIN = "phone;first name;city\n+393471234567;Niccolò;Forlì\n347 765 4321;Zoë;Zürich\n"


@pytest.fixture
def read(tmp_path):
    """Writes bytes or text to a file; gives its header and its rows as (number, cells or error)."""

    def read(content, **options):
        path = tmp_path / "list.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_rows(path, **options) as table:
            return table.header, [(row.number, row.error or row.cells) for row in table.rows]

    return read


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_separator_encoding_and_line_end_is_found_out(read, delimiter, encoding, line_end):
    content = PLAIN.replace(";", delimiter).replace("\n", line_end).encode(encoding)
    assert read(content) == (ROWS[0], [(1, ROWS[1]), (2, ROWS[2])])


def test_utf_16_of_another_script_without_a_mark(read):
    text = "Телефон;Имя\r\n+79161234567;Анастасия Николаевна\r\n" * 3
    for encoding in ("utf-16-le", "utf-16-be"):
        assert read(text.encode(encoding))[0] == ["Телефон", "Имя"]


def test_a_latin_letter_far_into_the_file_is_seen(read):
    content = b"phone;name\n" + b"+393471234567;Anna\n" * 20_000 + "+393471234568;Niccolò\n".encode("cp1252")
    assert read(content)[1][-1] == (20_001, ["+393471234568", "Niccolò"])


def test_one_broken_letter_does_not_spoil_the_others(read):
    content = "phone;name\n1;Niccolò\n2;Zoë\n3;Jérôme\n".encode() + "4;Zürich\n".encode("cp1252")
    assert [cells[1] for _, cells in read(content)[1]] == ["Niccolò", "Zoë", "Jérôme", "Zürich"]


def test_empty_rows_are_counted(read):
    empty = "The row is empty."
    _, rows = read("\n\nphone;name\n\n+393471234567;Anna\n;;\n  ; \n+393471234568;Bo\n\n")
    assert rows == [
        (1, empty), (2, ["+393471234567", "Anna"]), (3, empty), (4, empty), (5, ["+393471234568", "Bo"]), (6, empty)
    ]  # fmt: skip


def test_short_rows_are_filled_up_and_long_ones_refused(read):
    _, rows = read("phone;name;city\n1\n2;Bo\n3;Cy;Rome;;\n4;Di;Rome;;x\n5;Ed;Rome\n")
    assert rows == [
        (1, ["1", "", ""]),
        (2, ["2", "Bo", ""]),
        (3, ["3", "Cy", "Rome"]),
        (4, "The row has 5 cells, and there are 3 columns."),
        (5, ["5", "Ed", "Rome"]),
    ]


def test_a_cell_may_hold_line_ends_separators_and_quotation_marks(read):
    content = 'phone;name\n1;"Anna\nvon ""Z"";\r\nund zu"\n2;Bo\n'
    assert read(content)[1] == [(1, ["1", 'Anna\nvon "Z";\r\nund zu']), (2, ["2", "Bo"])]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('1;"Anna\n2;Bo\n3;Cy\n', [(2, ["2", "Bo"]), (3, ["3", "Cy"])]),
        ('1;"Anna\n2;"Bo"\n3;Cy\n', [(2, ["2", "Bo"]), (3, ["3", "Cy"])]),
        ('1;"Anna\n2;Bo\n3;"Cy\nCo"\n4;Di\n', [(2, ["2", "Bo"]), (3, ["3", "Cy\nCo"]), (4, ["4", "Di"])]),
        ('1;"Anna;x\n2;Bo\n3;Cy";z\n4;Di\n', [(2, ["2", "Bo"]), (4, ["4", "Di"])]),
        ('1;"Anna\n' + "2;Bo\n" * 40_000 + '3;"Cy"\n', [(40_001, ["2", "Bo"]), (40_002, ["3", "Cy"])]),
    ],
)
def test_a_quotation_mark_never_closed_costs_one_row(read, content, rows):
    _, found = read("phone;name\n" + content)
    assert found[0] == (1, "A quotation mark is opened here and never closed.")
    assert [row for row in found if row in rows] == rows


def test_a_quotation_mark_out_of_place_is_text(read):
    _, rows = read('phone;name\n1;5" pipe\n2;"Anna" Rossi\n3;"Bo\n4;Cy\n')
    assert rows[:2] == [(1, ["1", '5" pipe']), (2, ["2", "Anna Rossi"])]
    assert rows[3] == (4, ["4", "Cy"])


def test_a_line_without_end_is_one_bad_row(read):
    long = "x" * (3 * MAX_ROW_CHARACTERS + 7)
    for line_end in ("\n", "\r\n", "\r"):
        _, rows = read(f"phone;name\n1;Anna\n2;{long}\n3;Cy\n".replace("\n", line_end))
        assert rows == [(1, ["1", "Anna"]), (2, "The row is too long to be one contact."), (3, ["3", "Cy"])]


def test_a_line_cut_between_its_two_end_signs_is_no_extra_row(read):
    for size in range(MAX_ROW_CHARACTERS - 4, MAX_ROW_CHARACTERS + 4):
        line = "2;" + "x" * (size - 2)
        _, rows = read(f"phone;name\r\n1;Anna\r\n{line}\r\n3;Cy\r\n")
        assert [number for number, _ in rows] == [1, 2, 3]


def test_a_nul_spoils_its_row_only(read):
    _, rows = read(b"phone;name\n1;An\x00na\n2;Bo\n")
    assert rows == [(1, "The row holds characters that no text has (NUL)."), (2, ["2", "Bo"])]


def test_a_file_without_header_has_numbered_columns(read):
    header, rows = read("Anna;+39 347 1234567\nBo;347 7654321;x\n")
    assert header == ["column 1", "column 2", "column 3"]
    assert rows == [(1, ["Anna", "+39 347 1234567", ""]), (2, ["Bo", "347 7654321", "x"])]


def test_names_of_columns_are_made_different(read):
    header, _ = read("name;;name;Name;;name\na;b;c;d;e;f\n")
    assert header == ["name", "column 2", "name (2)", "Name", "column 5", "name (3)"]


def test_the_separator_may_be_declared(read):
    assert read("sep=|\nphone|a;b\n1|2\n") == (["phone", "a;b"], [(1, ["1", "2"])])
    assert read("\ufeffsep=;\r\nphone;name\r\n1;2\r\n") == (["phone", "name"], [(1, ["1", "2"])])


def test_spaces_after_separators_do_not_hide_quotation_marks(read):
    assert read('"phone", "name"\n"1", "Rossi, Anna"\n') == (["phone", "name"], [(1, ["1", "Rossi, Anna"])])


def test_the_separator_is_the_one_of_the_header(read):
    header, rows = read('phone;name;note\n1;"Rossi, Anna, Via Po 1";a,b,c\n2;Bo, Cy;d, e, f\n')
    assert header == ["phone", "name", "note"]
    assert rows[1] == (2, ["2", "Bo, Cy", "d, e, f"])


def test_one_column_alone_is_read(read):
    assert read("Telefono\n+39 347 1234567\n347,7654321\n")[0] == ["Telefono"]
    assert read("+39 347 1234567\n+39 347 7654321\n") == (
        ["column 1"],
        [(1, ["+39 347 1234567"]), (2, ["+39 347 7654321"])],
    )


def _zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\n \n\t\r\n", "The file is empty."),
        (b"\xef\xbb\xbf", "The file is empty."),
        (_zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook. Save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook. Save it as CSV"),
        (_zipped("contacts.csv"), "a ZIP archive. Unpack it"),
        (b"\x1f\x8b\x08\x00rest", "a compressed file. Unpack it"),
        (b"%PDF-1.7\n1 0 obj", "a PDF document"),
        (b"<!DOCTYPE html><html><table>", "a web page"),
        (b"\xef\xbb\xbf\n<html lang=it>", "a web page"),
        ("<html>".encode("utf-16"), "a web page"),
        (b"<table><tr><td>+39</td></tr></table>", "a web page"),
        (b"<?xml version='1.0'?><Workbook/>", "an XML file"),
        (b'[{"phone": "+39"}]', "a JSON file"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"SQLite format 3\x00rest", "a database"),
        (b"BEGIN:VCARD\r\nVERSION:3.0", "contact cards"),
        (bytes(range(256)) * 40, "not a text file"),
        (b"\x00" * 40, "The file is empty."),
    ],
)
def test_what_is_no_csv_is_refused_in_one_sentence(read, content, said):
    with pytest.raises(UnreadableFile) as refusal:
        read(content)
    assert said in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UnreadableFile, match="cannot be opened"):
            open_rows(path)


def test_an_encoding_that_does_not_fit_is_refused(read):
    with pytest.raises(UnreadableFile, match="encoding"):
        read(PLAIN, encoding="utf-16")
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        read(PLAIN, encoding="klingon")


@pytest.mark.parametrize("cell", ["=1+1", "+39", "-1", "@x", "\tx", "\rx"])
def test_no_cell_we_write_runs_as_a_formula(cell):
    assert neutralised(cell) == "'" + cell
    assert neutralised("Anna") == "Anna"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("csv") / "list.csv"


# Text a cell may hold: no control characters but these, and no lone surrogates.
_CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t;,|\"'"), max_size=12)
_TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(_CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
)
_DELIMITERS = st.sampled_from([";", ",", "\t", "|"])
# Python's writer leaves a \n unquoted when its own line end is \r, and the other way round: then it must quote all.
_WRITERS = st.fixed_dictionaries(
    {"delimiter": _DELIMITERS, "lineterminator": st.just("\r\n"), "quoting": st.just(csv.QUOTE_MINIMAL)}
) | st.fixed_dictionaries(
    {
        "delimiter": _DELIMITERS,
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)
_UNICODE = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])


def _written(rows, writer, encoding):
    text = io.StringIO(newline="")
    csv.writer(text, **writer).writerows(rows)
    return text.getvalue().encode(encoding)


@given(_TABLES, _WRITERS, _UNICODE)
def test_what_a_csv_writer_wrote_reads_back_the_same(scratch, rows, writer, encoding):
    """The names of the columns tell separator and encoding; the cells below them may hold anything."""
    width = len(rows[0])
    names = ["telefono", "nome", "cognome", "città", "note"][: max(width, 2)]
    rows = [[*row, *[""] * (len(names) - width)] for row in rows]
    scratch.write_bytes(_written([names, *rows], writer, encoding))
    with open_rows(scratch) as table:
        assert table.header == names
        assert table.delimiter == writer["delimiter"]
        found = list(table.rows)
    assert [row.number for row in found] == list(range(1, len(rows) + 1))
    for row, cells in zip(found, rows, strict=True):
        if any(cell.strip() for cell in cells):
            assert row.cells == cells
        else:
            assert row.error


# No « or € here: two letters such as Ä« are one of UTF-8 as well, and nobody can tell which was meant.
_WESTERN = st.text("abcdefgh ABC 0123 àèéìòùÄÖÜßçñ ;,|\"'\n", max_size=12)


@given(st.lists(st.tuples(_WESTERN, _WESTERN), max_size=8), _WRITERS)
def test_western_letters_of_old_files_read_back_the_same(scratch, rows, writer):
    scratch.write_bytes(_written([["telefono", "nome e città"], ["1", "è così"], *rows], writer, "cp1252"))
    with open_rows(scratch) as table:
        assert table.encoding == "cp1252"
        found = list(table.rows)[1:]
    assert [row.cells or ["", ""] for row in found] == [
        list(row) if any(map(str.strip, row)) else ["", ""] for row in rows
    ]


_PIECES = st.sampled_from(
    [
        b'"',
        b'""',
        b";",
        b",",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"\x00",
        b"\xe8",
        "è".encode(),
        b"=1",
        b"+39347",
        b"Anna",
        b" ",
    ]
)


@given(st.lists(_PIECES, max_size=80).map(b"".join), st.integers(0, 20))
def test_reading_goes_on_where_it_stopped(scratch, content, stop):
    scratch.write_bytes("phone;name\n1;è\n".encode() + content)
    with open_rows(scratch) as table:
        expected = list(table.rows)
    with open_rows(scratch) as table:
        rows, place = [], table.rows.place()
        for row in table.rows:
            rows.append(row)
            if table.rows.place() is not None:
                place, known = table.rows.place(), len(rows)
                if len(rows) >= stop:
                    break
        else:
            return
    with open_rows(scratch, encoding=table.encoding, delimiter=table.delimiter, has_header=table.has_header) as table:
        table.rows.go_on_from(place)
        assert rows[:known] + list(table.rows) == expected


@given(st.binary(max_size=400) | st.lists(_PIECES, max_size=80).map(b"".join))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_rows_or_a_refusal(scratch, content):
    scratch.write_bytes(content)
    try:
        table = open_rows(scratch)
    except UnreadableFile as refusal:
        assert str(refusal).endswith(".")
        return
    with table:
        rows = list(table.rows)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        assert bool(row.error) != (len(row.cells) == len(table.header))
        assert "\0" not in "".join(row.cells)
        "".join(row.cells).encode()  # no lone surrogate reaches a database


@given(st.lists(_PIECES, max_size=60).map(b"".join), st.integers(1, 40))
def test_good_rows_after_a_broken_one_are_read(scratch, broken, many):
    """Whatever stands on one line, the rows below it are not lost: all of them, or all but the first."""
    line = broken.replace(b"\n", b"").replace(b"\r", b"")
    good = [[str(number), f"name {number}", "x"] for number in range(many)]
    rows = b"".join(";".join(cells).encode() + b"\n" for cells in good)
    scratch.write_bytes(b"phone;name;note\n" + b"0;first;x\n" * 3 + line + b"\n" + rows)
    with open_rows(scratch, delimiter=";") as table:
        found = [row.cells for row in table.rows]
    assert found[-many:] == good


def test_a_file_of_many_megabytes_is_read_in_little_memory(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("phone;name;note\n")
        for part in range(8):
            file.write("+393471234567;Anna;" + "x" * 200 + "\n" * (1 + part % 2))
            file.write('+393471234567;"Anna;never closed\n')
            file.writelines(f"+3934712{number:05};Niccolò {number};{'y' * 180}\n" for number in range(20_000))
        file.write("z" * 20_000_000)
    size = path.stat().st_size
    script = (
        "import resource, sys, django; from django.conf import settings; settings.configure(); django.setup()\n"
        "from contacts.csv_files import open_rows\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(1 for row in open_rows(sys.argv[1]).rows)\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    count, grown_kilobytes = map(int, done.stdout.split())
    assert count == 8 * 20_002 + 4 + 1
    assert grown_kilobytes * 1024 < size / 3


def test_a_hostile_file_is_read_in_one_go(read):
    """Quotation marks that stay open on every line: each line is read twice, not a thousand times."""
    _, rows = read("phone;name\n" + 'a";"b""\n' * 30_000, delimiter=";")
    assert len(rows) == 30_000
    assert csv_files.MAX_ROW_CHARACTERS < 30_000 * 8
