"""The inbox under an agent's hands: what a page alone cannot show, in a real browser on a real server."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.roles import AGENT
from conversations.models import Conversation, Kind, Message
from tests import make
from tests.conversations.talk import conversation, sent_campaign, url, wrote

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


@pytest.fixture
def agent(transactional_db: None) -> User:
    return make.user(AGENT, "anna@example.test")


@pytest.fixture
def sit_down(browser: Browser, live_server: LiveServer) -> Iterator[Open]:
    """A browser tab of their own for an agent who is logged in. A script that fails in it fails the test."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def sit(who: User, *, width: int = 1440, height: int = 900) -> Page:
        client = Client()
        client.force_login(who)
        context = browser.new_context(base_url=live_server.url, viewport={"width": width, "height": height})
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        tab.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
        return tab

    yield sit
    for context in contexts:  # before the server goes, so that no poll finds the door shut
        context.close()
    assert problems == []


@pytest.fixture
def tab(sit_down: Open, agent: User) -> Page:
    return sit_down(agent)


@pytest.fixture
def giulia(agent: User) -> Conversation:
    number = make.number()
    who = make.contact(first_name="Giulia", last_name="Rinaldi")
    campaign = sent_campaign(who, number)
    return conversation(wrote(who, number, in_reply_to=campaign, quoted=campaign), unread=1)


def writes(to: Conversation, text: str) -> Message:
    """The person writes again, now."""
    message = wrote(to.contact, to.number, text, ago=0)
    Conversation.objects.filter(pk=to.pk).update(
        last_message=message, last_inbound=message, changed_at=timezone.now(), unread=1, stopped_at=None,
        session_expires_at=message.at + timedelta(hours=24),
    )  # fmt: skip
    return message


def answers() -> list[str]:
    return list(Message.objects.filter(kind=Kind.TEXT).order_by("pk").values_list("text", flat=True))


