"""What one can do in the inbox, who may, and what is refused: the page and the server in the same words."""

import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.roles import ADMINISTRATOR, AGENT, AUDITOR, MARKETING
from conversations import outbox
from conversations.models import BusinessNumber, Conversation, Kind, Message
from tests import make
from tests.conversations.talk import PARTS, conversation, url, words, wrote

pytestmark = pytest.mark.django_db


def answer(desk: Client, to: Conversation, text: str, *, token: str = "", **more: Any) -> Any:
    return desk.post(url(to, "answer"), {"text": text, "token": token or uuid.uuid4().hex}, **more)


# ---- Roles


@pytest.mark.parametrize("role", [MARKETING, AUDITOR])
def test_marketing_and_auditors_read_and_cannot_write(client: Client, giulia: Conversation, role: str) -> None:
    client.force_login(make.user(role))

    page = client.get(url(giulia))
    assert "Sales agents and administrators answer them." in words(page)
    assert b"data-answer" not in page.content
    assert b"formaction" not in page.content
    for act in ("answer", "take", "release", "resolve", "reopen", "seen"):
        assert client.post(url(giulia, act), {"text": "hello", "token": "0" * 32}).status_code == 403
    assert not Message.objects.filter(kind=Kind.TEXT).exists()


def test_an_administrator_answers_too(client: Client, giulia: Conversation) -> None:
    client.force_login(make.user(ADMINISTRATOR))

    assert answer(client, giulia, "Yes").status_code == 302
    assert Message.objects.filter(kind=Kind.TEXT, text="Yes").exists()


def test_whoever_is_not_logged_in_sees_nothing(client: Client, giulia: Conversation) -> None:
    for path in ("/inbox/", url(giulia)):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/account/login/")


# ---- Answering


def test_an_answer_is_queued_and_the_page_comes_back(desk: Client, giulia: Conversation, agent: User) -> None:
    response = answer(desk, giulia, "Yes, in *blue*.\r\nShall I keep one?")

    message = Message.objects.get(kind=Kind.TEXT)
    assert response.status_code == 302
    assert response["Location"].startswith(url(giulia))
    assert (message.text, message.author, message.answers) == (
        "Yes, in *blue*.\nShall I keep one?", agent, giulia.last_inbound,
    )  # fmt: skip
    assert "Yes, in blue ." in words(desk.get(url(giulia)))


def test_the_same_token_sends_once(desk: Client, giulia: Conversation) -> None:
    for _click in range(2):
        assert answer(desk, giulia, "Yes", token="a" * 32, headers=PARTS).status_code == 200

    assert Message.objects.filter(kind=Kind.TEXT).count() == 1


def test_a_token_of_one_conversation_is_worth_nothing_in_another(
    desk: Client, giulia: Conversation, number: BusinessNumber
) -> None:
    other = conversation(wrote(make.contact(), number))

    answer(desk, giulia, "for Giulia", token="a" * 32)
    answer(desk, other, "for the other", token="a" * 32)

    assert Message.objects.filter(kind=Kind.TEXT).count() == 2


def test_4096_characters_leave_and_one_more_does_not(desk: Client, giulia: Conversation) -> None:
    longest = "line\n" * 819 + "😍"
    assert len(longest) == 4096

    assert answer(desk, giulia, longest.replace("\n", "\r\n")).status_code == 302
    refused = answer(desk, giulia, longest + "x")

    assert refused.status_code == 422
    assert "this is 1 too long" in words(refused)
    assert unescape(refused.content.decode()).count(longest + "x") == 1  # it stays in the box
    assert Message.objects.filter(kind=Kind.TEXT).count() == 1


@pytest.mark.parametrize("text", ["", "   ", "\r\n \x00"])
def test_an_empty_answer_is_refused(desk: Client, giulia: Conversation, text: str) -> None:
    refused = answer(desk, giulia, text)

    assert refused.status_code == 422
    assert "Write something first." in words(refused)


@pytest.mark.parametrize("token", ["", "short", "a" * 65, "not a token" * 2])
def test_an_answer_without_a_token_is_refused(desk: Client, giulia: Conversation, token: str) -> None:
    assert desk.post(url(giulia, "answer"), {"text": "Yes", "token": token}).status_code == 422
    assert not Message.objects.filter(kind=Kind.TEXT).exists()


