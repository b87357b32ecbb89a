"""The bodies we post, and templates with their values filled in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.payloads import (
    Rendered,
    RenderedButton,
    Variable,
    clean,
    fill,
    media_header,
    render,
    reply_buttons,
    template_message,
    text_message,
    variables,
)

POSITIONAL: list[dict[str, Any]] = [
    {
        "type": "HEADER",
        "format": "TEXT",
        "text": "Saldi da {{1}}",
        "example": {"header_text": ["Aurora"]},
    },
    {
        "type": "BODY",
        "text": "Ciao {{1}}, fino a domenica hai il {{2}} su tutto.",
        "example": {"body_text": [["Giulia", "20%"]]},
    },
    {"type": "FOOTER", "text": "Bottega Aurora"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Non voglio promozioni"},
            {
                "type": "URL",
                "text": "Scopri",
                "url": "https://shop.example/{{1}}",
                "example": ["autunno"],
            },
            {"type": "URL", "text": "Orari", "url": "https://shop.example/orari"},
            {"type": "COPY_CODE", "example": "SALE20"},
            {"type": "PHONE_NUMBER", "text": "Chiama", "phone_number": "+390236789012"},
        ],
    },
]
NAMED = [
    {
        "type": "BODY",
        "text": "Ciao {{first_name}}, l'ordine {{order_id}} è partito. Grazie {{first_name}}.",
        "example": {
            "body_text_named_params": [
                {"param_name": "first_name", "example": "Giulia"},
                {"param_name": "order_id", "example": "A-81"},
            ]
        },
    }
]


def test_a_positional_template_lists_its_gaps_with_examples():
    assert variables(POSITIONAL, "POSITIONAL") == [
        Variable(component="header", key="1", index=None, example="Aurora"),
        Variable(component="body", key="1", index=None, example="Giulia"),
        Variable(component="body", key="2", index=None, example="20%"),
        Variable(component="button", key="1", index=1, example="autunno", sub_type="url"),
        Variable(component="button", key="1", index=3, example="SALE20", sub_type="copy_code"),
    ]
    assert [variable.slot for variable in variables(POSITIONAL, "positional")] == [
        "header.1",
        "body.1",
        "body.2",
        "button.1",
        "button.3",
    ]


def test_a_named_template_lists_each_name_once():
    assert variables(NAMED, "NAMED") == [
        Variable(component="body", key="first_name", index=None, example="Giulia"),
        Variable(component="body", key="order_id", index=None, example="A-81"),
    ]


def test_examples_may_be_flat_or_missing():
    flat = [{"type": "BODY", "text": "Ciao {{1}}.", "example": {"body_text": ["Giulia"]}}]
    assert variables(flat, "POSITIONAL")[0].example == "Giulia"
    assert variables([{"type": "body", "text": "Ciao {{1}}."}], "POSITIONAL")[0].example == ""


def test_a_picture_header_is_no_variable_but_is_known():
    components = [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Ciao."}]
    assert variables(components, "POSITIONAL") == []
    assert media_header(components) == "image"
    assert media_header(POSITIONAL) == ""


def test_values_per_slot_become_the_body_the_platform_takes():
    values = {
        "header.1": "Aurora",
        "body.1": "Giulia",
        "body.2": "20%",
        "button.1": "autunno?c=7f31",
        "button.3": "SALE20",
    }
    parameters = fill(POSITIONAL, "POSITIONAL", values)
    body = template_message(
        to="+393471234567",
        name="promo",
        language="it",
        parameters=json.loads(json.dumps(parameters)),
        callback_data="6f1d.1",
    )
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+393471234567",
        "type": "template",
        "biz_opaque_callback_data": "6f1d.1",
        "template": {
            "name": "promo",
            "language": {"code": "it"},
            "components": [
                {"type": "header", "parameters": [{"type": "text", "text": "Aurora"}]},
                {
                    "type": "body",
                    "parameters": [{"type": "text", "text": "Giulia"}, {"type": "text", "text": "20%"}],
                },
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "1",
                    "parameters": [{"type": "text", "text": "autunno?c=7f31"}],
                },
                {
                    "type": "button",
                    "sub_type": "copy_code",
                    "index": "3",
                    "parameters": [{"type": "coupon_code", "coupon_code": "SALE20"}],
                },
            ],
        },
    }


def test_a_missing_value_is_an_error_before_anything_leaves():
    with pytest.raises(KeyError):
        fill(NAMED, "NAMED", {"body.first_name": "Giulia"})


def test_a_named_template_carries_the_names():
    parameters = fill(NAMED, "NAMED", {"body.first_name": "Giulia", "body.order_id": "A-81"})
    assert parameters == {"body": {"first_name": "Giulia", "order_id": "A-81"}}
    body = template_message(recipient="IT.42", name="spedito", language="it", parameters=parameters)
    assert body["recipient"] == "IT.42" and "to" not in body
    assert body["template"]["components"][0]["parameters"] == [
        {"type": "text", "parameter_name": "first_name", "text": "Giulia"},
        {"type": "text", "parameter_name": "order_id", "text": "A-81"},
    ]


def test_a_template_without_values_sends_no_components():
    assert "components" not in template_message(to="+39347", name="ciao", language="it")["template"]


def test_pictures_and_button_payloads_are_passed_through():
    picture = {"type": "image", "image": {"id": "118"}}
    body = template_message(
        to="+393471234567",
        name="promo",
        language="it",
        parameters={"header": [picture], "buttons": {"0": {"quick_reply": "OPTOUT:promo"}}},
    )
    header, button = body["template"]["components"]
    assert header["parameters"] == [picture]
    assert button == {
        "type": "button",
        "sub_type": "quick_reply",
        "index": "0",
        "parameters": [{"type": "payload", "payload": "OPTOUT:promo"}],
    }


@pytest.mark.parametrize(
    ("end", "encoded"),
    [
        ("a b", "a%20b"),
        ("caffè", "caff%C3%A8"),
        ("a%20b", "a%20b"),
        ("20% off", "20%25%20off"),
        ("x?a=1&b=2", "x?a=1&b=2"),
    ],
)
def test_the_end_of_an_address_is_encoded_once(end, encoded):
    body = template_message(to="+393471234567", name="p", language="it", parameters={"buttons": {0: end}})
    assert body["template"]["components"][0]["parameters"][0]["text"] == encoded


def test_the_phone_always_has_its_plus():
    assert text_message(to="393471234567", body="Ciao")["to"] == "+393471234567"


@pytest.mark.parametrize("to", ["+39 347", "abc", "+", "IT.42", "٣٩٣٤٧١٢٣", "+1234567890123456"])
def test_a_phone_that_is_none_never_leaves(to):
    with pytest.raises(ValueError):
        text_message(to=to, body="Ciao")


def test_one_address_and_only_one():
    with pytest.raises(ValueError):
        text_message(to="+393471234567", recipient="IT.42", body="Ciao")
    with pytest.raises(ValueError):
        text_message(body="Ciao")


def test_an_answer_quotes_the_message_it_answers():
    body = text_message(to="+393471234567", body="Sì", quoted_wamid="wamid.IN0001", preview_url=True)
    assert body["context"] == {"message_id": "wamid.IN0001"}
    assert body["text"] == {"body": "Sì", "preview_url": True}


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4097])
def test_a_text_beyond_the_limits_is_refused(text):
    with pytest.raises(ValueError):
        text_message(to="+393471234567", body=text)


def test_reply_buttons_carry_their_ids():
    body = reply_buttons(
        to="+393471234567", body="Confermi?", footer="Aurora", buttons=[("y", "Sì"), ("n", "No")], callback_data="k.1"
    )
    assert body["type"] == "interactive"
    assert body["interactive"] == {
        "type": "button",
        "body": {"text": "Confermi?"},
        "footer": {"text": "Aurora"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "y", "title": "Sì"}},
                {"type": "reply", "reply": {"id": "n", "title": "No"}},
            ]
        },
    }


@pytest.mark.parametrize(
    "buttons",
    [
        [],
        [("a", "A")] * 2,
        [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")],
        [("a", "x" * 21)],
        [("", "A")],
        [("a", "")],
    ],
)
def test_reply_buttons_beyond_the_limits_are_refused(buttons):
    with pytest.raises(ValueError):
        reply_buttons(to="+393471234567", body="Confermi?", buttons=buttons)


def test_callback_data_beyond_the_limit_is_refused():
    with pytest.raises(ValueError):
        text_message(to="+393471234567", body="Ciao", callback_data="x" * 513)


def test_a_rendered_template_reads_as_the_person_sees_it():
    rendered = render(
        POSITIONAL,
        {"header": ["Aurora"], "body": ["{{2}}", "20%"], "buttons": {"1": "autunno", "3": {"copy_code": "S20"}}},
    )
    assert rendered == Rendered(
        header="Saldi da Aurora",
        body="Ciao {{2}}, fino a domenica hai il 20% su tutto.",
        footer="Bottega Aurora",
        buttons=(
            RenderedButton(kind="quick_reply", text="Non voglio promozioni"),
            RenderedButton(kind="url", text="Scopri", target="https://shop.example/autunno"),
            RenderedButton(kind="url", text="Orari", target="https://shop.example/orari"),
            RenderedButton(kind="copy_code", text="", target="S20"),
            RenderedButton(kind="phone_number", text="Chiama", target="+390236789012"),
        ),
    )
    assert rendered.text.startswith("Saldi da Aurora\n\nCiao")


def test_a_gap_without_a_value_stays_visible():
    assert render(NAMED, {"body": {"first_name": "Giulia"}}).body == (
        "Ciao Giulia, l'ordine {{order_id}} è partito. Grazie Giulia."
    )
    assert render(POSITIONAL).header == "Saldi da {{1}}"


@given(st.text())
def test_a_clean_value_is_one_line_without_tabs_or_wide_gaps(value):
    cleaned = clean(value)
    assert not any(character in cleaned for character in "\n\r\t\x00")
    assert " " * 5 not in cleaned
    assert clean(cleaned) == cleaned