def test_a_double_click_sends_once_and_the_answer_appears_without_a_reload(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.evaluate("window.here = true")
    tab.locator("#answer").fill("Yes, in *blue*.")
    tab.get_by_role("button", name="Send").dblclick()

    expect(tab.locator(".p-said--out strong", has_text="blue")).to_be_visible()
    expect(tab.locator("#answer")).to_have_value("")
    assert tab.evaluate("window.here")
    assert answers() == ["Yes, in *blue*."]
    assert tab.evaluate("Object.keys(localStorage).filter(name => name.startsWith('parley:draft'))") == []


def test_enter_sends_and_shift_enter_starts_a_line(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.locator("#answer").click()
    tab.keyboard.type("one")
    tab.keyboard.press("Shift+Enter")
    tab.keyboard.type("two")
    tab.keyboard.press("Enter")

    expect(tab.locator(".p-said--out", has_text="two")).to_be_visible()
    assert answers() == ["one\ntwo"]


def test_a_message_arriving_while_one_types_leaves_text_caret_and_selection_alone(
    tab: Page, giulia: Conversation
) -> None:
    tab.goto(url(giulia))
    tab.locator("#answer").fill("half an answer")
    tab.evaluate("document.querySelector('#answer').setSelectionRange(4, 8)")
    writes(giulia, "are you there?")

    expect(tab.locator(".p-said--in", has_text="are you there?")).to_be_visible()
    expect(tab.locator(".p-conv", has_text="are you there?")).to_be_visible()
    state = tab.evaluate(
        "() => { const box = document.querySelector('#answer');"
        " return [box.value, box.selectionStart, box.selectionEnd, document.activeElement === box] }"
    )
    assert state == ["half an answer", 4, 8, True]


def test_a_selection_in_the_thread_survives_what_arrives(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.locator(".p-bubble__text", has_text="Is it in blue?").select_text()
    writes(giulia, "are you there?")

    expect(tab.locator(".p-said--in", has_text="are you there?")).to_be_visible()
    assert tab.evaluate("getSelection().toString()") == "Is it in blue?"


def test_opening_clears_what_was_unread_in_list_and_title(tab: Page, giulia: Conversation) -> None:
    tab.goto("/inbox/")
    expect(tab).to_have_title("(1) Inbox · Parley")
    tab.get_by_role("link", name="Giulia Rinaldi").click()

    expect(tab).to_have_title("Giulia Rinaldi · Inbox · Parley")
    expect(tab.locator(".p-conv--unread")).to_have_count(0)
    assert Conversation.objects.get().unread == 0
    tab.go_back()
    expect(tab.get_by_text("Choose a conversation.")).to_be_visible()


def test_reading_further_up_a_pill_tells_of_what_is_new_and_nothing_moves(tab: Page, giulia: Conversation) -> None:
    for index in range(80):
        wrote(giulia.contact, giulia.number, f"line {index}", ago=4)
    tab.goto(url(giulia))
    tab.get_by_role("link", name="Earlier messages").click()
    expect(tab.locator(".p-said--in", has_text="Is it in blue?")).to_have_count(1)
    tab.evaluate("document.querySelector('[data-scroller]').scrollTop = 200")
    place = tab.locator(".p-said--in", has_text="Is it in blue?").bounding_box()
    writes(giulia, "are you there?")

    pill = tab.get_by_role("button", name="1 new message")
    expect(pill).to_be_visible()
    assert tab.locator(".p-said--in", has_text="Is it in blue?").bounding_box() == place
    assert tab.locator("[data-day]").count() == tab.locator("[data-day] span").evaluate_all(
        "spans => new Set(spans.map(span => span.textContent)).size"
    )
    pill.click()
    expect(pill).to_be_hidden()
    expect(tab.locator(".p-said--in", has_text="are you there?")).to_be_in_viewport()


def test_a_stop_while_one_types_locks_the_box_and_keeps_the_draft_until_they_write_again(
    tab: Page, giulia: Conversation
) -> None:
    tab.goto(url(giulia))
    tab.locator("#answer").fill("a long and careful answer")
    Conversation.objects.update(stopped_at=timezone.now())

    expect(tab.get_by_text("They ended this conversation with STOP.").first).to_be_visible()
    expect(tab.locator("#kept")).to_have_value("a long and careful answer")

    writes(giulia, "wait, one question")
    expect(tab.locator("#answer")).to_have_value("a long and careful answer")


def test_a_session_that_closes_between_typing_and_sending_refuses_and_keeps_the_draft(
    tab: Page, giulia: Conversation
) -> None:
    tab.goto(url(giulia))
    tab.locator("#answer").fill("too late")
    Conversation.objects.update(session_expires_at=timezone.now() - timedelta(seconds=1))
    tab.keyboard.press("Enter")

    expect(tab.locator("[data-problem]")).to_have_text("The 24 hours after their last message are over.")
    expect(tab.locator("#kept")).to_have_value("too late")
    assert answers() == []


def test_a_draft_is_kept_per_conversation(tab: Page, giulia: Conversation) -> None:
    other = conversation(wrote(make.contact(first_name="Marco"), giulia.number))
    tab.goto(url(giulia))
    tab.locator("#answer").fill("for Giulia")
    tab.get_by_role("link", name="Marco").click()
    expect(tab.get_by_role("heading", name="Marco").first).to_be_visible()
    expect(tab.locator("#answer")).to_have_value("")
    tab.locator("#answer").fill("for Marco")

    tab.goto(url(giulia))
    expect(tab.locator("#answer")).to_have_value("for Giulia")
    tab.goto(url(other))
    expect(tab.locator("#answer")).to_have_value("for Marco")


def test_an_answer_whose_acknowledgement_is_lost_arrives_once(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.route("**/answer/**", lambda route: (route.fetch(), route.abort()))
    tab.locator("#answer").fill("Yes")
    tab.keyboard.press("Enter")
    expect(tab.locator("[data-problem]")).to_contain_text("send it again, it arrives once")
    expect(tab.locator("#answer")).to_have_value("Yes")

    tab.unroute("**/answer/**")
    tab.keyboard.press("Enter")
    expect(tab.locator("#answer")).to_have_value("")
    assert answers() == ["Yes"]


def test_a_lost_connection_is_said_and_what_was_missed_comes_in_after_it(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.context.set_offline(True)
    expect(tab.locator("[data-bar]")).to_contain_text("What you see may be old", timeout=15_000)
    writes(giulia, "are you there?")
    tab.context.set_offline(False)

    expect(tab.locator(".p-said--in", has_text="are you there?")).to_be_visible(timeout=15_000)
    expect(tab.locator("[data-bar]")).to_contain_text("Connected again.")


def test_whoever_is_logged_out_is_told_so(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.context.clear_cookies()

    expect(tab.locator("[data-bar]")).to_contain_text("You are logged out.", timeout=15_000)


def test_the_whole_way_without_a_mouse(tab: Page, giulia: Conversation, agent: User) -> None:
    conversation(wrote(make.contact(first_name="Older"), giulia.number, ago=90))
    tab.goto("/inbox/")
    tab.keyboard.press("j")
    expect(tab.get_by_role("link", name="Giulia Rinaldi")).to_be_focused()
    tab.keyboard.press("j")
    expect(tab.get_by_role("link", name="Older")).to_be_focused()
    tab.keyboard.press("k")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Giulia Rinaldi").first).to_be_visible()
    tab.keyboard.press("a")
    expect(tab.get_by_role("button", name="Release")).to_be_visible()
    tab.keyboard.press("r")
    tab.keyboard.type("je suis là")  # letters are letters while one writes
    tab.keyboard.press("Enter")
    expect(tab.locator(".p-said--out", has_text="je suis là")).to_be_visible()
    tab.keyboard.press("Escape")
    tab.keyboard.press("e")
    expect(tab.get_by_role("button", name="Reopen")).to_be_visible()
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys")).to_be_visible()

    giulia.refresh_from_db()
    assert (giulia.assignee, giulia.state) == (agent, Conversation.State.RESOLVED)


def test_of_two_agents_the_second_sees_who_took_it(sit_down: Open, agent: User, giulia: Conversation) -> None:
    anna, marco = sit_down(agent), sit_down(make.user(AGENT, "marco@example.test"))
    anna.goto(url(giulia))
    marco.goto(url(giulia))
    marco.route("**/inbox/**", lambda route: route.abort() if route.request.method == "GET" else route.continue_())
    anna.get_by_role("button", name="Assign to me").click()
    expect(anna.get_by_role("button", name="Release")).to_be_visible()
    marco.get_by_role("button", name="Assign to me").click()

    expect(marco.get_by_text("anna@example.test has this conversation now.")).to_be_visible()
    expect(marco.get_by_role("button", name="Take over")).to_be_visible()
    assert Conversation.objects.get().assignee == agent


def test_both_agents_see_an_answer_of_one_of_them(sit_down: Open, agent: User, giulia: Conversation) -> None:
    anna, marco = sit_down(agent), sit_down(make.user(AGENT, "marco@example.test"))
    anna.goto(url(giulia))
    marco.goto(url(giulia))
    anna.locator("#answer").fill("Yes, we have it.")
    anna.keyboard.press("Enter")

    expect(marco.locator(".p-said--out", has_text="Yes, we have it.")).to_be_visible()


def test_more_conversations_come_below_and_stay_while_new_ones_arrive(tab: Page, giulia: Conversation) -> None:
    for index in range(60):
        conversation(wrote(make.contact(first_name=f"P{index:02d}"), giulia.number, ago=100 + index))
    tab.goto("/inbox/")
    tab.get_by_role("link", name="More conversations").click()
    expect(tab.locator(".p-conv")).to_have_count(61)
    conversation(wrote(make.contact(first_name="Newest"), giulia.number, ago=0))

    expect(tab.locator(".p-conv").first).to_contain_text("Newest")
    expect(tab.locator(".p-conv")).to_have_count(62)


def test_on_a_phone_one_pane_at_a_time_and_nothing_sticks_out(
    sit_down: Open, agent: User, giulia: Conversation
) -> None:
    writes(giulia, "a" * 500 + " https://shop.example/" + "b" * 300)
    phone = sit_down(agent, width=360, height=740)
    phone.goto("/inbox/")
    expect(phone.locator(".p-inbox__thread")).to_be_hidden()
    phone.get_by_role("link", name="Giulia Rinaldi").click()
    expect(phone.locator(".p-inbox__list")).to_be_hidden()
    expect(phone.locator("#answer")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    assert (
        phone.evaluate(
            "() => { const box = document.querySelector('[data-scroller]'); return box.scrollWidth - box.clientWidth }"
        )
        <= 0
    )

    phone.get_by_role("button", name="Who this is").click()
    expect(phone.get_by_text("May I write?")).to_be_visible()
    phone.keyboard.press("Escape")
    phone.get_by_role("link", name="Back to the list").click()
    expect(phone.locator(".p-inbox__list")).to_be_visible()


def test_a_script_in_a_name_and_a_text_never_runs(tab: Page, giulia: Conversation) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    who = make.contact(first_name=evil)
    opened = conversation(wrote(who, giulia.number, evil))
    tab.goto(url(opened))
    writes(opened, f"*{evil}*")  # through the poll as well

    expect(tab.locator(".p-said--in strong", has_text="onerror")).to_be_visible()
    expect(tab.get_by_role("heading", name="alert(1)").first).to_be_visible()


def test_too_long_a_text_says_by_how_much_and_stays(tab: Page, giulia: Conversation) -> None:
    tab.goto(url(giulia))
    tab.locator("#answer").fill("😍" * 4097)
    expect(tab.get_by_text("1 too many")).to_be_visible()
    tab.keyboard.press("Enter")

    expect(tab.get_by_text("this is 1 too long")).to_be_visible()
    tab.locator("#answer").press("End")
    tab.locator("#answer").fill("😍" * 4096)
    expect(tab.get_by_text("0 left")).to_be_visible()
    tab.keyboard.press("Enter")
    expect(tab.locator("#answer")).to_have_value("")
    assert answers() == ["😍" * 4096]


def test_a_click_is_not_lost_when_the_list_changes_between_press_and_release(tab: Page, giulia: Conversation) -> None:
    marco = conversation(wrote(make.contact(first_name="Marco"), giulia.number))
    tab.goto(url(giulia))
    link = tab.get_by_role("link", name="Marco")
    link.hover()
    tab.mouse.down()
    with tab.expect_response(lambda response: response.status == 200 and "are you there?" in response.text()):
        writes(marco, "are you there?")
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(link).not_to_contain_text("are you there?")
    tab.mouse.up()
    expect(link).to_contain_text("are you there?")
    expect(tab.get_by_role("heading", name="Marco").first).to_be_visible()
