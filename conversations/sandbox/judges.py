"""What the platform thinks of a message before it takes it: every check that a post must pass.

Written from the platform's documents and not from our own builders, so that a mistake there is caught here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conversations.sandbox import seed

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
UNCLEAN = re.compile(r"[\n\r\t]| {5,}")
MEDIA = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "LOCATION": "location"}
Template = dict[str, Any]


class Fault(Exception):
    """The message is refused with a code of the platform."""

    def __init__(self, code: int, details: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A message that may be taken."""

    kind: str  # "text", "template", "interactive", "reaction", …
    category: str  # "marketing", "utility", "authentication", "service"


def address(body: dict[str, Any], phone_of: Callable[[str], str | None]) -> tuple[str, bool]:
    """Whom the message is for: digits, and whether they were addressed by user id. With both, the phone wins."""
    to, recipient = body.get("to"), body.get("recipient")
    if isinstance(to, str) and to:
        written = re.sub(r"[\s\-()]", "", to)
        digits = written.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            raise Fault(131009, "Parameter 'to' is not a valid phone number.")
        # As documented: without "+" the business's own country is put in front, and somebody else gets the message.
        phone = digits if written.startswith("+") else seed.COUNTRY_CODE + digits
        if not 7 <= len(phone) <= 15:
            raise Fault(131009, "Parameter 'to' is not a valid phone number.")
        if phone == re.sub(r"\D", "", seed.DISPLAY_PHONE_NUMBER):
            raise Fault(131021)
        return phone, False
    if isinstance(recipient, str) and recipient:
        known = phone_of(recipient)
        if known is None:
            raise Fault(131009, "Parameter 'recipient' is not a user id of this portfolio.")
        return known, True
    raise Fault(131008, "Parameter 'to' or 'recipient' is required.")


def judge(body: dict[str, Any], find_template: Callable[[str, str], Template | None]) -> Judged:
    """Check the content. Raises Fault."""
    kind = body.get("type", "text")
    if not isinstance(kind, str):
        raise Fault(131009, "Parameter 'type' is not valid.")
    content = body.get(kind)
    if len(str(body.get("biz_opaque_callback_data", ""))) > 512:
        raise Fault(131009, "biz_opaque_callback_data must be at most 512 characters long.")
    if kind not in CHECKS:
        raise Fault(131051, "Unsupported message type.")
    if not isinstance(content, dict):
        raise Fault(131008, f"Parameter '{kind}' is required.")
    if kind == "template":
        return Judged(kind=kind, category=_template(content, find_template))
    CHECKS[kind](content)
    return Judged(kind=kind, category="service")


def _text(content: dict[str, Any]) -> None:
    _string(content.get("body"), "text['body']", 4096)


def _media(content: dict[str, Any]) -> None:
    if bool(content.get("id")) == bool(content.get("link")):
        raise Fault(131008, "Exactly one of 'id' and 'link' is required.")
    if len(str(content.get("caption", ""))) > 1024:
        raise Fault(131009, "caption must be at most 1024 characters long.")


def _location(content: dict[str, Any]) -> None:
    if "latitude" not in content or "longitude" not in content:
        raise Fault(131008, "Parameters 'latitude' and 'longitude' are required.")


def _reaction(content: dict[str, Any]) -> None:
    _string(content.get("message_id"), "reaction['message_id']", 1000)


def _interactive(content: dict[str, Any]) -> None:
    kind = content.get("type")
    _string(_object(content.get("body")).get("text"), "interactive['body']['text']", 4096 if kind == "list" else 1024)
    if footer := _object(content.get("footer")).get("text"):
        _string(footer, "interactive['footer']['text']", 60)
    action = _object(content.get("action"))
    if kind == "button":
        buttons = action.get("buttons")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
            raise Fault(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
        replies = [_object(_object(button).get("reply")) for button in buttons]
        for reply in replies:
            _string(reply.get("title"), "button title", 20)
            _string(reply.get("id"), "button id", 256)
        if len({reply["title"] for reply in replies}) < len(replies):
            raise Fault(131009, "Button titles must be unique.")
    elif kind == "list":
        rows = [row for section in _objects(action.get("sections")) for row in _objects(section.get("rows"))]
        if not 1 <= len(rows) <= 10:
            raise Fault(131009, "A list has 1 to 10 rows in total.")
    elif kind not in ("cta_url", "location_request_message", "request_contact_info"):
        raise Fault(131009, "Parameter 'interactive['type']' is not valid.")


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "text": _text,
    "template": lambda content: None,
    "interactive": _interactive,
    "reaction": _reaction,
    "image": _media,
    "video": _media,
    "audio": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
}


