"""The demo's data and the sandbox it talks to are made with the same ids."""

from pathlib import Path

import pytest

from config import demo_data
from contacts import csv_files
from contacts.columns import guess_mapping
from conversations.sandbox import seed

EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "example-contacts.csv"


@pytest.mark.parametrize("name", ["PORTFOLIO_ID", "WABA_ID", "PHONE_NUMBER_ID", "TOKEN"])
def test_the_demo_connects_to_what_the_sandbox_holds(name):
    assert getattr(demo_data, name) == getattr(seed, name)


def test_the_example_file_is_read_with_every_column_recognised():
    with csv_files.open_rows(EXAMPLE) as table:
        mapping = guess_mapping(table.header, table.sample, region="IT")
    assert {"phone", "first_name", "last_name", "email", "tags", "scope", "wording", "source", "occurred_at"} <= set(
        mapping
    )
