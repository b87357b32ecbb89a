"""The campaign pages, through the door that people use."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from campaigns import dispatch
from campaigns.models import Campaign
from contacts.models import Contact
from conversations.models import Batch, BusinessNumber, Message, MessageTemplate, Status
from tests import make
from tests.campaigns import plan

pytestmark = pytest.mark.django_db
State = Campaign.State
ADD = "/admin/campaigns/campaign/add/"


@pytest.fixture
def planner(db: None) -> User:
    return make.user("marketing")


@pytest.fixture
def page(client: Client, planner: User) -> Client:
    client.force_login(planner)
    return client


def to(name: str, campaign: Campaign, *more: str) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.public_id, *more])


def filled(**other: Any) -> dict[str, Any]:
    """The form as somebody fills it in; `other` replaces or (None) removes fields."""
    fields = {
        "name": "Autumn offer",
        "number": make.number().public_id,
        "template": make.template().public_id,
        "tag": make.tag().name,
        "scheduled_at": (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"),
        "zone": "UTC",
        "tolerance_minutes": "60",
        "value-body.1-from": "first_name",
        "value-body.1-words": "there",
        "value-body.2-from": "constant",
        "value-body.2-words": "20%",
    }
    return {name: value for name, value in (fields | other).items() if value is not None}


def errors_beside(response: Any, name: str) -> list[str]:
    return list(response.context["form"][name].errors)


# ---- A draft ----


def test_a_draft_is_saved_however_unfinished(page: Client, planner: User) -> None:
    response = page.post(ADD, filled(scheduled_at="", **{"value-body.2-from": "", "value-body.2-words": ""}))

    campaign = Campaign.objects.get()
    assert response.headers["Location"] == to("change", campaign)
    assert (campaign.state, campaign.scheduled_at, campaign.created_by) == (State.DRAFT, None, planner)
    assert campaign.values == {"body.1": {"field": "first_name", "fallback": "there"}}
    assert AuditEntry.objects.get().verb == "campaign.added"


def test_a_form_without_template_and_people_says_so_beside_them(page: Client) -> None:
    response = page.post(ADD, {"name": "", "tolerance_minutes": "60"})

    assert response.status_code == 200
    for field in ("name", "number", "template", "tag"):
        assert errors_beside(response, field) == ["This field is required."]
    assert Campaign.objects.count() == 0


def test_the_button_schedules_for_as_many_as_will_get_it(page: Client, planner: User) -> None:
    plan.all_sorts()
    draft = plan.campaign(created_by=planner)

    text = page.get(to("change", draft)).content.decode()
    assert "1 of 7 will get this." in text
    assert "Schedule for 1 person" in text

    page.post(to("change", draft), filled(schedule="1"))
    draft.refresh_from_db()
    assert draft.state == State.SCHEDULED


def test_a_time_is_on_the_clock_that_the_page_named(page: Client) -> None:
    plan.person()

    page.post(ADD, filled(scheduled_at="2031-07-01T10:00", zone="Europe/Rome"))

    assert Campaign.objects.get().scheduled_at == datetime(2031, 7, 1, 8, tzinfo=UTC)


def test_the_page_names_the_clock_of_its_reader(page: Client) -> None:
    page.cookies["parley_zone"] = "Asia%2FTokyo"
    draft = plan.campaign(scheduled_at=datetime(2031, 7, 1, 8, tzinfo=UTC))

    text = page.get(to("change", draft)).content.decode()

    assert 'value="2031-07-01T17:00"' in text
    assert "<span data-zone>Asia/Tokyo</span>" in text
    assert '<input type="hidden" name="zone" value="Asia/Tokyo"' in text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("2031-03-30T02:30", "this time does not exist"),  # the clocks of Rome go forward
        ("tomorrow", "Write the day and the time"),
        ("0001-01-01T00:00", "Write the day and the time"),
        ("2020-01-01T10:00", "This time has passed"),
        ("", "Say when it leaves"),
    ],
)
def test_a_time_that_cannot_be_is_refused_beside_it(page: Client, said: str, why: str) -> None:
    plan.person()

    response = page.post(ADD, filled(scheduled_at=said, zone="Europe/Rome", schedule="1"))

    assert why in errors_beside(response, "scheduled_at")[0]
    assert not Campaign.objects.filter(state=State.SCHEDULED).exists()


@pytest.mark.parametrize(
    ("other", "field", "why"),
    [
        ({"template": "paused"}, "template", "WhatsApp has paused this template"),
        ({"template": "unscoped"}, "template", "has no scope"),
        ({"template": "foreign"}, "template", "another WhatsApp account"),
        ({"number": "held"}, "number", "on hold"),
        ({"tag": "nobody"}, "tag", "Nobody is tagged"),
        ({"tag": "strangers"}, "tag", "Nobody would get this"),
        ({"value-body.1-from": ""}, "value-body.1-from", "Say what goes here"),
        ({"value-body.2-words": " "}, "value-body.2-from", "Say what goes here"),
    ],
)
def test_what_stands_against_leaving_is_said_beside_the_field_and_the_draft_is_kept(
    page: Client, other: dict[str, str], field: str, why: str
) -> None:
    plan.person()
    make.tag("nobody")
    make.contact(tags=[make.tag("strangers")])
    rows: dict[str, Any] = {
        "paused": make.template("paused", status="PAUSED"),
        "unscoped": make.template("unscoped", slug=None),
        "foreign": make.template("foreign", waba_id="999"),
        "held": make.number("2", held_reason="code 131042"),
    }
    chosen = {name: rows[value].public_id if value in rows else value for name, value in other.items()}

    response = page.post(ADD, filled(**chosen, schedule="1"))

    assert any(why in error for error in errors_beside(response, field))
    assert Campaign.objects.get().state == State.DRAFT
    assert "Not scheduled. Your changes are kept as a draft." in response.content.decode()
    # the form now belongs to the draft: sending it again changes that one
    assert f'action="{to("change", Campaign.objects.get())}"' in response.content.decode()


def test_a_draft_that_was_scheduled_meanwhile_is_not_changed_by_an_old_form(page: Client, planner: User) -> None:
    plan.person()
    draft = plan.campaign()
    dispatch.schedule(draft, at=timezone.now() + timedelta(hours=2), by=planner)

    response = page.post(to("change", draft), filled(name="Something else"), follow=True)

    draft.refresh_from_db()
    assert (draft.name, draft.state) == ("Autumn offer", State.SCHEDULED)
    assert "Only a draft can be changed" in response.content.decode()


def test_the_preview_answers_for_the_form_and_saves_nothing(page: Client) -> None:
    plan.person(first_name="Anna")
    make.contact(tags=[make.tag()])

    text = page.post(reverse("admin:campaigns_campaign_preview"), filled()).content.decode()

    assert "1 of 2 will get this. 1 never agreed." in text
    assert "Hi Anna, until Sunday everything is 20% off." in text
    assert "Schedule for 1 person" in text
    assert Campaign.objects.count() == 0


def test_the_preview_flips_through_people(page: Client) -> None:
    plan.person(first_name="Anna"), plan.person(first_name="Bruno")
    draft = plan.campaign()

    shown = [
        page.post(to("preview_saved", draft), filled(place=place)).content.decode() for place in ("1", "2", "3", "x")
    ]

    names = [re.search(r"Hi (\w+),", text)[1] for text in shown]  # type: ignore[index]
    assert names == ["Bruno", "Anna", "Bruno", "Bruno"]


def test_a_half_filled_form_is_previewed_as_far_as_it_goes(page: Client) -> None:
    make.number(), make.template()

    text = page.post(reverse("admin:campaigns_campaign_preview"), filled(tag="", number="")).content.decode()

    assert "Choose a template and the people" in text
    assert "Hi Anna, until Sunday everything is 20% off." in text  # the template's own examples


def test_values_are_shown_as_text_and_never_as_markup(page: Client) -> None:
    plan.person(first_name="<img src=x onerror=alert(1)>")
    draft = plan.campaign(name="<script>alert(1)</script>")

    text = page.get(to("change", draft)).content.decode()

    assert "<img src=x" not in text
    assert "<script>alert" not in text


# ---- Scheduled ----


def test_a_scheduled_campaign_can_be_changed_again_or_cancelled(page: Client, planner: User) -> None:
    plan.person()
    campaign = plan.campaign()
    dispatch.schedule(campaign, at=timezone.now() + timedelta(hours=2), by=planner)
    text = page.get(to("change", campaign)).content.decode()
    assert "All 1 people" not in text and "One person will get this." in text
    assert "<form" in text and 'name="scheduled_at"' not in text

    page.post(to("unschedule", campaign))
    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT

    assert "Nobody will get this campaign." in page.get(to("cancel", campaign)).content.decode()
    assert Campaign.objects.get().state == State.DRAFT  # it only asked
    page.post(to("cancel", campaign))
    assert Campaign.objects.get().state == State.CANCELLED


def test_a_missed_campaign_says_so_and_takes_another_time(page: Client) -> None:
    plan.person()
    campaign = plan.due(plan.campaign())
    Campaign.objects.update(scheduled_at=timezone.now() - timedelta(hours=3))
    dispatch.start_due()
    text = page.get(to("change", campaign)).content.decode()
    assert "It did not leave on" in text
    assert "Its time passed while nothing was running here." in text

    refused = page.post(to("reschedule", campaign), {"scheduled_at": "2020-01-01T10:00", "zone": "UTC"})
    assert refused.context["time_form"].errors["scheduled_at"] == ["This time has passed. Choose a later one."]

    later = (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    page.post(to("reschedule", campaign), {"scheduled_at": later.strftime("%Y-%m-%dT%H:%M"), "zone": "UTC"})
    campaign.refresh_from_db()
    assert (campaign.state, campaign.scheduled_at) == (State.SCHEDULED, later)


# ---- Running and over ----


def test_a_running_campaign_shows_how_far_it_is_and_can_be_paused_and_resumed(page: Client) -> None:
    for _ in range(4):
        plan.person()
    campaign = plan.started(plan.campaign())
    plan.leave(Message.objects.all()[0])
    text = page.get(to("change", campaign)).content.decode()
    assert "1 of 4 have left." in text
    assert "25 %" in text

    page.post(to("pause", campaign))
    assert Batch.objects.get().state == Batch.State.PAUSED
    text = page.get(to("change", campaign)).content.decode()
    assert "Paused. 1 of 4 have left, 3 wait." in text

    page.post(to("resume", campaign))
    assert Batch.objects.get().state == Batch.State.RUNNING


def test_looking_at_a_verb_does_nothing(page: Client) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())

    for verb in ("pause", "resume", "unschedule", "reschedule"):
        page.get(to(verb, campaign))

    assert Campaign.objects.get().state == State.RUNNING


def test_a_verb_that_is_refused_says_why(page: Client) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    page.post(to("pause", campaign))
    MessageTemplate.objects.update(status="PAUSED")

    text = page.post(to("resume", campaign), follow=True).content.decode()

    assert "WhatsApp has paused this template." in text
    assert Campaign.objects.get().state == State.PAUSED


def test_cancelling_says_to_how_many_and_asks_first(page: Client) -> None:
    plan.person(), plan.person(), plan.person()
    campaign = plan.started(plan.campaign())
    plan.leave(Message.objects.all()[0])

    asked = page.get(to("cancel", campaign)).content.decode()
    assert "2 people who have not got it never will." in asked
    assert "Cancel for 2 people" in asked
    assert Campaign.objects.get().state == State.RUNNING

    page.post(to("cancel", campaign))
    assert Campaign.objects.get().state == State.CANCELLED
    assert Message.objects.filter(status=Status.CANCELLED).count() == 2


def test_news_come_once_and_then_nothing_until_something_changes(page: Client) -> None:
    plan.person(), plan.person()
    campaign = plan.started(plan.campaign())
    first = page.get(to("live", campaign))
    assert "0 of 2 have left." in first.content.decode()
    again = page.get(to("live", campaign), headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

    plan.leave(Message.objects.all()[0])

    changed = page.get(to("live", campaign), headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "1 of 2 have left." in changed.content.decode()


def test_a_page_that_became_another_is_loaded_anew(page: Client) -> None:
    assert page.get(to("live", plan.campaign())).status_code == 204


def test_the_page_of_a_finished_campaign_shows_what_came_of_it(page: Client) -> None:
    plan.all_sorts()
    campaign = plan.started(plan.campaign())
    Message.objects.filter(verdict="resting").update(status=Status.WITHHELD)
    plan.leave(Message.objects.get(status=Status.QUEUED), Status.READ)
    dispatch.finish_done()

    text = page.get(to("change", campaign)).content.decode()

    assert "Sent to 1 of 7 people. 1 read it, 0 replied." in text
    for reason in ("They never agreed to this.", "They withdrew their agreement.", "Their agreement has expired."):
        assert reason in text


@pytest.mark.parametrize(
    ("before", "seconds"),
    [
        ({"state": State.SCHEDULED, "scheduled_at": timedelta(hours=2)}, 15),
        ({"state": State.SCHEDULED, "scheduled_at": timedelta(seconds=40)}, 2),
        ({"state": State.FINISHED, "finished_at": -timedelta(minutes=2)}, 5),
        ({"state": State.FINISHED, "finished_at": -timedelta(hours=2)}, 0),
    ],
)
def test_an_open_page_asks_for_news_more_often_when_some_are_near(
    page: Client, before: dict[str, Any], seconds: int
) -> None:
    """Before its time, and after the last has left: people read and answer for a while."""
    plan.all_sorts()
    campaign = plan.started(plan.campaign())
    moments = {name: timezone.now() + value for name, value in before.items() if isinstance(value, timedelta)}
    Campaign.objects.filter(pk=campaign.pk).update(**before | moments)

    assert f'data-seconds="{seconds}"' in page.get(to("change", campaign)).content.decode()


# ---- The people behind a number ----


def test_a_number_opens_the_people_behind_it(page: Client) -> None:
    people = plan.all_sorts()
    campaign = plan.started(plan.campaign())

    text = page.get(to("people", campaign, "left_out-no_consent")).content.decode()

    assert reverse("admin:contacts_contact_change", args=[people["no_consent"].public_id]) in text
    assert "They never agreed to this." in text
    assert "Anna" not in text


def test_before_it_starts_the_dry_run_is_a_door_too(page: Client) -> None:
    people = plan.all_sorts()
    draft = plan.campaign()

    assert people["withdrawn"].first_name in page.get(to("people", draft, "would-withdrawn")).content.decode()
    assert people["allowed"].first_name in page.get(to("people", draft, "would-allowed")).content.decode()


def test_a_long_list_is_paged_by_person_without_keys_in_its_address(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.admin.PER_PAGE", 2)
    names = ["Anna", "Bruno", "Carla", "Dario", "Elena"]
    for name in names:
        plan.person(first_name=name)
    campaign = plan.started(plan.campaign())
    seen: list[str] = []
    address: str | None = to("people", campaign, "everyone")
    pages = 0

    while address:
        text = page.get(address).content.decode()
        seen += [name for name in names if name in text]
        following = re.search(r'href="(\?after=([0-9a-f-]{36}))"', text)
        address = to("people", campaign, "everyone") + following[1] if following else None
        pages += 1

    assert seen == names
    assert pages == 3


@pytest.mark.parametrize("group", ["nonsense", "would-withdrawn", "left_out-x"])
def test_a_door_that_leads_nowhere_is_not_found(page: Client, group: str) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())

    assert page.get(to("people", campaign, group)).status_code == 404


# ---- Who may what ----

READING = ["change", "live"]
CHANGING = ["pause", "resume", "unschedule", "reschedule", "cancel", "preview_saved"]


@pytest.mark.parametrize("role", ["auditor", "agent"])
def test_who_only_reads_sees_everything_and_changes_nothing(client: Client, role: str) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())
    client.force_login(make.user(role))

    text = client.get(to("change", campaign)).content.decode()
    assert "0 of 1 have left." in text
    assert "Pause" not in text and "Cancel the campaign" not in text
    assert client.get(to("people", campaign, "everyone")).status_code == 200
    for name in CHANGING:
        assert client.post(to(name, campaign)).status_code == 403
    assert client.get(ADD).status_code == 403
    assert Campaign.objects.get().state == State.RUNNING


def test_who_only_reads_sees_a_draft_as_told_and_not_as_a_form(client: Client) -> None:
    plan.person()
    draft = plan.campaign()
    client.force_login(make.user("auditor"))

    response = client.get(to("change", draft))

    assert "form" not in response.context
    assert "One person will get this." in response.content.decode()
    assert client.post(to("change", draft), filled(name="Mine")).status_code == 403
    assert Campaign.objects.get().name == "Autumn offer"


def test_nobody_without_a_log_in_sees_anything(client: Client) -> None:
    campaign = plan.campaign()

    for name in [*READING, *CHANGING]:
        assert "/account/login/" in client.get(to(name, campaign)).headers["Location"]


def test_the_list_names_every_campaign_and_opens_it_by_its_public_id(page: Client) -> None:
    plan.person()
    campaign = plan.started(plan.campaign())

    text = page.get("/admin/campaigns/campaign/").content.decode()

    assert f'href="{to("change", campaign)}"' in text
    assert f'href="{to("people", campaign, "everyone")}"' in text
    assert "1 running now." in text


def test_an_empty_list_offers_the_first_step(page: Client) -> None:
    text = page.get("/admin/campaigns/campaign/").content.decode()

    assert "No campaigns yet." in text
    assert ADD in text
    assert Contact.objects.count() == BusinessNumber.objects.count() == 0
