"""Webhook bodies become plain events: one file per real payload, whatever else comes along."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.whatsapp import events
from conversations.whatsapp.events import (
    AccountErrors,
    MessageReceived,
    NumberChanged,
    Person,
    PreferenceChanged,
    StatusChanged,
    TemplateCategoryChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
    Unrecognised,
)

PAYLOADS = Path(__file__).parents[2] / "payloads"
NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))
GIULIA = Person(wa_id="393471234567", user_id="IT.4821900377120056114", name="Giulia B.")
RECEIVED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def load(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def parse(name: str) -> list[Any]:
    return list(events.parse(load(name), received_at=RECEIVED_AT))


def first(body: dict[str, Any]) -> Any:
    return next(iter(events.parse(body, received_at=RECEIVED_AT)))


def only(name: str) -> Any:
    found = parse(name)
    assert len(found) == 1
    return found[0]


def test_a_text_is_read_with_its_sender_and_time():
    event = only("text")
    assert isinstance(event, MessageReceived)
    assert (event.phone_number_id, event.waba_id, event.wamid) == (
        "118877665544332",
        "104857600112233",
        "wamid.IN0001",
    )
    assert event.at == datetime.fromtimestamp(1795255200, UTC)
    assert event.sender == Person(wa_id=GIULIA.wa_id, user_id=GIULIA.user_id, username="giuliab", name="Giulia B.")
    assert event.text == "Ciao, siete aperti domani? È per un regalo 🎁"
    assert event.opens_session and event.payload is None and event.quoted_wamid is None
    assert event.content["text"]["body"] == event.text


def test_a_text_of_the_older_shape_has_a_phone_and_no_user_id():
    assert only("text_old_shape").sender == Person(wa_id="393471234567", name="Giulia B.")


def test_a_person_with_a_username_may_hide_the_phone():
    event = only("text_username_only")
    assert event.sender == Person(user_id="IT.20000000000000000002", username="luca.test", name="Luca")


@pytest.mark.parametrize(
    ("name", "kind", "text", "payload", "quoted"),
    [
        ("text_quoting", "text", "C'è in blu?", None, "wamid.OUT0001"),
        ("image", "image", "Questo colore", None, None),
        ("audio", "audio", "", None, None),
        ("document", "document", "cv", None, None),
        ("sticker", "sticker", "", None, None),
        ("location", "location", "Duomo", None, None),
        ("contacts", "contacts", "", None, None),
        ("button_opt_out", "button", "Non voglio promozioni", "OPTOUT:promo", "wamid.OUT0001"),
        ("button_without_context", "button", "Non voglio promozioni", "Non voglio promozioni", None),
        ("button_reply", "interactive", "Confermo", "appt:81:yes", "wamid.OUT0003"),
        ("list_reply", "interactive", "Taglio uomo", "svc:1", "wamid.OUT0004"),
        ("flow_reply", "interactive", "Sent", None, "wamid.OUT0005"),
        ("order", "order", "Senza busta", None, None),
    ],
)
def test_every_kind_of_message_gives_its_words_and_opens_a_session(name, kind, text, payload, quoted):
    event = only(name)
    assert (event.type, event.text, event.payload, event.quoted_wamid) == (kind, text, payload, quoted)
    assert event.opens_session


@pytest.mark.parametrize("name", ["reaction", "unsupported", "identity_change"])
def test_reactions_system_notes_and_unsupported_messages_open_no_session(name):
    event = only(name)
    assert isinstance(event, MessageReceived)
    assert not event.opens_session


def test_an_interactive_message_without_a_body_is_kept_beside_its_error():
    message, errors = parse("interactive_without_body")
    assert (message.type, message.text) == ("interactive", "")
    assert errors == AccountErrors(
        waba_id="104857600112233",
        phone_number_id="118877665544332",
        errors=(131000,),
        details="Unsupported webhook payload",
    )


def test_two_people_in_one_body_are_not_mixed_up():
    first, second = parse("two_people")
    assert (first.sender, first.text) == (GIULIA, "uno")
    assert (second.sender.user_id, second.sender.name, second.text) == ("IT.777", "Marco", "STOP")


def test_a_phone_that_came_back_with_another_user_id_takes_nothing_from_the_old_owner():
    body = load("text_stop")
    body["entry"][0]["changes"][0]["value"]["messages"][0]["from_user_id"] = "IT.999"
    assert first(body).sender == Person(wa_id="393471234567", user_id="IT.999")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "number_change",
            Person(wa_id="393471234567", user_id="IT.4821900377120056114"),
            Person(wa_id="393489876543", user_id="IT.5512004477009912345"),
        ),
        ("number_change_old_shape", Person(wa_id="393471234567"), Person(wa_id="393489876543")),
        (
            "user_id_change",
            Person(user_id="IT.4821900377120056114"),
            Person(user_id="IT.5512004477009912345"),
        ),
    ],
)
def test_a_change_of_number_names_the_old_and_the_new_identity(name, old, new):
    event = only(name)
    assert isinstance(event, NumberChanged)
    assert (event.old, event.new) == (old, new)


@pytest.mark.parametrize(("name", "kind"), [("edit", "messages.edit"), ("revoke", "messages.revoke")])
def test_what_we_do_not_handle_yet_is_kept_whole(name, kind):
    event = only(name)
    assert isinstance(event, Unrecognised)
    assert (event.kind, event.phone_number_id) == (kind, "118877665544332")
    assert event.value["type"] == name


def test_a_status_names_our_message_the_person_and_the_price():
    event = only("status_delivered")
    assert isinstance(event, StatusChanged)
    assert (event.wamid, event.status) == ("wamid.OUT0001", "delivered")
    assert event.callback_data == "6f1d2c3b4a5968778695a4b3c2d1e0f9.1"
    assert (event.recipient.user_id, event.recipient.username) == ("IT.4821900377120056114", "giuliab")
    assert (event.pricing_category, event.pricing_type, event.billable) == ("marketing", "regular", True)


def test_a_failed_status_has_its_code_and_needs_no_contacts():
    event = only("status_failed")
    assert (event.status, event.errors) == ("failed", (131049,))
    assert event.recipient == Person(wa_id="393471234567")
    assert "healthy ecosystem" in event.error_details


def test_a_status_to_a_user_id_has_no_phone_and_a_normalised_category():
    event = only("status_by_user_id")
    assert event.recipient == Person(user_id="IT.20000000000000000002", username="luca.test", name="Luca")
    assert event.pricing_category == "authentication_international"


def test_a_status_of_the_older_shape_is_read():
    event = only("status_old_shape")
    assert (event.status, event.recipient, event.pricing_type) == ("sent", Person(wa_id="393471234567"), None)


def test_an_unknown_status_in_a_batch_blocks_none_of_its_neighbours():
    found = parse("status_batch")
    assert [getattr(event, "status", event.__class__.__name__) for event in found] == [
        "sent",
        "delivered",
        "read",
        "Unrecognised",
        "sent",
    ]
    assert found[3].kind == "statuses.deleted"


@pytest.mark.parametrize(("name", "value"), [("preference_stop", "stop"), ("preference_resume", "resume")])
def test_whatsapps_own_stop_and_resume_are_preferences(name, value):
    event = only(name)
    assert isinstance(event, PreferenceChanged)
    assert (event.value, event.person, event.phone_number_id) == (value, GIULIA, "118877665544332")


def test_template_news_name_the_template_with_an_underscore_in_its_language():
    paused = only("template_paused")
    assert isinstance(paused, TemplateStatusChanged)
    assert (paused.name, paused.language, paused.event, paused.reason) == ("promo_autunno", "it", "PAUSED", "")
    assert paused.template_id == "1689556908129832"
    assert paused.at == datetime.fromtimestamp(1795255500, UTC)
    rejected = only("template_rejected")
    assert (rejected.language, rejected.reason) == ("en_US", "INVALID_FORMAT")


def test_an_announced_category_is_not_yet_the_category():
    coming, done = only("template_category_coming"), only("template_category_done")
    assert isinstance(coming, TemplateCategoryChanged)
    assert (coming.category, coming.upcoming) == ("UTILITY", "MARKETING")
    assert (done.category, done.previous, done.upcoming) == ("MARKETING", "UTILITY", "")


def test_template_quality_is_read():
    event = only("template_quality")
    assert isinstance(event, TemplateQualityChanged)
    assert (event.quality, event.previous) == ("YELLOW", "GREEN")


def test_errors_of_the_account_are_an_event_of_their_own():
    assert only("account_errors").errors == (130429,)


@pytest.mark.parametrize(
    ("name", "field", "kind"),
    [
        ("account_restricted", "account_update", "account_update"),
        ("unknown_field", "something_new", "something_new"),
        ("user_actions", "messages", "user_actions"),
    ],
)
def test_an_unknown_field_or_key_is_kept_and_shown(name, field, kind):
    event = only(name)
    assert isinstance(event, Unrecognised)
    assert (event.field, event.kind, event.waba_id) == (field, kind, "104857600112233")


def test_messages_in_a_field_that_is_not_ours_are_not_taken_for_messages():
    body = load("text")
    body["entry"][0]["changes"][0]["field"] = "history"
    assert isinstance(first(body), Unrecognised)


@pytest.mark.parametrize("body", [[], "text", None, 3, {}, {"entry": None}, {"entry": {}}])
def test_only_a_body_without_a_list_of_entries_is_an_error(body):
    with pytest.raises(ValueError):
        list(events.parse(body))
    with pytest.raises(ValueError):
        events.parse(body)


def test_an_odd_entry_or_change_blocks_none_of_its_neighbours():
    stop = load("text_stop")["entry"][0]
    odd = [None, 7, {"id": 5}, {"id": "1", "changes": [None, {"field": "messages", "value": 3}, *stop["changes"]]}]
    found = list(events.parse({"entry": [*odd, stop]}))
    assert [type(event).__name__ for event in found] == ["Unrecognised"] * 5 + ["MessageReceived"] * 2


@pytest.mark.parametrize("timestamp", [None, "", "soon", 0, -5, 10**18, "9" * 20, True, 1.5, float("nan")])
def test_a_message_without_a_usable_time_gets_that_of_its_arrival(timestamp):
    body = load("text_stop")
    body["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = timestamp
    assert first(body).at == RECEIVED_AT


def test_text_that_a_database_refuses_is_made_storable():
    body = load("text")
    message = body["entry"][0]["changes"][0]["value"]["messages"][0]
    message["text"]["body"] = "ST\x00OP \ud83d"
    message["odd"] = [float("nan")]
    event = first(body)
    assert event.text == "STOP \ufffd"
    assert json.dumps(event.content, allow_nan=False)


def test_bottomless_nesting_is_cut_off():
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    body = load("unknown_field")
    body["entry"][0]["changes"][0]["value"] = {"deep": deep}
    assert isinstance(first(body), Unrecognised)


@pytest.mark.parametrize("name", NAMES)
def test_only_bodies_with_messages_or_preferences_carry_people(name):
    body = load(name)
    value = body["entry"][0]["changes"][0]["value"]
    expected = "messages" in value or "user_preferences" in value
    assert events.carries_people(body) is expected
    assert events.carries_people(json.dumps(body).encode()) is expected


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b"3", b'{"entry": 3}', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_none_carries_nobody(raw):
    assert events.carries_people(raw) is False


# The platform's escaped form, and what a serialiser in between would make of it.
SIGNED = [
    (
        b'{"object":"whatsapp_business_account","entry":[]}',
        "9207358fc85bf36a5e810321e515849dba141e70a307a5bf0da852f4b72934c6",
    ),
    (
        b'{"object": "whatsapp_business_account", "entry": []}',
        "b48b38a94de88c55a939e336e168242a213cffa780edc6f7e8d2b3ecd82a7c47",
    ),
    (
        rb'{"text":"caf\u00e9 \ud83d\udc4d \/x"}',
        "2d78a765e361932b0bd93f788330de4a131e5c71aafbdff29e871603aa829a17",
    ),
    (
        '{"text":"café 👍 /x"}'.encode(),
        "d0eff6afa2efa6b3f49beb86759a54e3d4aed92990c2ff17301c6dcb07294b49",
    ),
]


@pytest.mark.parametrize(("raw", "digest"), SIGNED)
def test_a_signature_stands_for_exactly_these_bytes(raw, digest):
    header = f"sha256={digest}"
    assert events.sign(raw, "sim_app_secret_01") == header
    assert events.verify_signature(raw, header, "sim_app_secret_01")
    assert not events.verify_signature(raw + b" ", header, "sim_app_secret_01")
    assert not events.verify_signature(raw, header, "another secret")


@pytest.mark.parametrize("header", [None, "", "sha256=", "sha1=abc", "sha256=é", "9207358f"])
def test_a_missing_or_odd_signature_is_refused(header):
    assert not events.verify_signature(b"{}", header, "secret")


def test_nothing_passes_without_a_secret():
    assert not events.verify_signature(b"{}", events.sign(b"{}", ""), "")


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a payload below the outer shape."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [here, *(path for key, child in inner for path in paths(child, (*here, key)))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(NAMES), deletes=st.booleans())
def test_parse_never_stumbles_over_a_mutilated_body(data, name, deletes):
    body = load(name)
    for _ in range(data.draw(st.integers(1, 4))):
        *parents, last = data.draw(st.sampled_from([p for p in paths(body["entry"]) if p]))
        place = body["entry"]
        for key in parents:
            place = place[key]
        if deletes:
            del place[last]
        else:
            place[last] = data.draw(JSON)
        if not body["entry"]:
            break
    found = list(events.parse(body, received_at=RECEIVED_AT))
    assert all(isinstance(event, events.Event) for event in found)
    assert events.carries_people(body) in (True, False)


@settings(max_examples=100, deadline=None)
@given(entries=st.lists(JSON, max_size=4), after=st.sampled_from(NAMES))
def test_parse_never_stumbles_over_junk_beside_a_real_entry(entries, after):
    real = load(after)["entry"]
    found = list(events.parse({"entry": [*entries, *real]}, received_at=RECEIVED_AT))
    assert found[-len(list(events.parse({"entry": real}, received_at=RECEIVED_AT))) :] == list(
        events.parse({"entry": real}, received_at=RECEIVED_AT)
    )


def test_parse_leaves_the_body_as_it_was():
    body = load("text_stop")
    before = copy.deepcopy(body)
    list(events.parse(body))
    assert body == before


def test_a_body_of_a_thousand_statuses_is_read_whole():
    body = load("status_sent")
    value = body["entry"][0]["changes"][0]["value"]
    status, contact = value["statuses"][0], value["contacts"][0]
    value["statuses"] = [{**status, "id": f"wamid.{n}", "recipient_user_id": f"IT.{n}"} for n in range(1000)]
    value["contacts"] = [{**contact, "user_id": f"IT.{n}", "profile": {"name": f"N{n}"}} for n in range(1000)]
    found: list[Any] = list(events.parse(body))
    assert [event.recipient.name for event in found] == [f"N{n}" for n in range(1000)]
    assert found[0].at - datetime.fromtimestamp(1795255100, UTC) == timedelta(0)
