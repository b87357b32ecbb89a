"""The figures of a campaign, and the doors behind them: what stands in the rows is what is counted and listed."""

from typing import Any

import pytest
from django.utils import timezone

from campaigns import dispatch, figures
from campaigns.models import Campaign
from contacts import person
from contacts.models import ConsentEvent, Contact
from conversations.models import Kind, Message, Status
from tests import make
from tests.campaigns import plan

pytestmark = pytest.mark.django_db


def reply(message: Message, led_to: ConsentEvent | None = None) -> Message:
    """What the person wrote back, as the inbound side keeps it."""
    return Message.objects.create(
        contact=message.contact, number=message.number, kind=Kind.INBOUND, status=Status.RECEIVED, at=timezone.now(),
        type="text", text="is it in blue?", wamid=f"wamid.in.{make.next_serial()}", in_reply_to=message, led_to=led_to,
    )  # fmt: skip


@pytest.fixture
def campaign() -> Campaign:
    """Somebody left out, somebody waiting, and one person in each end a message can come to."""
    plan.all_sorts()  # 5 left out, 1 allowed, 1 waits for WhatsApp's pause
    for _ in range(8):
        plan.person()
    found = plan.started(plan.campaign())
    now = timezone.now()
    ends: list[tuple[Status, dict[str, Any]]] = [
        (Status.SENT, {}),
        (Status.DELIVERED, {"delivered_at": now}),
        (Status.READ, {"read_at": now}),
        (Status.READ, {"read_at": now}),  # and replies twice
        (Status.READ, {"read_at": now}),  # and says STOP
        (Status.FAILED, {"error_code": 131026, "failed_at": now}),
        (Status.UNKNOWN, {"wamid": None}),
        (Status.WITHHELD, {"verdict": "withdrawn", "withheld_at": now}),
    ]
    messages = list(Message.objects.filter(batch=found.batch, verdict="").order_by("-pk"))
    for message, (status, fields) in zip(messages, ends, strict=False):
        plan.leave(message, status, **fields)
    reply(messages[3]), reply(messages[3])
    reply(messages[4], make.withdraw(messages[4].contact))
    return found


def test_every_number_is_what_the_rows_say(campaign: Campaign) -> None:
    found = figures.figures(campaign)

    assert (found.aimed_at, found.waiting, found.sent, found.delivered, found.read) == (15, 2, 5, 4, 3)
    assert (found.replied, found.opted_out, found.unknown, found.cancelled) == (1, 1, 1, 0)  # a STOP is no reply
    assert {reason.code: reason.count for reason in found.left_out} == {
        "no_consent": 1, "withdrawn": 2, "expired": 1, "unreachable": 1, "no_address": 1,
    }  # fmt: skip
    assert [(reason.code, reason.count) for reason in found.failed] == [("131026", 1)]
    assert [(reason.code, reason.count) for reason in found.waits_for] == [("resting", 1)]


def test_everybody_is_in_exactly_one_place(campaign: Campaign) -> None:
    found = figures.figures(campaign)

    parts = found.left_out_total + found.waiting + found.sent + found.failed_total + found.unknown + found.cancelled
    assert parts == found.aimed_at


def test_a_person_who_replies_twice_is_one_person(campaign: Campaign) -> None:
    assert Message.objects.filter(in_reply_to__batch=campaign.batch).count() == 3

    assert figures.figures(campaign).replied == 1


def test_behind_every_number_stand_as_many_people(campaign: Campaign) -> None:
    found = figures.figures(campaign)
    numbers = {
        "everyone": found.aimed_at, "left_out": found.left_out_total, "waiting": found.waiting, "sent": found.sent,
        "delivered": found.delivered, "read": found.read, "replied": found.replied, "opted_out": found.opted_out,
        "failed": found.failed_total, "unknown": found.unknown, "cancelled": found.cancelled,
        **{reason.group: reason.count for reason in (*found.left_out, *found.failed, *found.waits_for)},
    }  # fmt: skip

    now = timezone.now()
    listed = {group: len(figures.people(campaign, group, after=0, limit=99, at=now)) for group in numbers}

    assert listed == numbers


def test_cancelled_messages_are_counted_apart(campaign: Campaign) -> None:
    dispatch.cancel(campaign, by=make.user("marketing"))

    found = figures.figures(campaign)

    assert (found.waiting, found.cancelled) == (0, 2)


def test_a_failure_without_a_code_has_a_sentence_of_its_own(campaign: Campaign) -> None:
    Message.objects.filter(status=Status.FAILED).update(error_code=None)

    (reason,) = figures.figures(campaign).failed

    assert reason.group == "failed-0"
    (someone,) = figures.people(campaign, reason.group, after=0, limit=9, at=timezone.now())
    assert someone.sentence == reason.sentence


def test_a_campaign_that_has_not_started_has_no_figures() -> None:
    found = figures.figures(plan.campaign())

    assert (found.aimed_at, found.sent, found.waiting, found.replied) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "group", ["", "nobody", "left_out-", "left_out-nonsense", "failed-x", "failed-99999999999", "sent-1", "would-x"]
)
def test_a_group_that_means_nothing_is_refused(campaign: Campaign, group: str) -> None:
    with pytest.raises(figures.NoSuchGroup):
        figures.people(campaign, group, after=0, limit=9, at=timezone.now())


def test_a_person_shows_their_campaigns_and_why_they_were_left_out(campaign: Campaign) -> None:
    left_out = Contact.objects.get(first_name="Bruno")

    (line,) = person.timeline(left_out, only="campaigns")

    assert line.context["campaign"] == campaign
    assert line.context["message"] is None
    assert line.context["sentence"] == "They never agreed to this."
    assert person.timeline(left_out, only="campaigns", before=line.place) == []
