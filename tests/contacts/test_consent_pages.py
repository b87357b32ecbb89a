"""The ledger, scopes, wordings and tags in the admin."""

import pytest
from django.test import Client

from accounts.roles import ADMINISTRATOR, AUDITOR
from contacts.models import Scope, Tag, Wording
from tests import make

WORDINGS = "/admin/contacts/wording/"


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(make.user(ADMINISTRATOR))
    return client


def test_the_ledger_shows_a_line_with_its_evidence_and_hashes(client: Client, db: None) -> None:
    client.force_login(make.user(AUDITOR))
    line = make.agree(make.contact(first_name="Giulia"))

    html = client.get(f"/admin/contacts/consentevent/{line.public_id}/change/").content.decode()

    assert "told us at the counter" in html
    assert line.hash in html
    assert f"contact {line.contact_id}" not in html


def test_the_ledger_is_filtered_by_what_happened(admin: Client) -> None:
    make.agree(make.contact(first_name="Giulia"))
    make.withdraw(make.contact(first_name="Marco"))

    html = admin.get("/admin/contacts/consentevent/", {"action": "withdrawn", "scope": "*"}).content.decode()

    assert "Marco" in html
    assert "Giulia" not in html


def test_a_wording_in_use_gets_its_next_version(admin: Client) -> None:
    first = make.wording()
    form = {"key": first.key, "scope": first.scope.pk, "language": "en", "text": "Yes, with pleasure.", "shown_at": ""}

    prefilled = admin.get(f"{WORDINGS}add/", {"key": first.key}).content.decode()
    admin.post(f"{WORDINGS}add/", form)

    assert first.text in prefilled
    assert list(Wording.objects.order_by("version").values_list("version", "text")) == [
        (1, first.text), (2, "Yes, with pleasure."),
    ]  # fmt: skip


def test_a_version_is_never_edited(admin: Client) -> None:
    first = make.wording()
    address = f"{WORDINGS}{first.key}-v1/change/"

    assert first.text in admin.get(address).content.decode()
    assert admin.post(address, {"text": "Something else"}).status_code == 403
    assert Wording.objects.get().text == first.text


def test_the_same_words_again_are_no_new_version(admin: Client) -> None:
    first = make.wording()
    form = {"key": first.key, "scope": first.scope.pk, "language": first.language, "text": first.text}

    answer = admin.post(f"{WORDINGS}add/", form)

    assert "word for word" in answer.content.decode()
    assert Wording.objects.count() == 1


def test_a_key_keeps_its_scope(admin: Client) -> None:
    first = make.wording("marketing")
    form = {"key": first.key, "scope": make.scope("support").pk, "language": "en", "text": "Other words."}

    answer = admin.post(f"{WORDINGS}add/", form)

    assert "belongs to" in answer.content.decode()
    assert Wording.objects.count() == 1


def test_a_scope_is_added_and_its_name_for_machines_stays(admin: Client) -> None:
    form = {
        "name": "Events",
        "slug": "events",
        "description": "Invitations.",
        "validity_months": "12",
        "position": "60",
    }
    admin.post("/admin/contacts/scope/add/", form)

    admin.post("/admin/contacts/scope/events/change/", form | {"name": "Our events", "slug": "other"})

    scope = Scope.objects.get(slug="events")
    assert (scope.name, scope.validity_months, scope.double_opt_in) == ("Our events", 12, False)


def test_a_tag_is_added_and_leads_to_its_people(admin: Client) -> None:
    admin.post("/admin/contacts/tag/add/", {"name": "shop/Milano & more"})
    make.contact(first_name="Giulia", tags=[Tag.objects.get()])

    html = admin.get("/admin/contacts/tag/").content.decode()

    assert "/admin/contacts/contact/?tag=shop%2FMilano+%26+more" in html
    assert "Giulia" in admin.get("/admin/contacts/contact/", {"tag": "shop/Milano & more"}).content.decode()
    assert admin.get("/admin/contacts/tag/shop_2FMilano _26 more/change/").status_code == 200
