"""The ledger only grows, its lines are chained, and verify_ledger names what was touched."""

import io
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from contacts import consent, triggers
from contacts.models import Action, Consent, ConsentEvent, ContactHead, Evidence, LedgerNews, Source
from tests import make

pytestmark = pytest.mark.django_db

GUARDED = ["contacts_consentevent", "contacts_evidence", "contacts_wording"]


def verify() -> str:
    out = io.StringIO()
    call_command("verify_ledger", stdout=out, no_color=True)
    return out.getvalue()


def faults() -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_ledger", stdout=out, no_color=True)
    return f"{out.getvalue()}\n{error.value}"


def behind_our_back(sql: str, *parameters: object) -> None:
    """What somebody with the database's password can do."""
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
    triggers.install(connection)


def test_lines_are_numbered_and_chained_from_one():
    anna = make.contact()
    make.agree(anna)
    make.withdraw(anna)
    first, second = anna.consent_events.order_by("number")
    assert (first.number, first.previous_hash) == (1, "")
    assert (second.number, second.previous_hash) == (2, first.hash)
    head = ContactHead.objects.get(pk=anna.pk)
    assert (head.last_number, head.last_hash) == (2, second.hash)
    assert LedgerNews.objects.count() == 2


def test_a_whole_ledger_is_said_to_be_whole():
    anna, bruno = make.contact(), make.contact()
    make.agree(anna)
    make.withdraw(anna)
    make.agree(bruno, "reminders")
    assert "The ledger is whole: 3 lines of 2 contacts." in verify()


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("change", ["UPDATE {t} SET {c} = {c}", "DELETE FROM {t}"])
def test_no_line_can_be_changed_or_deleted(table, change):
    make.agree(make.contact())
    column = {"contacts_consentevent": "source", "contacts_evidence": "kind", "contacts_wording": "text"}[table]
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(t=table, c=column))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
@pytest.mark.parametrize("table", GUARDED)
def test_no_ledger_table_can_be_truncated(table):
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has INSERT OR REPLACE")
@pytest.mark.parametrize("table", GUARDED)
def test_no_line_can_be_replaced_by_an_insert_over_it(table):
    make.agree(make.contact())
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_a_number_is_given_once():
    line = make.agree(make.contact())
    line.pk, line.public_id = None, "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        ConsentEvent.objects.bulk_create([line])


def test_an_edited_line_is_named():
    anna = make.contact()
    make.agree(anna)
    make.withdraw(anna)
    behind_our_back(
        "UPDATE contacts_consentevent SET action = %s WHERE contact_id = %s AND number = 2", Action.HELD, anna.pk
    )
    told = faults()
    assert f"line 2 of contact {anna.public_id}: was changed after it was written" in told
    assert "The ledger is not whole" in told


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "'renewed'"), ("occurred_at", "'2020-01-01 00:00:00'"), ("recorded_at", "'2099-01-01 00:00:00'"),
        ("source", "'keyword'"), ("scope_id", "{scope}"), ("wording_id", "{wording}"), ("actor_id", "{actor}"),
        ("expires_at", "NULL"), ("public_id", "{public_id}"), ("commitment", "'abc'"), ("previous_hash", "'abc'"),
    ],
)  # fmt: skip
def test_whatever_column_of_a_line_is_edited_is_noticed(column, value):
    anna = make.contact()
    line = make.agree(
        anna, expires_at=timezone.now() + timedelta(days=9), actor=make.user("marketing", "one@example.test")
    )
    others = {
        "scope": make.scope("reminders").pk, "wording": make.wording("other", scope_row=make.scope()).pk,
        "actor": make.user("marketing", "two@example.test").pk,
        "public_id": "'7c9e6679742540de944be07fc1f90ae7'",
    }  # fmt: skip
    behind_our_back(f"UPDATE contacts_consentevent SET {column} = {value.format(**others)} WHERE id = %s", line.pk)
    assert f"line 1 of contact {anna.public_id}: was changed after it was written" in faults()


def test_a_whole_chain_given_to_somebody_else_is_noticed():
    anna, bruno = make.contact(), make.contact()
    line = make.agree(anna)
    behind_our_back("UPDATE contacts_consentevent SET contact_id = %s WHERE id = %s", bruno.pk, line.pk)
    ContactHead.objects.filter(pk=anna.pk).update(contact=bruno)
    Consent.objects.update(contact=bruno)
    assert f"line 1 of contact {bruno.public_id}: was changed after it was written" in faults()


def test_a_block_moved_to_another_portfolio_is_noticed():
    anna = make.contact()
    line = consent.record(
        anna, action=Action.BLOCKED, source=Source.WHATSAPP_PREFERENCE, portfolio="1", proof=make.proof(),
        occurred_at=timezone.now(),
    )  # fmt: skip
    behind_our_back("UPDATE contacts_consentevent SET portfolio = '2' WHERE id = %s", line.pk)
    told = faults()
    assert f"line 1 of contact {anna.public_id}: was changed after it was written" in told


