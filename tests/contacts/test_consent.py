"""Who may record what, and where a person then stands."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import consent
from contacts.models import PHONE_SOURCES, Action, Consent, ConsentEvent, ContactHead, Source, Standing
from contacts.standing import fold_scope
from tests import make


def standing(who, slug="marketing", *, at=None):
    at = at or timezone.now()
    return next(stand.standing for stand in consent.standings(who, at=at) if stand.scope.slug == slug)


@pytest.mark.django_db
class TestRecording:
    def test_a_grant_stands_on_its_line_with_its_validity(self):
        anna = make.contact()
        make.scope("offers", validity_months=1)
        line = make.agree(anna, "offers", at=make.moment(31))
        row = Consent.objects.get(contact=anna)
        assert (row.standing, row.event_id) == ("granted", line.pk)
        assert row.expires_at == make.moment(31) + timedelta(days=30)  # 30 April: the month's last day
        assert standing(anna, "offers", at=row.expires_at - timedelta(seconds=1)) == "granted"
        assert standing(anna, "offers", at=row.expires_at) == "expired"

    def test_withdrawing_everything_covers_scopes_never_granted_and_made_later(self):
        anna = make.contact()
        make.agree(anna)
        make.withdraw(anna)
        make.scope("made_later")
        assert {standing(anna, slug) for slug in ("marketing", "reminders", "made_later")} == {"withdrawn"}

    def test_withdrawing_one_scope_leaves_the_others(self):
        anna = make.contact()
        make.agree(anna)
        make.agree(anna, "reminders")
        make.withdraw(anna, "marketing")
        assert (standing(anna), standing(anna, "reminders")) == ("withdrawn", "granted")

    @pytest.mark.parametrize("source", [Source.STAFF, Source.API, Source.WEB_FORM, Source.LEAD_FORM])
    def test_after_a_withdrawal_a_grant_from_elsewhere_waits_for_the_phone(self, source):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(1))
        line = make.agree(anna, at=make.moment(2), source=source)
        assert line.action == Action.REQUESTED
        assert standing(anna) == "pending"

    def test_asking_twice_from_elsewhere_does_not_add_up_to_a_grant(self):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(1))
        for day in (2, 3):
            assert make.agree(anna, at=make.moment(day), source=Source.STAFF).action == Action.REQUESTED
        assert standing(anna) == "pending"

    @pytest.mark.parametrize("source", sorted(PHONE_SOURCES))
    def test_after_a_withdrawal_the_person_may_agree_again_from_the_phone(self, source):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(1))
        make.agree(anna, at=make.moment(2), source=source)
        assert standing(anna) == "granted"

    @pytest.mark.parametrize("day", [1, 20])
    def test_an_import_never_grants_after_a_withdrawal_whatever_its_date(self, day):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(10))
        with pytest.raises(ValidationError) as refusal:
            make.agree(anna, at=make.moment(day), source=Source.IMPORT)
        assert refusal.value.code == "withdrew"
        assert standing(anna) == "withdrawn"
        assert anna.consent_events.count() == 1

    def test_an_import_does_not_even_ask_after_a_withdrawal(self):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(1))
        with pytest.raises(ValidationError) as refusal:
            consent.record(
                anna, action=Action.REQUESTED, source=Source.IMPORT, scope=make.scope(), proof=make.proof(),
                occurred_at=make.moment(2),
            )  # fmt: skip
        assert (refusal.value.code, standing(anna)) == ("withdrew", "withdrawn")

    def test_an_import_that_waits_for_the_phone_falls_to_an_earlier_withdrawal_told_later(self):
        anna = make.contact()
        make.scope("newsletter", double_opt_in=True)
        assert make.agree(anna, "newsletter", at=make.moment(9), source=Source.IMPORT).action == Action.REQUESTED
        make.withdraw(anna, at=make.moment(5))
        assert standing(anna, "newsletter") == "withdrawn"

    def test_an_import_that_came_first_does_not_survive_an_earlier_withdrawal_told_later(self):
        anna = make.contact()
        make.agree(anna, at=make.moment(10), source=Source.IMPORT)
        make.withdraw(anna, at=make.moment(5), source=Source.STAFF)
        assert standing(anna) == "withdrawn"

    def test_the_same_file_again_adds_no_line(self):
        anna = make.contact()
        make.agree(anna, at=make.moment(1), source=Source.IMPORT)
        with pytest.raises(ValidationError):
            make.agree(anna, at=make.moment(1), source=Source.IMPORT)
        assert anna.consent_events.count() == 1

    def test_on_a_tie_withdrawal_wins_whichever_came_first(self):
        anna, bruno = make.contact(), make.contact()
        at = make.moment(3)
        make.agree(anna, at=at, source=Source.KEYWORD)
        make.withdraw(anna, at=at)
        make.withdraw(bruno, at=at)
        make.agree(bruno, at=at + timedelta(milliseconds=900), source=Source.KEYWORD)  # whole seconds
        assert (standing(anna), standing(bruno)) == ("withdrawn", "withdrawn")

    def test_a_late_redelivered_agreement_does_not_undo_a_newer_stop(self):
        anna = make.contact()
        make.withdraw(anna, at=make.moment(9))
        make.agree(anna, at=make.moment(8), source=Source.KEYWORD)
        assert standing(anna) == "withdrawn"

    def test_a_scope_with_double_opt_in_waits_for_the_phone(self):
        anna = make.contact()
        make.scope("newsletter", double_opt_in=True)
        assert make.agree(anna, "newsletter", at=make.moment(1)).action == Action.REQUESTED
        assert standing(anna, "newsletter") == "pending"
        make.agree(anna, "newsletter", at=make.moment(2), source=Source.DOUBLE_OPT_IN)
        assert standing(anna, "newsletter") == "granted"

    def test_a_date_in_the_future_is_refused_from_people_and_cut_from_the_platform(self):
        anna = make.contact()
        tomorrow = timezone.now() + timedelta(days=1)
        with pytest.raises(ValidationError) as refusal:
            make.agree(anna, at=tomorrow, source=Source.STAFF)
        assert refusal.value.code == "future"
        line = make.withdraw(anna, at=tomorrow, source=Source.KEYWORD)
        assert line.occurred_at == line.recorded_at

    def test_a_hold_ends_by_release_or_by_a_grant_from_the_phone(self):
        anna = make.contact()
        make.agree(anna, at=make.moment(1))
        hold = {"source": Source.SYSTEM, "scope": make.scope(), "proof": make.proof()}
        consent.record(anna, action=Action.HELD, occurred_at=make.moment(2), **hold)
        make.agree(anna, at=make.moment(3), source=Source.WEB_FORM)
        assert standing(anna) == "held"
        consent.record(anna, action=Action.RELEASED, occurred_at=make.moment(4), **hold)
        assert standing(anna) == "granted"
        consent.record(anna, action=Action.HELD, occurred_at=make.moment(5), **hold)
        make.agree(anna, at=make.moment(6), source=Source.KEYWORD)
        assert standing(anna) == "granted"

    def test_a_grant_needs_its_scope_and_a_wording_of_that_scope(self):
        anna = make.contact()
        grant = {"action": Action.GRANTED, "source": Source.STAFF, "proof": make.proof(), "occurred_at": make.moment(1)}
        for more, code in (
            ({}, "no_scope"),
            ({"scope": make.scope()}, "no_wording"),
            ({"scope": make.scope(), "wording": make.wording("reminders")}, "wrong_wording"),
        ):
            with pytest.raises(ValidationError) as refusal:
                consent.record(anna, **grant, **more)
            assert refusal.value.code == code
        assert not ConsentEvent.objects.exists()

    def test_the_database_refuses_a_line_with_both_scope_and_all(self):
        line = make.withdraw(make.contact())
        line.pk, line.public_id, line.number = None, "7c9e6679-7425-40de-944b-e07fc1f90ae7", 2
        line.scope = make.scope()
        with pytest.raises(IntegrityError), transaction.atomic():
            ConsentEvent.objects.bulk_create([line])

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"wording": None}, "grant_has_scope_and_wording"),
            ({"occurred_at": timezone.now() + timedelta(days=1)}, "not_from_the_future"),
            ({"action": Action.HELD, "expires_at": timezone.now()}, "only_grants_expire"),
            ({"action": "sold", "expires_at": None}, "action_known"),
            ({"source": "hearsay"}, "source_known"),
            ({"portfolio": "1"}, "scope_or_all"),
            ({"number": 0}, "number_from_one"),
        ],
    )
    def test_the_database_refuses_a_line_that_cannot_be(self, change, constraint):
        line = make.agree(make.contact())
        line.pk, line.public_id, line.number = None, "7c9e6679-7425-40de-944b-e07fc1f90ae7", 2
        for name, value in change.items():
            setattr(line, name, value)
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            ConsentEvent.objects.bulk_create([line])

    def test_start_restores_what_the_last_stop_took_and_nothing_else(self):
        anna = make.contact()
        make.agree(anna, "marketing", at=make.moment(1))
        make.agree(anna, "reminders", at=make.moment(1))
        make.withdraw(anna, "reminders", at=make.moment(2))
        make.agree(anna, "support", at=make.moment(1), expires_at=make.moment(5))
        make.withdraw(anna, at=make.moment(3))
        make.withdraw(anna, at=make.moment(4))  # a second STOP takes nothing
        give_back = consent.restorable(anna, at=make.moment(6))
        assert [scope.slug for scope, _ in give_back] == ["marketing"]

    def test_a_block_stands_beside_consent_and_resume_changes_no_consent(self):
        anna = make.contact()
        make.agree(anna, at=make.moment(1))
        stop = {"source": Source.WHATSAPP_PREFERENCE, "portfolio": "p1", "proof": make.proof()}
        consent.record(anna, action=Action.BLOCKED, occurred_at=make.moment(2), **stop)
        assert (anna.blocks.get().blocked, standing(anna)) == (True, "granted")
        consent.record(anna, action=Action.UNBLOCKED, occurred_at=make.moment(3), **stop)
        consent.record(anna, action=Action.BLOCKED, occurred_at=make.moment(2), **stop)  # delivered again, late
        assert (anna.blocks.get().blocked, standing(anna)) == (False, "granted")

    def test_of_many_entries_a_refused_one_stops_no_other(self):
        anna, bruno = make.contact(), make.contact()
        make.withdraw(anna, at=make.moment(1))
        entry = {
            "action": Action.GRANTED, "source": Source.IMPORT, "proof": make.proof(), "scope": make.scope(),
            "wording": make.wording(), "occurred_at": make.moment(2),
        }  # fmt: skip
        outcomes = consent.record_many([consent.Entry(contact=who, **entry) for who in (anna, bruno)])
        assert [outcome.refused for outcome in outcomes] == ["withdrew", ""]
        assert (standing(anna), standing(bruno)) == ("withdrawn", "granted")
        assert ContactHead.objects.get(pk=bruno.pk).last_number == 1


lines = st.lists(
    st.builds(
        ConsentEvent,
        action=st.sampled_from([Action.REQUESTED, Action.GRANTED, Action.RENEWED, Action.HELD, Action.RELEASED,
                                Action.WITHDRAWN, Action.EXPIRED]),
        source=st.sampled_from([Source.KEYWORD, Source.API, Source.IMPORT, Source.STAFF]),
        occurred_at=st.integers(1, 6).map(make.moment),
        scope_id=st.just(1), covers_all=st.just(False),
        expires_at=st.sampled_from([None, make.moment(4), make.moment(20)]),
    ),
    max_size=8,
)  # fmt: skip


def in_order_of_arrival(told: list[ConsentEvent]) -> list[ConsentEvent]:
    for number, line in enumerate(told, 1):
        line.number = number
    return told


@settings(max_examples=300, deadline=None)
@given(history=lines, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_changes_the_answer(history, shuffled):
    first = fold_scope(in_order_of_arrival(history), 1)
    other = list(history)
    shuffled.shuffle(other)
    second = fold_scope(in_order_of_arrival(other), 1)
    assert (first.standing, first.since, first.expires_at) == (second.standing, second.since, second.expires_at)


@settings(max_examples=300, deadline=None)
@given(history=lines)
def test_a_grant_stands_only_if_no_withdrawal_is_dated_at_or_after_it(history):
    stand = fold_scope(in_order_of_arrival(history), 1)
    withdrawn = [line.occurred_at for line in history if line.action == Action.WITHDRAWN]
    if stand.standing == Standing.GRANTED:
        assert all(at < stand.since for at in withdrawn)
    elif withdrawn and not any(
        line.source in PHONE_SOURCES and line.action in (Action.GRANTED, Action.RENEWED) for line in history
    ):
        assert stand.standing in (Standing.WITHDRAWN, Standing.PENDING, Standing.HELD)


@settings(max_examples=200, deadline=None)
@given(history=lines)
def test_an_expired_note_changes_nothing(history):
    without = [line for line in history if line.action != Action.EXPIRED]
    told, kept = fold_scope(in_order_of_arrival(history), 1), fold_scope(in_order_of_arrival(without), 1)
    assert (told.standing, told.since) == (kept.standing, kept.since)
