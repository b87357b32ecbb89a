"""Real processes and a real browser: what a story needs to be lived through as a person would.

`parley` is the web server, `manage.py work` and the sandbox on the test's database; `page` is a tab of Chromium that
reaches this machine only, and fails the test when a page breaks its own content policy or a script fails.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from django.conf import global_settings
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django import Settings

from config import children
from tests.conftest import eventually, free_port

CHROMIUM = "/usr/bin/chromium"
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Parley:
    """Where the running parts are, without a slash at the end."""

    url: str
    sandbox_url: str
    logs: Path


def answers(url: str) -> bool:
    try:
        requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    return True


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR for the processes of all stories: the pages' files are collected in it once, as in production."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def parley(
    process_environment: dict[str, str], data_folder: Path, tmp_path: Path, settings: Settings
) -> Iterator[Parley]:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # the processes know none of the tests' quick ones
    port, sandbox_port = free_port(), free_port()
    running = Parley(f"http://localhost:{port}", f"http://127.0.0.1:{sandbox_port}", tmp_path)
    environment = process_environment | {
        "DATA_DIR": str(data_folder),
        "PUBLIC_URL": running.url,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "WHATSAPP_API_URL": running.sandbox_url,
        "EMAIL_URL": "",
    }
    if not (data_folder / "static").exists():
        collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
        subprocess.run(collect, cwd=ROOT, env=environment, check=True)
    webhooks = f"http://127.0.0.1:{port}/webhooks/whatsapp/"
    sandbox = ["manage.py", "sandbox", "--port", str(sandbox_port), "--webhook-url", webhooks]
    commands = {
        "sandbox": [*sandbox, "--data", str(tmp_path / "sandbox.sqlite3")],
        "web": ["-m", "gunicorn", "config.wsgi", "--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}"],
        "work": ["manage.py", "work", "--drain-seconds", "5"],
    }
    started = [
        children.start([sys.executable, *command], environment=environment, log=tmp_path / f"{name}.log")
        for name, command in commands.items()
    ]
    try:
        eventually(lambda: answers(running.url + "/health/live/") and answers(running.sandbox_url))
        yield running
    finally:
        for process in reversed(started):
            if not children.has_ended(process):
                process.terminate()
            eventually(lambda process=process: children.has_ended(process))  # type: ignore[misc]
            children.kill_group(process)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # The browser's loop runs in this thread, and Django would take every query of the test for one inside a coroutine.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    only_here = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", only_here])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, parley: Parley) -> Iterator[Page]:
    """A tab whose relative addresses are Parley's."""
    problems: list[str] = []
    tab = browser.new_context(base_url=parley.url).new_page()
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    yield tab
    assert problems == []
