"""The inbox through its pages: what its list and its threads show, and that a poll hears of every change."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import AGENT
from contacts.models import Contact
from conversations import outbox
from conversations.inbox import MESSAGES, ROWS, Left
from conversations.models import BusinessNumber, Conversation, Kind, Message, Status
from tests import make
from tests.conversations.talk import PARTS, conversation, sent_campaign, url, wamid, words, wrote

pytestmark = pytest.mark.django_db


# ---- The list


def test_the_list_shows_who_wrote_what_about_which_campaign_and_how_long_is_left(
    desk: Client, giulia: Conversation
) -> None:
    seen = words(desk.get("/inbox/"))

    for expected in ("Giulia Rinaldi", "Is it in blue?", "Autumn offer", "23 h 55", "1 unread"):
        assert expected in seen


def test_each_tab_shows_its_own(desk: Client, agent: User, number: BusinessNumber) -> None:
    for name, fields in {
        "Free": {},
        "Own": {"assignee": agent},
        "Others": {"assignee": make.user(AGENT, "marco@example.test")},
        "Done": {"state": Conversation.State.RESOLVED},
    }.items():
        conversation(wrote(make.contact(first_name=name), number), **fields)

    def names(view: str) -> set[str]:
        seen = words(desk.get("/inbox/", {"view": view}, headers=PARTS))
        return {name for name in ("Free", "Own", "Others", "Done") if name in seen}

    assert names("open") == {"Free", "Own", "Others"}
    assert names("unassigned") == {"Free"}
    assert names("mine") == {"Own"}
    assert names("resolved") == {"Done"}
    assert names("no such tab") == {"Free", "Own", "Others"}


@pytest.mark.parametrize("view", ["open", "unassigned", "mine", "resolved"])
def test_an_empty_tab_says_what_comes_first(desk: Client, view: str) -> None:
    page = desk.get("/inbox/", {"view": view})

    assert page.content.count(b'data-key="empty"') == 1


def test_the_list_goes_on_by_key_and_shows_everybody_once(desk: Client, number: BusinessNumber) -> None:
    at = timezone.now()
    for index in range(ROWS + 5):  # some at the same instant: the key must tell them apart
        conversation(
            wrote(make.contact(first_name=f"P{index:02d}"), number), changed_at=at - timedelta(seconds=index // 7)
        )

    first = desk.get("/inbox/", headers=PARTS).content.decode()
    more = unescape(re.findall(r'href="([^"]+after=[^"]+)"', first)[0])
    second = desk.get(more, headers=PARTS).content.decode()

    keys = [re.findall(r'class="p-conv[^"]*" data-key="(\w+)"', page) for page in (first, second)]
    assert [len(page) for page in keys] == [ROWS, 5]
    assert len(set(keys[0] + keys[1])) == ROWS + 5
    assert "data-more-rows" not in second


@pytest.mark.parametrize("after", ["x", "1-2", "99999999999999999999999-" + "0" * 32, "-", "1-" + "0" * 32])
def test_a_made_up_key_shows_nobody_and_breaks_nothing(desk: Client, giulia: Conversation, after: str) -> None:
    assert desk.get("/inbox/", {"after": after}, headers=PARTS).status_code == 200


def test_counts_stop_at_ninety_nine(desk: Client, number: BusinessNumber) -> None:
    people = Contact.objects.bulk_create([Contact(first_name=f"P{index}") for index in range(105)])
    now = timezone.now()
    Conversation.objects.bulk_create(
        [Conversation(contact=who, number=number, changed_at=now, unread=1) for who in people]
    )

    page = desk.get("/inbox/")

    assert "Unassigned 99+" in words(page)
    assert "(99+)" in page.content.decode().partition("</title>")[0]


def test_an_unread_conversation_of_somebody_else_is_not_counted_in_the_title(
    desk: Client, number: BusinessNumber
) -> None:
    conversation(wrote(make.contact(), number), unread=3, assignee=make.user(AGENT, "marco@example.test"))

    assert "<title>Inbox · Parley" in desk.get("/inbox/").content.decode()


@pytest.mark.parametrize("path", ["/inbox/", "thread"])
@pytest.mark.parametrize("headers", [{}, PARTS], ids=["page", "parts"])
def test_five_conversations_or_fifty_cost_the_same_queries(
    desk: Client, number: BusinessNumber, path: str, headers: dict[str, str]
) -> None:
    def spoke(index: int) -> Conversation:
        who = make.contact(first_name=f"P{index}")
        campaign = sent_campaign(who, number)
        last = [wrote(who, number, in_reply_to=campaign, quoted=campaign) for _ in range(index + 1)][-1]
        return conversation(last, assignee=make.user(AGENT, f"agent{index}@example.test"))

    def cost(of: Conversation) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert desk.get(url(of) if path == "thread" else path, headers=headers).status_code == 200
        return len(queries)

    few = [spoke(index) for index in range(5)]
    cost(few[0])  # what is read once per process
    cost_of_few = cost(few[0])
    many = [spoke(index) for index in range(5, 50)]

    assert cost(many[-1]) == cost_of_few
    assert cost_of_few <= 21


def test_a_poll_that_finds_nothing_new_asks_little(desk: Client, giulia: Conversation) -> None:
    tag = desk.get(url(giulia), headers=PARTS)["ETag"]

    with CaptureQueriesContext(connection) as queries:
        assert desk.get(url(giulia), headers=PARTS | {"If-None-Match": tag}).status_code == 304

    assert len(queries) <= 9


# ---- Time left


@pytest.mark.parametrize(
    ("minutes", "said", "urgency"),
    [
        (24 * 60, "24 h 00", "calm"),
        (288.1, "4 h 49", "calm"),
        (288, "4 h 48", "soon"),
        (72.1, "1 h 13", "soon"),
        (72, "1 h 12", "last"),
        (0.2, "1 min", "last"),
        (0, "closed", "over"),
        (-5, "closed", "over"),
    ],
)
def test_time_left_turns_in_the_last_fifth_and_twentieth(minutes: float, said: str, urgency: str) -> None:
    now = timezone.now()
    left = Left(now + timedelta(minutes=minutes), now)

    assert (left.words, left.urgency) == (said, urgency)


def test_a_session_ended_by_a_stop_has_nothing_left(desk: Client, giulia: Conversation) -> None:
    Conversation.objects.update(stopped_at=timezone.now())

    assert "closed" in words(desk.get("/inbox/", headers=PARTS))


# ---- The thread


def test_the_campaign_message_stands_above_the_reply(desk: Client, giulia: Conversation) -> None:
    page = desk.get(url(giulia), headers=PARTS).content.decode()
    messages = page[page.index('data-part="messages"') :]

    assert messages.index("Hi Giulia, 20% off.") < messages.index("Is it in blue?")
    assert "p-bubble--campaign" in messages
    assert "p-ticks--read" in messages


def test_what_went_wrong_is_said_in_words(desk: Client, giulia: Conversation, agent: User) -> None:
    def ours(status: Status, **more: Any) -> None:
        at = timezone.now()
        Message.objects.create(
            contact=giulia.contact, number=giulia.number, kind=Kind.TEXT, type="text", text="Yes", at=at, status=status,
            sending_at=at, author=agent, answers=giulia.last_inbound, **more,
        )  # fmt: skip

    ours(Status.FAILED, error_code=131026, wamid=wamid())
    ours(Status.UNKNOWN)
    ours(Status.WITHHELD, verdict="stopped")
    ours(Status.QUEUED, verdict="number_held", due_at=timezone.now())
    seen = words(desk.get(url(giulia)))

    assert "WhatsApp could not deliver this message." in seen
    assert "It may have arrived, so it is not sent again by itself." in seen
    assert "They ended this conversation with STOP." in seen
    assert "Your number is on hold." in seen


def test_a_stop_shows_the_ledger_line_it_caused(desk: Client, giulia: Conversation) -> None:
    stop = wrote(giulia.contact, giulia.number, "STOP", ago=1)
    stop.led_to = make.withdraw(giulia.contact)
    stop.save()

    assert "In the consent ledger: Withdrew · everything" in words(desk.get(url(giulia)))


def test_a_reaction_sits_on_its_message_and_goes_with_it(desk: Client, giulia: Conversation) -> None:
    campaign = Message.objects.get(kind=Kind.CAMPAIGN)
    about = {"reaction": {"message_id": campaign.wamid, "emoji": "👍"}}
    wrote(giulia.contact, giulia.number, "👍", ago=3, type="reaction", content=about)
    assert "They reacted 👍" in words(desk.get(url(giulia)))

    wrote(
        giulia.contact,
        giulia.number,
        "",
        ago=2,
        type="reaction",
        content={"reaction": about["reaction"] | {"emoji": ""}},
    )
    assert "They reacted" not in words(desk.get(url(giulia)))


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("image", {"image": {"mime_type": "image/jpeg"}}, "Photo"),
        ("audio", {"audio": {"voice": True}}, "Voice message"),
        ("location", {"location": {"latitude": 45.4, "longitude": 9.1, "name": "Duomo"}}, "45.4, 9.1"),
        ("contacts", {"contacts": [{"name": {"formatted_name": "Anna"}, "phones": [{"phone": "+39 347"}]}]}, "+39 347"),
        ("order", {"order": {"product_items": [{"product_retailer_id": "SKU-1", "quantity": 2}]}}, "2 × SKU-1"),
        ("unsupported", {"unsupported": {"type": "poll_creation"}}, "poll_creation"),
        ("ephemeral", {}, "ephemeral"),
        ("image", {"image": "not an object"}, "Photo"),
        ("contacts", {"contacts": [None, {"phones": 3}]}, "Contact card"),
    ],
)
def test_what_is_not_text_is_shown_for_what_it_is(
    desk: Client, giulia: Conversation, kind: str, content: dict[str, Any], expected: str
) -> None:
    wrote(giulia.contact, giulia.number, "", ago=1, type=kind, content=content)

    assert expected in words(desk.get(url(giulia)))


def test_a_long_thread_goes_back_by_key(desk: Client, giulia: Conversation) -> None:
    for index in range(MESSAGES + 5):
        wrote(giulia.contact, giulia.number, f"number {index}.", ago=4)

    newest = desk.get(url(giulia), headers=PARTS).content.decode()
    earlier = unescape(re.findall(r'href="([^"]+before=[^"]+)"', newest)[0])
    older = desk.get(earlier, headers=PARTS).content.decode()

    assert newest.count('class="p-said ') == MESSAGES
    assert older.count('class="p-said ') == 7  # the five, her first message and the campaign
    assert "number 4." in older
    assert "number 5." not in older
    assert "data-earlier" not in older


@pytest.mark.parametrize("before", ["nonsense", "7c9e6679-7425-40de-944b-e07fc1f90ae7"])
def test_a_made_up_message_to_go_back_from_breaks_nothing(desk: Client, giulia: Conversation, before: str) -> None:
    assert desk.get(url(giulia), {"before": before}).status_code == 200


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def test_a_script_in_a_name_a_text_a_campaign_or_a_quote_stays_text(desk: Client, number: BusinessNumber) -> None:
    who = make.contact(first_name=HOSTILE, profile_name=HOSTILE, stage=HOSTILE[:40], tags=[make.tag(HOSTILE)])
    campaign = sent_campaign(who, number, label=HOSTILE)
    about = {"document": {"filename": HOSTILE, "mime_type": HOSTILE}}
    opened = conversation(
        wrote(who, number, f"*{HOSTILE}*", in_reply_to=campaign, quoted=campaign, type="document", content=about)
    )

    page = desk.get(url(opened)).content.decode()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") >= 8


def test_no_page_of_the_inbox_needs_anything_inline(desk: Client, giulia: Conversation) -> None:
    page = desk.get(url(giulia))

    assert "'unsafe" not in page["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page.content.decode()) == []


# ---- Live


Change = Callable[[Conversation], object]


def _status(opened: Conversation) -> None:
    Message.objects.filter(kind=Kind.CAMPAIGN).update(status=Status.DELIVERED)


CHANGES: dict[str, Change] = {
    "a new message": lambda opened: wrote(opened.contact, opened.number, "and in green?", ago=0),
    "a tick": _status,
    "an assignee": lambda opened: Conversation.objects.update(assignee=User.objects.first()),
    "resolved": lambda opened: Conversation.objects.update(state=Conversation.State.RESOLVED),
    "read": lambda opened: Conversation.objects.update(unread=0),
    "the session": lambda opened: Conversation.objects.update(session_expires_at=timezone.now()),
    "a STOP": lambda opened: Conversation.objects.update(stopped_at=timezone.now()),
    "a withdrawal": lambda opened: make.withdraw(opened.contact),
    "a new name": lambda opened: Contact(pk=opened.contact.pk, first_name="Julia").save(
        update_fields=["first_name", "updated_at"]
    ),
    "a held number": lambda opened: outbox.hold(opened.number, reason="by staff"),
    "somebody new": lambda opened: conversation(wrote(make.contact(), opened.number), unread=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_poll_hears_of_every_change_and_of_nothing_else(desk: Client, giulia: Conversation, change: Change) -> None:
    tag = desk.get(url(giulia), headers=PARTS)["ETag"]
    asking = PARTS | {"If-None-Match": tag}
    assert desk.get(url(giulia), headers=asking).status_code == 304
    assert desk.get(url(giulia), headers=PARTS | {"If-None-Match": f"W/{tag}"}).status_code == 304  # through a proxy

    change(giulia)

    changed = desk.get(url(giulia), headers=asking)
    assert changed.status_code == 200
    assert changed["ETag"] != tag


def test_parts_are_the_same_as_in_the_page(desk: Client, giulia: Conversation) -> None:
    page, parts = (desk.get(url(giulia), headers=headers).content.decode() for headers in ({}, PARTS))

    for name in ("tabs", "rows", "head", "messages", "person"):
        drawn = re.search(rf'<(\w+)[^>]*data-part="{name}".*?</\1>', parts, re.DOTALL)
        assert drawn, name
        assert drawn[0] in page


def test_pages_are_kept_by_no_cache(desk: Client, giulia: Conversation) -> None:
    response = desk.get(url(giulia), headers=PARTS)

    assert response["Cache-Control"] == "private, no-cache"
    assert "X-Parley-Parts" in response["Vary"]


# ---- May I write?


def test_the_person_pane_answers_whether_one_may_write(desk: Client, giulia: Conversation) -> None:
    seen = words(desk.get(url(giulia)))
    assert "Yes, until" in seen
    assert re.search(r"Offers and news agreed since", seen)

    make.withdraw(giulia.contact)
    assert "Then nothing, until they write again or agree to something." in words(desk.get(url(giulia)))

    Conversation.objects.update(session_expires_at=timezone.now())
    assert "They agreed to nothing that a template could stand on." in words(desk.get(url(giulia)))
