"""The people in the sandbox: what each does with a message, and what they write to us.

A persona is a rule. A phone has the one it was given; the others share out by the shares that are set, always the
same phone the same way. Only a template makes a persona act, and by default once, so that an answer of ours is not
answered again for ever.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from conversations.sandbox import seed
from conversations.sandbox.store import Store

PLAN = tuple[float, str, dict[str, Any]]  # when, kind of event, what


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """How a person behaves.

    reader       receives and reads                    silent       receives and never reads
    replier      reads, then writes `text`             stopper      reads, then writes STOP (or `text`)
    opt_out      reads, then taps the opt-out button   blocker      reads, then stops marketing in WhatsApp
    unreachable  never receives: failed with 131026
    """

    kind: str
    text: str = ""
    after: float = 2.0  # seconds between reading and acting
    times: int = 1  # how often they act in all


KINDS = ("reader", "silent", "replier", "stopper", "opt_out", "blocker", "unreachable")
ACTING = ("replier", "stopper", "opt_out", "blocker")
# What a replier without a text of their own asks; each phone always the same.
QUESTIONS = (
    "C'è anche in blu?",
    "Fino a quando vale lo sconto?",
    "Siete aperti domenica?",
    "Avete la taglia M?",
    "Che bello! Posso prenotarne uno? 😊",
    "Spedite anche in Svizzera?",
    "Is it in blue?",
    "Quanto costa la spedizione?",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds from the answer to each step; each message a little faster or slower."""

    sent: float = 0.2
    delivered: float = 0.8
    read: float = 2.5
    spread: float = 0.5  # a message takes between 1 - spread and 1 + spread of it


def persona(value: Any) -> Persona:
    """A persona from "replier:Is it in blue?" or {"kind": "replier", "text": "…", "after": 3}. Raises ValueError."""
    if isinstance(value, str):
        kind, _, text = value.partition(":")
        value = {"kind": kind, "text": text}
    if not isinstance(value, dict) or value.get("kind") not in KINDS:
        raise ValueError(f"a persona is one of {', '.join(KINDS)}")
    try:
        return Persona(
            kind=value["kind"],
            text=str(value.get("text", "")),
            after=float(value.get("after", 2.0)),
            times=int(value.get("times", 1)),
        )
    except (TypeError, ValueError):
        raise ValueError("after is in seconds, times a whole number") from None


def shares(value: Any) -> dict[str, float]:
    """Shares of personas, {"reader": 0.7, "stopper": 0.02}; what is left over reads. Raises ValueError."""
    if not isinstance(value, dict) or any(kind not in KINDS for kind in value):
        raise ValueError(f"shares are of {', '.join(KINDS)}")
    found = {kind: float(share) for kind, share in value.items() if isinstance(share, int | float)}
    if len(found) < len(value) or any(share < 0 for share in found.values()) or sum(found.values()) > 1.000001:
        raise ValueError("shares are numbers of 0 or more, together at most 1")
    return found


def make_wamid(phone: str, *, inbound: bool) -> str:
    """An id built as the platform builds them: base64 around the phone and a random part."""
    random = secrets.token_hex(10 if inbound else 9).upper().encode()
    number = phone.encode()
    raw = (
        b"\x1c\x18"
        + bytes([len(number)])
        + number
        + b"\x15\x02\x00"
        + (b"\x12\x18" if inbound else b"\x11\x18")
        + bytes([len(random)])
        + random
        + b"\x00"
    )
    return "wamid." + base64.b64encode(raw).decode()


