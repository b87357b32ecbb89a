import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connection, connections
from django.test import Client

from contacts import triggers


def test_live_answers_without_a_log_in_and_without_a_database(client: Client) -> None:
    response = client.get("/health/live/")

    assert (response.status_code, response.content) == (200, b"live\n")


def test_our_own_pages_allow_scripts_from_ourselves_only(client: Client) -> None:
    policy = client.get("/health/live/").headers["Content-Security-Policy"]

    assert "script-src 'self'" in [part.strip() for part in policy.split(";")]
    assert "unsafe" not in policy


def test_everything_else_asks_for_a_log_in(client: Client, db: None) -> None:
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain == [("/admin/login/?next=/admin/", 302), ("/account/login/?next=%2Fadmin%2F", 302)]


@pytest.mark.django_db
def test_ready_when_the_database_answers_and_the_ledger_is_protected(client: Client) -> None:
    response = client.get("/health/ready/")

    assert (response.status_code, response.content) == (200, b"ready\n")


@pytest.mark.django_db
def test_not_ready_while_a_trigger_of_the_ledger_is_missing(client: Client) -> None:
    triggers.drop(connection)

    response = client.get("/health/ready/")

    assert (response.status_code, response.content) == (503, b"the ledger is not protected\n")
    with pytest.raises(SystemCheckError, match="The ledger is not protected"):
        call_command("check", databases=["default"])


@pytest.mark.django_db
def test_not_ready_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OperationalError("connection to server at 10.1.2.3 failed")

    monkeypatch.setattr(connections["default"], "cursor", refuse)

    response = client.get("/health/ready/")

    assert (response.status_code, response.content) == (503, b"the database does not answer\n")