@pytest.mark.parametrize(
    ("change", "sentence", "then"),
    [
        (
            {"session_expires_at": timezone.now() - timedelta(minutes=1)},
            "The 24 hours after their last message are over.",
            "Wait until they write",
        ),
        ({"stopped_at": timezone.now()}, "They ended this conversation with STOP.", "when they write again"),
    ],
    ids=["closed", "stopped"],
)
def test_a_locked_composer_names_the_reason_and_a_stale_page_is_refused_the_same_way(
    desk: Client, giulia: Conversation, change: dict[str, Any], sentence: str, then: str
) -> None:
    Conversation.objects.update(**change)

    page = desk.get(url(giulia))
    assert b"data-answer" not in page.content
    assert sentence in words(page)
    assert then in words(page)

    for headers in ({}, PARTS):
        refused = answer(desk, giulia, "typed while it closed", headers=headers)
        assert refused.status_code == 422
        assert sentence in words(refused)
        assert "Your draft is kept: typed while it closed" in words(refused)
    assert not Message.objects.filter(kind=Kind.TEXT).exists()


def test_a_number_on_hold_delays_an_answer_and_says_so(desk: Client, giulia: Conversation) -> None:
    outbox.hold(giulia.number, reason="by staff")

    assert "Your number is on hold. What you send waits until it is released." in words(desk.get(url(giulia)))
    assert answer(desk, giulia, "Yes").status_code == 302


# ---- Assigning, resolving, reading


def test_taking_and_releasing(desk: Client, giulia: Conversation, agent: User) -> None:
    desk.post(url(giulia, "take"), {"assignee": ""})
    giulia.refresh_from_db()
    assert giulia.assignee == agent

    desk.post(url(giulia, "release"))
    giulia.refresh_from_db()
    assert giulia.assignee is None


def test_of_two_who_take_it_at_once_the_second_is_told_who_has_it(desk: Client, giulia: Conversation) -> None:
    marco = make.user(AGENT, "marco@example.test")
    Conversation.objects.update(assignee=marco)

    refused = desk.post(url(giulia, "take"), {"assignee": ""})
    giulia.refresh_from_db()
    assert (refused.status_code, giulia.assignee) == (409, marco)
    assert "marco@example.test has this conversation now." in words(refused)

    taken_over = desk.post(url(giulia, "take"), {"assignee": str(marco.public_id)})
    giulia.refresh_from_db()
    assert (taken_over.status_code, giulia.assignee != marco) == (302, True)


def test_nobody_releases_what_is_not_theirs(desk: Client, giulia: Conversation) -> None:
    marco = make.user(AGENT, "marco@example.test")
    Conversation.objects.update(assignee=marco)

    desk.post(url(giulia, "release"))

    giulia.refresh_from_db()
    assert giulia.assignee == marco


def test_resolving_and_reopening_keeps_the_tab_one_was_in(desk: Client, giulia: Conversation) -> None:
    response = desk.post(url(giulia, "resolve") + "?view=mine")
    giulia.refresh_from_db()
    assert giulia.state == Conversation.State.RESOLVED
    assert response["Location"] == url(giulia) + "?view=mine"

    desk.post(url(giulia, "reopen"))
    giulia.refresh_from_db()
    assert giulia.state == Conversation.State.OPEN


def test_opening_reads_nothing_until_the_page_says_it_was_seen(desk: Client, giulia: Conversation) -> None:
    moved_at = giulia.changed_at
    desk.get(url(giulia))
    giulia.refresh_from_db()
    assert giulia.unread == 1

    desk.post(url(giulia, "seen"), headers=PARTS)
    giulia.refresh_from_db()
    assert (giulia.unread, giulia.changed_at) == (0, moved_at)  # it keeps its place in the list


def test_an_unknown_conversation_is_not_found(desk: Client) -> None:
    nobody = f"/inbox/{uuid.uuid4()}/"

    assert desk.get(nobody).status_code == 404
    assert desk.post(nobody + "answer/", {"text": "Yes", "token": "a" * 32}).status_code == 404
