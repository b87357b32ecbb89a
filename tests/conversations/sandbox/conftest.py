"""A sandbox without a server, and one that posts its webhooks to a real address."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conversations.sandbox import seed
from conversations.sandbox.server import Sandbox
from conversations.sandbox.wire import Request
from conversations.whatsapp.events import Event, parse, verify_signature

SECRET = "the app secret of this test"


class Clock:
    """Time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_795_255_200.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """Drives a sandbox in this process: posts as the API's client, turns its switches."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock

    def request(self, method: str, path: str, body: Any = None, *, token: str = seed.TOKEN) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = self.sandbox.handle(
            Request(
                method=method,
                path=path,
                query=dict(pair.split("=") for pair in query.split("&") if pair),
                headers={"authorization": f"Bearer {token}"},
                body=raw,
            )
        )
        return response.status, json.loads(response.body) if response.body.startswith(b"{") else response

    def post(self, body: Any) -> tuple[int, Any]:
        return self.request("POST", f"/v26.0/{seed.PHONE_NUMBER_ID}/messages", body)

    def accepted(self, body: Any) -> str:
        status, answer = self.post(body)
        assert status == 200, answer
        return answer["messages"][0]["id"]

    def refused(self, body: Any) -> int:
        status, answer = self.post(body)
        assert status >= 400
        return answer["error"]["code"]

    def switch(self, name: str, body: Any) -> Any:
        status, answer = self.request("POST", f"/sandbox/{name}", body)
        assert status == 200, answer
        return answer

    def sent(self) -> list[dict[str, Any]]:
        return self.request("GET", "/sandbox/sent")[1]["messages"]


class Receiver:
    """An address for webhooks. It verifies, keeps every body, and answers what it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signed: list[bool] = []
        self.answers: list[int] = []  # for the next posts; 200 after them
        self.arrived = threading.Event()
        lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    receiver.bodies.append(raw)
                    receiver.signed.append(verify_signature(raw, self.headers["X-Hub-Signature-256"], SECRET))
                    status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.arrived.set()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def events(self) -> list[Any]:
        """What all bodies so far say, as Parley reads them."""
        found: list[Event] = []
        for raw in self.bodies:
            found += parse(json.loads(raw))
        return found

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def make_desk(tmp_path: Path, clock: Clock, receiver: Receiver) -> Iterator[Any]:
    made: list[Sandbox] = []

    def make(**options: Any) -> Desk:
        settings = {"secret": SECRET, "webhook_url": receiver.url, "clock": clock, "dice_seed": 7, **options}
        sandbox = Sandbox(tmp_path / "sandbox.sqlite3", **settings)
        made.append(sandbox)
        return Desk(sandbox, clock)

    yield make
    for sandbox in made:
        sandbox.stop()


@pytest.fixture
def desk(make_desk: Any) -> Desk:
    return make_desk()
