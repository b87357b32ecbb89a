"""The sandbox as a process: everything wired together behind a plain threaded HTTP server on the loopback.

The server is the standard library's, one thread per kept-alive connection: slow answers cost nothing, a broken-off
connection is one that was really broken off, and there is no second process that could outlive this one.
"""

import contextlib
import logging
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conversations.sandbox.api import GraphApi
from conversations.sandbox.control import Control
from conversations.sandbox.faults import Dice, Faults
from conversations.sandbox.personas import People
from conversations.sandbox.shapes import Shapes
from conversations.sandbox.store import Store
from conversations.sandbox.webhooks import Webhooks
from conversations.sandbox.wire import Request, Response, answer

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"  # nobody else may reach it: it takes every request at its word
LARGEST_BODY = 1_000_000  # bytes
IDLE_SECONDS = 75  # a kept-alive connection without a request


class Sandbox:
    """One Cloud API with its people. handle() answers without a server; start() begins to tell by webhook."""

    def __init__(
        self,
        data: Path | str,
        *,
        secret: str,
        webhook_url: str = "",
        fresh: bool = False,
        plain_unicode: bool = False,
        old_shapes: bool = False,
        dice_seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = Store(data, fresh=fresh)
        self.faults = Faults()
        self.people = People(self.store, clock=clock)
        self._dice = Dice(dice_seed)
        self.webhooks = Webhooks(
            self.store,
            self.people,
            self.faults,
            self._dice,
            url=webhook_url,
            secret=secret,
            shaper=Shapes(self.store, old=old_shapes),
            plain_unicode=plain_unicode,
            clock=clock,
        )
        self._graph = GraphApi(self.store, self.people, self.faults, self._dice, clock=clock)
        self._control = Control(self.store, self.people, self.faults, self.webhooks, clock=clock)
        self._stopped = threading.Event()

    def start(self) -> None:
        self.webhooks.start()

    def stop(self) -> None:
        self._stopped.set()
        self.webhooks.stop()
        self.store.close()

    def handle(self, request: Request) -> Response:
        """Answer one request, after the time it is set to take. The switches themselves answer at once."""
        if request.path.startswith("/sandbox/"):
            return self._control.handle(request)
        if request.path == "/":
            return answer({"sandbox": "a local WhatsApp Cloud API", "health": "/sandbox/health"})
        response = self._graph.handle(request)
        seconds = response.hold or self._dice.seconds(self.faults)
        if seconds:
            self._stopped.wait(seconds)
        return response


class SandboxServer(ThreadingHTTPServer):
    """Listens on the loopback; port 0 takes a free one. OSError: the port is taken.

    It has its port before it has a sandbox, so that a second one started by mistake touches nothing of the first.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    sandbox: Sandbox

    def __init__(self, port: int) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.exception("request failed")

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening, stop telling, and end every open connection."""
        self.server_close()
        self.sandbox.stop()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: SandboxServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the first line of a request has phones in it."""

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._write(answer({"error": "a body of at most 1 MB, with its length"}, 413))
            return
        body = self.rfile.read(int(length))
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            origin=self.server.url,
        )
        self._write(self.server.sandbox.handle(request))

    def _write(self, response: Response) -> None:
        if response.cut:
            # A reset, as from a machine that died, and not a polite end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        head = (
            f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}\r\n"
            f"Content-Type: {response.content_type}\r\nContent-Length: {len(response.body)}\r\n"
            f"{'Connection: close' if self.close_connection else 'Connection: keep-alive'}\r\n\r\n"
        )
        try:
            self.wfile.write(head.encode() + response.body)  # one write: one packet
        except OSError:
            self.close_connection = True  # the caller gave up waiting


def serve(server: SandboxServer, sandbox: Sandbox, *, ready: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C. ready is told the address once requests are taken."""
    server.sandbox = sandbox

    def leave(signum: int, frame: FrameType | None) -> None:
        # shutdown() waits for the loop of this very thread, so it is called from another one.
        threading.Thread(target=server.shutdown, daemon=True).start()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, leave)
    sandbox.start()
    ready(server.url)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.close()
