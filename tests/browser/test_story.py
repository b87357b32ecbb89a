"""The story of a shop in real Chromium, on real processes: web server, `manage.py work` and the sandbox.

A list comes in with the consent it proves, a campaign goes out at its time, one person asks something and is answered,
another writes STOP and is left alone, START brings her back, and the ledger proves all of it. The test calls no job:
what happens, the processes bring about.
"""

import csv
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django_q.models import Failure
from playwright.sync_api import Browser, Page, expect

from accounts.roles import ADMINISTRATOR, AGENT, AUDITOR, MARKETING
from campaigns.models import Campaign, Recipient
from contacts import triggers
from contacts.models import Action, Consent, ConsentEvent, Contact, Evidence, Import, Source, Standing
from conversations.models import BusinessNumber, Conversation, Kind, Message, MessageTemplate, Status, WebhookDelivery
from conversations.verdicts import Verdict
from tests import make
from tests.browser import shop
from tests.browser.conftest import Parley
from tests.browser.shop import ELENA, GIULIA, LUCA, MARTA, PAOLO, SARA, VERA, Shop, Terminal, WhatsApp, in_seconds
from tests.conftest import eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AUTUMN, COATS = "Autumn knitwear", "New coats"
SOON = 20_000  # ms: for what other processes bring about and an open page shows by itself


@pytest.fixture
def the_shop(browser: Browser, parley: Parley) -> Iterator[Shop]:
    shop_of_story = Shop(browser, parley.url)
    yield shop_of_story
    shop_of_story.closes()
    assert shop_of_story.problems == []


@pytest.fixture
def terminal(process_environment: dict[str, str], data_folder: Path) -> Terminal:
    return Terminal(process_environment | {"DATA_DIR": str(data_folder)})


def person(phone: str) -> Contact:
    return Contact.objects.get(phone=phone)


def test_from_a_list_to_an_answer_and_a_stop(
    the_shop: Shop, parley: Parley, terminal: Terminal, tmp_path: Path
) -> None:
    whatsapp = WhatsApp(parley.sandbox_url)
    whatsapp.people_behave()
    shop.own_number()
    marketing = the_shop.sits_down(MARKETING)
    the_shop.picture(marketing, "after-log-in")

    path = tmp_path / "clienti.csv"
    path.write_bytes(shop.messy_list())
    import_in_admin(the_shop, marketing, path)
    import_again_by_command(terminal, path, tmp_path / "report.csv")
    fetch_templates(the_shop, marketing)
    whatsapp.writes(VERA, "Siete aperti domenica?", at=time.time() - 25 * 3600)
    agent = the_shop.sits_down(AGENT, first_page="/inbox/")
    watch_inbox(the_shop, agent)

    refuse_what_cannot_leave(the_shop, marketing)
    autumn = schedule_autumn(the_shop, marketing)
    see_it_leave(the_shop, marketing, autumn)
    answer_giulia(the_shop, agent, whatsapp)
    find_vera_locked(the_shop, agent)
    see_statuses(marketing, autumn)

    administrator = the_shop.sits_down(ADMINISTRATOR)
    coats = queue_coats(the_shop, marketing, administrator)
    stopped = marta_writes_stop(the_shop, marketing, agent, whatsapp, coats)
    marta_writes_start(the_shop, marketing, agent, whatsapp, stopped)
    resume_coats(the_shop, marketing, coats)
    read_figures(the_shop, marketing, whatsapp, autumn)
    auditor_only_looks(the_shop, autumn)
    verify_ledger(terminal)
    nothing_failed_on_the_way(parley)


# ---- The list ----


