"""What can be made to go wrong in the sandbox, and the dice that decide when."""

import random
import threading
from dataclasses import dataclass, field, fields
from typing import Any

from conversations.whatsapp.errors import sentence

# Codes the platform tells by a failed status after it took the message; all others it tells in its answer.
TOLD_LATER = frozenset({130472, 131026, 131042, 131047, 131049, 131050, 131053})

TITLES = {
    0: "AuthException",
    4: "Application request limit reached",
    10: "Permission denied",
    33: "Parameter value is not valid",
    100: "Invalid parameter",
    190: "Access token has expired",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    130429: "Rate limit hit",
    130472: "User's number is part of an experiment",
    130497: "Business account is restricted from messaging users in this country",
    131000: "Something went wrong",
    131005: "Access denied",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131031: "Account has been locked",
    131042: "Business eligibility payment issue",
    131045: "Incorrect certificate",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131050: "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp "
    "from your business",
    131051: "Unsupported message type",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131057: "Account in maintenance mode",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
    132005: "Template hydrated text too long",
    132007: "Template format character policy violated",
    132012: "Parameter format does not match format in the created template",
    132015: "Template is paused",
    132016: "Template is disabled",
    132018: "There was an issue with the template parameters",
    133010: "Account not registered",
}
HTTP_STATUSES = {0: 401, 190: 401, 10: 403, 368: 403, 131005: 403, 131031: 403, 130497: 403, 132001: 404}
SERVER_FAULTS = {1: 500, 2: 503, 3: 500, 131000: 500, 131016: 500, 131045: 500, 131057: 500, 133004: 503, 134102: 500}


def title(code: int) -> str:
    return TITLES.get(code, "Unknown error")


def details(code: int) -> str:
    return sentence(code)


def http_status(code: int) -> int:
    return HTTP_STATUSES.get(code) or SERVER_FAULTS.get(code, 400)


@dataclass(kw_only=True)
class WebhookFaults:
    duplicate_share: float = 0.0  # of webhook posts delivered twice
    delay_ms: float = 0.0  # added to every event
    shuffle: bool = False  # events leave in any order
    silence: bool = False  # nothing is delivered; it waits until this is off again
    wrong_secret: bool = False  # signatures that do not fit


@dataclass(kw_only=True)
class Faults:
    """The switches. Shares are between 0 and 1 of all message posts; times in milliseconds."""

    latency_ms: float = 0.0  # before every answer of the API
    jitter_ms: float = 0.0  # up to this much more or less
    errors: dict[int, float] = field(default_factory=dict)  # code: share
    codes_for: dict[str, int] = field(default_factory=dict)  # phone: code, always
    timeout_share: float = 0.0  # taken, and never answered
    cut_before_share: float = 0.0  # the connection is cut, the message not taken
    cut_after_share: float = 0.0  # the connection is cut, the message taken
    bad_gateway_share: float = 0.0  # taken, and answered with a proxy's 502 page
    messages_per_second: float = 0.0  # 0: no limit; above it 130429
    window_checked_at_once: bool = False  # free text outside the window: an error instead of a failed status
    webhooks: WebhookFaults = field(default_factory=WebhookFaults)

    def change(self, values: dict[str, Any]) -> None:
        """Set what values names and leave the rest. ValueError names what is not understood."""
        for name, value in values.items():
            if name == "webhooks":
                _assign(self.webhooks, _mapping(name, value))
            elif name == "errors":
                self.errors = {_code(code): _number(name, share) for code, share in _mapping(name, value).items()}
            elif name == "codes_for":
                self.codes_for = {phone_digits(phone): _code(code) for phone, code in _mapping(name, value).items()}
            else:
                _assign(self, {name: value})

    def as_dict(self) -> dict[str, Any]:
        """Every switch as JSON can carry it."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["webhooks"] = dict(vars(self.webhooks))
        values["errors"] = {str(code): share for code, share in self.errors.items()}
        return values


class Dice:
    """Chance that threads may share and a test may fix."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing secret hangs on it
        self._lock = threading.Lock()

    def falls(self, share: float) -> bool:
        if share <= 0:
            return False
        with self._lock:
            return self._random.random() < share

    def seconds(self, faults: Faults) -> float:
        """How long this answer takes."""
        if not faults.jitter_ms:
            return faults.latency_ms / 1000
        with self._lock:
            jitter = self._random.uniform(-faults.jitter_ms, faults.jitter_ms)
        return max(0.0, faults.latency_ms + jitter) / 1000

    def shuffle(self, items: list[Any]) -> None:
        with self._lock:
            self._random.shuffle(items)


def _assign(target: Any, values: dict[str, Any]) -> None:
    known = {item.name for item in fields(target)} - {"webhooks", "errors", "codes_for"}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"there is no switch {name}")
        if isinstance(getattr(target, name), bool):
            if not isinstance(value, bool):
                raise ValueError(f"{name} is true or false")
            setattr(target, name, value)
        else:
            setattr(target, name, _number(name, value))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} is a number, 0 or more")
    if (name.endswith("_share") or name == "errors") and value > 1:
        raise ValueError(f"{name} is a share between 0 and 1")
    return float(value)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is an object")
    return value


def _code(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError("an error code is a whole number") from None


def phone_digits(value: Any) -> str:
    """The digits of a phone written as + and digits. ValueError for anything else."""
    digits = value.strip().removeprefix("+") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15):
        raise ValueError("a phone is written as + and digits")
    return digits
