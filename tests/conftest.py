"""What every test may use, and the guards around all of them."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase

from contacts import triggers

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