def import_in_admin(the_shop: Shop, marketing: Page, path: Path) -> None:
    """Choose the file, look at how it is read, watch it come in, and take the report along."""
    marketing.get_by_role("link", name="Imports").first.click()
    marketing.get_by_role("link", name="Import a file").first.click()
    marketing.locator("input[type=file]").set_input_files(path)
    marketing.get_by_role("button", name="Show the columns").click()
    for column, held in enumerate(shop.COLUMNS):
        expect(marketing.locator(f"[name=column_{column}]")).to_have_value(held)
    marketing.locator("[name=region]").select_option("IT")
    marketing.locator("[name=time_zone]").select_option("Europe/Rome")
    marketing.locator("[name=scope]").select_option("marketing")
    marketing.get_by_role("button", name="Look again").click()
    first_rows = marketing.get_by_role("region", name="The first rows, as they would be imported").locator("tbody tr")
    expect(first_rows.nth(0)).to_contain_text(GIULIA)
    expect(first_rows.nth(0).locator(".p-state--granted")).to_be_visible()
    assert not Contact.objects.exists()
    the_shop.picture(marketing, "import-columns")

    marketing.locator("button[name=import]").click()
    expect(marketing.locator("progress")).to_be_visible()
    marketing.evaluate("window.here = true")
    the_shop.picture(marketing, "import-running")
    expect(marketing.locator(".p-lead")).to_contain_text("2 rows were not imported.", timeout=SOON)
    expect(marketing.locator("progress")).to_have_count(0)
    assert marketing.evaluate("window.here")
    counted = marketing.get_by_role("region", name="What came of it").locator("dd").all_inner_texts()
    made = Import.objects.get()
    assert made.counts["created"] == len(shop.ROWS) + len(shop.CARDS)
    assert (made.counts["granted"], made.counts["opted_out"], made.counts["failed"]) == (len(shop.AGREEING), 1, 2)
    assert {f"{made.counts[name]:,}" for name in ("created", "granted", "opted_out", "unknown")} <= set(counted)
    with marketing.expect_download() as download:
        marketing.get_by_role("link", name="Download the whole report").click()
    the_list_is_in(download.value.path().read_text())
    the_shop.picture(marketing, "import-done")


def import_again_by_command(terminal: Terminal, path: Path, report: Path) -> None:
    """The same file by the command: the same report, nobody new, and no consent a second time."""
    before = ConsentEvent.objects.count()
    words = ["--map", "phone=Cellulare", "--scope", "marketing", "--region", "IT", "--report", str(report)]
    done = terminal.types("import_contacts", str(path), *words)
    assert done.returncode == 0, done.stderr
    the_list_is_in(report.read_text())
    assert ConsentEvent.objects.count() == before


def the_list_is_in(report: str) -> None:
    """Everybody in the list once, with what it proves of them; and the report says so row by row."""
    lines = list(csv.DictReader(report.splitlines()))
    assert list(lines[0]) == ["row", "e164", "error"]
    phones = {row: phone for phone, rows in shop.ROWS.items() for row in rows} | {11: "", 12: ""}
    phones |= dict(enumerate(shop.CARDS, shop.FIRST_CARD))
    assert {int(line["row"]): line["e164"] for line in lines} == phones
    why = {int(line["row"]): line["error"] for line in lines}
    assert "too short" in why[11] and "future" in why[shop.ROWS[shop.NADIA][0]]
    assert [row for row in why if row < shop.FIRST_CARD and not why[row]] == [1, 2, 3, 4, 5, 6, 7, 9, 13]

    assert set(Contact.objects.values_list("phone", flat=True)) == {*shop.ROWS, *shop.CARDS}
    granted = Consent.objects.filter(scope__slug="marketing", standing=Standing.GRANTED)
    assert set(granted.values_list("contact__phone", flat=True)) == set(shop.AGREEING)
    assert Consent.objects.exclude(standing=Standing.GRANTED).get().contact.phone == shop.KATIA
    assert person(shop.KATIA).consents.get().standing == Standing.WITHDRAWN
    assert set(ConsentEvent.objects.values_list("contact__phone", flat=True)) == {*shop.AGREEING, shop.KATIA}
    assert set(person(GIULIA).tags.values_list("name", flat=True)) == {"autunno", "vip"}


# ---- What we may say ----


