"""What every test may use, and the guards around all of them."""

import ipaddress
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.db import connection
from django.test import TransactionTestCase

from contacts import triggers

# A slow machine is no failure: examples have no deadline of their own.
hypothesis.settings.register_profile("parley", deadline=None)
hypothesis.settings.load_profile("parley")

flush_tables = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def flush_between_triggers(case: TransactionTestCase) -> None:
    """Empty the tables after a test that committed: the ledger's triggers refuse that, as they should."""
    triggers.drop(connection)
    try:
        flush_tables(case)
    finally:
        triggers.install(connection)


TransactionTestCase._fixture_teardown = flush_between_triggers  # type: ignore[attr-defined]


def is_local(address: Any) -> bool:
    """True for unix sockets and for the loopback, by number or by name."""
    if not isinstance(address, tuple):
        return True
    host = address[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A connection to anywhere but the loopback fails the test, even where the code under test swallows the error."""
    attempts: list[str] = []

    def guarded(name: str) -> Any:
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if not is_local(address):
                attempts.append(str(address[0]))
                raise ConnectionRefusedError("tests reach nothing outside this machine")
            return original(self, address)

        return connect

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(name))
    yield
    if attempts:
        pytest.fail(f"The test tried to reach {', '.join(attempts)}, outside this machine.")


def eventually(condition: Callable[[], object], *, within: float = 180) -> None:
    """Wait until something that other processes bring about is so; fail when it is not within so many seconds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"still not so after {within} s"
        time.sleep(0.05)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for processes that a test starts: the project's own settings on the test's database."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        url = f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
