"""Dates as lists hold them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.dates import InvalidDate, MonthOrder, parse_when

ROME = ZoneInfo("Europe/Rome")


def utc(year, month, day, hour=0, minute=0, second=0):
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-31", "2025/12/31", "2025.12.31", "20251231", "31/12/2025", "31.12.2025", "31-12-2025", "31/12/25",
        " 31/12/2025 ", "'31/12/2025", '="31/12/2025"', "\u200e31/12/2025", "٣١/١٢/٢٠٢٥",
    ],
)  # fmt: skip
def test_a_date_alone_is_a_whole_day_of_the_zone(text):
    when = parse_when(text, ROME)
    assert (when.first, when.last) == (utc(2025, 12, 30, 23), utc(2025, 12, 31, 22, 59, 59))
    assert when.is_date_only


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-12-31T10:05:09", utc(2025, 12, 31, 9, 5, 9)),
        ("2025-12-31 10:05", utc(2025, 12, 31, 9, 5)),
        ("2025-12-31T10:05:09Z", utc(2025, 12, 31, 10, 5, 9)),
        ("2025-12-31T10:05:09.123456Z", utc(2025, 12, 31, 10, 5, 9)),
        ("2025-12-31T10:05:09+05:30", utc(2025, 12, 31, 4, 35, 9)),
        ("2025-12-31 10:05 -0800", utc(2025, 12, 31, 18, 5)),
        ("2025-12-31 10:05:00 UTC", utc(2025, 12, 31, 10, 5)),
        ("20251231T1005", None),
        ("31/12/2025 10:05", utc(2025, 12, 31, 9, 5)),
        ("31/12/2025, 10.05", utc(2025, 12, 31, 9, 5)),
        ("31/12/2025 10:05 PM", utc(2025, 12, 31, 21, 5)),
        ("31/12/2025 12:05 a.m.", utc(2025, 12, 30, 23, 5)),
        ("31/07/2025 00:30", utc(2025, 7, 30, 22, 30)),
    ],
)
def test_a_date_with_a_time_is_that_moment(text, moment):
    if moment is None:
        with pytest.raises(InvalidDate):
            parse_when(text, ROME)
        return
    when = parse_when(text, ROME)
    assert when.first == when.last == moment
    assert not when.is_date_only


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no date."),
        ("45292", "wrote this date as a number"),
        ("45292,5", "wrote this date as a number"),
        ("31/02/2025", "There is no such date."),
        ("12/31/2025", "There is no such date."),
        ("2025-13-01", "There is no such date."),
        ("31/12/2025 25:00", "There is no such date."),
        ("31/12/2025 13:00 pm", "There is no such date."),
        ("31/12/0025", "There is no such date."),
        ("2025-12-31T10:05+99:99", "There is no such date."),
        ("yesterday", "cannot be read"),
        ("31/12", "cannot be read"),
        ("31/12-2025", "cannot be read"),
        ("1735689600", "cannot be read"),
    ],
)
def test_what_is_no_date_is_refused_with_its_reason(text, said):
    with pytest.raises(InvalidDate) as refusal:
        parse_when(text, ROME)
    assert said in str(refusal.value)


def test_a_day_counts_as_its_first_second_for_a_grant_and_its_last_for_a_withdrawal():
    when = parse_when("31/03/2026", ROME)
    later = utc(2026, 4, 2)
    assert when.for_grant() == utc(2026, 3, 30, 22)
    assert when.for_withdrawal(later) == utc(2026, 3, 31, 21, 59, 59)
    assert when.for_withdrawal(utc(2026, 3, 31, 8)) == utc(2026, 3, 31, 8)  # told on the day itself
    assert when.for_withdrawal(utc(2026, 3, 1)) == when.first  # a date in the future stays one, and is refused


def test_the_days_when_clocks_change_have_their_own_length():
    spring, autumn = parse_when("29/03/2026", ROME), parse_when("25/10/2026", ROME)
    assert (spring.last - spring.first).total_seconds() == 23 * 3600 - 1
    assert (autumn.last - autumn.first).total_seconds() == 25 * 3600 - 1


@pytest.mark.parametrize(
    ("cells", "day_first"),
    [
        ([], True),
        (["03/04/2025", "05/06/2025"], True),
        (["03/04/2025", "31/12/2025"], True),
        (["03/04/2025", "12/31/2025 10:00"], False),
        (["12/31/2025", "31/12/2025"], True),
        (["2025-12-31", "", "x", "99/99/99"], True),
    ],
)
def test_a_column_shows_whether_it_writes_the_day_first(cells, day_first):
    order = MonthOrder()
    for cell in cells:
        order.see(cell)
    assert order.day_first is day_first


def test_the_month_may_come_first():
    assert parse_when("12/31/2025", ROME, day_first=False).first == utc(2025, 12, 30, 23)
    assert parse_when("03/04/2025", UTC, day_first=False).first == utc(2025, 3, 4)
    assert parse_when("2025-03-04", UTC, day_first=False).first == utc(2025, 3, 4)


@given(st.text(max_size=30) | st.text("0123456789/-.: TZ+apm", max_size=24), st.booleans())
def test_any_text_is_a_date_or_a_refusal(text, day_first):
    MonthOrder().see(text)
    try:
        when = parse_when(text, ROME, day_first=day_first)
    except InvalidDate as refusal:
        assert str(refusal).endswith(".")
    else:
        assert when.first <= when.last


@given(st.integers(365 * 86400, 130 * 365 * 86400))
def test_what_was_written_reads_back(seconds):
    moment = datetime.fromtimestamp(seconds, UTC)
    for pattern in ("%Y-%m-%dT%H:%M:%S%z", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %I:%M:%S %p", "%Y%m%d %H:%M:%S"):
        assert parse_when(moment.strftime(pattern), UTC).first == moment
