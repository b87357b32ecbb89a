"""The client of the WhatsApp Cloud API: the only place from which a request leaves for the platform.

A post ends in one of four ways: it returns Accepted, or raises NotSent (no byte left us, or the request was turned
away at the door), Refused (a Graph error with a code) or FateUnknown (it left, and no readable answer came back).
Nothing here repeats a request: what may be repeated is for the caller to decide.
"""

import json
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from conversations.whatsapp.errors import FateUnknown, NotSent, Refused

TIMEOUT = (3, 10)  # seconds: connect, read
IDLE_SECONDS = 5  # a connection kept longer may be half closed, and posting on it ends in an ambiguous reset
TEMPLATES_PER_PAGE = 100
TEMPLATE_FIELDS = "id,name,language,category,status,components,parameter_format,quality_score,rejected_reason"
PHONE_FIELDS = (
    "id,display_phone_number,verified_name,quality_rating,name_status,code_verification_status,status,"
    "platform_type,throughput,whatsapp_business_manager_messaging_limit"
)
# Not proof that the request was turned away unread: the one may come after it was passed on, the other on a conflict.
AMBIGUOUS_4XX = {408, 409, 499}


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The platform took the message. That is not delivery: statuses follow by webhook."""

    wamid: str
    wa_id: str | None = None  # present when we addressed a phone; may differ from what we sent
    user_id: str | None = None  # present when we addressed a business-scoped user id
    message_status: str | None = None  # templates only: "accepted", "held_for_quality_assessment", "paused"


class _Wire(threading.local):
    """Whether the request of this thread has put a byte on the wire."""

    touched = False


_wire = _Wire()


class _Connection(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # what http.client would do inside send(), moved before the mark
        _wire.touched = True
        super().send(data)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _wire.touched = True
        super().send(data)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """Knows for certain whether anything was sent: the type of an exception alone does not say so.

    A time-out in the TLS handshake and one after the request are both a ReadTimeout.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class Client:
    """Speaks for one access token. Threads may share it: each has a session, and so connections, of its own."""

    def __init__(self, base_url: str, version: str, token: str, *, timeout: tuple[float, float] = TIMEOUT) -> None:
        self._root = f"{base_url.rstrip('/')}/{version.strip('/')}"
        self._token = token
        self._timeout = timeout
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def __repr__(self) -> str:  # the default of some tracebacks; the token stays out
        return f"Client({self._root!r})"

    def post_message(self, phone_number_id: str, body: bytes | dict[str, Any]) -> Accepted:
        """Post one message. body: JSON bytes, or a dict as payloads.py builds it.

        Raises NotSent, Refused or FateUnknown; see the module's first lines.
        """
        status, answer = self._request("POST", f"{_part(phone_number_id)}/messages", data=_encoded(body))
        try:
            message = answer["messages"][0]
            wamid = message["id"]
        except (KeyError, IndexError, TypeError) as error:
            raise FateUnknown(f"HTTP {status} without a message id") from error
        if not isinstance(wamid, str) or not wamid:
            raise FateUnknown(f"HTTP {status} without a message id")
        contacts = answer.get("contacts")
        contact = contacts[0] if isinstance(contacts, list) and contacts and isinstance(contacts[0], dict) else {}
        return Accepted(
            wamid=wamid,
            wa_id=_word(contact.get("wa_id")),
            user_id=_word(contact.get("user_id")),
            message_status=_word(message.get("message_status")),
        )

    def mark_read(self, phone_number_id: str, wamid: str, *, typing: bool = False) -> None:
        """Show the person that we read wamid and everything before it; typing also shows that we are writing."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        self._request("POST", f"{_part(phone_number_id)}/messages", data=_encoded(body))

    def phone_number(self, phone_number_id: str) -> dict[str, Any]:
        """The business number as the platform sees it: verified_name, quality_rating, throughput, messaging limit."""
        return self._request("GET", _part(phone_number_id), params={"fields": PHONE_FIELDS})[1]

    def iter_templates(self, waba_id: str, *, page_size: int = TEMPLATES_PER_PAGE) -> Iterator[dict[str, Any]]:
        """Every message template of the account, page by page.

        The cursor is followed, not the `next` address: that one may name another host, and our token goes with it.
        """
        params: dict[str, str] = {"fields": TEMPLATE_FIELDS, "limit": str(page_size)}
        seen: set[str] = set()
        while True:
            status, page = self._request("GET", f"{_part(waba_id)}/message_templates", params=params)
            rows = page.get("data")
            if not isinstance(rows, list):
                raise FateUnknown(f"HTTP {status} without a list of templates")
            yield from (row for row in rows if isinstance(row, dict))
            paging = page.get("paging")
            paging = paging if isinstance(paging, dict) else {}
            cursors = paging.get("cursors")
            after = _word(cursors.get("after")) if isinstance(cursors, dict) else None
            # The last page still carries its own cursor; only a missing `next` says that it is the last.
            if not after or not paging.get("next") or after in seen:
                return
            seen.add(after)
            params["after"] = after

    def close(self) -> None:
        """Close every connection, those of other threads included. The client may be used again."""
        for session in list(self._sessions):
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        now = time.monotonic()
        if session is None:
            session = requests.Session()
            session.trust_env = False  # no proxy or .netrc of the machine decides where our token goes
            session.headers["Authorization"] = f"Bearer {self._token}"
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(max_retries=0))
            self._local.session = session
            self._sessions.add(session)
        elif now - self._local.used_at > IDLE_SECONDS:
            session.close()
        self._local.used_at = now
        return session

    def _request(
        self, method: str, path: str, *, data: bytes | None = None, params: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request and its answer: HTTP status and the JSON object of a 2xx. Raises the three errors."""
        headers = {"Content-Type": "application/json"} if data is not None else None
        _wire.touched = False
        try:
            session = self._session()
            response = session.request(
                method,
                f"{self._root}/{path}",
                params=params,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Only the name: the text of these errors has the address, and with it ids and cursors.
            name = type(error).__name__
            if _wire.touched:
                raise FateUnknown(name) from error
            raise NotSent(name) from error
        finally:
            self._local.used_at = time.monotonic()
        return response.status_code, _answer(response)


def _answer(response: requests.Response) -> dict[str, Any]:
    """The JSON object of a good answer; otherwise the error that fits."""
    status = response.status_code
    try:
        answer = json.loads(response.content)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and _is_number(error.get("code")):
        raise _refusal(status, error)
    if 200 <= status < 300 and isinstance(answer, dict):
        return answer
    if 400 <= status < 500 and status not in AMBIGUOUS_4XX:
        # Not the platform's own words: a proxy, a wrong address, a rate limiter. It was turned away unread.
        raise NotSent(f"HTTP {status} without a Graph error")
    raise FateUnknown(f"HTTP {status} without a readable answer")


def _refusal(status: int, error: dict[str, Any]) -> Refused:
    data = error.get("error_data")  # an object here, a plain string on some Graph errors
    details = data.get("details") if isinstance(data, dict) else data
    subcode = error.get("error_subcode")
    return Refused(
        error["code"],
        status,
        _word(error.get("message")) or "",
        _word(details) or "",
        subcode=subcode if _is_number(subcode) else None,
    )


def _encoded(body: bytes | dict[str, Any]) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()


def _part(identifier: str) -> str:
    return quote(str(identifier), safe="")


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
