"""Reading values out of JSON that nobody vouches for: each reader answers with what it can use, or with nothing."""

import math
import re
from datetime import UTC, datetime
from typing import Any

DEEPEST = 32  # levels of nesting kept; the platform uses about ten

_SURROGATE = re.compile("[\ud800-\udfff]")

Object = dict[str, Any]


def moment(value: Any) -> datetime | None:
    """Unix seconds, as a number or in a string; None when it is no moment between 2009 and 2100."""
    seconds = integer(value)
    # WhatsApp is from 2009. Milliseconds or junk would date a withdrawal into another century.
    if seconds is None or not 1_230_768_000 <= seconds < 4_102_444_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.strip().isdigit():
        return int(value)
    return None


def identifier(value: Any) -> str:
    """An id as text: the platform writes some of them as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(value)


def digits(value: Any) -> str:
    """A phone as digits; "" when it is something else, such as a user id."""
    text = identifier(value).strip().removeprefix("+")
    return text if text.isascii() and text.isdigit() else ""


def user_id_in(word: str) -> str:
    return word if re.fullmatch(r"[A-Z]{2}\.[A-Za-z0-9.]+", word) else ""


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def object_of(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def storable(value: Any, depth: int = 0) -> Any:
    """value without what a database refuses: NULs, lone surrogates, NaN, and nesting without end."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\x00", ""))
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return None
    if isinstance(value, dict):
        return {storable(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