def fetch_templates(the_shop: Shop, marketing: Page) -> None:
    marketing.goto("/admin/")
    the_shop.picture(marketing, "today")
    marketing.get_by_role("link", name="Templates").first.click()
    marketing.get_by_role("button", name="Fetch from WhatsApp").click()
    expect(marketing.get_by_text("10 new, 0 changed")).to_be_visible()
    assert MessageTemplate.objects.count() == 10
    for name in ("promo_autunno", "nuovi_arrivi", "winter_clearance"):
        template = MessageTemplate.objects.filter(name=name).order_by("-language").first()
        assert template is not None
        marketing.goto(f"/admin/conversations/messagetemplate/{template.public_id}/change/")
        marketing.locator("select[name=scope]").select_option("marketing")
        marketing.get_by_role("button", name="Save the scope").click()
        expect(marketing.get_by_text("From now on it reaches people who agreed to")).to_be_visible()
        template.refresh_from_db()
        assert template.scope is not None and template.scope.slug == "marketing"
    the_shop.picture(marketing, "template")


def fill_campaign(tab: Page, *, name: str, template: str, tag: str) -> None:
    row = MessageTemplate.objects.filter(name=template).order_by("-language").first()
    assert row is not None
    tab.locator("[name=name]").fill(name)
    tab.locator("[name=template]").select_option(str(row.public_id))
    tab.locator("[name=tag]").select_option(tag)


def beside(tab: Page, field: str) -> str:
    """What the form says about a field, right under it."""
    return tab.locator(
        f".p-field:has([name='{field}']) .p-error, .p-campaign__gap:has([name='{field}']) .p-error"
    ).inner_text()


def refuse_what_cannot_leave(the_shop: Shop, marketing: Page) -> None:
    """A paused template, a missing value, a time that has passed, nobody to get it: each is said beside its field."""
    make.tag("nobody yet")
    marketing.goto("/admin/")
    marketing.get_by_role("link", name="Campaigns").first.click()
    the_shop.picture(marketing, "no-campaigns-yet")
    marketing.goto("/admin/campaigns/campaign/add/")
    fill_campaign(marketing, name="Too early", template="winter_clearance", tag="nobody yet")
    marketing.locator("[name='value-body.1-from']").select_option("first_name")
    marketing.locator("[name=scheduled_at]").fill(in_seconds(marketing, -3600))
    marketing.locator("button[name=schedule]").click()

    expect(marketing.get_by_text("Not scheduled.")).to_be_visible()
    assert "WhatsApp has paused this template." in beside(marketing, "template")
    assert "Say what goes here" in beside(marketing, "value-body.2-from")
    assert "This time has passed." in beside(marketing, "scheduled_at")
    assert "Nobody is tagged “nobody yet” yet." in beside(marketing, "tag")
    the_shop.picture(marketing, "refused")
    assert Campaign.objects.get().state == Campaign.State.DRAFT
    assert not Message.objects.filter(kind=Kind.CAMPAIGN).exists()


# ---- The campaign ----


def schedule_autumn(the_shop: Shop, marketing: Page) -> Campaign:
    marketing.goto("/admin/campaigns/campaign/add/")
    fill_campaign(marketing, name=AUTUMN, template="promo_autunno", tag="autunno")
    marketing.locator("[name='value-body.1-from']").select_option("first_name")
    marketing.locator("[name='value-body.1-words']").fill("cliente")
    marketing.locator("[name='value-body.2-from']").select_option("constant")
    marketing.locator("[name='value-body.2-words']").fill("20%")
    marketing.locator("[name='value-button.0-from']").select_option("constant")
    marketing.locator("[name='value-button.0-words']").fill("autunno")

    expect(marketing.locator(".p-lead").first).to_have_text("7 of 10 will get this. 2 never agreed, 1 withdrew.")
    expect(marketing.get_by_role("button", name="Schedule for 7 people")).to_be_visible()
    expect(marketing.locator(".p-phone")).to_contain_text("hai il 20% di sconto")
    expect(marketing.locator(".p-phone")).not_to_contain_text("{{")
    the_shop.picture(marketing, "draft")
    marketing.locator("[name=scheduled_at]").fill(in_seconds(marketing, 6))
    marketing.locator("button[name=schedule]").click()
    expect(marketing.get_by_text("Scheduled for")).to_be_visible()
    the_shop.picture(marketing, "scheduled")
    return Campaign.objects.get(name=AUTUMN)


