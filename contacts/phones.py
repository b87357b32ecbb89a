"""Phone numbers: the only place that turns what people type into E.164, and says whose numbers are the same.

E.164 here is text: `+393471234567`. No sentence in here quotes a number: they are printed, logged and shown.
"""

import re
import unicodedata

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from contacts.zones import ZONES

_PLAIN = re.compile(r"\+[1-9][0-9]{6,14}\Z")  # nothing to tidy: most rows of a large file
# A column may say what it holds ("Tel. 347 …", "whatsapp:+39…", a wa.me link).
_LABEL = re.compile(
    r"^(?:whatsapp|telephone|telefono|teléfono|telefone|telefon|téléphone|handy|mobile|cellulare|cell|cel|mob|tel|phone|wa)"
    r"\s*[.:]*\s*(?=[+(\d])",
    re.IGNORECASE,
)
_LINK = re.compile(r"^(?:https?://)?(?:wa\.me/|api\.whatsapp\.com/send/?\?phone=)\+?(\d+)(?:[?&/].*)?$", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'^=\s*"([^"]*)"$')  # ="0039…": how spreadsheets are told to keep a number as text
_PLUS_FORMULA = re.compile(r"^=\s*(\+?\d{6,})$")
_SCIENTIFIC = re.compile(r"^[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+$")
_DECIMAL = re.compile(r"^(\+?\d{6,})[.,]0{1,2}$")
_EXTENSION = re.compile(
    r"(?:ext|extn|extension|int|interno|anexo|poste|durchwahl|x|#)\s*[.:=]?\s*\d{1,7}$", re.IGNORECASE
)
_SEVERAL = re.compile(r"[/\\,;|]|\s+(?:-|e|o|or|and|y|et|und|oder)\s+", re.IGNORECASE)
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
_DATE = re.compile(r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b")
_WRITTEN = re.compile(r"^[\d\s+().\-/\[\]~]+$")

# Mexico dropped its domestic prefixes, and the 1 after +52, in 2019; lists and WhatsApp ids still carry them.
_OLD_MEXICAN_PREFIX = re.compile(r"^(?:01|04[45])1?(?=\d{10}$)")
_MEXICAN_WITH_ONE = re.compile(r"^\+521(\d{10})$")
_MEXICAN = re.compile(r"^\+52(\d{10})$")
# Brazilian mobiles got a 9 in front by 2016; WhatsApp ids made earlier never did. Eight digits that begin with 2 to 5
# are landlines.
_BRAZILIAN_WITHOUT_NINE = re.compile(r"^\+55(\d{2})([6-9]\d{7})$")
_BRAZILIAN_WITH_NINE = re.compile(r"^\+55(\d{2})9([6-9]\d{7})$")
# Argentina writes a 9 before mobiles dialled from abroad only, so both forms are in use for one person.
_ARGENTINE = re.compile(r"^\+549?(\d{10})$")

_FEWEST_FOREIGN_DIGITS = 11  # below that a national number of somewhere is too easily read as another country's
# UNKNOWN: no such number in the country's plan.
_UNREACHABLE = frozenset({PhoneNumberType.UNKNOWN, PhoneNumberType.VOICEMAIL, PhoneNumberType.PAGER})


class InvalidPhone(ValidationError, ValueError):
    """A text that is no usable phone number; `str()` is one sentence that says why, without the number."""

    def __str__(self) -> str:
        return str(self.message)


def to_e164(text: str, region: str = "") -> str:
    """The number in E.164, as people write it: `347 123 45 67`, `0039 …`, `+39 (0) 347 …`, `tel:…`, `="+39…"`.

    region: the country (ISO 3166-1 alpha-2) of numbers that do not name theirs. Without it they are refused. A number
    with a country code but no plus, as WhatsApp writes it, is understood unless it could be a slip in a number of the
    region. Raises InvalidPhone.
    """
    if _PLAIN.match(text):
        return _checked([text])
    written = _tidy(text)
    link = _LINK.match(written)
    if link:
        return _checked(["+" + link[1]])
    written = _LABEL.sub("", written)
    decimal = _DECIMAL.match(written)
    if decimal:
        written = decimal[1]
    _refuse_what_is_no_number(written)

    without_trunk = re.sub(r"\D", "", _TRUNK_ZERO.sub("", written))
    digits = re.sub(r"\D", "", written)
    if written.lstrip("([ ").startswith("+"):
        # In Italy the zero of "+39 (0)6 …" belongs to the number, elsewhere it does not: the valid one of the two wins.
        return _checked(["+" + without_trunk.lstrip("0"), "+" + digits.lstrip("0")])
    if digits.startswith("00"):
        found = _first_valid(["+" + without_trunk[2:], "+" + digits[2:]])
        if found:
            return found
    if not region:
        raise InvalidPhone(_("Write the number with + and the country code, or choose the country of the file."))
    return _national(digits, region)


def looks_like_phone(text: str) -> bool:
    """Whether a cell was meant as a phone number, good or spoilt; dates and small numbers are not."""
    written = _LABEL.sub("", _tidy(text))
    if _SCIENTIFIC.match(written) or _LINK.match(written):
        return True
    return bool(_WRITTEN.match(written)) and not _DATE.match(written) and 7 <= len(re.sub(r"\D", "", written)) <= 17


def from_wa_id(digits: str) -> str:
    """The E.164 of a WhatsApp id, `393471234567`. No check against numbering plans: WhatsApp says that it exists."""
    number = "+" + re.sub(r"\D", "", _tidy(digits))
    if not re.fullmatch(r"\+[1-9]\d{6,14}", number):
        raise InvalidPhone(_("This is not a WhatsApp id."))
    return _canonical(number)


def country(e164: str) -> str:
    """ISO 3166-1 alpha-2 code of the number's country, +1 told apart by area code; empty when it has none."""
    try:
        number = phonenumbers.parse(e164)
    except NumberParseException:
        return ""
    code = phonenumbers.region_code_for_number(number)
    code = code or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return code if code in ZONES else ""


def time_zone(country_or_e164: str) -> str:
    """IANA zone to go by until we know better: of a country code or of a number's country; UTC when it has none."""
    code = country(country_or_e164) if country_or_e164.startswith("+") else country_or_e164.upper()
    return ZONES.get(code, "UTC")


def variants(e164: str) -> set[str]:
    """Every way this person's number is written, itself included: more than one in Brazil, Mexico and Argentina."""
    number = _canonical(e164)
    forms = {e164, number}
    if brazilian := _BRAZILIAN_WITH_NINE.match(number):
        forms.add(f"+55{brazilian[1]}{brazilian[2]}")
    elif mexican := _MEXICAN.match(number):
        forms.add(f"+521{mexican[1]}")
    elif argentine := _ARGENTINE.match(number):
        forms |= {f"+54{argentine[1]}", f"+549{argentine[1]}"}
    return forms


def same_person(one: str, other: str) -> bool:
    """Whether two E.164 numbers reach the same phone."""
    return one == other or not variants(one).isdisjoint(variants(other))


def readable(e164: str) -> str:
    """The number in groups, as people read it: "+39 347 123 4567"."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(e164), PhoneNumberFormat.INTERNATIONAL)
    except NumberParseException:
        return e164


def candidates(text: str) -> set[str]:
    """Every E.164 number that this text may mean when nobody says of which country: for looking one up."""
    found = set()
    for region in ("", *ZONES):
        try:
            found.add(to_e164(text, region))
        except InvalidPhone:
            continue
        if not region:
            break
    return {form for number in found for form in variants(number)}


def masked(e164: str) -> str:
    """The number with its middle hidden: enough to recognise one's own, too little to write to it."""
    try:
        code = f"+{phonenumbers.parse(e164).country_code}"
    except NumberParseException:
        code = "+"
    return f"{code} ••• {e164[-3:]}" if len(e164) > len(code) + 3 else "•••"


def _tidy(text: str) -> str:
    """One line of plain digits and signs: no other script's digits, odd spaces, quotes, or shell of a formula."""
    if not text.isascii():
        text = "".join(_plain(character) for character in unicodedata.normalize("NFKC", text))
    text = " ".join(text.replace("\0", "").split()).lstrip("'`’‘").strip()
    formula = _TEXT_FORMULA.match(text) or _PLUS_FORMULA.match(text)
    if formula:
        text = formula[1]
    return text.strip("'\"`’‘“”« »")


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind in ("Cf", "Mn"):  # direction marks, zero-width spaces, variation selectors
        return ""
    if kind == "Pd" or character == "−":
        return "-"
    return " " if kind in ("Zs", "Zl", "Zp", "Cc") else character


def _refuse_what_is_no_number(written: str) -> None:
    if not written:
        raise InvalidPhone(_("There is no phone number."))
    if written[0] in "=@-":
        raise InvalidPhone(_("This is a formula, not a phone number."))
    if _SCIENTIFIC.match(written.replace(" ", "")):
        raise InvalidPhone(
            _("A spreadsheet cut this number short and its last digits are lost. Format the column as text first.")
        )
    if sum(len(re.sub(r"\D", "", part)) >= 7 for part in _SEVERAL.split(written)) > 1 or written.count("+") > 1:
        raise InvalidPhone(_("There is more than one number here."))
    if _EXTENSION.search(written):
        raise InvalidPhone(_("A number with an extension cannot receive WhatsApp messages."))
    if not _WRITTEN.match(written) or "+" in written.lstrip("([ ")[1:]:
        raise InvalidPhone(_("This is not a phone number."))


def _national(digits: str, region: str) -> str:
    """A number without plus: one of the region if it can be, otherwise one with its country code in front."""
    if region == "MX":
        digits = _OLD_MEXICAN_PREFIX.sub("", digits)
    number = _parsed(digits, region)
    reading = _valid(number)
    if reading:
        return reading
    # 34712345678 in an Italian file is a mobile with a digit too many far more often than a Spaniard: never guess that.
    is_slip = any(_valid(_parsed(digits[:-extra], region)) for extra in (1, 2))
    if len(digits) >= _FEWEST_FOREIGN_DIGITS and not digits.startswith("0"):
        foreign = _first_valid(["+" + digits])
        if foreign and is_slip:
            raise InvalidPhone(_("Too long, or from another country? Write it with + and the country code."))
        if foreign:
            return foreign
    raise InvalidPhone(_reason(number))


def _checked(candidates: list[str]) -> str:
    found = _first_valid(candidates)
    if found:
        return found
    raise InvalidPhone(_reason(_parsed(candidates[0], None)))


def _first_valid(candidates: list[str]) -> str:
    return next((number for number in map(_valid, (_parsed(text, None) for text in candidates)) if number), "")


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _valid(number: PhoneNumber | None) -> str:
    """The number in the one form we keep, or nothing when no such number exists."""
    if number is None:
        return ""
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    kept = _canonical(written)
    if kept != written:
        number = phonenumbers.parse(kept)
    return "" if phonenumbers.number_type(number) in _UNREACHABLE else kept


def _canonical(e164: str) -> str:
    """The one form we keep of a number that is written in several; Argentine ones stay as they came (see variants)."""
    e164 = _MEXICAN_WITH_ONE.sub(r"+52\1", e164)
    return _BRAZILIAN_WITHOUT_NINE.sub(r"+55\g<1>9\2", e164)


def _reason(number: PhoneNumber | None) -> str:
    if number is None:
        return _("This is not a phone number.")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumbers.ValidationResult.TOO_SHORT:
        return _("This number is too short.")
    if possible == phonenumbers.ValidationResult.TOO_LONG:
        return _("This number is too long.")
    return _("No such number exists. Check its digits and the country code.")
