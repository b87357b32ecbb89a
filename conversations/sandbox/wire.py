"""A request and its answer, apart from any server: what the endpoints take and give."""

import json
from dataclasses import dataclass, field
from typing import Any

from conversations.sandbox import faults


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    method: str
    path: str  # without the query
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    origin: str = "http://127.0.0.1"  # scheme and host that the caller used


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An answer. cut: the connection is broken off instead; hold: only after this many seconds."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    cut: bool = False
    hold: float = 0.0


def answer(content: Any, status: int = 200) -> Response:
    return Response(status=status, body=json.dumps(content).encode())


def refusal(code: int, details: str = "", *, message: str = "", status: int = 0) -> Response:
    """An error as the Graph words it."""
    error: dict[str, Any] = {
        "message": message or f"(#{code}) {faults.title(code)}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details or faults.details(code)},
        "fbtrace_id": "SandboxTrace",
    }
    return answer({"error": error}, status or faults.http_status(code))


def wrong_object(identifier: str) -> Response:
    """What the Graph says to an id that is unknown, or not this token's."""
    message = (
        f"Unsupported post request. Object with ID '{identifier}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation."
    )
    error = {
        "message": message,
        "type": "GraphMethodException",
        "code": 100,
        "error_subcode": 33,
        "fbtrace_id": "SandboxTrace",
    }
    return answer({"error": error}, 400)