class People:
    """Everybody the business has ever written to or heard from."""

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        kept = store.setting("shares")
        self.shares: dict[str, float] = kept or {}
        pace = store.setting("pace")
        self.pace = Pace(**pace) if pace else Pace()

    def forget(self) -> None:
        """Back to readers only, at the usual pace."""
        self.shares = {}
        self.pace = Pace()

    def set_shares(self, value: Any) -> None:
        self.shares = shares(value)
        self._store.keep_setting("shares", self.shares)

    def set_pace(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValueError("pace is an object of seconds")
        try:
            self.pace = Pace(**{**asdict(self.pace), **{name: float(seconds) for name, seconds in value.items()}})
        except (TypeError, ValueError):
            raise ValueError("pace has sent, delivered, read and spread, in seconds") from None
        self._store.keep_setting("pace", asdict(self.pace))

    def assign(self, phone: str, value: Any) -> None:
        """Give a phone its persona; None gives it back to the shares."""
        self._store.set_persona(phone, asdict(persona(value)) if value else None)

    def persona_of(self, phone: str, given: str | None) -> Persona:
        """given: what the row of the person holds."""
        if given:
            return Persona(**json.loads(given))
        place = _fraction("persona", phone)
        for kind, share in self.shares.items():
            place -= share
            if place < 0:
                return Persona(kind=kind)
        return Persona(kind="reader")

    def plan(
        self, wamid: str, phone: str, *, kind: str, category: str, by_user_id: bool, callback: str, fails: int
    ) -> list[PLAN]:
        """What will happen to a message that was taken. fails: the code it comes to grief with, or 0."""
        person = self._store.person(phone)
        now = self._clock()
        factor = 1 - self.pace.spread + 2 * self.pace.spread * _fraction("pace", wamid)
        rule = self.persona_of(phone, person["persona"])
        fails = fails or (131026 if rule.kind == "unreachable" else 0)

        def status(name: str, seconds: float) -> PLAN:
            told = {
                "wamid": wamid,
                "phone": phone,
                "status": name,
                "category": category,
                "by_user_id": by_user_id,
                "callback": callback,
            }
            return now + seconds * factor, "status", told

        if fails:
            failed = status("failed", self.pace.delivered)
            failed[2]["code"] = fails
            return [failed]
        events = [status("sent", self.pace.sent)]
        if kind == "reaction":
            return events
        events.append(status("delivered", self.pace.delivered))
        if rule.kind == "silent":
            return events
        events.append(status("read", self.pace.read))
        if kind == "template" and rule.kind in ACTING and person["acted"] < rule.times:
            self._store.count_act(phone)
            act = {"phone": phone, "wamid": wamid, "rule": asdict(rule)}
            events.append((now + self.pace.read * factor + rule.after, "act", act))
        return events

    def act(self, event: dict[str, Any]) -> None:
        """A persona does what it does after reading."""
        rule, phone, wamid = Persona(**event["rule"]), event["phone"], event["wamid"]
        if rule.kind == "blocker":
            self.prefer(phone, "stop")
        elif rule.kind == "opt_out" and (labels := self._quick_replies(wamid)):
            self.write(phone, button=labels[-1], quote=wamid)
        elif rule.kind == "replier":
            place = int(_fraction("question", phone) * len(QUESTIONS))
            self.write(phone, text=rule.text or QUESTIONS[place])
        else:
            self.write(phone, text=rule.text or "STOP")

    def write(
        self,
        phone: str,
        *,
        text: str = "",
        button: str = "",
        payload: str = "",
        quote: str = "",
        at: float | None = None,
    ) -> str:
        """The person writes, or taps a button; the webhook follows at once. Answers with the wamid.

        A button is found by its label in the quoted message, or else in the newest one that has it.
        """
        content: dict[str, Any] = {"type": "text", "text": {"body": text}}
        if button:
            quote, content = self._tap(phone, button, payload, quote)
        at = self._clock() if at is None else at
        wamid = make_wamid(phone, inbound=True)
        message = {"id": wamid, "timestamp": str(int(at)), **content}
        if quote:
            message["context"] = {"from": _business_digits(), "id": quote}
        with self._store.transaction():
            self._store.person(phone)
            self._store.add_message(wamid, "in", phone, at, message, category="service")
            self._store.wrote(phone, at)
            self._store.plan([(self._clock(), "inbound", {"phone": phone, "message": message})])
        return wamid

    def prefer(self, phone: str, value: str) -> None:
        """The person stops, or resumes, our marketing in WhatsApp's own settings."""
        with self._store.transaction():
            self._store.set_stopped(phone, value == "stop")
            self._store.plan([(self._clock(), "preference", {"phone": phone, "value": value})])

    def _tap(self, phone: str, label: str, payload: str, quote: str) -> tuple[str, dict[str, Any]]:
        """The message a button stands in, and what a tap on it sends."""
        rows = self._store.last_sent_to(phone)
        for row in (row for row in rows if not quote or row["wamid"] == quote):
            body = json.loads(row["body"])
            if row["wamid"] and label in (labels := self._quick_replies(row["wamid"])):
                carried = payload or _payload_sent(body, labels.index(label), self._button_places(body)) or label
                return row["wamid"], {"type": "button", "button": {"payload": carried, "text": label}}
            for button in body.get("interactive", {}).get("action", {}).get("buttons", []):
                if button["reply"]["title"] == label:
                    reply = {"id": button["reply"]["id"], "title": label}
                    return row["wamid"], {
                        "type": "interactive",
                        "interactive": {"type": "button_reply", "button_reply": reply},
                    }
        return quote, {"type": "button", "button": {"payload": payload or label, "text": label}}

    def _quick_replies(self, wamid: str) -> list[str]:
        """The labels of a template's quick replies; empty for any other message."""
        row = self._store.message(wamid)
        return [label for _, label in self._button_places(json.loads(row["body"]))] if row else []

    def _button_places(self, body: dict[str, Any]) -> list[tuple[int, str]]:
        if body.get("type") != "template":
            return []
        sent = body["template"]
        template = self._store.template(sent["name"], sent["language"]["code"])
        buttons: list[dict[str, Any]] = next(
            (part["buttons"] for part in (template or {}).get("components", []) if "buttons" in part), []
        )
        return [(place, button["text"]) for place, button in enumerate(buttons) if button["type"] == "QUICK_REPLY"]


def _payload_sent(body: dict[str, Any], nth: int, places: list[tuple[int, str]]) -> str:
    """The payload that was sent along for the nth quick reply; "" without one."""
    index = str(places[nth][0])
    for component in body["template"].get("components") or ():
        if str(component.get("sub_type", "")).lower() == "quick_reply" and str(component.get("index")) == index:
            return str(component["parameters"][0]["payload"])
    return ""


def _fraction(purpose: str, key: str) -> float:
    """A number from 0 to 1 that hangs on nothing but the key."""
    digest = hashlib.sha256(f"{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _business_digits() -> str:
    return "".join(character for character in seed.DISPLAY_PHONE_NUMBER if character.isdigit())
