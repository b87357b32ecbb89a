"""What this room adds to a person: the campaigns they were in, or left out of and why."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from campaigns.models import Recipient
from contacts import person
from contacts.models import Contact
from contacts.person import Line, Part, Place
from conversations.verdicts import sentence


def campaign_lines(contact: Contact, before: Place | None, limit: int) -> list[Line]:
    """The person's campaigns by the moment they started, newest first."""
    place = person.older(before, at="campaign__started_at", public_id="campaign__public_id")
    found = Recipient.objects.filter(place, contact=contact, campaign__started_at__isnull=False)
    recipients = found.select_related("campaign", "message").order_by("-campaign__started_at", "-campaign__public_id")
    return [_line(recipient) for recipient in recipients[:limit]]


def _line(recipient: Recipient) -> Line:
    campaign, message = recipient.campaign, recipient.message
    assert campaign.started_at is not None
    verdict = recipient.verdict if message is None else message.verdict
    context = {
        "campaign": campaign,
        "message": message,
        "sentence": sentence(verdict) if verdict else "",
        "url": reverse("admin:campaigns_campaign_change", args=[campaign.public_id]),
    }
    return Line(campaign.started_at, campaign.public_id, "admin/campaigns/line.html", context)


def register() -> None:
    person.add(Part(name="campaigns", title=_("Campaigns"), models=(Recipient,), timeline=campaign_lines))
