"""The switches: what they take, what they refuse, and the faults they cause."""

import pytest

from conversations.sandbox import seed
from conversations.whatsapp.payloads import template_message

PHONE = "+393471234567"


def promo(to: str = PHONE) -> dict:
    parameters = {"body": ["Giulia", "20%"], "buttons": {"0": "autunno"}}
    return template_message(to=to, name="promo_autunno", language="it", parameters=parameters)


def test_sent_goes_on_from_where_one_stopped(desk):
    for number in range(5):
        desk.accepted(promo(f"+39347123450{number}"))
    first = desk.request("GET", "/sandbox/sent?limit=3")[1]
    second = desk.request("GET", f"/sandbox/sent?since={first['last']}")[1]
    nothing = desk.request("GET", f"/sandbox/sent?since={second['last']}")[1]
    assert [len(page["messages"]) for page in (first, second, nothing)] == [3, 2, 0]
    assert nothing["last"] == second["last"]


def test_health_says_what_waits(desk):
    desk.accepted(promo())
    health = desk.request("GET", "/sandbox/health")[1]
    assert (health["status"], health["messages"], health["events_waiting"]) == ("ok", 1, 3)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("inbound", {"text": "x"}),
        ("inbound", {"from": "Giulia", "text": "x"}),
        ("inbound", {"from": PHONE}),
        ("inbound", {"from": PHONE, "text": "x", "button": "y"}),
        ("inbound", {"from": PHONE, "text": 5}),
        ("inbound", {"from": PHONE, "text": "x", "at": "yesterday"}),
        ("inbound", {"from": PHONE, "text": "x", "at": 9_999_999_999}),
        ("inbound", {"from": PHONE, "text": "x", "hide_phone": "yes"}),
        ("preferences", {"phone": PHONE, "value": "maybe"}),
        ("personas", {"phones": {PHONE: "dancer"}}),
        ("personas", {"phones": {PHONE: {"kind": "replier", "after": "soon"}}}),
        ("personas", {"shares": {"stopper": 0.7, "silent": 0.7}}),
        ("personas", {"shares": {"dancer": 0.1}}),
        ("personas", {"pace": {"sent": "fast"}}),
        ("personas", {"people": {}}),
        ("templates/promo_autunno", {"status": "FINE"}),
        ("templates/no_such_template", {"status": "PAUSED"}),
        ("faults", {"latency": 5}),
        ("faults", {"latency_ms": -1}),
        ("faults", {"cut_before_share": 2}),
        ("faults", {"errors": {"x": 0.1}}),
        ("faults", {"errors": {"131049": 3}}),
        ("faults", {"codes_for": {"Giulia": 131026}}),
        ("faults", {"webhooks": {"silence": "yes"}}),
        ("faults", {"webhooks": 5}),
        ("faults", b"no json"),
        ("faults", []),
    ],
)
def test_what_is_not_understood_is_a_400_that_says_why(desk, name, body):
    status, answer = desk.request("POST", f"/sandbox/{name}", body)
    assert status == 400 and answer["error"]


def test_an_unknown_switch_is_a_404(desk):
    assert desk.request("GET", "/sandbox/nothing")[0] == 404


def test_a_fault_that_is_not_named_stays(desk):
    desk.switch("faults", {"latency_ms": 0.1, "errors": {"131016": 0.5}})
    answer = desk.switch("faults", {"jitter_ms": 0.1})
    assert (answer["latency_ms"], answer["jitter_ms"], answer["errors"]) == (0.1, 0.1, {"131016": 0.5})


def test_reset_forgets_everything(desk):
    desk.accepted(promo())
    desk.switch("faults", {"errors": {"131016": 1.0}})
    desk.switch("templates/promo_autunno", {"status": "PAUSED"})
    desk.switch("reset", {})
    assert desk.sent() == []
    assert desk.accepted(promo())


def test_a_code_told_at_once_refuses_and_takes_nothing(desk):
    desk.switch("faults", {"errors": {"131056": 1.0}})
    assert desk.refused(promo()) == 131056
    assert desk.sent() == []


def test_a_code_told_later_takes_the_message_and_fails_it(desk, receiver):
    desk.switch("faults", {"codes_for": {PHONE: 131049}})
    desk.accepted(promo())
    desk.accepted(promo("+393470000001"))
    desk.switch("settle", {})
    failed = [event for event in receiver.events() if event.status == "failed"]
    assert [(event.recipient.wa_id, event.errors) for event in failed] == [("393471234567", (131049,))]


def test_a_share_of_messages_fails(desk):
    desk.switch("faults", {"errors": {"131016": 0.3}})
    codes = [desk.post(promo())[0] for _ in range(200)]
    assert 30 < codes.count(500) < 90


def test_a_limited_number_refuses_what_comes_too_fast(desk, clock):
    desk.switch("faults", {"messages_per_second": 10})
    codes = [desk.post(promo())[0] for _ in range(20)]
    assert codes.count(200) == 11
    clock.now += 1
    assert desk.post(promo())[0] == 200


@pytest.mark.parametrize(("fault", "taken"), [("cut_before_share", 0), ("cut_after_share", 1), ("timeout_share", 1)])
def test_a_connection_is_cut_before_or_after_the_message_is_taken(desk, monkeypatch, fault, taken):
    monkeypatch.setattr("conversations.sandbox.api.NEVER_ANSWERED_SECONDS", 0.01)
    desk.switch("faults", {fault: 1.0})
    _, response = desk.post(promo())
    assert response.cut
    assert len(desk.sent()) == taken


def test_a_bad_gateway_hides_that_the_message_was_taken(desk):
    desk.switch("faults", {"bad_gateway_share": 1.0})
    status, response = desk.post(promo())
    assert (status, response.content_type) == (502, "text/html")
    assert len(desk.sent()) == 1


def test_the_seed_is_believable():
    names = {(row["name"], row["language"]) for row in seed.TEMPLATES}
    assert len(names) == len(seed.TEMPLATES) == 10
    assert {row["status"] for row in seed.TEMPLATES} == {"APPROVED", "PENDING", "PAUSED", "REJECTED"}
    assert {row["parameter_format"] for row in seed.TEMPLATES} == {"POSITIONAL", "NAMED"}
    assert sum(seed.DEMO_SHARES.values()) <= 1.0
