"""The bodies we post, and the text of a template with its values filled in. Pure functions over plain data.

Values travel as `parameters`:

    {"header": ["Aurora"] or {"shop": "Aurora"} or [{"type": "image", "image": {"id": "118…"}}],
     "body": ["Giulia", "20%"] or {"first_name": "Giulia"},
     "buttons": {0: "autunno?c=7f31", 1: {"quick_reply": "OPTOUT:promo"}, 2: {"copy_code": "SALE20"}}}

Every part may be missing. A list is for positional templates, a mapping for named ones. A button's plain string is
the changing end of its URL; the index counts all buttons from 0 and may be a string, as JSON makes it.
Source: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

TEXT_LIMIT = 4096  # characters
BUTTONS_BODY_LIMIT = 1024
BUTTON_TITLE_LIMIT = 20
BUTTON_ID_LIMIT = 256
CALLBACK_DATA_LIMIT = 512
MEDIA_HEADERS = ("IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "GIF")

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One gap in a template that wants a value."""

    component: str  # "header", "body" or "button"
    key: str  # "1", "2", … or the name
    index: int | None  # of the button among all buttons, from 0; None elsewhere
    example: str
    sub_type: str = ""  # buttons: "url" or "copy_code"

    @property
    def slot(self) -> str:
        """Its name among all variables of the template: "body.1", "header.shop", "button.0"."""
        return f"{self.component}.{self.key if self.index is None else self.index}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedButton:
    kind: str  # "quick_reply", "url", "phone_number", "copy_code", …
    text: str
    target: str = ""  # the URL, phone or code behind it


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A template as the person sees it. Plain text: escape it where it is shown."""

    header: str
    body: str
    footer: str
    buttons: tuple[RenderedButton, ...]
    media: str = ""  # "image", "video", "document" or "location" where the header is one

    @property
    def text(self) -> str:
        """Header, body and footer as one text."""
        return "\n\n".join(part for part in (self.header, self.body, self.footer) if part)


def template_message(
    *,
    name: str,
    language: str,
    to: str = "",
    recipient: str = "",
    parameters: Parameters | None = None,
    callback_data: str = "",
) -> dict[str, Any]:
    """A template for one person, addressed by phone (`to`) or by business-scoped user id (`recipient`)."""
    template: dict[str, Any] = {"name": name, "language": {"code": language}}
    if components := _components(parameters or {}):
        template["components"] = components
    return _message("template", template, to=to, recipient=recipient, callback_data=callback_data)


def text_message(
    *,
    body: str,
    to: str = "",
    recipient: str = "",
    quoted_wamid: str = "",
    preview_url: bool = False,
    callback_data: str = "",
) -> dict[str, Any]:
    """Free text, allowed only inside an open session. ValueError when empty or over 4,096 characters."""
    if not body.strip() or len(body) > TEXT_LIMIT:
        raise ValueError(f"a text has 1 to {TEXT_LIMIT} characters")
    text: dict[str, Any] = {"body": body}
    if preview_url:
        text["preview_url"] = True
    return _message("text", text, to=to, recipient=recipient, callback_data=callback_data, quoted_wamid=quoted_wamid)


def reply_buttons(
    *,
    body: str,
    buttons: Sequence[tuple[str, str]],
    to: str = "",
    recipient: str = "",
    footer: str = "",
    quoted_wamid: str = "",
    callback_data: str = "",
) -> dict[str, Any]:
    """Text with one to three buttons, each (id, title), inside an open session. ValueError beyond the limits."""
    titles = [title for _, title in buttons]
    if not body.strip() or len(body) > BUTTONS_BODY_LIMIT:
        raise ValueError(f"the text above buttons has 1 to {BUTTONS_BODY_LIMIT} characters")
    if not 1 <= len(buttons) <= 3 or len(set(titles)) != len(titles):
        raise ValueError("one to three buttons, each with a title of its own")
    if any(not 1 <= len(title) <= BUTTON_TITLE_LIMIT for title in titles):
        raise ValueError(f"a button's title has 1 to {BUTTON_TITLE_LIMIT} characters")
    if any(not 1 <= len(button_id) <= BUTTON_ID_LIMIT for button_id, _ in buttons):
        raise ValueError(f"a button's id has 1 to {BUTTON_ID_LIMIT} characters")
    content: dict[str, Any] = {
        "type": "button",
        "body": {"text": body},
        "action": {
            "buttons": [{"type": "reply", "reply": {"id": button_id, "title": title}} for button_id, title in buttons]
        },
    }
    if footer:
        content["footer"] = {"text": footer}
    return _message(
        "interactive", content, to=to, recipient=recipient, callback_data=callback_data, quoted_wamid=quoted_wamid
    )


def clean(value: object) -> str:
    """A value as a template takes it: one line, no tabs, never more than four spaces together."""
    return re.sub(r" {5,}", "    ", _CONTROL.sub(" ", str(value))).strip()


def variables(components: Sequence[Mapping[str, Any]], parameter_format: str) -> list[Variable]:
    """Every gap of a template that wants a value, in the order header, body, buttons.

    components: as the platform lists them. parameter_format: "POSITIONAL" or "NAMED", in any case.
    A header that is a picture, film, document or place is not a variable: see media_header().
    """
    named = parameter_format.upper() == "NAMED"
    found: list[Variable] = []
    for component in components:
        kind = _kind(component)
        if kind == "HEADER" and _header_format(component) == "TEXT":
            examples = _examples(component, "header_text", named=named)
            found += _text_variables("header", component, examples, named=named)
        elif kind == "BODY":
            examples = _examples(component, "body_text", named=named)
            found += _text_variables("body", component, examples, named=named)
        elif kind == "BUTTONS":
            found += _button_variables(_mappings(component.get("buttons")))
    order = {"header": 0, "body": 1, "button": 2}
    return sorted(found, key=lambda variable: order[variable.component])


def media_header(components: Sequence[Mapping[str, Any]]) -> str:
    """ "image", "video", "document", "location" or "gif" where the header wants one with every send; else ""."""
    for component in components:
        if _kind(component) == "HEADER" and _header_format(component) in MEDIA_HEADERS:
            return _header_format(component).lower()
    return ""


def fill(
    components: Sequence[Mapping[str, Any]], parameter_format: str, values: Mapping[str, object]
) -> dict[str, Any]:
    """Parameters out of one value per slot ("body.1", "button.0"). KeyError when a slot has no value."""
    named = parameter_format.upper() == "NAMED"
    parameters: dict[str, Any] = {}
    for variable in variables(components, parameter_format):
        value = clean(values[variable.slot])
        if variable.component == "button":
            plain = variable.sub_type == "url"
            parameters.setdefault("buttons", {})[str(variable.index)] = value if plain else {variable.sub_type: value}
        elif named:
            parameters.setdefault(variable.component, {})[variable.key] = value
        else:
            parameters.setdefault(variable.component, []).append(value)
    return parameters


def render(components: Sequence[Mapping[str, Any]], parameters: Parameters | None = None) -> Rendered:
    """The template with its values, as the person sees it. A gap without a value stays {{1}}."""
    parameters = parameters or {}
    header = body = footer = ""
    buttons: list[RenderedButton] = []
    for component in components:
        kind, text = _kind(component), _string(component.get("text"))
        if kind == "HEADER" and _header_format(component) == "TEXT":
            header = _filled(text, parameters.get("header"))
        elif kind == "BODY":
            body = _filled(text, parameters.get("body"))
        elif kind == "FOOTER":
            footer = text
        elif kind == "BUTTONS":
            values = _by_index(parameters.get("buttons"))
            for index, button in enumerate(_mappings(component.get("buttons"))):
                buttons.append(_rendered_button(button, values.get(index)))
    return Rendered(header=header, body=body, footer=footer, buttons=tuple(buttons), media=media_header(components))


def _message(
    kind: str,
    content: dict[str, Any],
    *,
    to: str,
    recipient: str,
    callback_data: str,
    quoted_wamid: str = "",
) -> dict[str, Any]:
    if len(callback_data) > CALLBACK_DATA_LIMIT:
        raise ValueError(f"callback data has at most {CALLBACK_DATA_LIMIT} characters")
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    # Exactly one address: where both are given the platform takes the phone and says nothing.
    if bool(to) == bool(recipient):
        raise ValueError("address a message by phone or by user id, and by one of them only")
    if to:
        body["to"] = _e164(to)
    else:
        body["recipient"] = recipient
    body["type"] = kind
    if quoted_wamid:
        body["context"] = {"message_id": quoted_wamid}
    if callback_data:
        body["biz_opaque_callback_data"] = callback_data
    body[kind] = content
    return body


def _e164(phone: str) -> str:
    """Always with "+": without it the platform puts our own country code in front and writes to somebody else."""
    digits = phone.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15):
        raise ValueError("a phone is written as + and digits")
    return f"+{digits}"


def _components(parameters: Parameters) -> list[dict[str, Any]]:
    components = [
        {"type": part, "parameters": rows}
        for part in ("header", "body")
        if (rows := _text_parameters(parameters.get(part)))
    ]
    for index, value in sorted(_by_index(parameters.get("buttons")).items()):
        components.append(_button_component(index, value))
    return components


def _text_parameters(values: Any) -> list[dict[str, Any]]:
    if isinstance(values, Mapping):
        return [{"type": "text", "parameter_name": name, "text": clean(value)} for name, value in values.items()]
    return [
        dict(value) if isinstance(value, Mapping) else {"type": "text", "text": clean(value)} for value in values or ()
    ]


def _button_component(index: int, value: Any) -> dict[str, Any]:
    sub_type, text = next(iter(value.items())) if isinstance(value, Mapping) else ("url", value)
    parameter = {
        "quick_reply": lambda: {"type": "payload", "payload": str(text)},
        "copy_code": lambda: {"type": "coupon_code", "coupon_code": clean(text)},
        "url": lambda: {"type": "text", "text": _url_end(text)},
    }[sub_type]()
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


def _url_end(value: object) -> str:
    """The end of an address with its special characters encoded; what is encoded already stays as it is."""
    return quote(_LONE_PERCENT.sub("%25", clean(value)), safe="/?=&%#-._~:,;+@!$'()*")


def _by_index(buttons: Any) -> dict[int, Any]:
    return {int(index): value for index, value in buttons.items()} if isinstance(buttons, Mapping) else {}


def _rendered_button(button: Mapping[str, Any], value: Any) -> RenderedButton:
    kind = _kind(button).lower()
    target = ""
    if kind == "url":
        end = value if value is not None and not isinstance(value, Mapping) else None
        url = _string(button.get("url"))
        target = _PLACEHOLDER.sub(lambda match: match[0] if end is None else _url_end(end), url)
    elif kind == "phone_number":
        target = _string(button.get("phone_number"))
    elif kind == "copy_code" and isinstance(value, Mapping):
        target = _string(value.get("copy_code"))
    return RenderedButton(kind=kind, text=_string(button.get("text")), target=target)


def _filled(text: str, values: Any) -> str:
    """text with its gaps filled in one pass, so that a value which looks like a gap is not filled again."""
    by_key: dict[str, str] = {}
    if isinstance(values, Mapping):
        by_key = {str(key): clean(value) for key, value in values.items()}
    elif values:
        by_key = {str(place): clean(value) for place, value in enumerate(values, start=1)}
    return _PLACEHOLDER.sub(lambda match: by_key.get(match[1], match[0]), text)


def _text_variables(
    part: str, component: Mapping[str, Any], examples: Mapping[str, str], *, named: bool
) -> list[Variable]:
    keys = list(dict.fromkeys(_PLACEHOLDER.findall(_string(component.get("text")))))
    if not named:
        keys = sorted((key for key in keys if key.isdigit()), key=int)
    return [Variable(component=part, key=key, index=None, example=examples.get(key, "")) for key in keys]


def _button_variables(buttons: list[Mapping[str, Any]]) -> list[Variable]:
    found = []
    for index, button in enumerate(buttons):
        kind = _kind(button)
        example = button.get("example")
        example = example[0] if isinstance(example, list) and example else example
        if kind == "URL" and (keys := _PLACEHOLDER.findall(_string(button.get("url")))):
            sub_type, key = "url", keys[0]
        elif kind == "COPY_CODE":
            sub_type, key = "copy_code", "1"
        else:
            continue
        found.append(Variable(component="button", key=key, index=index, example=_string(example), sub_type=sub_type))
    return found


def _examples(component: Mapping[str, Any], field: str, *, named: bool) -> dict[str, str]:
    example = component.get("example")
    if not isinstance(example, Mapping):
        return {}
    if named:
        rows = _mappings(example.get(f"{field}_named_params"))
        return {_string(row.get("param_name")): _string(row.get("example")) for row in rows}
    values = example.get(field)
    if isinstance(values, list) and values and isinstance(values[0], list):
        values = values[0]  # the platform nests body examples one level deeper, in most of its answers
    if not isinstance(values, list):
        return {}
    return {str(place): _string(value) for place, value in enumerate(values, start=1)}


def _kind(component: Mapping[str, Any]) -> str:
    return _string(component.get("type")).upper()


def _header_format(component: Mapping[str, Any]) -> str:
    return (_string(component.get("format")) or "TEXT").upper()


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
