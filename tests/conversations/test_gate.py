"""The gate against an oracle that knows the table of the design and nothing of the gate's SQL."""

import random
from datetime import time, timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts import consent
from contacts.models import Action, Block, Contact, Identity, Source
from conversations import gate
from conversations.models import BusinessNumber, Conversation, Kind, Message, Reachability
from conversations.verdicts import Verdict, sentence, what_next
from tests import make

pytestmark = pytest.mark.django_db

GRANT_KINDS = ("campaign", "journey", "template", "opt_in_request", "renewal", "test")
CAPPED_KINDS = ("campaign", "journey", "opt_in_request", "renewal")
WORLD: dict[str, list[Any]] = {
    # every fact with its values; the usual one is weighted, so that late reasons are reached too
    "kind": [kind for kind in Kind if kind not in (Kind.INBOUND, Kind.ECHO)],
    "address": ["phone"] * 8 + ["bsuid", "none"],
    "standing": ["granted"] * 12 + ["none", "pending", "withdrawn", "held", "expired", "lasting"],
    "all_withdrawn": [False] * 8 + ["before", "after"],
    "other_scope": [None] * 8 + ["withdrawn", "held"],
    "blocked": [False] * 8 + [True],
    "session": ["open"] * 6 + ["none", "over", "stopped", "over_stopped"],
    "unreachable": [False] * 10 + [True],
    "country": ["IT"] * 10 + ["US", "closed"],
    "template": ["approved"] * 10 + ["paused", "archived", "other_account", "no_scope"],
    "category": ["MARKETING", "MARKETING", "UTILITY"],
    "missing": [False] * 10 + [True],
    "had": [0] * 5 + [1, 2],  # campaign messages this week; the cap is 2
    "zone": ["Europe/Rome"] * 10 + ["Asia/Tokyo"],  # it is quiet in Tokyo
    "resting": [False] * 10 + [True],
    "number": ["ready"] * 10 + ["held", "no_token"],
}
NOW = timezone.now().replace(hour=14, minute=0, second=0, microsecond=0) - timedelta(days=1)  # 23:00 in Tokyo


def oracle(fact: dict[str, Any]) -> str:  # long, because the table is
    kind, marketing = fact["kind"], fact["category"] == "MARKETING"
    is_template = kind in GRANT_KINDS
    has_scope = fact["template"] != "no_scope" or kind == "test"
    stands = consent_verdict(fact)
    if kind != "stop_confirmation" and fact["address"] == "none":
        return "no_address"
    if kind not in ("own_request", "stop_confirmation") and fact["session"] == "stopped":
        return "stopped"
    if is_template and has_scope and stands == "withdrawn":
        return "withdrawn"
    if kind == "automatic" and (fact["all_withdrawn"] or "withdrawn" in (fact["other_scope"], stands)):
        return "withdrawn"
    if is_template and marketing and fact["blocked"]:
        return "blocked"
    if is_template and has_scope and stands == "held":
        return "held"
    if kind == "automatic" and "held" in (fact["other_scope"], stands):
        return "held"
    if is_template and has_scope and kind != "opt_in_request" and stands in ("no_consent", "pending"):
        return stands
    if is_template and has_scope and stands == "expired":
        return "expired"
    if is_template:
        if fact["unreachable"]:
            return "unreachable"
        if marketing and fact["country"] in ("US", "closed"):
            return "country_closed"
        if fact["template"] != "approved":
            return "template_not_approved"
    elif fact["session"] in ("none", "over", "over_stopped"):
        return "window_closed"
    if is_template and fact["missing"]:
        return "missing_value"
    if kind in CAPPED_KINDS:
        if fact["had"] >= 2:
            return "frequency_cap"
        if fact["zone"] == "Asia/Tokyo":
            return "quiet_hours"
    if is_template and marketing and fact["resting"]:
        return "resting"
    return "allowed" if fact["number"] == "ready" else "number_held"


def consent_verdict(fact: dict[str, Any]) -> str:
    covered = fact["all_withdrawn"] == "after" or (fact["all_withdrawn"] and fact["standing"] in ("none", "held"))
    if covered:
        return "withdrawn"
    return {"granted": "allowed", "lasting": "allowed", "none": "no_consent"}.get(fact["standing"], fact["standing"])