def see_it_leave(the_shop: Shop, marketing: Page, autumn: Campaign) -> None:
    """At its time and not before, on a page that was open all along; and every message stands on an agreement."""
    marketing.evaluate("window.here = true")
    expect(marketing.locator("[data-watch=Sent]")).to_be_visible(timeout=SOON)
    the_shop.picture(marketing, "leaving")
    messages = Message.objects.filter(batch__label=AUTUMN)
    eventually(lambda: messages.filter(sending_at__isnull=False).count() == len(shop.AGREEING))
    assert marketing.evaluate("window.here")

    autumn.refresh_from_db()
    assert autumn.scheduled_at is not None and autumn.started_at is not None
    assert autumn.started_at >= autumn.scheduled_at
    assert set(messages.values_list("contact__phone", flat=True)) == set(shop.AGREEING)
    for message in messages.select_related("contact", "stands_on__scope", "stands_on__evidence"):
        agreed = message.stands_on
        assert agreed is not None and message.sending_at is not None
        assert (agreed.contact, agreed.action, agreed.source) == (message.contact, Action.GRANTED, Source.IMPORT)
        assert agreed.scope is not None and agreed.scope.slug == "marketing"
        assert autumn.scheduled_at <= message.sending_at and agreed.recorded_at < message.sending_at
        assert agreed.evidence.data["row"] == shop.ROWS[message.contact.phone or ""][0]
    words = dict(messages.values_list("contact__phone", "text"))
    assert "Ciao Giulia," in words[GIULIA] and "il 20% di sconto" in words[GIULIA]
    assert "Ciao cliente," in words[shop.NAMELESS]


def see_statuses(marketing: Page, autumn: Campaign) -> None:
    """Signed webhooks moved each message as far as its person went, and never back; the open page followed."""
    messages = Message.objects.filter(batch=autumn.batch_id)
    as_they_are = dict.fromkeys(shop.AGREEING, Status.READ) | {LUCA: Status.DELIVERED, SARA: Status.FAILED}
    autumn.refresh_from_db()
    eventually(lambda: dict(messages.values_list("contact__phone", "status")) == as_they_are)
    for message in messages.filter(status=Status.READ):
        steps = [message.sending_at, message.sent_at, message.delivered_at, message.read_at]
        seconds = [int(at.timestamp()) for at in steps if at is not None]  # WhatsApp tells whole seconds
        assert seconds == sorted(seconds) and len(seconds) == len(steps)
    assert messages.get(contact__phone=SARA).error_code == 131026
    for figure, number in (("Delivered", "6"), ("Read", "5"), ("Replied", "1"), ("opted_out", "1"), ("failed", "1")):
        expect(marketing.locator(f"[data-watch={figure}]")).to_have_text(number, timeout=SOON)
    assert marketing.evaluate("window.here")


# ---- The inbox ----


def watch_inbox(the_shop: Shop, agent: Page) -> None:
    """The agent's screen is open before anybody answers."""
    expect(agent.locator(".p-conv")).to_have_count(1)
    agent.evaluate("window.here = true")
    the_shop.picture(agent, "inbox-before")


def answer_giulia(the_shop: Shop, agent: Page, whatsapp: WhatsApp) -> None:
    expect(agent.get_by_role("link", name="Giulia Rinaldi")).to_be_visible(timeout=SOON)
    expect(agent.locator(".p-conv", has_text="C'è anche in blu?")).to_contain_text(AUTUMN)
    agent.get_by_role("link", name="Giulia Rinaldi").click()
    said = agent.locator(".p-said article")
    expect(said).to_have_count(2)
    expect(said.nth(0)).to_contain_text(AUTUMN)
    expect(said.nth(0)).to_contain_text("Ciao Giulia, l'autunno è arrivato in bottega.")
    expect(said.nth(1)).to_contain_text("C'è anche in blu?")
    agent.locator("#answer").fill("Sì, in *blu notte*. Te lo metto da parte?")
    agent.keyboard.press("Enter")
    expect(agent.locator(".p-said--out strong", has_text="blu notte")).to_be_visible()
    assert agent.evaluate("window.here")

    eventually(lambda: whatsapp.texts_to(GIULIA) == ["Sì, in *blu notte*. Te lo metto da parte?"])
    expect(agent.locator(".p-said--out .p-ticks--read")).to_have_count(2, timeout=SOON)
    the_shop.picture(agent, "inbox-answered")
    conversation = Conversation.objects.get(contact__phone=GIULIA)
    answer = Message.objects.get(kind=Kind.TEXT)
    assert answer.answers == conversation.last_inbound
    assert answer.author is not None and answer.author.email == f"{AGENT}@example.test"


