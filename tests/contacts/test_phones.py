"""Numbers as people, spreadsheets and WhatsApp write them."""

import zoneinfo

import phonenumbers
import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from contacts import phones
from contacts.zones import ZONES

ANNA = "+393471234567"


@pytest.mark.parametrize(
    "written",
    [
        "+393471234567",
        "+39 347 123 4567",
        "+39 347.123.45.67",
        "+39-347-1234567",
        "(+39) 347 1234567",
        "+39 (347) 1234567",
        "+39 (0) 347 1234567",
        "+39(0)3471234567",
        "0039 347 1234567",
        "0039 (0) 347 1234567",
        "+0039 347 1234567",
        "00393471234567",
        "393471234567",
        "39 347 1234567",
        "347 123 45 67",
        "347/1234567",
        "347-123-4567",
        "tel:+393471234567",
        "tel:+39-347-123-4567",
        "Tel. 347 1234567",
        "Cell: 347 1234567",
        "cellulare 3471234567",
        "whatsapp:+393471234567",
        "https://wa.me/393471234567",
        "wa.me/393471234567?text=ciao",
        "https://api.whatsapp.com/send?phone=393471234567&text=ciao",
        "'+393471234567",
        "’+39 347 1234567",
        "'3471234567",
        '="+393471234567"',
        '="00393471234567"',
        "=+393471234567",
        "393471234567.0",
        "393471234567,00",
        "3471234567.0",
        "+393471234567.0",
        "\u200e+39 347 1234567\u200f",
        "\u202a+393471234567\u202c",
        "+39\u00a0347\u00a01234567",
        "+39\u202f347\u20091234567",
        "\ufeff+393471234567",
        "+39\u200b347\u200d1234567",
        "＋３９ ３４７ １２３４５６７",
        "٠٠٣٩٣٤٧١٢٣٤٥٦٧",
        "+۳۹۳۴۷۱۲۳۴۵۶۷",
        "+39‐347–1234—567",
        "  +39 347 1234567\t\n",
        '"+39 347 1234567"',
    ],
)
def test_one_number_however_it_is_written(written):
    assert phones.to_e164(written, "IT") == ANNA


@pytest.mark.parametrize(
    ("written", "region", "e164"),
    [
        ("020 7946 0018", "GB", "+442079460018"),
        ("0171/1234567", "DE", "+491711234567"),
        ("+49 (0) 171 1234567", "IT", "+491711234567"),
        ("+39 (0)6 69812345", "DE", "+390669812345"),
        ("06 698 12345", "IT", "+390669812345"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("0039 347 1234567", "US", ANNA),
        ("447911123456", "IT", "+447911123456"),
        ("5511987654321", "IT", "+5511987654321"),
        ("(11) 98765-4321", "BR", "+5511987654321"),
        ("(11) 8765-4321", "BR", "+5511987654321"),
        ("+55 11 8765-4321", "IT", "+5511987654321"),
        ("+55 11 3065-4321", "IT", "+551130654321"),
        ("+52 1 55 1234 5678", "IT", "+525512345678"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("045 1 55 1234 5678", "MX", "+525512345678"),
        ("55 1234 5678", "MX", "+525512345678"),
        ("011 15 2345 6789", "AR", "+5491123456789"),
        ("+54 9 11 2345 6789", "IT", "+5491123456789"),
    ],
)
def test_numbers_of_other_countries(written, region, e164):
    assert phones.to_e164(written, region) == e164


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "There is no phone number."),
        ("  \u200b ", "There is no phone number."),
        ("3,93471E+11", "last digits are lost"),
        ("3.93471E+11", "last digits are lost"),
        ("3.93471234567e+11", "last digits are lost"),
        ("4E+11", "last digits are lost"),
        ("347 1234567 ext 12", "extension"),
        ("06 69812345 int. 12", "extension"),
        ("06 69812345 x12", "extension"),
        ("06 69812345 #12", "extension"),
        ("06 69812345 interno 4", "extension"),
        ("347 1234567 / 348 7654321", "more than one number"),
        ("347 1234567; 348 7654321", "more than one number"),
        ("347 1234567 o 348 7654321", "more than one number"),
        ("+393471234567 +393487654321", "more than one number"),
        ("+393471234567+", "more than one number"),
        ("347+1234567", "not a phone number"),
        ("=SUM(A1:A9)", "formula"),
        ('=HYPERLINK("x")', "formula"),
        ("@cmd", "formula"),
        ("-393471234567", "formula"),
        ("1-800-FLOWERS", "not a phone number"),
        ("Anna Rossi", "not a phone number"),
        ("anna@example.it", "not a phone number"),
        ("12/03/2025", "No such number"),
        ("347", "too short"),
        ("+39 347 12345678901", "too long"),
        ("+39 347", "too short"),
        ("+999 123456789", "not a phone number"),
        ("+1 212 055 0123", "No such number"),
        ("34712345678", "Too long, or from another country"),
        ("33471234567", "Too long, or from another country"),
        ("2125550123", "No such number"),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(written, said):
    with pytest.raises(phones.InvalidPhone) as refusal:
        phones.to_e164(written, "IT")
    assert said in str(refusal.value)
    assert not any(digit in str(refusal.value) for digit in "0123456789")  # a sentence is logged; a number is not
    assert isinstance(refusal.value, ValueError)
    assert isinstance(refusal.value, ValidationError)


def test_without_a_country_only_international_numbers_are_taken():
    assert phones.to_e164("+39 347 1234567") == ANNA
    assert phones.to_e164("0039 347 1234567") == ANNA
    for written in ("347 1234567", "393471234567", "4155550123"):
        with pytest.raises(phones.InvalidPhone, match="country of the file"):
            phones.to_e164(written)


@pytest.mark.parametrize(
    ("cell", "looks"),
    [
        ("+39 347 1234567", True),
        ("Tel. 347 1234567", True),
        ("'3471234567", True),
        ("3,93471E+11", True),
        ("wa.me/393471234567", True),
        ("", False),
        ("Telefono", False),
        ("Phone 2", False),
        ("31/12/2025", False),
        ("2025-12-31", False),
        ("31.12.2025 10:30", False),
        ("20121", False),
        ("anna@example.it", False),
        ("IT60X0542811101000000123456", False),
    ],
)
def test_a_cell_that_was_meant_as_a_number_is_known(cell, looks):
    assert phones.looks_like_phone(cell) is looks


@pytest.mark.parametrize(
    ("wa_id", "e164"),
    [
        ("393471234567", ANNA),
        ("551187654321", "+5511987654321"),
        ("5511987654321", "+5511987654321"),
        ("551130654321", "+551130654321"),
        ("5215512345678", "+525512345678"),
        ("5491123456789", "+5491123456789"),
        ("99912345678", "+99912345678"),  # no plan we know has it; WhatsApp says it exists
    ],
)
def test_the_number_behind_a_whatsapp_id(wa_id, e164):
    assert phones.from_wa_id(wa_id) == e164


@pytest.mark.parametrize("wa_id", ["", "12345", "0393471234567", "1" * 16, "IT.48219"])
def test_what_cannot_be_a_whatsapp_id_is_refused(wa_id):
    with pytest.raises(phones.InvalidPhone):
        phones.from_wa_id(wa_id)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+5511987654321", "+551187654321", True),
        ("+525512345678", "+5215512345678", True),
        ("+541123456789", "+5491123456789", True),
        (ANNA, ANNA, True),
        (ANNA, "+393471234568", False),
        ("+551130654321", "+5511930654321", False),  # a landline and somebody's mobile
        ("+525512345678", "+525512345679", False),
    ],
)
def test_national_variants_are_one_person(one, other, same):
    assert phones.same_person(one, other) is same
    assert phones.same_person(other, one) is same


