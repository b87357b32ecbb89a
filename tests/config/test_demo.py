"""`manage.py demo`: one command starts everything, Ctrl-C ends all of it, and the data stays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from config import children, demo_data
from tests.conftest import eventually, free_port

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

ROOT = Path(__file__).parent.parent.parent
Start = Callable[..., "Demo"]


class Demo:
    """One running demo: its process, its address, and what it has printed."""

    def __init__(self, data: Path, *options: str) -> None:
        self.port = free_port()
        self.output = data.with_suffix(".out")
        ports = ["--port", str(self.port), "--sandbox-port", str(free_port())]
        environment = os.environ | {"DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "config.settings"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *ports, *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def printed(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> None:
        eventually(lambda: "Ctrl-C stops it." in self.printed() or children.has_ended(self.process))
        assert "Ctrl-C stops it." in self.printed(), self.printed()

    def log_in(self, email: str) -> requests.Response:
        session = requests.Session()
        url = f"http://localhost:{self.port}/account/login/"
        session.get(url, timeout=30)
        token = session.cookies["csrftoken"]
        form = {"login": email, "password": demo_data.PASSWORD, "csrfmiddlewaretoken": token}
        return session.post(url, data=form, headers={"Referer": url}, timeout=30, allow_redirects=False)


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Start]:
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        started.append(Demo(tmp_path / "data", *options))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.wait()


def test_the_demo_starts_everything_and_ctrl_c_leaves_nothing(start_demo: Start) -> None:
    demo = start_demo()
    demo.wait_until_ready()
    processes = psutil.Process(demo.process.pid).children(recursive=True)
    titles = [" ".join(process.cmdline()) for process in processes]

    assert all(any(part in title for title in titles) for part in ("gunicorn", "manage.py work", "manage.py sandbox"))
    assert f"http://localhost:{demo.port}" in demo.printed()
    for role in ("administrator", "marketing", "agent", "auditor"):
        assert demo.log_in(f"{role}@example.com").status_code == 302

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(timeout=30) == 0
    assert [process for process in processes if process.is_running()] == []


def test_nothing_survives_a_killed_demo(start_demo: Start) -> None:
    demo = start_demo()
    demo.wait_until_ready()
    processes = psutil.Process(demo.process.pid).children(recursive=True)

    demo.process.kill()
    demo.process.wait()

    eventually(lambda: not any(process.is_running() for process in processes), within=30)


def test_a_second_start_keeps_the_data_and_a_reset_starts_over(start_demo: Start, tmp_path: Path) -> None:
    secrets = tmp_path / "data/demo/secrets.env"

    def run(*options: str) -> str:
        demo = start_demo(*options)
        demo.wait_until_ready()
        assert demo.log_in("agent@example.com").status_code == 302
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(timeout=30) == 0
        return secrets.read_text()

    first = run()
    (tmp_path / "data/demo/mine").touch()

    assert run() == first
    assert (tmp_path / "data/demo/mine").exists()
    assert run("--reset") != first
    assert not (tmp_path / "data/demo/mine").exists()


def test_a_taken_port_is_named_in_one_sentence(start_demo: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start_demo("--port", str(port))

        assert demo.process.wait(timeout=30) == 1
    assert demo.printed() == (
        f"Port {port} is taken. Stop what uses it, or choose another: make demo PORT={port + 80}\n"
    )


def test_a_folder_that_is_not_a_demos_is_never_removed(start_demo: Start, tmp_path: Path) -> None:
    (tmp_path / "data/demo").mkdir(parents=True)
    (tmp_path / "data/demo/letter").touch()

    demo = start_demo("--reset")

    assert demo.process.wait(timeout=30) == 1
    assert "was not made by the demo" in demo.printed()
    assert (tmp_path / "data/demo/letter").exists()