def find_vera_locked(the_shop: Shop, agent: Page) -> None:
    """She wrote more than 24 hours ago: no box to write in, and the reason in its place."""
    agent.locator(".p-conv", has_text="Siete aperti domenica?").get_by_role("link").click()
    locked = agent.get_by_role("region", name="Answering is locked")
    expect(locked).to_contain_text("The 24 hours after their last message are over.")
    expect(agent.locator("#answer")).to_have_count(0)
    the_shop.picture(agent, "inbox-locked")


# ---- STOP and START ----


def queue_coats(the_shop: Shop, marketing: Page, administrator: Page) -> Campaign:
    """A second campaign stands in the queue, paused, with a message for each of the best customers."""
    number = BusinessNumber.objects.get()
    marketing.goto("/admin/campaigns/campaign/add/")
    fill_campaign(marketing, name=COATS, template="nuovi_arrivi", tag="vip")
    marketing.locator("[name='value-body.first_name-from']").select_option("first_name")
    marketing.locator("[name='value-body.first_name-words']").fill("cliente")
    marketing.locator("[name='value-body.product-from']").select_option("constant")
    marketing.locator("[name='value-body.product-words']").fill("cappotti")
    expect(marketing.locator(".p-lead").first).to_have_text("All 3 people will get this.")
    number_page = f"/admin/conversations/businessnumber/{number.public_id}"
    administrator.goto(f"{number_page}/hold/")
    marketing.locator("[name=scheduled_at]").fill(in_seconds(marketing, 6))
    marketing.locator("button[name=schedule]").click()
    expect(marketing.get_by_text("Scheduled for")).to_be_visible()
    administrator.get_by_role("button", name="Hold the number").click()
    expect(administrator.get_by_text("is on hold. Nothing leaves from it.")).to_be_visible()
    the_shop.picture(administrator, "number-held")

    coats = Campaign.objects.get(name=COATS)
    waiting = Message.objects.filter(batch__label=COATS, status=Status.QUEUED)
    eventually(lambda: waiting.filter(verdict=Verdict.NUMBER_HELD).count() == 3)
    marketing.reload()
    the_shop.picture(marketing, "waiting-for-the-number")
    marketing.get_by_role("button", name="Pause").click()
    expect(marketing.get_by_text("Paused. What has not left waits for you.")).to_be_visible()
    administrator.goto(f"{number_page}/release/")
    administrator.get_by_role("button", name="Release the number").click()
    expect(administrator.get_by_text("may send again.")).to_be_visible()
    return coats


