"""The guards around all tests, seen at work."""

import socket

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from contacts import triggers
from tests.conftest import is_local


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 80), True),
        (("::1", 80, 0, 0), True),
        (("localhost", 80), True),
        ("/run/postgresql/.s.PGSQL.5432", True),
        (("192.0.2.1", 80), False),
        (("example.com", 80), False),
    ],
)
def test_only_the_loopback_counts_as_this_machine(address: object, local: bool) -> None:
    assert is_local(address) is local


def test_a_test_that_swallows_a_refused_connection_still_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import only_this_machine")
    pytester.makepyfile(
        """
        import contextlib, socket

        def test_reaching_out():
            with contextlib.suppress(OSError):
                socket.create_connection(("192.0.2.1", 80), timeout=1)
        """
    )

    pytester.runpytest_inprocess("-p", "no:django").assert_outcomes(passed=1, errors=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round", ["first", "second"])
def test_a_flush_leaves_the_triggers_and_the_first_rows(round: str) -> None:
    """The second round sees what the flush after the first one left."""
    assert triggers.missing(connection) == []
    assert Group.objects.filter(name="auditor").exists()


def test_sockets_are_guarded() -> None:
    assert socket.socket.connect.__qualname__.startswith("only_this_machine")
