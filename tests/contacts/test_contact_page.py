"""The page of one person, and what staff write down on it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.roles import AGENT, MARKETING
from contacts import consent
from contacts.models import Action, Contact, Evidence, Source, Standing, Tag, Wording
from conversations.models import Kind, Message, Status
from tests import make


@pytest.fixture
def desk(client: Client, db: None) -> Client:
    """The browser of somebody in marketing."""
    client.force_login(make.user(MARKETING))
    return client


@pytest.fixture
def giulia(db: None) -> Contact:
    return make.contact("+393471234567", first_name="Giulia", last_name="Rossi")


def page(contact: Contact, name: str = "change") -> str:
    return f"/admin/contacts/contact/{contact.public_id}/{name}/"


def words(html: str | bytes) -> str:
    """What a reader sees, on one line."""
    text = html.decode() if isinstance(html, bytes) else html
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def standing(contact: Contact, slug: str = "marketing") -> Standing:
    rows = consent.standings(contact, at=timezone.now())
    return next(row.standing for row in rows if row.scope.slug == slug)


def withdrawal(**changes: Any) -> dict[str, Any]:
    return {"what": "*", "occurred_at": timezone.now(), "note": "Told Ada on the telephone."} | changes


def agreement(**changes: Any) -> dict[str, Any]:
    wording = make.wording()
    said = {
        "wording": f"{wording.key}~{wording.version}", "source": Source.STAFF, "occurred_at": timezone.now(),
        "note": "Signed the paper at the counter.", "reference": "sheet 7",
    }  # fmt: skip
    return said | changes


def test_the_page_opens_with_what_they_agreed_to(desk: Client, giulia: Contact) -> None:
    make.agree(giulia, "marketing")

    told = words(desk.get(page(giulia)).content)

    assert "Giulia agreed to Offers and news." in told
    assert "form-marketing v1" in told
    assert "Yes, send me marketing by WhatsApp." in told


def test_what_one_word_ended_everywhere_is_told_once(desk: Client, giulia: Contact) -> None:
    make.agree(giulia, "marketing")
    make.agree(giulia, "order_updates")
    make.withdraw(giulia)

    told = words(desk.get(page(giulia)).content)

    assert "Giulia withdrew everything." in told
    assert told.count("Everything withdrawn since") == 1


def test_a_line_of_the_ledger_shows_its_evidence(desk: Client, giulia: Contact) -> None:
    consent.record(
        giulia, action=Action.WITHDRAWN, source=Source.KEYWORD, covers_all=True, occurred_at=timezone.now(),
        proof=consent.Proof(Evidence.Kind.MESSAGE, {"wamid": "wamid.STOP1", "quote": "STOP <b>now</b>"}),
    )  # fmt: skip

    html = desk.get(page(giulia)).content.decode()

    assert "“STOP &lt;b&gt;now&lt;/b&gt;”" in html
    assert "wamid.STOP1" in html


def test_the_timeline_pages_without_gap_or_repeat_even_within_one_moment(desk: Client, giulia: Contact) -> None:
    number, now = make.number(), timezone.now()
    for serial in range(70):
        Message.objects.create(
            contact=giulia, number=number, kind=Kind.INBOUND, status=Status.RECEIVED, type="text",
            text=f"message no {serial}.", wamid=f"wamid.{serial}", at=now - timedelta(minutes=serial // 40),
        )  # fmt: skip

    seen: list[str] = []
    address = page(giulia)
    while address:
        html = desk.get(address).content.decode()
        seen += re.findall(r"message no (\d+)\.", html)
        older = re.search(r'href="([^"]*before=[^"]*)"', html)
        address = older[1].replace("&amp;", "&") if older else ""

    assert sorted(map(int, seen)) == list(range(70))


def test_the_timeline_can_show_messages_alone(desk: Client, giulia: Contact) -> None:
    make.agree(giulia)
    Message.objects.create(
        contact=giulia, number=make.number(), kind=Kind.INBOUND, status=Status.RECEIVED, type="text",
        text="is it in blue?", wamid="wamid.1", at=timezone.now(),
    )  # fmt: skip

    everything, messages = (desk.get(page(giulia) + query).content.decode() for query in ("", "?show=messages"))

    assert "Agreed: Offers and news" in everything
    assert "is it in blue?" in everything
    assert "Agreed: Offers and news" not in messages
    assert "is it in blue?" in messages


@pytest.mark.parametrize("before", ["nonsense", "12~", "99999999999999999999999~0", "~", "1~not-an-id"])
def test_a_place_that_is_none_shows_the_newest(desk: Client, giulia: Contact, before: str) -> None:
    make.agree(giulia)

    assert "Agreed: Offers and news" in desk.get(page(giulia), {"before": before}).content.decode()


def test_whether_we_may_write_names_the_line_that_decides(desk: Client, giulia: Contact) -> None:
    make.template()
    make.number()
    make.agree(giulia)
    make.withdraw(giulia, "marketing")

    told = words(desk.get(page(giulia)).content)

    assert "They withdrew their agreement. Only they can give it again, from their phone. By ledger line 2" in told


def test_a_withdrawal_is_recorded_with_who_wrote_it_down_and_why(desk: Client, giulia: Contact) -> None:
    make.agree(giulia)

    answer = desk.post(page(giulia, "withdrawal"), withdrawal(), follow=True)

    line = giulia.consent_events.get(number=2)
    assert (line.action, line.source, line.covers_all) == (Action.WITHDRAWN, Source.STAFF, True)
    assert line.actor == User.objects.get()
    assert line.evidence.data == {"note": "Told Ada on the telephone."}
    assert standing(giulia) == Standing.WITHDRAWN
    assert "withdrew everything" in words(answer.content)


def test_a_withdrawal_of_one_scope_leaves_the_others(desk: Client, giulia: Contact) -> None:
    make.agree(giulia, "marketing")
    make.agree(giulia, "order_updates")

    desk.post(page(giulia, "withdrawal"), withdrawal(what="marketing"))

    assert standing(giulia, "marketing") == Standing.WITHDRAWN
    assert standing(giulia, "order_updates") == Standing.GRANTED


def test_a_withdrawal_without_a_word_of_how_is_not_recorded(desk: Client, giulia: Contact) -> None:
    answer = desk.post(page(giulia, "withdrawal"), withdrawal(note=""))

    assert answer.status_code == 200
    assert not giulia.consent_events.exists()


def test_an_agreement_is_in_force_with_its_wording_and_evidence(desk: Client, giulia: Contact) -> None:
    answer = desk.post(page(giulia, "agreement"), agreement(), follow=True)

    line = giulia.consent_events.get()
    assert (line.action, line.source, line.wording) == (Action.GRANTED, Source.STAFF, make.wording())
    assert line.evidence.data == {"note": "Signed the paper at the counter.", "reference": "sheet 7"}
    assert standing(giulia) == Standing.GRANTED
    assert "Recorded: Giulia Rossi agreed to Offers and news." in words(answer.content)


def test_an_agreement_after_a_withdrawal_waits_for_the_phone_and_says_so(desk: Client, giulia: Contact) -> None:
    make.agree(giulia)
    make.withdraw(giulia, at=timezone.now() - timedelta(days=1))

    asked = words(desk.get(page(giulia, "agreement")).content)
    answer = desk.post(page(giulia, "agreement"), agreement(), follow=True)

    assert "waits until they confirm it from their phone" in asked
    assert standing(giulia) == Standing.PENDING
    assert "not in force yet" in words(answer.content)


def test_staff_cannot_claim_what_only_the_phone_can_say(desk: Client, giulia: Contact) -> None:
    make.withdraw(giulia)

    answer = desk.post(page(giulia, "agreement"), agreement(source=Source.KEYWORD))

    assert answer.status_code == 200
    assert giulia.consent_events.count() == 1


def test_nobody_agrees_tomorrow(desk: Client, giulia: Contact) -> None:
    answer = desk.post(page(giulia, "agreement"), agreement(occurred_at=timezone.now() + timedelta(days=1)))

    assert "This lies in the future." in answer.content.decode()
    assert not giulia.consent_events.exists()


def test_only_the_newest_version_of_a_wording_is_offered(desk: Client, giulia: Contact) -> None:
    old = make.wording()
    Wording.objects.create(key=old.key, version=2, scope=old.scope, language="en", text="Yes, and thank you.")

    html = desk.get(page(giulia, "agreement")).content.decode()

    assert f"{old.key}~2" in html
    assert f"{old.key}~1" not in html


def test_an_agent_reads_the_page_and_records_nothing(client: Client, giulia: Contact) -> None:
    client.force_login(make.user(AGENT))

    html = client.get(page(giulia)).content.decode()

    assert "Record a withdrawal" not in html
    assert client.post(page(giulia, "withdrawal"), withdrawal()).status_code == 403
    assert client.post(page(giulia, "edit"), {"first_name": "X"}).status_code == 403
    assert not giulia.consent_events.exists()


def test_details_are_edited_and_the_audit_line_says_which_not_what(desk: Client, giulia: Contact) -> None:
    make.tag("autumn")

    desk.post(
        page(giulia, "edit"), {"first_name": "Julia", "last_name": "Rossi", "tag_names": " autumn, shop  Milano,,"}
    )

    giulia.refresh_from_db()
    assert giulia.first_name == "Julia"
    assert {tag.name for tag in giulia.tags.all()} == {"autumn", "shop Milano"}
    assert Tag.objects.count() == 2
    line = AuditEntry.objects.get()
    assert line.subject == f"contact {giulia.public_id}"
    assert "Julia" not in str(line.details)


@pytest.mark.parametrize("typed", ["+393471234567", "0039 347 123 4567", "347 1234567", "(347) 123-4567", "+39347123"])
def test_a_number_is_found_however_it_is_typed_and_stays_out_of_the_address(
    desk: Client, giulia: Contact, typed: str
) -> None:
    make.contact("+393479999999", first_name="Marco")

    answer = desk.post("/admin/contacts/contact/", {"q": typed}, follow=True)

    html = answer.content.decode()
    assert page(giulia) in html
    assert "Marco" not in html
    assert not re.search(r"347", answer.redirect_chain[-1][0])
    assert f'value="{typed}"' in html


def test_a_search_of_somebody_else_opens_nothing(desk: Client, giulia: Contact) -> None:
    found = desk.post("/admin/contacts/contact/", {"q": "Giulia"}, follow=True)
    other = Client()
    other.force_login(make.user(AGENT))

    assert "Giulia" not in other.get(found.redirect_chain[-1][0]).content.decode().replace("Giulia Rossi", "")


def test_the_list_is_filtered_by_where_people_stand_now(desk: Client, giulia: Contact) -> None:
    ran_out = make.contact(first_name="Anna")
    silent = make.contact(first_name="Silent")
    gone = make.contact(first_name="Gone")
    make.agree(giulia)
    make.agree(ran_out, expires_at=timezone.now() - timedelta(hours=1))
    make.withdraw(gone)

    def listed(choice: str) -> set[str]:
        html = desk.get("/admin/contacts/contact/", {"consent": f"marketing:{choice}"}).content.decode()
        return {who.first_name for who in (giulia, ran_out, silent, gone) if page(who) in html}

    assert listed("granted") == {"Giulia"}
    assert listed("expired") == {"Anna"}
    assert listed("unknown") == {"Silent"}
    assert listed("withdrawn") == {"Gone"}
    assert listed("nonsense") == set()


def test_the_list_is_filtered_by_tag(desk: Client, giulia: Contact) -> None:
    giulia.tags.add(make.tag("autumn"))
    other = make.contact(first_name="Marco")

    html = desk.get("/admin/contacts/contact/", {"tag": "autumn"}).content.decode()

    assert page(giulia) in html
    assert page(other) not in html
