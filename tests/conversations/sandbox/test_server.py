"""The sandbox over real connections: our client on one side, a webhook address on the other."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conversations.sandbox import seed
from conversations.sandbox.server import Sandbox, SandboxServer
from conversations.whatsapp.client import Client
from conversations.whatsapp.errors import ErrorClass, FateUnknown, Refused
from conversations.whatsapp.payloads import template_message

from .conftest import SECRET

PHONE = "+393471234567"
RUN = """
import sys
from conversations.sandbox.server import Sandbox, SandboxServer, serve
sandbox = Sandbox(sys.argv[1], secret="s")
serve(SandboxServer(int(sys.argv[2])), sandbox, ready=lambda url: print(url, flush=True))
"""


def promo(to: str = PHONE) -> dict[str, Any]:
    parameters = {"body": ["Giulia", "20%"], "buttons": {"0": "autunno"}}
    return template_message(to=to, name="promo_autunno", language="it", parameters=parameters, callback_data="k.1")


class Running:
    """A sandbox behind a real socket, with a session for its switches."""

    def __init__(self, data: Path, webhook_url: str) -> None:
        self.sandbox = Sandbox(data, secret=SECRET, webhook_url=webhook_url, dice_seed=7)
        self.server = SandboxServer(0)
        self.server.sandbox = self.sandbox
        self.sandbox.start()
        self.session = requests.Session()
        self.session.trust_env = False
        self.client = Client(self.server.url, "v26.0", seed.TOKEN, timeout=(2, 5))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def switch(self, name: str, body: dict[str, Any]) -> Any:
        response = self.session.post(f"{self.server.url}/sandbox/{name}", json=body, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, name: str) -> Any:
        return self.session.get(f"{self.server.url}/sandbox/{name}", timeout=10).json()

    def close(self) -> None:
        self.session.close()
        self.client.close()
        self.server.shutdown()
        self.thread.join()
        self.server.close()


@pytest.fixture
def running(tmp_path: Path, receiver: Any) -> Iterator[Running]:
    running = Running(tmp_path / "sandbox.sqlite3", receiver.url)
    yield running
    running.close()


def test_our_client_posts_and_the_webhooks_come(running, receiver):
    accepted = running.client.post_message(seed.PHONE_NUMBER_ID, promo())
    assert (accepted.wa_id, accepted.message_status) == ("393471234567", "accepted")
    running.switch("settle", {})
    assert [event.status for event in receiver.events()] == ["sent", "delivered", "read"]
    assert {event.wamid for event in receiver.events()} == {accepted.wamid}
    assert all(receiver.signed)


def test_our_client_reads_all_templates_and_the_number(running):
    rows = list(running.client.iter_templates(seed.WABA_ID, page_size=3))
    assert [row["id"] for row in rows] == [row["id"] for row in seed.TEMPLATES]
    number = running.client.phone_number(seed.PHONE_NUMBER_ID)
    assert (number["verified_name"], number["quality_rating"]) == (seed.VERIFIED_NAME, "GREEN")


def test_our_client_marks_a_message_as_read(running):
    wamid = running.switch("inbound", {"from": PHONE, "text": "Ciao"})["wamid"]
    running.client.mark_read(seed.PHONE_NUMBER_ID, wamid)
    with pytest.raises(Refused):
        running.client.mark_read(seed.PHONE_NUMBER_ID, "wamid.unknown")


def test_a_wrong_token_and_a_wrong_number_hold_the_number(running):
    for token, number in (("another", seed.PHONE_NUMBER_ID), (seed.TOKEN, "999")):
        client = Client(running.server.url, "v26.0", token)
        with pytest.raises(Refused) as refusal:
            client.post_message(number, promo())
        client.close()
        assert refusal.value.error_class is ErrorClass.HOLD_NUMBER


@pytest.mark.parametrize(
    ("fault", "taken"),
    [("cut_before_share", 0), ("cut_after_share", 1), ("bad_gateway_share", 1), ("timeout_share", 1)],
)
def test_a_broken_answer_leaves_the_fate_unknown(running, fault, taken):
    running.switch("faults", {fault: 1.0})
    client = Client(running.server.url, "v26.0", seed.TOKEN, timeout=(2, 0.3))
    with pytest.raises(FateUnknown):
        client.post_message(seed.PHONE_NUMBER_ID, promo())
    client.close()
    assert len(running.get("sent")["messages"]) == taken


def test_many_threads_post_at_once_and_nothing_is_lost(running, receiver):
    phones = iter(range(300))
    lock = threading.Lock()
    wamids: list[str] = []

    def post() -> None:
        while True:
            with lock:
                number = next(phones, None)
            if number is None:
                return
            accepted = running.client.post_message(seed.PHONE_NUMBER_ID, promo(f"+3934700{number:05d}"))
            with lock:
                wamids.append(accepted.wamid)

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running.switch("settle", {})
    assert len(set(wamids)) == 300
    assert {message["wamid"] for message in running.get("sent")["messages"]} == set(wamids)
    assert {event.wamid for event in receiver.events() if event.status == "read"} == set(wamids)


def test_webhooks_come_by_themselves(running, receiver):
    running.switch("inbound", {"from": PHONE, "text": "Ciao"})
    assert receiver.arrived.wait(10)
    assert receiver.events()[0].text == "Ciao"


def test_a_body_without_an_end_is_turned_away(running):
    with socket.create_connection(("127.0.0.1", running.server.server_address[1])) as connection:
        connection.settimeout(5)
        connection.sendall(b"POST /v26.0/1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def start(data: Path) -> tuple[subprocess.Popen[str], str]:
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(data), "0"], cwd=root, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def ended(process: subprocess.Popen[str]) -> int:
    with process:
        return process.wait(10)


@pytest.mark.processes
def test_it_leaves_cleanly_when_told_even_with_open_connections(tmp_path):
    process, url = start(tmp_path / "s.sqlite3")
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{url}/sandbox/health", timeout=5).json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0


@pytest.mark.processes
def test_it_dies_when_killed_and_forgets_nothing(tmp_path):
    process, url = start(tmp_path / "s.sqlite3")
    client = Client(url, "v26.0", seed.TOKEN)
    wamid = client.post_message(seed.PHONE_NUMBER_ID, promo()).wamid
    client.close()
    process.kill()
    assert ended(process) == -signal.SIGKILL
    with pytest.raises(requests.ConnectionError), requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=2)
    sandbox = Sandbox(tmp_path / "s.sqlite3", secret=SECRET)
    assert [row["wamid"] for row in sandbox.store.sent_since(0, limit=10)] == [wamid]
    sandbox.stop()
