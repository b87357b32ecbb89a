"""Business numbers, the portfolio and templates in the admin; templates are fetched from a server on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry
from accounts.roles import ADMINISTRATOR, MARKETING
from conversations import message_templates
from conversations.models import BusinessNumber, MessageTemplate, Portfolio, RateBucket
from tests import make

TEMPLATES = "/admin/conversations/messagetemplate/"
SECRET = "EAAG-this-is-the-token"
BODY = [{"type": "BODY", "text": "Hi {{1}}", "example": {"body_text": [["Anna"]]}}]


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(make.user(ADMINISTRATOR))
    return client


@pytest.fixture
def platform(settings: Settings) -> Iterator[Callable[..., None]]:
    """WhatsApp's list of templates: call it with the pages it is to give, or with an HTTP status to refuse with."""
    answers: list[tuple[int, dict[str, Any]]] = []

    class Platform(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            after = parse_qs(urlsplit(self.path).query).get("after", ["0"])[0]
            status, body = answers[int(after)]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *args: Any) -> None:
            """Nothing on the screen of the tests."""

    def give(*pages: list[dict[str, Any]], status: int = 200, error: int = 0) -> None:
        answers[:] = [(status, {"error": {"code": error, "message": "no"}})] if error else []
        for place, rows in enumerate(pages, 1):
            paging: dict[str, Any] = {"cursors": {"after": str(place)}}
            answers.append((200, {"data": rows, "paging": paging | ({"next": "x"} if place < len(pages) else {})}))

    server = HTTPServer(("127.0.0.1", 0), Platform)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.WHATSAPP_API_URL = f"http://127.0.0.1:{server.server_port}"
    yield give
    server.shutdown()
    server.server_close()
    thread.join(5)


def listed(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"id-{name}", "name": name, "language": "en", "category": "MARKETING", "status": "APPROVED",
        "components": BODY, "parameter_format": "POSITIONAL",
    } | fields  # fmt: skip


def number_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Shop", "display_phone": "+390236789012", "rate_per_second": "80", "confirm_stops": "on",
        "new_token": "",
    } | changes  # fmt: skip


def page(number: BusinessNumber, name: str = "change") -> str:
    return f"/admin/conversations/businessnumber/{number.public_id}/{name}/"


# ---- Numbers ----


def test_a_number_is_added_with_its_bucket_and_an_encrypted_token(admin: Client) -> None:
    portfolio = make.portfolio()
    form = number_form(portfolio=portfolio.pk, phone_number_id="118", waba_id="104", new_token=SECRET)

    admin.post("/admin/conversations/businessnumber/add/", form)

    number = BusinessNumber.objects.get()
    assert (number.token, number.token_set) == (SECRET, True)
    assert RateBucket.objects.filter(number=number).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM conversations_businessnumber")
        assert SECRET not in cursor.fetchone()[0]


def test_a_token_goes_in_and_never_comes_out(admin: Client) -> None:
    number = make.number()
    admin.post(page(number), number_form(new_token=SECRET))

    shown = admin.get(page(number)).content.decode()

    assert SECRET not in shown
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert "businessnumber.token_set" in AuditEntry.objects.values_list("verb", flat=True)


def test_an_empty_field_keeps_the_token_that_is_there(admin: Client) -> None:
    number = make.number(token=SECRET)

    admin.post(page(number), number_form(name="Another name"))

    number.refresh_from_db()
    assert (number.name, number.token) == ("Another name", SECRET)


def test_holding_and_releasing_a_number_leaves_a_line_each(admin: Client) -> None:
    number = make.number()

    asked = admin.get(page(number, "hold")).content.decode()
    admin.post(page(number, "hold"))
    number.refresh_from_db()
    held = number.held_reason
    admin.post(page(number, "release"))
    number.refresh_from_db()

    assert "Nothing leaves from" in asked
    assert (held, number.held_reason) == ("by staff", "")
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == [
        "businessnumber.held", "businessnumber.released",
    ]  # fmt: skip


def test_quiet_hours_have_both_ends_or_none(admin: Client) -> None:
    portfolio = make.portfolio()
    form = {"name": "Bottega", "marketing_cap_days": "7", "quiet_from": "21:00", "quiet_until": ""}

    answer = admin.post(f"/admin/conversations/portfolio/{portfolio.public_id}/change/", form)

    assert "Give both ends of the quiet hours" in answer.content.decode()
    assert Portfolio.objects.get().quiet_from is None


