"""The sandbox takes what the platform takes and refuses what it refuses, with the platform's codes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.sandbox import seed
from conversations.whatsapp.payloads import fill, reply_buttons, template_message, text_message, variables

PHONE = "+393471234567"
PROMO = {"body": ["Giulia", "20%"], "buttons": {"0": "autunno"}}


def promo(**changes: Any) -> dict[str, Any]:
    values = {"to": PHONE, "name": "promo_autunno", "language": "it", "parameters": PROMO, "callback_data": "k.1"}
    return template_message(**{**values, **changes})


def window_open(desk) -> None:
    desk.switch("inbound", {"from": PHONE, "text": "Ciao"})


def test_a_template_is_accepted_and_listed_as_sent(desk):
    status, answer = desk.post(promo())
    assert status == 200
    assert answer["contacts"] == [{"input": PHONE, "wa_id": "393471234567"}]
    assert answer["messages"][0]["message_status"] == "accepted"
    [message] = desk.sent()
    assert (message["to"], message["wamid"]) == (PHONE, answer["messages"][0]["id"])
    assert message["body"]["biz_opaque_callback_data"] == "k.1"
    assert message["wamid"].startswith("wamid.HBg")


def test_every_wamid_is_another(desk):
    assert len({desk.accepted(promo()) for _ in range(50)}) == 50


def test_a_wrong_token_is_a_401_with_190(desk):
    path = f"/v26.0/{seed.PHONE_NUMBER_ID}/messages"
    status, answer = desk.request("POST", path, promo(), token="another")
    assert (status, answer["error"]["code"]) == (401, 190)
    assert desk.sent() == []


def test_an_unknown_number_is_a_graph_method_exception(desk):
    status, answer = desk.request("POST", "/v26.0/999/messages", promo())
    error = answer["error"]
    assert (status, error["code"], error["error_subcode"], error["type"]) == (400, 100, 33, "GraphMethodException")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", {}, {"messaging_product": "sms"}])
def test_a_body_that_is_no_message_is_refused(desk, body):
    assert desk.refused(body) == 100


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "no_such_template"}, 132001),
        ({"language": "fr"}, 132001),
        ({"name": "anteprima_natale", "parameters": {"body": ["a", "b"]}}, 132001),
        ({"name": "vip_flash_sale", "language": "en", "parameters": {"body": ["a"]}}, 132001),
        ({"name": "winter_clearance", "language": "en", "parameters": {"body": ["a", "b"]}}, 132015),
        ({"parameters": {"body": ["Giulia"], "buttons": {"0": "x"}}}, 132000),
        ({"parameters": {"body": ["a", "b", "c"], "buttons": {"0": "x"}}}, 132000),
        ({"parameters": {"header": ["x"], "body": ["a", "b"], "buttons": {"0": "x"}}}, 132000),
        ({"parameters": {"body": ["a", "b"]}}, 131008),
        ({"parameters": {"body": ["a", ""], "buttons": {"0": "x"}}}, 131008),
        ({"parameters": {"body": ["a", "b" * 1200], "buttons": {"0": "x"}}}, 132005),
        ({"parameters": {"body": ["a", "b"], "buttons": {"0": "x", "5": "y"}}}, 132000),
        ({"name": "ordine_spedito", "parameters": {"body": ["a", "b", "c"], "buttons": {"0": "x"}}}, 100),
        (
            {
                "name": "nuovi_arrivi",
                "parameters": {"body": {"first_name": "Giulia", "colour": "blu"}},
            },
            100,
        ),
    ],
)
def test_a_template_that_cannot_be_sent_is_refused_with_its_code(desk, changes, code):
    assert desk.refused(promo(**changes)) == code
    assert desk.sent() == []


def test_a_value_with_a_line_break_is_refused(desk):
    body = promo()
    body["template"]["components"][0]["parameters"][0]["text"] = "Giu\nlia"
    assert desk.refused(body) == 132018


@pytest.mark.parametrize("template", [row for row in seed.TEMPLATES if row["status"] == "APPROVED"])
def test_every_approved_template_is_taken_with_the_values_we_fill_in(desk, template):
    wanted = variables(template["components"], template["parameter_format"])
    parameters = fill(template["components"], template["parameter_format"], {gap.slot: "valore" for gap in wanted})
    assert all(gap.example for gap in wanted)
    assert desk.accepted(
        template_message(to=PHONE, name=template["name"], language=template["language"], parameters=parameters)
    )


def test_a_disabled_template_is_refused_for_good(desk):
    desk.switch("templates/promo_autunno", {"status": "DISABLED"})
    assert desk.refused(promo()) == 132016


def test_the_phone_wins_when_both_addresses_are_given(desk):
    assert desk.post({**promo(), "recipient": "IT.1"})[1]["contacts"] == [{"input": PHONE, "wa_id": "393471234567"}]


def test_a_phone_without_its_plus_gets_the_country_of_the_business_in_front(desk):
    assert desk.post({**promo(), "to": "441632960001"})[1]["contacts"][0]["wa_id"] == "39441632960001"


@pytest.mark.parametrize(("to", "code"), [("+39x", 131009), ("+12", 131009), ("+390236789012", 131021), ("", 131008)])
def test_an_address_that_is_none_is_refused(desk, to, code):
    assert desk.refused({**promo(), "to": to}) == code


def test_a_person_is_answered_by_their_user_id(desk):
    answer = desk.switch("inbound", {"from": PHONE, "text": "Ciao", "hide_phone": True, "username": "giuliab"})
    user_id = answer["user_id"]
    status, accepted = desk.post(text_message(recipient=user_id, body="Ciao Giulia"))
    assert (status, accepted["contacts"]) == (200, [{"input": user_id, "user_id": user_id}])
    assert desk.refused(text_message(recipient="IT.0", body="Ciao")) == 131009


def test_text_and_buttons_are_taken_inside_the_window(desk):
    window_open(desk)
    assert desk.accepted(text_message(to=PHONE, body="x" * 4096))
    assert desk.accepted(reply_buttons(to=PHONE, body="Confermi?", buttons=[("y", "Sì"), ("n", "No")]))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"type": "text", "text": {"body": "x" * 4097}}, 131009),
        ({"type": "text", "text": {"body": ""}}, 131008),
        ({"type": "text"}, 131008),
        ({"type": "poll", "poll": {}}, 131051),
        ({"type": ["text"]}, 131009),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "?"}, "action": {}}}, 131009),
        ({"type": "reaction", "reaction": {"emoji": "x"}}, 131008),
        ({"type": "image", "image": {}}, 131008),
    ],
)
def test_other_messages_are_checked_too(desk, content, code):
    window_open(desk)
    assert desk.refused({"messaging_product": "whatsapp", "to": PHONE, **content}) == code


def test_a_message_of_the_person_can_be_marked_as_read_and_no_other(desk):
    wamid = desk.switch("inbound", {"from": PHONE, "text": "Ciao"})["wamid"]
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    assert desk.post(read) == (200, {"success": True})
    assert desk.refused({**read, "message_id": "wamid.unknown"}) == 131009
    assert desk.sent() == []


def test_templates_come_page_by_page(desk):
    path, names, pages = f"/v26.0/{seed.WABA_ID}/message_templates?limit=3", [], 0
    after = ""
    while True:
        page = desk.request("GET", path + after)[1]
        names += [row["name"] for row in page["data"]]
        pages += 1
        assert page["paging"]["cursors"]["after"]
        if "next" not in page["paging"]:
            break
        assert seed.TOKEN not in page["paging"]["next"]
        after = f"&after={page['paging']['cursors']['after']}"
    assert pages == 4
    assert names == [row["name"] for row in seed.TEMPLATES]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after=junk", "after=%FF"])
def test_a_cursor_that_is_none_is_refused(desk, query):
    assert desk.request("GET", f"/v26.0/{seed.WABA_ID}/message_templates?{query}")[0] == 400


def test_asked_for_fields_come_alone(desk):
    page = desk.request("GET", f"/v26.0/{seed.WABA_ID}/message_templates?fields=name,status&limit=1")[1]
    assert page["data"] == [{"name": "promo_autunno", "status": "APPROVED", "id": seed.TEMPLATES[0]["id"]}]


def test_the_number_can_be_read_alone_and_in_its_account(desk):
    number = desk.request("GET", f"/v26.0/{seed.PHONE_NUMBER_ID}?fields=quality_rating")[1]
    assert number == {"quality_rating": "GREEN", "id": seed.PHONE_NUMBER_ID}
    listed = desk.request("GET", f"/v26.0/{seed.WABA_ID}/phone_numbers")[1]["data"]
    assert [row["display_phone_number"] for row in listed] == [seed.DISPLAY_PHONE_NUMBER]


def test_any_version_will_do_and_none(desk):
    for path in (f"/v19.0/{seed.PHONE_NUMBER_ID}", f"/{seed.PHONE_NUMBER_ID}"):
        assert desk.request("GET", path)[0] == 200


def test_an_endpoint_that_is_not_there_says_so(desk):
    assert desk.request("POST", f"/v26.0/{seed.PHONE_NUMBER_ID}/media", {})[1]["error"]["code"] == 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_message_however_odd_breaks_it(desk, data):
    body = json.loads(
        json.dumps(
            data.draw(
                st.sampled_from(
                    [promo(), text_message(to=PHONE, body="x"), reply_buttons(to=PHONE, body="?", buttons=[("a", "A")])]
                )
            )
        )
    )
    node, key = body, data.draw(st.sampled_from(sorted(body)))
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = data.draw(JSON)
    status, _ = desk.post(body)
    assert status in (200, 400, 403, 404)
