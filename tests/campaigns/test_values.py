"""Values: the rule asked in SQL and the rule asked in Python are one rule."""

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import audience, values
from contacts.models import Contact
from tests import make
from tests.campaigns import plan

pytestmark = pytest.mark.django_db

# What a name may hold by mistake: every kind of space there is, control characters, and letters.
BLANKS = "\t\n\r \x0b\x0c\x1c\x1f\x7f\x85\xa0\u1680\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
texts = st.one_of(
    st.text(alphabet=BLANKS, max_size=4),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
)
columns = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=10)


def missing_in_sql(source: dict[str, str]) -> set[int]:
    template = make.template(
        name="one gap",
        components=[{"type": "BODY", "text": "Hi {{1}}, see you.", "example": {"body_text": [["Anna"]]}}],
    )
    found = Contact.objects.filter(values.missing(template, {"body.1": source}))
    return set(found.values_list("pk", flat=True))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=texts, fallback=texts)
def test_a_name_is_missing_in_sql_exactly_when_it_is_empty_in_python(db: None, name: str, fallback: str) -> None:
    who = make.contact(first_name=name)
    source = {"field": "first_name", "fallback": fallback}

    assert (who.pk in missing_in_sql(source)) == (values.value_for(who, source) == "")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=columns, kept=st.dictionaries(columns, texts, max_size=2), value=texts)
def test_an_imported_column_is_found_whatever_it_is_called(
    db: None, column: str, kept: dict[str, str], value: str
) -> None:
    who = make.contact(attributes=kept | {column: value})
    without = make.contact(attributes={name: text for name, text in kept.items() if name != column})
    source = {"field": f"attributes.{column}", "fallback": ""}

    found = missing_in_sql(source)

    assert (who.pk in found) == (values.value_for(who, source) == "")
    assert without.pk in found


@pytest.mark.parametrize("column", ["2024", "0", 'a"b', "a.b", "a__b", "$", "%s", "Größe", "x'y"])
def test_columns_with_awkward_names_are_read(column: str) -> None:
    who, without = make.contact(attributes={column: "42"}), make.contact(attributes={"other": "1"})

    assert missing_in_sql({"field": f"attributes.{column}", "fallback": ""}) == {without.pk}
    assert values.value_for(who, {"field": f"attributes.{column}"}) == "42"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"constant": "20%"}, "20%"),
        ({"constant": "  two\n lines "}, "two  lines"),
        ({"field": "first_name", "fallback": "there"}, "Anna"),
        ({"field": "last_name", "fallback": "there"}, "there"),
        ({"field": "last_name", "fallback": ""}, ""),
        ({"field": "attributes.Shoe size", "fallback": "?"}, "42"),
        ({"field": "attributes.Hat size", "fallback": "?"}, "?"),
        ({"field": "phone", "fallback": ""}, ""),  # not a field one may choose
        ({}, ""),
    ],
)
def test_a_value_is_the_field_or_the_fallback_or_the_same_for_everybody(source: dict[str, str], value: str) -> None:
    who = make.contact(first_name=" Anna ", attributes={"Shoe size": "42"})

    assert values.value_for(who, source) == value


def test_a_gap_that_nothing_was_said_about_is_missing_for_everybody() -> None:
    plan.person(first_name="Anna")

    found = audience.dry_run(plan.campaign(values={"body.1": {"field": "first_name", "fallback": ""}}))

    assert [(verdict.value, count) for verdict, count in found.by_verdict] == [("missing_value", 1)]


def test_fields_offered_are_ours_and_those_that_came_with_imports() -> None:
    make.contact(tags=[make.tag()], attributes={"Shoe size": "42", "City": "Turin"})
    make.contact(attributes={"Other": "1"})

    codes = [code for code, _name in values.fields_for(make.tag())]

    assert codes[:2] == ["first_name", "last_name"]
    assert codes[-2:] == ["attributes.City", "attributes.Shoe size"]


def test_the_plan_for_counting_needs_no_python_per_row() -> None:
    """One statement counts an audience: nothing is fetched person by person."""
    plan.all_sorts()
    campaign = plan.campaign(values={"body.1": {"field": "attributes.City"}, "body.2": {"constant": "20%"}})
    connection.force_debug_cursor = True
    before = len(connection.queries)
    try:
        audience.dry_run(campaign)
        assert len(connection.queries) - before <= 3
    finally:
        connection.force_debug_cursor = False
