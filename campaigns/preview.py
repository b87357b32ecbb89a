"""The message on a phone, as a real person of the audience will see it."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.safestring import SafeString

from campaigns.audience import answered
from campaigns.models import Campaign
from campaigns.values import values_for
from contacts.models import Contact
from conversations.formatting import to_html
from conversations.models import Message
from conversations.template_values import Rendered, parameters, reading, variables
from conversations.verdicts import Verdict

SHOWN = 10  # people one can flip through


@dataclass(frozen=True, slots=True)
class Phone:
    """A filled template for one person. contact: None while nobody is chosen: the template's own examples stand."""

    contact: Contact | None
    message: Rendered
    body: SafeString
    place: int  # of how many, from 1
    of: int

    @property
    def before(self) -> int:
        return (self.place - 2) % self.of + 1 if self.of else 1

    @property
    def after(self) -> int:
        return self.place % self.of + 1 if self.of else 1


def phone(campaign: Campaign, place: int) -> Phone | None:
    """The message for the `place`-th person (from 1, round and round). None while there is no template."""
    if campaign.template_id is None:
        return None
    template = campaign.template
    if campaign.batch_id is not None:
        newest = Message.objects.filter(batch=campaign.batch_id).select_related("contact").order_by("-contact_id")
        sent = list(newest[:SHOWN])
        if sent:
            place = (place - 1) % len(sent)
            kept = sent[place].content.get("parameters")
            return _phone(sent[place].contact, reading(template, kept), place + 1, len(sent))
    people = _people(campaign)
    if not people:
        examples = {gap.slot: gap.example or _gap(gap.key) for gap in variables(template)}
        return _phone(None, reading(template, parameters(template, examples)), 0, 0)
    place = (place - 1) % len(people)
    values = values_for(people[place], template, campaign.values)
    shown = {gap.slot: values[gap.slot] or _gap(gap.key) for gap in variables(template)}
    return _phone(people[place], reading(template, parameters(template, shown)), place + 1, len(people))


def _gap(key: str) -> str:
    return "{{" + key + "}}"


def _phone(contact: Contact | None, message: Rendered, place: int, of: int) -> Phone:
    return Phone(contact, message, to_html(message.body), place, of)


def _people(campaign: Campaign) -> list[Contact]:
    """Newest first: those who would get it, or else anybody it aims at."""
    if campaign.tag_id is None:
        return []
    tagged = Contact.objects.tagged(campaign.tag).order_by("-pk")
    if campaign.number_id is None:
        return list(tagged[:SHOWN])
    allowed = answered(campaign, at=timezone.now()).filter(answer=Verdict.ALLOWED).order_by("-pk")
    return list(allowed[:SHOWN]) or list(tagged[:SHOWN])