def _template(content: dict[str, Any], find_template: Callable[[str, str], Template | None]) -> str:
    """Check a template and its values; answers with its category."""
    name = _string(content.get("name"), "template['name']", 512)
    language = _string(_object(content.get("language")).get("code"), "template['language']['code']", 20)
    template = find_template(name, language)
    if template is None:
        raise Fault(132001, f"template name ({name}) does not exist in {language}")
    status = template["status"]
    if status == "PAUSED":
        raise Fault(132015)
    if status == "DISABLED":
        raise Fault(132016)
    if status != "APPROVED":
        raise Fault(132001, f"template name ({name}) is not approved in {language}")
    sent = _objects(content.get("components"))
    parts = {component["type"]: component for component in template["components"]}
    named = template["parameter_format"] == "NAMED"
    _header(parts.get("HEADER"), _values(sent, "header"), named=named)
    hydrated = _texts("body", parts["BODY"]["text"], _values(sent, "body"), named=named)
    if len(hydrated) > 1024:
        raise Fault(132005)
    _buttons(parts.get("BUTTONS", {}).get("buttons", []), [part for part in sent if part.get("type") == "button"])
    return str(template["category"]).lower()


def _header(component: dict[str, Any] | None, values: list[dict[str, Any]], *, named: bool) -> None:
    if component is None:
        _texts("header", "", values, named=named)
    elif component["format"] == "TEXT":
        _texts("header", component["text"], values, named=named)
    elif [value.get("type") for value in values] != [MEDIA[component["format"]]]:
        raise Fault(132012, f"header: Format mismatch, expected {component['format']}")


def _texts(part: str, text: str, values: list[dict[str, Any]], *, named: bool) -> str:
    """The text with its values in place."""
    wanted = list(dict.fromkeys(PLACEHOLDER.findall(text)))
    if len(values) != len(wanted):
        raise Fault(
            132000,
            f"{part}: number of localizable_params ({len(values)}) does not match the expected number of params "
            f"({len(wanted)})",
        )
    filled: dict[str, str] = {}
    for place, value in enumerate(values, start=1):
        if value.get("type") not in ("text", "currency", "date_time"):
            raise Fault(132012, f"{part}: Parameter {place} has the wrong type.")
        words = (
            value.get("text") if value["type"] == "text" else _object(value.get(value["type"])).get("fallback_value")
        )
        if not isinstance(words, str) or not words.strip():
            raise Fault(131008, "Parameter of type text is missing text value")
        if UNCLEAN.search(words):
            raise Fault(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
        key = value.get("parameter_name") if named else str(place)
        if not isinstance(key, str) or key not in wanted:
            raise Fault(100, "Invalid parameter: Parameter name is missing or not in the template")
        filled[key] = words
    if len(filled) < len(wanted):
        raise Fault(132000, f"{part}: a parameter was given twice and another is missing")
    return PLACEHOLDER.sub(lambda match: filled[match[1]], text)


def _buttons(buttons: list[dict[str, Any]], sent: list[dict[str, Any]]) -> None:
    by_index = {str(part.get("index")): part for part in sent}
    if len(by_index) < len(sent):
        raise Fault(132000, "buttons: an index was given twice")
    for index, button in enumerate(buttons):
        part = by_index.pop(str(index), None)
        values = _objects(part.get("parameters")) if part else []
        sub_type = str(part.get("sub_type", "")).lower() if part else ""
        if button["type"] == "URL" and "{{" in button["url"]:
            end = values[0].get("text") if len(values) == 1 else None
            if sub_type != "url" or not end:
                raise Fault(131008, f"buttons: Button at index {index} of type Url requires a parameter")
            if not str(end).isascii() or " " in str(end):
                raise Fault(131009, f"buttons: the parameter of the button at index {index} is no part of an address")
        elif button["type"] == "COPY_CODE":
            if sub_type != "copy_code" or not values or not values[0].get("coupon_code"):
                raise Fault(131008, f"buttons: Button at index {index} of type Copy Code requires a parameter")
        elif button["type"] == "QUICK_REPLY":
            if part and (sub_type != "quick_reply" or len(values) != 1 or not values[0].get("payload")):
                raise Fault(132012, f"buttons: Button at index {index} takes a payload")
        elif part:
            raise Fault(132000, f"buttons: Button at index {index} takes no parameter")
    if by_index:
        raise Fault(132000, "buttons: there is no button at that index")


def _values(sent: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [
        value
        for component in sent
        if str(component.get("type", "")).lower() == part
        for value in _objects(component.get("parameters"))
    ]


def _string(value: Any, name: str, limit: int) -> str:
    if not isinstance(value, str) or not value:
        raise Fault(131008, f"Param {name} is required.")
    if len(value) > limit:
        raise Fault(131009, f"Param {name} must be at most {limit} characters long.")
    return value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [_object(item) for item in value] if isinstance(value, list) else []