# ---- Templates ----


def test_templates_are_fetched_page_by_page_and_read(admin: Client, platform: Callable[..., None]) -> None:
    make.number()
    platform(
        [listed("autumn_offer"), listed("gone_wrong", status="REJECTED")],
        [listed("strange", status="LIMIT_EXCEEDED", quality_score={"score": "YELLOW"}), {"name": "half a row"}],
    )

    answer = admin.post(f"{TEMPLATES}sync/", follow=True)

    rows = {row.name: (row.status, row.platform_status, row.quality) for row in MessageTemplate.objects.all()}
    assert rows == {
        "autumn_offer": ("APPROVED", "APPROVED", ""),
        "gone_wrong": ("REJECTED", "REJECTED", ""),
        "strange": ("OTHER", "LIMIT_EXCEEDED", "YELLOW"),
    }
    told = answer.content.decode()
    assert "3 templates of Shop" in told
    assert "1 more are of a kind we do not know" in told


def test_fetching_again_changes_what_changed_and_keeps_the_scope(platform: Callable[..., None], db: None) -> None:
    number = make.number()
    before = make.template("autumn_offer")
    make.template("no_longer_there")
    platform([listed("autumn_offer", status="PAUSED"), listed("new_one")])

    first, second = message_templates.sync(number), message_templates.sync(number)

    after = MessageTemplate.objects.get(name="autumn_offer")
    assert (after.pk, after.status, after.scope, after.components) == (before.pk, "PAUSED", before.scope, BODY)
    assert MessageTemplate.objects.get(name="no_longer_there").status == "GONE"
    assert (first.added, first.changed, first.gone) == (1, 1, 1)
    assert (second.added, second.changed, second.same, second.gone) == (0, 0, 2, 0)


def test_one_name_in_two_languages_is_two_templates(platform: Callable[..., None], db: None) -> None:
    platform([listed("autumn_offer"), listed("autumn_offer", language="it")])

    message_templates.sync(make.number())

    assert set(MessageTemplate.objects.values_list("name", "language")) == {
        ("autumn_offer", "en"), ("autumn_offer", "it"),
    }  # fmt: skip


def test_a_list_that_breaks_off_makes_nothing_gone(admin: Client, platform: Callable[..., None]) -> None:
    make.number()
    make.template("autumn_offer")
    platform(status=400, error=190)

    answer = admin.post(f"{TEMPLATES}sync/", follow=True)

    assert MessageTemplate.objects.get().status == "APPROVED"
    assert "WhatsApp refused" in answer.content.decode()
    assert "code 190" in answer.content.decode()


def test_an_account_that_cannot_be_reached_does_not_stop_the_others(platform: Callable[..., None], db: None) -> None:
    make.number("1", waba_id="104")
    make.number("2", waba_id="104")
    make.number("3", waba_id="105")
    platform([listed("autumn_offer")])

    message_templates.sync_all()

    assert MessageTemplate.objects.count() == 2  # one list per account, not per number


def test_a_template_shows_how_it_looks_and_takes_a_scope(client: Client, db: None) -> None:
    client.force_login(make.user(MARKETING))
    template = make.template(slug=None)
    address = f"{TEMPLATES}{template.public_id}/change/"

    shown = client.get(address).content.decode()
    client.post(address, {"scope": "marketing"})

    assert "Hi Anna, until Sunday everything is 20% off." in shown
    template.refresh_from_db()
    assert template.scope == make.scope("marketing")
    line = AuditEntry.objects.get()
    assert (line.verb, line.details) == ("messagetemplate.scope_given", {"scope": "marketing"})


def test_nothing_else_of_a_template_can_be_changed_here(client: Client, db: None) -> None:
    client.force_login(make.user(MARKETING))
    template = make.template()

    client.post(f"{TEMPLATES}{template.public_id}/change/", {"scope": "marketing", "status": "PAUSED", "name": "x"})

    template.refresh_from_db()
    assert (template.name, template.status) == ("autumn_offer", "APPROVED")
