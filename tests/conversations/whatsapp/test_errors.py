"""Every code says what to do next, in one plain sentence."""

import pytest

from conversations.whatsapp.errors import (
    ErrorClass,
    FateUnknown,
    NotSent,
    Refused,
    WhatsAppError,
    classify,
    known_codes,
    sentence,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (131050, ErrorClass.STOPPED),
        (131049, ErrorClass.WAIT_DAY),
        (131026, ErrorClass.UNREACHABLE),
        (131047, ErrorClass.WINDOW_CLOSED),
        (130497, ErrorClass.COUNTRY_CLOSED),
        (130472, ErrorClass.NOT_THIS_TIME),
        (130429, ErrorClass.RATE),
        (131056, ErrorClass.PAIR_RATE),
        (131016, ErrorClass.RETRY_SOON),
        (80007, ErrorClass.RETRY_MINUTES),
        (190, ErrorClass.HOLD_NUMBER),
        (0, ErrorClass.HOLD_NUMBER),
        (131042, ErrorClass.HOLD_NUMBER),
        (131048, ErrorClass.HOLD_NUMBER),
        (368, ErrorClass.HOLD_NUMBER),
        (132015, ErrorClass.TEMPLATE),
        (132001, ErrorClass.TEMPLATE),
        (131009, ErrorClass.OUR_FAULT),
        (100, ErrorClass.OUR_FAULT),
        (131021, ErrorClass.BAD_RECIPIENT),
        (131052, ErrorClass.INBOUND),
    ],
)
def test_a_code_has_its_class(code, expected):
    assert classify(code) is expected


def test_a_wrong_number_id_holds_the_number_while_other_bad_parameters_do_not():
    assert classify(100, 33) is ErrorClass.HOLD_NUMBER
    assert Refused(100, 400, subcode=33).error_class is ErrorClass.HOLD_NUMBER
    assert classify(100, 2018001) is ErrorClass.OUR_FAULT


@pytest.mark.parametrize("code", [200, 219, 299])
def test_missing_permissions_are_a_range(code):
    assert classify(code) is ErrorClass.HOLD_NUMBER


@pytest.mark.parametrize("code", [-1, 7, 999999, 10**12])
def test_a_code_we_never_met_is_unknown_and_has_a_sentence(code):
    assert classify(code) is ErrorClass.UNKNOWN
    assert sentence(code)


@pytest.mark.parametrize("code", known_codes())
def test_every_sentence_is_plain_and_whole(code):
    text = sentence(code)
    assert text[0].isupper() and text.endswith(".") and "!" not in text
    assert str(code) not in text


def test_the_text_of_an_error_says_nothing_about_people():
    error = Refused(131026, 400, "title", "could not reach +393471234567")
    assert str(error) == "refused, code 131026, HTTP 400"
    assert all(issubclass(kind, WhatsAppError) for kind in (NotSent, Refused, FateUnknown))