def build(fact: dict[str, Any]) -> Message:
    us = fact["country"] == "US"
    who = make.contact(
        None if fact["address"] != "phone" else f"+1212555{make.next_serial():04d}" if us else "",
        country="US" if us else "IT", time_zone=fact["zone"],
    )  # fmt: skip
    fact["country"] = "IT" if us and fact["address"] != "phone" else fact["country"]  # no number, no area code
    if fact["address"] == "bsuid":
        Identity.objects.create(contact=who, kind="bsuid", namespace="1000200030004000", value=f"IT.{who.pk}")
    number = numbers()[fact["number"]]
    slug = "internal_tests" if fact["kind"] == "test" else "marketing"
    say(who, slug, fact["standing"], at=NOW - timedelta(days=20))
    if fact["other_scope"]:
        say(who, "reminders", fact["other_scope"], at=NOW - timedelta(days=20))
    if fact["all_withdrawn"]:
        days = {"before": 25, "after": 5}[fact["all_withdrawn"]]
        make.withdraw(who, at=NOW - timedelta(days=days))
    if fact["blocked"]:
        event = consent.record(
            who, action=Action.BLOCKED, source=Source.WHATSAPP_PREFERENCE, portfolio="1000200030004000",
            proof=make.proof(), occurred_at=NOW - timedelta(days=3),
        )  # fmt: skip
        assert Block.objects.filter(event=event).exists()
    if fact["session"] != "none":
        is_open = fact["session"] in ("open", "stopped")
        Conversation.objects.create(
            contact=who, number=number, changed_at=NOW,
            session_expires_at=NOW + timedelta(hours=5 if is_open else -5),
            stopped_at=NOW - timedelta(hours=6) if "stopped" in fact["session"] else None,
        )  # fmt: skip
    Reachability.objects.create(
        contact=who, unreachable=fact["unreachable"], country_closed=fact["country"] == "closed",
        resting_until=NOW + timedelta(hours=9) if fact["resting"] else None,
    )  # fmt: skip
    event = who.consent_events.first() or make.agree(make.contact())
    for days in (*range(1, fact["had"] + 1), 8):  # the one of eight days ago no longer counts
        sent = {"status": "sent", "wamid": f"w{who.pk}.{days}", "sending_at": NOW - timedelta(days=days)}
        message(who, number, Kind.CAMPAIGN, template_for(fact), stands_on=event, **sent)
    return message(who, number, fact["kind"], template_for(fact), status="queued", missing_value=fact["missing"])


def numbers() -> dict[str, BusinessNumber]:
    make.portfolio(marketing_cap=2, marketing_cap_days=7, quiet_from=time(21), quiet_until=time(8))
    return {
        "ready": make.number("1"), "held": make.number("2", held_reason="code 131042"),
        "no_token": make.number("3", token=""),
    }  # fmt: skip


def template_for(fact: dict[str, Any]) -> Any:
    state, category = fact["template"], fact["category"]
    fields = {
        "approved": {}, "no_scope": {}, "paused": {"status": "PAUSED"}, "archived": {"archived_at": NOW},
        "other_account": {"waba_id": "other"},
    }[state]  # fmt: skip
    slug = None if state == "no_scope" else "marketing"
    return make.template(f"{state}_{category}".lower(), slug=slug, category=category, **fields)


def say(who: Contact, slug: str, standing: str, *, at: Any) -> None:
    what = {"scope": make.scope(slug), "proof": make.proof(), "occurred_at": at}
    if standing == "withdrawn":
        make.withdraw(who, slug, at=at)
    elif standing == "pending":
        consent.record(who, action=Action.REQUESTED, source=Source.STAFF, **what)
    elif standing == "held":
        consent.record(who, action=Action.HELD, source=Source.SYSTEM, **what)
    elif standing != "none":
        until = {"granted": None, "expired": NOW, "lasting": NOW + timedelta(seconds=1)}[standing]
        make.agree(who, slug, at=at, expires_at=until, source=Source.KEYWORD)


def message(who: Contact, number: BusinessNumber, kind: str, template: Any, **fields: Any) -> Message:
    is_template = kind in GRANT_KINDS
    return Message.objects.create(
        contact=who, number=number, kind=kind, template=template if is_template else None, at=NOW, due_at=NOW,
        type="template" if is_template else "text", **fields,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_the_gate_says_what_the_table_says(seed):
    dice = random.Random(seed)
    facts = [{name: dice.choice(values) for name, values in WORLD.items()} for _ in range(120)]
    made = [(build(fact), fact) for fact in facts]
    answers = {row.pk: row.answer for row in gate.with_verdict(Message.objects.all(), at=NOW)}
    assert [(fact, answers[row.pk]) for row, fact in made] == [(fact, oracle(fact)) for _, fact in made]


def test_the_facts_reach_every_verdict():
    dice = random.Random(1)
    seen = {oracle({name: dice.choice(values) for name, values in WORLD.items()}) for _ in range(3000)}
    assert seen == set(Verdict) - {Verdict.ERASED, Verdict.MESSAGING_LIMIT}


@pytest.mark.parametrize("kind", ["campaign", "template", "text"])
def test_the_dry_run_says_what_the_gate_says_of_the_message(kind):
    dice = random.Random(kind)
    for _ in range(30):
        fact = {name: dice.choice(values) for name, values in WORLD.items()} | {"kind": kind, "missing": False}
        row = build(fact)
        asked = {"number": row.number, "template": row.template, "kind": Kind(kind), "at": NOW}
        answer = gate.dry_run(Contact.objects.filter(pk=row.contact_id), **asked).get().answer  # type: ignore[attr-defined]
        assert (fact, answer) == (fact, oracle(fact))


def test_a_template_message_stands_on_the_line_that_granted():
    who = make.contact()
    make.agree(make.contact())
    make.agree(who, "reminders")
    line = make.agree(who)
    row = message(who, make.number(), Kind.CAMPAIGN, make.template(), status="queued")
    assert gate.with_verdict(Message.objects.filter(pk=row.pk)).get().grant == line.pk


def test_the_verdicts_have_a_sentence_each():
    assert all(sentence(verdict) for verdict in Verdict)
    assert all(what_next(verdict) for verdict in Verdict if verdict != Verdict.ALLOWED)
