"""manage.py sandbox: its options reach the sandbox, and what cannot be said of them is one clear sentence."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conversations.management.commands import sandbox as command
from conversations.sandbox.server import Sandbox, SandboxServer


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sandbox]:
    """What would have been served; the command returns at once."""
    found: list[Sandbox] = []

    def serve(server: SandboxServer, sandbox: Sandbox, **options: Any) -> None:
        server.server_close()
        sandbox.stop()
        found.append(sandbox)

    monkeypatch.setattr(command, "serve", serve)
    return found


def test_the_options_reach_the_sandbox(started: list[Sandbox], tmp_path: Path) -> None:
    call_command(
        "sandbox",
        "--port=0",
        f"--data={tmp_path / 's.sqlite3'}",
        "--webhook-url=http://127.0.0.1:9/hook/",
        "--latency=20",
        "--jitter=5",
        "--error=131049=0.1",
        "--error=131016=0.2",
        "--share=stopper=0.5",
        "--persona=+393471234567=replier:Is it in blue?",
    )
    [sandbox] = started
    assert (sandbox.faults.latency_ms, sandbox.faults.jitter_ms) == (20, 5)
    assert sandbox.faults.errors == {131049: 0.1, 131016: 0.2}
    assert sandbox.people.shares == {"stopper": 0.5}
    assert sandbox.webhooks.url == "http://127.0.0.1:9/hook/"
    again = Sandbox(tmp_path / "s.sqlite3", secret="s")
    assert "Is it in blue?" in again.store.person("393471234567")["persona"]
    again.stop()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--persona=+39347=dancer", "a persona is one of"),
        ("--persona=Giulia=reader", "a phone is written as"),
        ("--share=stopper=2", "shares are"),
        ("--share=stopper=x", "x is no share"),
        ("--error=x=0.1", "an error code is a whole number"),
        ("--error=131049=7", "a share between 0 and 1"),
        ("--error=131049", "argument --error"),
        ("--latency=-5", "0 or more"),
    ],
)
def test_an_option_that_is_not_understood_is_one_clear_sentence(
    started: list[Sandbox], tmp_path: Path, option: str, says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("sandbox", "--port=0", f"--data={tmp_path / 's.sqlite3'}", option)
    assert started == []


def test_a_taken_port_is_said_and_nothing_of_the_running_one_is_touched(started: list[Sandbox], tmp_path: Path) -> None:
    first = SandboxServer(0)
    running = Sandbox(tmp_path / "s.sqlite3", secret="s")
    running.store.person("393471234567")
    port = first.server_address[1]
    with pytest.raises(CommandError, match=f"Port {port} is taken"):
        call_command("sandbox", f"--port={port}", f"--data={tmp_path / 's.sqlite3'}", "--fresh")
    assert running.store.count("people") == 1
    running.stop()
    first.server_close()


def test_without_a_secret_there_is_nothing_to_sign_with(started: list[Sandbox], settings: Any) -> None:
    settings.WHATSAPP_APP_SECRET = ""
    with pytest.raises(CommandError, match="WHATSAPP_APP_SECRET"):
        call_command("sandbox", "--port=0")