def marta_writes_stop(
    the_shop: Shop, marketing: Page, agent: Page, whatsapp: WhatsApp, coats: Campaign
) -> ConsentEvent:
    """A line that quotes her message, what waited for her struck, one confirmation, and every page says why."""
    marta = person(MARTA)
    wamid = whatsapp.writes(MARTA, "STOP")
    stops = ConsentEvent.objects.filter(contact=marta, action=Action.WITHDRAWN)
    eventually(stops.exists)
    stop = stops.get()
    assert (stop.covers_all, stop.source) == (True, Source.KEYWORD)
    assert stop.evidence.kind == Evidence.Kind.MESSAGE
    assert stop.evidence.data == {"wamid": wamid, "quote": "STOP"}
    withheld = Message.objects.get(batch__label=COATS, contact=marta)
    assert (withheld.status, withheld.verdict, withheld.sending_at) == (Status.WITHHELD, Verdict.STOPPED, None)

    confirmation = "Non riceverai più messaggi da Bottega Aurora. Per riceverli di nuovo scrivi START."
    eventually(lambda: whatsapp.texts_to(MARTA) == [confirmation])
    assert Message.objects.filter(contact=marta, kind=Kind.STOP_CONFIRMATION).count() == 1

    marketing.goto(f"/admin/campaigns/campaign/{coats.public_id}/people/left_out/")
    marketing.get_by_role("link", name="Marta Costa").click()
    expect(marketing.get_by_text("Marta withdrew everything.")).to_be_visible()
    may = marketing.get_by_role("region", name="May we write?")
    expect(may.get_by_text("They ended this conversation with STOP.").first).to_be_visible()
    expect(may).not_to_contain_text("You may send a template.")
    line = marketing.locator(".p-timeline__item--withdrawn").first
    line.get_by_text("Evidence").first.click()
    expect(line).to_contain_text(wamid)
    the_shop.picture(marketing, "contact-after-stop")

    agent.get_by_role("link", name="Marta Costa").click()
    locked = agent.get_by_role("region", name="Answering is locked")
    expect(locked).to_contain_text("They ended this conversation with STOP.")
    the_shop.picture(agent, "inbox-after-stop")
    return stop


def marta_writes_start(the_shop: Shop, marketing: Page, agent: Page, whatsapp: WhatsApp, stop: ConsentEvent) -> None:
    """START, in a later second, gives back what the STOP took, and nothing that was withheld meanwhile."""
    marta = person(MARTA)
    eventually(lambda: timezone.now().timestamp() >= stop.occurred_at.timestamp() + 1)
    wamid = whatsapp.writes(MARTA, "START")
    back = Consent.objects.filter(contact=marta, scope__slug="marketing", standing=Standing.GRANTED)
    eventually(back.exists)
    event = back.get().event
    assert (event.source, event.evidence.data["wamid"]) == (Source.KEYWORD, wamid)
    eventually(lambda: len(whatsapp.texts_to(MARTA)) == 2)
    assert whatsapp.texts_to(MARTA)[1].startswith("Bentornato.")
    marketing.reload()
    expect(marketing.get_by_text("Marta agreed to Offers and news.")).to_be_visible()
    the_shop.picture(marketing, "contact-after-start")
    expect(agent.locator("#answer")).to_be_visible(timeout=SOON)  # she wrote again: by itself
    assert agent.evaluate("window.here")


def resume_coats(the_shop: Shop, marketing: Page, coats: Campaign) -> None:
    """The other two get it. Hers was withheld for good, although she is back."""
    marketing.goto(f"/admin/campaigns/campaign/{coats.public_id}/change/")
    the_shop.picture(marketing, "paused")
    marketing.get_by_role("button", name="Resume").click()
    rows = Message.objects.filter(batch__label=COATS)
    reached = {ELENA: Status.READ, GIULIA: Status.READ, MARTA: Status.WITHHELD}
    eventually(lambda: dict(rows.values_list("contact__phone", "status")) == reached)


# ---- What came of it ----