@pytest.mark.parametrize(
    ("e164", "country", "zone"),
    [
        (ANNA, "IT", "Europe/Rome"),
        ("+12125550123", "US", "America/New_York"),
        ("+14162345678", "CA", "America/Toronto"),
        ("+18092345678", "DO", "America/Santo_Domingo"),
        ("+17875550123", "PR", "America/Puerto_Rico"),
        ("+77012345678", "KZ", "Asia/Almaty"),
        ("+79161234567", "RU", "Europe/Moscow"),
        ("+5511987654321", "BR", "America/Sao_Paulo"),
        ("+551187654321", "BR", "America/Sao_Paulo"),
        ("+447400123456", "GB", "Europe/London"),
        ("+99912345678", "", "UTC"),
        ("+8821234567", "", "UTC"),
    ],
)
def test_a_number_says_its_country_and_clock(e164, country, zone):
    assert phones.country(e164) == country
    assert phones.time_zone(e164) == zone
    if country:
        assert phones.time_zone(country) == zone


def test_every_country_has_a_time_zone_that_exists():
    assert set(phonenumbers.SUPPORTED_REGIONS) == set(ZONES)
    assert set(ZONES.values()) <= zoneinfo.available_timezones()


@pytest.mark.parametrize(
    ("e164", "shown"),
    [(ANNA, "+39 ••• 567"), ("+12125550123", "+1 ••• 123"), ("+99912345678", "+ ••• 678"), ("", "•••")],
)
def test_a_masked_number_hides_its_middle(e164, shown):
    assert phones.masked(e164) == shown


@st.composite
def _existing_numbers(draw):
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    example = example or phonenumbers.example_number(region)
    return region, example


@given(_existing_numbers())
def test_a_number_reads_the_same_in_every_human_format(region_and_number):
    region, number = region_and_number
    kept = phones.to_e164(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    assert phones.to_e164(kept) == kept
    assert kept in phones.variants(kept)
    assert phones.to_e164(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)) == kept
    assert phones.to_e164(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL), region) == kept
    assert phones.same_person(phones.from_wa_id(kept.removeprefix("+")), kept)
    for variant in phones.variants(kept):
        assert phones.variants(variant) >= phones.variants(kept)


@given(st.text(max_size=40), st.sampled_from(["", "IT", "US", "BR", "MX", "AR"]))
def test_any_text_is_a_number_or_a_refusal(text, region):
    try:
        number = phones.to_e164(text, region)
    except phones.InvalidPhone as refusal:
        assert str(refusal).endswith(".")
    else:
        assert phones.to_e164(number) == number
        assert phones.country(number) or number.startswith("+8")


@given(st.text(alphabet="0123456789+-() .eE=\"'/xint", max_size=24))
def test_anything_that_looks_like_a_number_is_one_or_a_refusal(text):
    try:
        number = phones.to_e164(text, "IT")
    except phones.InvalidPhone:
        return
    assert phonenumbers.is_valid_number(phonenumbers.parse(number))
