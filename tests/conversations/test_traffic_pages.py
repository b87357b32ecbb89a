"""Messages, the queue, webhooks and unknown events in the admin, and the page that opens the day."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.roles import ADMINISTRATOR, AGENT, AUDITOR, MARKETING
from conversations.models import Message, Status, UnrecognisedEvent, WebhookDelivery
from tests import make, world

MESSAGES = "/admin/conversations/message/"
WEBHOOKS = "/admin/conversations/webhookdelivery/"


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(make.user(ADMINISTRATOR))
    return client


@pytest.fixture
def rows(db: None) -> dict[str, Any]:
    return world.build()


def test_a_message_links_to_the_line_it_stands_on(admin: Client, rows: dict[str, Any]) -> None:
    html = admin.get(f"{MESSAGES}{rows['message'].public_id}/change/").content.decode()

    assert f"/admin/contacts/consentevent/{rows['consentevent'].public_id}/change/" in html
    assert "Ledger line 1: agreed" in html


def test_a_withheld_message_says_why_and_what_would_change_it(admin: Client, rows: dict[str, Any]) -> None:
    withheld = Message.objects.get(status=Status.WITHHELD)

    html = admin.get(f"{MESSAGES}{withheld.public_id}/change/").content.decode()

    assert "They withdrew their agreement. Only they can give it again, from their phone." in html


def test_a_message_is_found_by_its_wamid_which_stays_out_of_the_address(admin: Client, rows: dict[str, Any]) -> None:
    answer = admin.post(MESSAGES, {"q": rows["message"].wamid}, follow=True)

    html = answer.content.decode()
    assert f"{MESSAGES}{rows['message'].public_id}/change/" in html
    assert "is it in blue?" not in html
    assert rows["message"].wamid not in answer.redirect_chain[-1][0]


def test_a_batch_counts_by_status_and_each_count_opens_its_messages(admin: Client, rows: dict[str, Any]) -> None:
    html = admin.get(f"/admin/conversations/batch/{rows['batch'].public_id}/change/").content.decode()

    assert f"{MESSAGES}?batch={rows['batch'].public_id}&amp;status=withheld" in html
    shown = admin.get(MESSAGES, {"batch": str(rows["batch"].public_id), "status": "withheld"}).content.decode()
    assert "Hi Marco" in shown
    assert "Hi Giulia" not in shown


def test_nothing_of_what_happened_can_be_edited(admin: Client, rows: dict[str, Any]) -> None:
    for kind, app in (("message", "conversations"), ("batch", "conversations"), ("consentevent", "contacts")):
        address = f"/admin/{app}/{kind}/{rows[kind].public_id}/change/"
        assert admin.post(address, {"status": "read", "text": "x"}).status_code == 403
        assert admin.get(f"/admin/{app}/{kind}/add/").status_code == 404
        assert admin.get(f"/admin/{app}/{kind}/{rows[kind].public_id}/delete/").status_code == 404


def test_a_webhook_that_was_given_up_is_read_again_on_demand(admin: Client, rows: dict[str, Any]) -> None:
    delivery = rows["webhookdelivery"]

    admin.post(f"{WEBHOOKS}{delivery.pk}/retry/")

    delivery.refresh_from_db()
    assert (delivery.parked_at, delivery.attempts, delivery.due_at) == (None, 0, None)
    assert AuditEntry.objects.filter(verb="webhookdelivery.tried_again").count() == 1


def test_trying_again_leaves_alone_what_was_applied(admin: Client, rows: dict[str, Any]) -> None:
    applied = WebhookDelivery.objects.create(body=b"{}", people=False, applied_at=timezone.now(), attempts=2)

    admin.post(f"{WEBHOOKS}{applied.pk}/retry/")
    admin.post(f"{WEBHOOKS}retry/")

    applied.refresh_from_db()
    assert applied.attempts == 2
    assert not WebhookDelivery.objects.filter(parked_at__isnull=False).exists()


def test_an_auditor_sees_webhooks_and_has_none_read_again(client: Client, rows: dict[str, Any]) -> None:
    client.force_login(make.user(AUDITOR))

    assert "Try again" not in client.get(f"{WEBHOOKS}{rows['webhookdelivery'].pk}/change/").content.decode()
    assert client.post(f"{WEBHOOKS}{rows['webhookdelivery'].pk}/retry/").status_code == 403
    assert client.post(f"{WEBHOOKS}retry/").status_code == 403


def test_a_number_that_is_not_ours_is_marked_on_an_unknown_event(admin: Client, rows: dict[str, Any]) -> None:
    UnrecognisedEvent.objects.update(phone_number_id="999")

    assert "not ours" in admin.get("/admin/conversations/unrecognisedevent/").content.decode()


def test_the_day_opens_with_what_needs_this_person(client: Client, rows: dict[str, Any]) -> None:
    rows["businessnumber"].held_reason = "code 131042"
    rows["businessnumber"].save()

    def told(role: str) -> str:
        client.force_login(make.user(role, f"{role}@day.test"))
        return client.get("/admin/").content.decode()

    day = told(ADMINISTRATOR)
    assert "Shop is on hold: nothing leaves from it." in day
    assert "1 webhook could not be applied." in day
    assert "Shop is on hold" not in told(MARKETING)
    assert "1 campaign missed its time" in told(AUDITOR)
    assert "1 person waits for an answer." in told(AGENT)


def test_an_empty_installation_is_told_where_to_begin(admin: Client) -> None:
    html = admin.get("/admin/").content.decode()

    assert "Nothing needs you right now." in html
    assert "Add the number you write from" in html


def test_a_door_counts_no_further_than_it_shows(admin: Client, rows: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr("config.dashboard.COUNTED_UPTO", 0)

    assert "0+" in admin.get("/admin/").content.decode()