def read_figures(the_shop: Shop, marketing: Page, whatsapp: WhatsApp, autumn: Campaign) -> None:
    """The page, the database and WhatsApp's own log say the same numbers."""
    eventually(lambda: Campaign.objects.get(pk=autumn.pk).state == Campaign.State.FINISHED)
    marketing.goto(f"/admin/campaigns/campaign/{autumn.public_id}/change/")
    shown = {one.get_attribute("data-watch"): one.inner_text() for one in marketing.locator("[data-watch]").all()}
    messages = Message.objects.filter(batch__label=AUTUMN)
    told = Counter(message["status"] for message in whatsapp.templates("promo_autunno"))
    left = messages.filter(status__in=(Status.SENT, Status.DELIVERED, Status.READ)).count()
    assert told == {"read": 5, "delivered": 1, "failed": 1}
    assert shown["everyone"] == str(Recipient.objects.filter(campaign=autumn).count()) == "10"
    assert shown["left_out"] == str(Recipient.objects.filter(campaign=autumn, message=None).count()) == "3"
    assert shown["Sent"] == str(left) == str(told["read"] + told["delivered"])
    assert shown["Delivered"] == str(messages.filter(delivered_at__isnull=False).count()) == "6"
    assert shown["Read"] == str(messages.filter(read_at__isnull=False).count()) == str(told["read"])
    said = Message.objects.filter(kind=Kind.INBOUND, in_reply_to__batch__label=AUTUMN)
    stops = said.filter(led_to__action=Action.WITHDRAWN)
    assert set(stops.values_list("contact__phone", flat=True)) == {MARTA, PAOLO}
    assert shown["opted_out"] == "2"
    replies = said.exclude(pk__in=stops)  # Giulia's question and Marta's START
    assert set(replies.values_list("contact__phone", flat=True)) == {GIULIA, MARTA}
    assert shown["Replied"] == "2"
    assert shown["failed"] == str(told["failed"])
    expect(marketing.locator("tr", has_text="They never agreed to this.")).to_contain_text("2")
    expect(marketing.locator("tr", has_text="They withdrew their agreement.")).to_contain_text("1")
    expect(marketing.locator("tr", has_text="131026")).to_contain_text("1")
    the_shop.picture(marketing, "figures")


def auditor_only_looks(the_shop: Shop, autumn: Campaign) -> None:
    auditor = the_shop.sits_down(AUDITOR)
    page = f"/admin/campaigns/campaign/{autumn.public_id}"
    auditor.goto(f"{page}/change/")
    expect(auditor.locator("[data-watch=everyone]")).to_have_text("10")
    the_shop.picture(auditor, "auditor")
    for path in ("/admin/", f"{page}/change/", f"/admin/contacts/contact/{person(MARTA).public_id}/change/"):
        auditor.goto(path)
        expect(auditor.locator(".p-content")).to_be_visible()
        expect(auditor.locator(".p-content button, .p-content select, .p-content textarea")).to_have_count(0)
    thread = f"/inbox/{Conversation.objects.get(contact__phone=GIULIA).public_id}"
    auditor.goto(f"{thread}/")
    expect(auditor.locator(".p-said--in", has_text="C'è anche in blu?")).to_be_visible()
    expect(auditor.locator("#answer")).to_have_count(0)
    token = next(cookie["value"] for cookie in auditor.context.cookies() if cookie["name"] == "csrftoken")
    for path in (f"{page}/cancel/", f"{thread}/answer/", f"{thread}/take/"):
        refused = auditor.request.post(path, form={"csrfmiddlewaretoken": token, "text": "x"}, max_redirects=0)
        assert refused.status == 403, path
    assert Campaign.objects.get(pk=autumn.pk).state == Campaign.State.FINISHED
    assert Message.objects.filter(kind=Kind.TEXT).count() == 1


def verify_ledger(terminal: Terminal) -> None:
    """Whole; and once somebody took the triggers away and changed a line, that line is named."""
    whole = terminal.types("verify_ledger")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "The ledger is whole" in whole.stdout
    line = ConsentEvent.objects.get(contact__phone=LUCA)
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE contacts_consentevent SET source = 'web_form' WHERE id = %s", [line.pk])
    told = terminal.types("verify_ledger")
    assert told.returncode == 1
    assert f"line {line.number} of contact {line.contact.public_id}: was changed after it was written" in told.stdout


def nothing_failed_on_the_way(parley: Parley) -> None:
    assert not Failure.objects.exists()
    eventually(lambda: not WebhookDelivery.objects.filter(applied_at=None).exists())
    assert not Message.objects.filter(sending_at__lt=F("stands_on__recorded_at")).exists()
    for name in ("web.log", "work.log"):
        text = (parley.logs / name).read_text()
        assert "Traceback" not in text
        assert not [phone for phone in (*shop.ROWS, VERA) if phone in text or phone.strip("+") in text]
