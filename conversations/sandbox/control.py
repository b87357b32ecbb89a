"""The switches of the sandbox by HTTP, under /sandbox/. JSON in, JSON out.

    GET  health                     what it holds and what waits
    GET  sent?since=N&limit=M       every message taken after number N: time, phone, body
    POST inbound                    {"from", "text" or "button", "payload"?, "quote"?, "name"?, "username"?,
                                     "hide_phone"?, "at"?}: the person writes; `at` is in Unix seconds
    POST preferences                {"phone", "value": "stop" or "resume"}: WhatsApp's own switch
    POST personas                   {"phones": {phone: persona or null}, "shares": {…}, "pace": {…}}, each optional
    POST templates/NAME             {"status", "language"?, "reason"?}: the review decides, and tells us
    GET, POST faults                what goes wrong; what is not named stays
    POST settle                     tell everything that waits, now
    POST reset                      forget everything and start as new

A persona is {"kind": "replier", "text": "Is it in blue?", "after": 3} or, in short, "replier:Is it in blue?".
"""

import json
from collections.abc import Callable
from typing import Any

from conversations.sandbox import seed
from conversations.sandbox.faults import Faults, phone_digits
from conversations.sandbox.personas import People
from conversations.sandbox.store import Store
from conversations.sandbox.webhooks import Webhooks
from conversations.sandbox.wire import Request, Response, answer

TEMPLATE_STATUSES = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED")
LARGEST_LIST = 5000


class Control:
    """Answers /sandbox/ requests. What is not understood is a 400 that says why."""

    def __init__(
        self, store: Store, people: People, faults: Faults, webhooks: Webhooks, *, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._people = people
        self._faults = faults
        self._webhooks = webhooks
        self._clock = clock
        self._actions: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "sent"): self._sent,
            ("GET", "faults"): lambda request: self._faults.as_dict(),
            ("POST", "faults"): self._set_faults,
            ("POST", "inbound"): self._inbound,
            ("POST", "preferences"): self._preference,
            ("POST", "personas"): self._set_personas,
            ("POST", "settle"): lambda request: self._webhooks.settle(),
            ("POST", "reset"): self._reset,
        }

    def handle(self, request: Request) -> Response:
        name = request.path.removeprefix("/sandbox").strip("/")
        try:
            if request.method == "POST" and name.startswith("templates/"):
                return answer(self._template(name.removeprefix("templates/"), _json(request)))
            action = self._actions.get((request.method, name))
            if action is None:
                return answer({"error": "there is no such switch"}, 404)
            return answer(action(request))
        except ValueError as error:
            return answer({"error": str(error)}, 400)

    def _health(self, request: Request) -> dict[str, Any]:
        return {
            "status": "ok",
            "webhook_url": self._webhooks.url,
            "messages": self._store.count("messages"),
            "people": self._store.count("people"),
            "events_waiting": self._store.count("events"),
            "deliveries_waiting": self._store.count("deliveries"),
            "deliveries_accepted": self._webhooks.accepted,
            "deliveries_refused": self._webhooks.refused,
        }

    def _sent(self, request: Request) -> dict[str, Any]:
        since, limit = (_whole(request.query.get(name), default) for name, default in (("since", 0), ("limit", 1000)))
        rows = self._store.sent_since(since, limit=min(limit, LARGEST_LIST))
        messages = [
            {
                "number": row["id"],
                "wamid": row["wamid"],
                "at": row["at"],
                "to": f"+{row['phone']}",
                "category": row["category"],
                "status": row["status"],
                "body": json.loads(row["body"]),
            }
            for row in rows
        ]
        return {"messages": messages, "last": rows[-1]["id"] if rows else since}

    def _inbound(self, request: Request) -> dict[str, Any]:
        body = _json(request)
        phone = phone_digits(body.get("from"))
        words = {name: _string(body, name) for name in ("text", "button", "payload", "quote")}
        if bool(words["text"]) == bool(words["button"]):
            raise ValueError("write a text or tap a button")
        at = body.get("at")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or at > self._clock() + 1):
            raise ValueError("at is in Unix seconds, and not in the future")
        hide = body.get("hide_phone")
        if hide is not None and not isinstance(hide, bool):
            raise ValueError("hide_phone is true or false")
        self._store.introduce(phone, name=_string(body, "name"), username=_string(body, "username"), hides_phone=hide)
        return {"wamid": self._people.write(phone, **words, at=at), "user_id": self._store.person(phone)["user_id"]}

    def _preference(self, request: Request) -> dict[str, Any]:
        body = _json(request)
        if body.get("value") not in ("stop", "resume"):
            raise ValueError("value is stop or resume")
        self._people.prefer(phone_digits(body.get("phone")), body["value"])
        return {"success": True}

    def _set_personas(self, request: Request) -> dict[str, Any]:
        body = _json(request)
        unknown = set(body) - {"phones", "shares", "pace"}
        if unknown:
            raise ValueError(f"there is no switch {', '.join(sorted(unknown))}")
        phones = body.get("phones", {})
        if not isinstance(phones, dict):
            raise ValueError("phones is an object")
        if "shares" in body:
            self._people.set_shares(body["shares"])
        if "pace" in body:
            self._people.set_pace(body["pace"])
        for phone, persona in phones.items():
            self._people.assign(phone_digits(phone), persona)
        return {"success": True}

    def _template(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        status = body.get("status")
        if status not in TEMPLATE_STATUSES:
            raise ValueError(f"status is one of {', '.join(TEMPLATE_STATUSES)}")
        reason = _string(body, "reason") or "NONE"
        with self._store.transaction():
            changed = self._store.set_template_status(name, status, language=_string(body, "language"))
            if not changed:
                raise ValueError("there is no such template")
            now = self._clock()
            self._store.plan(
                (now, "template", {"template": template, "event": status, "reason": reason}) for template in changed
            )
        return {"changed": [template["language"] for template in changed], "waba_id": seed.WABA_ID}

    def _set_faults(self, request: Request) -> dict[str, Any]:
        self._faults.change(_json(request))
        return self._faults.as_dict()

    def _reset(self, request: Request) -> dict[str, Any]:
        self._store.clear()
        self._faults.change(Faults().as_dict())
        self._people.forget()
        return {"success": True}


def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")
    return body


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is text")
    return value


def _whole(value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isdigit():
        raise ValueError("since and limit are whole numbers")
    return int(value)
