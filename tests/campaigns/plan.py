"""Campaigns for tests, and the way one goes from a draft to queued messages."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from campaigns import audience, dispatch
from campaigns.models import Campaign
from contacts.models import Contact, Identity
from conversations.models import Message, Reachability, Status
from tests import make

VALUES = {"body.1": {"field": "first_name", "fallback": "there"}, "body.2": {"constant": "20%"}}


def campaign(**fields: Any) -> Campaign:
    """A draft that nothing stands against, but that somebody must be tagged."""
    defaults = {"name": "Autumn offer", "tag": make.tag(), "values": VALUES}
    if "number" not in fields:
        fields["number"] = make.number()
    if "template" not in fields:
        fields["template"] = make.template()
    return Campaign.objects.create(**defaults | fields)


def person(**fields: Any) -> Contact:
    """Somebody with the tag who agreed."""
    found = make.contact(tags=[make.tag()], **fields)
    make.agree(found)
    return found


def all_sorts() -> dict[str, Contact]:
    """One person with the tag for most reasons there are, by what the gate says of them."""
    tag = [make.tag()]
    people = {
        "allowed": person(first_name="Anna"),
        "no_consent": make.contact(tags=tag, first_name="Bruno"),
        "withdrawn": person(first_name="Carla"),
        "expired": make.contact(tags=tag, first_name="Dario"),
        "unreachable": person(first_name="Elena"),
        "no_address": person(phone=None, first_name="Fabio"),
        "resting": person(first_name="Gina"),
    }
    make.withdraw(people["withdrawn"])
    make.agree(people["expired"], expires_at=timezone.now() - timedelta(days=1))
    Reachability.objects.create(contact=people["unreachable"], unreachable=True)
    Reachability.objects.create(contact=people["resting"], resting_until=timezone.now() + timedelta(hours=30))
    Identity.objects.create(contact=people["no_address"], kind=Identity.Kind.USERNAME, value="fabio")
    return people


def due(found: Campaign) -> Campaign:
    """Scheduled through the verb, with its time come."""
    at = timezone.now()
    dispatch.schedule(found, at=at, by=make.user("marketing", f"planner-{uuid4().hex}@example.test"))
    Campaign.objects.filter(pk=found.pk).update(scheduled_at=at - timedelta(minutes=1))
    found.refresh_from_db()
    return found


def started(found: Campaign) -> Campaign:
    """Started and frozen, as the jobs do it."""
    due(found)
    dispatch.start_due()
    audience.freeze(found.pk)
    found.refresh_from_db()
    return found


def leave(message: Message, status: Status = Status.SENT, **fields: Any) -> None:
    """As the engine leaves it: standing on the consent, with its times and its wamid."""
    now = timezone.now()
    Message.objects.filter(pk=message.pk).update(
        **{
            "status": status, "stands_on": message.contact.consent_events.filter(action="granted").first(),
            "sending_at": now, "sent_at": now, "at": now, "wamid": f"wamid.{make.next_serial()}",
        } | fields
    )  # fmt: skip