def test_a_block_lifted_by_hand_is_found():
    anna = make.contact()
    for action in (Action.UNBLOCKED, Action.BLOCKED):
        line = consent.record(
            anna, action=action, source=Source.WHATSAPP_PREFERENCE, portfolio="1", proof=make.proof(),
            occurred_at=timezone.now(),
        )  # fmt: skip
    anna.blocks.update(event=anna.consent_events.first(), blocked=False)
    assert f"line {line.number} of contact {anna.public_id}: does not match the marketing stop shown for it" in faults()
    anna.blocks.update(event=line, blocked=False)
    assert f"line {line.number} of contact {anna.public_id}: does not match the marketing stop shown for it" in faults()


def test_a_line_nobody_announced_is_found():
    line = make.agree(make.contact())
    LedgerNews.objects.filter(event=line).delete()
    assert f"line 1 of contact {line.contact.public_id}: was never announced" in faults()


def test_equal_evidence_has_a_commitment_of_its_own_each_time():
    """Or the hash of a phone number, kept in many lines, could be guessed."""
    first, second = make.agree(make.contact()), make.agree(make.contact())
    assert (first.evidence.data, first.commitment != second.commitment) == (second.evidence.data, True)
    assert len({first.evidence.salt, second.evidence.salt}) == 2


def test_an_edited_line_with_a_new_hash_is_still_found():
    anna = make.contact()
    make.agree(anna)
    make.withdraw(anna)
    behind_our_back(
        "UPDATE contacts_consentevent SET hash = %s WHERE contact_id = %s AND number = 1", "0" * 64, anna.pk
    )
    assert f"line 2 of contact {anna.public_id}: does not follow from the line before it" in faults()


def test_a_removed_last_line_is_found():
    anna = make.contact()
    make.agree(anna)
    line = make.withdraw(anna)
    triggers.drop(connection)
    Consent.objects.filter(event=line).delete()
    for table, column in (("ledgernews", "event_id"), ("evidence", "event_id"), ("consentevent", "id")):
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM contacts_{table} WHERE {column} = %s", [line.pk])
    triggers.install(connection)
    assert "the chain ends elsewhere" in faults()


def test_a_removed_middle_line_is_named():
    anna = make.contact()
    for _ in range(3):
        line = make.withdraw(anna)
    behind_our_back("UPDATE contacts_consentevent SET number = 9 WHERE id = %s", line.pk)
    assert f"line 3 of contact {anna.public_id}: is missing" in faults()


def test_changed_evidence_is_named():
    anna = make.contact()
    line = make.agree(anna)
    behind_our_back("UPDATE contacts_evidence SET data = %s WHERE event_id = %s", '{"note": "something else"}', line.pk)
    assert f"line 1 of contact {anna.public_id}: has evidence that was changed" in faults()


def test_lost_evidence_is_named():
    anna = make.contact()
    line = make.agree(anna)
    behind_our_back("DELETE FROM contacts_evidence WHERE event_id = %s", line.pk)
    assert f"line 1 of contact {anna.public_id}: has lost its evidence" in faults()


def test_a_reworded_wording_is_found_in_the_lines_that_stand_on_it():
    anna = make.contact()
    line = make.agree(anna)
    behind_our_back("UPDATE contacts_wording SET text = %s WHERE id = %s", "You agreed to everything.", line.wording_id)
    assert f"line 1 of contact {anna.public_id}: was changed after it was written" in faults()


def test_a_consent_row_set_by_hand_is_found():
    anna = make.contact()
    make.agree(anna)
    make.withdraw(anna)
    Consent.objects.filter(contact=anna).update(standing="granted")
    assert f"line 2 of contact {anna.public_id}: does not match the consent shown for it" in faults()


def test_a_consent_row_set_upon_another_line_is_found():
    anna = make.contact()
    line = make.agree(anna)
    Consent.objects.filter(contact=anna).update(event=make.agree(make.contact()))
    assert f"line {line.number} of contact {anna.public_id}: does not match the consent shown for it" in faults()


def test_a_withdrawal_struck_from_the_head_is_found():
    anna = make.contact()
    make.withdraw(anna)
    ContactHead.objects.filter(pk=anna.pk).update(all_withdrawn_at=None)
    assert "the date of withdrawing everything is not what the lines say" in faults()


def test_a_missing_trigger_fails_the_check_and_guard_puts_it_back():
    name = sorted(triggers.expected(connection.vendor))[0]
    table = triggers.expected(connection.vendor)[name][0]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))
    assert [error.id for error in run_checks(databases=["default"])] == ["contacts.E001"]
    assert "is missing, so lines can be changed" in faults()
    call_command("verify_ledger", "--guard", stdout=io.StringIO())
    assert run_checks(databases=["default"]) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL switches triggers off")
def test_a_trigger_that_is_switched_off_counts_as_missing():
    name, (table, _) = sorted(triggers.expected(connection.vendor).items())[0]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    assert triggers.missing(connection) == [name]
    triggers.install(connection)
    assert triggers.missing(connection) == []


def test_nothing_personal_is_in_a_line():
    anna = make.contact(first_name="Annabella", email="annabella@example.test")
    line = make.agree(anna)
    row = str(ConsentEvent.objects.filter(pk=line.pk).values().get())
    assert not [word for word in (anna.phone, "Annabella", "example.test", "counter") if word in row]
    assert Evidence.objects.get(pk=line.pk).data == {"note": "told us at the counter"}
