"""The Graph endpoints of the sandbox: messages, templates, numbers. Any version in front of the path will do."""

import base64
import json
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from conversations.sandbox import faults as codes
from conversations.sandbox import judges, seed
from conversations.sandbox.faults import Dice, Faults
from conversations.sandbox.judges import Fault
from conversations.sandbox.personas import People, make_wamid
from conversations.sandbox.store import Store
from conversations.sandbox.wire import Request, Response, answer, refusal, wrong_object

WINDOW_SECONDS = 24 * 3600
NEVER_ANSWERED_SECONDS = 60
PAGE = 25
LARGEST_PAGE = 250
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")

PHONE_NUMBER: dict[str, Any] = {
    "id": seed.PHONE_NUMBER_ID,
    "display_phone_number": seed.DISPLAY_PHONE_NUMBER,
    "verified_name": seed.VERIFIED_NAME,
    "quality_rating": "GREEN",
    "code_verification_status": "VERIFIED",
    "name_status": "APPROVED",
    "status": "CONNECTED",
    "platform_type": "CLOUD_API",
    "throughput": {"level": "STANDARD"},
    "account_mode": "SANDBOX",
    "whatsapp_business_manager_messaging_limit": "TIER_100K",
}


class GraphApi:
    """Answers requests. Threads may share it."""

    def __init__(self, store: Store, people: People, faults: Faults, dice: Dice, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._people = people
        self._faults = faults
        self._dice = dice
        self._clock = clock
        self._rate_lock = threading.Lock()
        self._next_free_at = 0.0

    def handle(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {seed.TOKEN}":
            return refusal(190, message="Invalid OAuth access token - Cannot parse access token")
        parts = _VERSION.sub("", request.path).strip("/").split("/")
        match (request.method, parts):
            case ("POST", [seed.PHONE_NUMBER_ID, "messages"]):
                return self._messages(request)
            case ("GET", [seed.PHONE_NUMBER_ID]):
                return answer(_fields(PHONE_NUMBER, request))
            case ("GET", [seed.WABA_ID, "phone_numbers"]):
                return answer({"data": [_fields(PHONE_NUMBER, request)], "paging": {"cursors": {}}})
            case ("GET", [seed.WABA_ID, "message_templates"]):
                return self._templates(request)
            case ("GET" | "POST", [seed.PHONE_NUMBER_ID | seed.WABA_ID, *_]):
                return refusal(100, message="Unsupported request: the sandbox has no such endpoint")
        return wrong_object(parts[0])

    def _messages(self, request: Request) -> Response:
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return refusal(100, "The body is not a JSON object.")
        if body.get("messaging_product") != "whatsapp":
            return refusal(100, message="(#100) The parameter messaging_product is required.")
        if body.get("status") == "read":
            return self._mark_read(body)
        if self._dice.falls(self._faults.cut_before_share):
            return Response(cut=True)
        if not self._has_throughput():
            return refusal(130429)
        try:
            phone, by_user_id = judges.address(body, self._store.phone_of)
            judged = judges.judge(body, self._store.template)
            fails = self._fate(phone, judged)
        except Fault as fault:
            return refusal(fault.code, fault.details)
        accepted = self._take(body, phone, judged, by_user_id=by_user_id, fails=fails)
        if self._dice.falls(self._faults.timeout_share):
            return Response(cut=True, hold=NEVER_ANSWERED_SECONDS)
        if self._dice.falls(self._faults.cut_after_share):
            return Response(cut=True)
        if self._dice.falls(self._faults.bad_gateway_share):
            return Response(status=502, body=b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        return answer(accepted)

    def _fate(self, phone: str, judged: judges.Judged) -> int:
        """The code this message will fail with after it was taken, or 0. Raises Fault for what is told at once."""
        drawn = [self._faults.codes_for.get(phone, 0)]
        drawn += [code for code, share in self._faults.errors.items() if self._dice.falls(share)]
        for code in filter(None, drawn):
            if code not in codes.TOLD_LATER:
                raise Fault(code)
            return code
        person = self._store.person(phone)
        if judged.category == "marketing" and person["stopped_marketing"]:
            return 131050
        if judged.kind != "template":
            wrote_at = person["wrote_at"]
            if wrote_at is None or self._clock() - wrote_at > WINDOW_SECONDS:
                if self._faults.window_checked_at_once:
                    raise Fault(131047)
                return 131047
        return 0

    def _take(
        self, body: dict[str, Any], phone: str, judged: judges.Judged, *, by_user_id: bool, fails: int
    ) -> dict[str, Any]:
        """Keep the message, plan what becomes of it, and build the answer."""
        wamid = make_wamid(phone, inbound=False)
        callback = body.get("biz_opaque_callback_data")
        with self._store.transaction():
            self._store.add_message(
                wamid, "out", phone, self._clock(), body, category=judged.category, by_user_id=by_user_id
            )
            self._store.plan(
                self._people.plan(
                    wamid,
                    phone,
                    kind=judged.kind,
                    category=judged.category,
                    by_user_id=by_user_id,
                    callback=callback if isinstance(callback, str) else "",
                    fails=fails,
                )
            )
        contact = (
            {"input": body["recipient"], "user_id": body["recipient"]}
            if by_user_id
            else {"input": body["to"], "wa_id": phone}
        )
        message = {"id": wamid}
        if judged.kind == "template":
            message["message_status"] = "accepted"
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}

    def _mark_read(self, body: dict[str, Any]) -> Response:
        wamid = body.get("message_id")
        message = self._store.message(wamid) if isinstance(wamid, str) else None
        if message is None or message["direction"] != "in":
            return refusal(131009, "Parameter 'message_id' is not a message that was received.")
        self._store.set_status(message["wamid"], "read")
        return answer({"success": True})

    def _has_throughput(self) -> bool:
        """Whether the number may send one more; a second's worth may come at once."""
        rate = self._faults.messages_per_second
        if not rate:
            return True
        now = self._clock()
        with self._rate_lock:
            start = max(self._next_free_at, now - 1)
            if start > now:
                return False
            self._next_free_at = start + 1 / rate
        return True

    def _templates(self, request: Request) -> Response:
        try:
            limit = min(int(request.query.get("limit", PAGE)), LARGEST_PAGE)
            after = _opened(request.query.get("after", ""))
            if limit < 1:
                raise ValueError
        except ValueError:
            return refusal(100, message="(#100) Invalid cursors values")
        rows = self._store.templates(after=after, limit=limit + 1)
        page, more = rows[:limit], len(rows) > limit
        content: dict[str, Any] = {"data": [_fields(row, request) for row in page]}
        if page:
            cursors = {"before": _cursor(page[0]["id"]), "after": _cursor(page[-1]["id"])}
            content["paging"] = {"cursors": cursors}
            if more:
                query = urlencode({**request.query, "limit": str(limit), "after": cursors["after"]})
                content["paging"]["next"] = f"{request.origin}{request.path}?{query}"
        return answer(content)


def _fields(row: dict[str, Any], request: Request) -> dict[str, Any]:
    """The asked-for fields; without a word about them, all. The id always comes along."""
    names = [name.strip() for name in request.query.get("fields", "").split(",") if name.strip()]
    return {name: row[name] for name in {**dict.fromkeys(names), "id": None} if name in row} if names else row


def _cursor(template_id: str) -> str:
    return base64.urlsafe_b64encode(f"after:{template_id}".encode()).decode().rstrip("=")


def _opened(cursor: str) -> str:
    if not cursor:
        return ""
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    if not text.startswith("after:"):
        raise ValueError("not a cursor of ours")
    return text.removeprefix("after:")
