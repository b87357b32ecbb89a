"""What a person's own words do: a STOP withdraws, a START gives back, a tap on an offer agrees.

Called while an inbound message is applied, in its transaction and with the person's heads locked. Texts that people
receive are data per language (SAID), not staff's words.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from contacts import consent
from contacts.keywords import Kind as Said
from contacts.keywords import Reading, read_reply
from contacts.models import Action, ConsentEvent, Contact, Evidence, Scope, Source, Standing, Wording
from contacts.people import Person
from conversations import outbox
from conversations.models import Kind, Message
from conversations.whatsapp.payloads import BUTTON_TITLE_LIMIT

CONFIRMED_AGAIN_AFTER = timedelta(days=7)
MOST_BUTTONS = 3
MOST_TAKEN_UP = 100  # messages read again that were said after a STOP and came before it
SESSION = timedelta(hours=24)

# language: key: text. {business} and {scopes} are filled in.
SAID = {
    "en": {
        "stopped": "You will get no more messages from {business}. To get them again, write START.",
        "stopped_scope": "No more messages from {business} about: {scopes}. To get them again, write START.",
        "restored": "Welcome back. From now on you get messages from {business} again about: {scopes}. "
        "To stop them, write STOP.",
        "agreed": "Thank you. From now on you get messages from {business} about: {scopes}. To stop them, write STOP.",
        "offer": "What may {business} write to you about? Tap what you want to get.",
        "nothing_new": "You already get messages from {business} about: {scopes}. To stop them, write STOP.",
    },
    "it": {
        "stopped": "Non riceverai più messaggi da {business}. Per riceverli di nuovo scrivi START.",
        "stopped_scope": "Non riceverai più messaggi da {business} su: {scopes}. Per riceverli di nuovo scrivi START.",
        "restored": "Bentornato. Da ora ricevi di nuovo messaggi da {business} su: {scopes}. Per fermarli scrivi STOP.",
        "agreed": "Grazie. Da ora ricevi messaggi da {business} su: {scopes}. Per fermarli scrivi STOP.",
        "offer": "Su cosa può scriverti {business}? Tocca ciò che vuoi ricevere.",
        "nothing_new": "Ricevi già messaggi da {business} su: {scopes}. Per fermarli scrivi STOP.",
    },
}
# A scope that is not for customers is never offered.
NOT_OFFERED = ("internal_tests",)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the words did. events: the lines they caused. ends_session: only a new message may be answered."""

    events: list[ConsentEvent] = field(default_factory=list)
    ends_session: bool = False


def obey(reading: Reading, inbound: Message, person: Person) -> Effect:
    """Do what the words say about consent; nothing when they say nothing."""
    if reading.kind == Said.STOP:
        return _stop(reading, inbound, person)
    if reading.kind == Said.START:
        return Effect(_agree(reading, inbound) if reading.scope else _start(inbound))
    return Effect()


def _stop(reading: Reading, inbound: Message, person: Person) -> Effect:
    scope = Scope.objects.filter(slug=reading.scope).first() if reading.scope else None
    events = [
        consent.record(
            contact, action=Action.WITHDRAWN, scope=scope, covers_all=scope is None, source=_source(inbound),
            proof=_proof(inbound), occurred_at=inbound.at,
        )
        for contact in person.all
    ]  # fmt: skip
    back = _take_up_starts(inbound)
    if not back and _wants_confirmation(inbound):
        key = "stopped_scope" if scope else "stopped"
        outbox.queue_answer(inbound, Kind.STOP_CONFIRMATION, _say(inbound, key, [scope] if scope else []))
    return Effect(events + back, ends_session=scope is None and not reading.asks)


def _take_up_starts(stop: Message) -> list[ConsentEvent]:
    """Obey a START said after this STOP that reached us before it, so that the order of arrival changes nothing."""
    later = Message.objects.filter(contact=stop.contact, kind=Kind.INBOUND, at__gt=stop.at).order_by("at", "pk")
    events: list[ConsentEvent] = []
    for message in later.select_related("contact", "number__portfolio")[:MOST_TAKEN_UP]:
        reading = read_reply(message.text)
        if reading.kind == Said.START:
            events += _start(message)
    return events


def _wants_confirmation(inbound: Message) -> bool:
    """One, while the window is open by the message's own time, and none again within seven days."""
    if not inbound.number.confirm_stops or inbound.at + SESSION <= timezone.now():
        return False
    recent = Message.objects.filter(
        contact=inbound.contact, number=inbound.number, kind=Kind.STOP_CONFIRMATION,
        queued_at__gt=timezone.now() - CONFIRMED_AGAIN_AFTER,
    )  # fmt: skip
    return not recent.exclude(answers=inbound).exists()


def _start(inbound: Message) -> list[ConsentEvent]:
    """Give back what the last STOP took. Where there is nothing to give back nothing is granted: scopes are offered."""
    events, scopes = [], []
    for scope, stand in consent.restorable(inbound.contact, at=inbound.at):
        wording = _wording(f"start-{scope.slug}", scope, inbound, _say(inbound, "restored", [scope]))
        events.append(_grant(inbound, scope, Source.KEYWORD, wording, stand.expires_at))
        scopes.append(scope)
    if _is_overtaken(inbound):
        return events
    if scopes:
        outbox.queue_answer(inbound, Kind.OWN_REQUEST, _say(inbound, "restored", scopes))
    else:
        _offer(inbound)
    return events


def _is_overtaken(inbound: Message) -> bool:
    """Whether they said STOP after it: then nobody is welcomed, although the line is kept."""
    later = inbound.contact.consent_events.filter(action=Action.WITHDRAWN, occurred_at__gte=inbound.at)
    return later.filter(source__in=(Source.KEYWORD, Source.BUTTON)).exists()


def _offer(inbound: Message) -> None:
    standings = consent.standings(inbound.contact, at=timezone.now())
    customers = [stand for stand in standings if stand.scope.slug not in NOT_OFFERED]
    open_scopes = [stand.scope for stand in customers if stand.standing != Standing.GRANTED][:MOST_BUTTONS]
    if not open_scopes:
        text = _say(inbound, "nothing_new", [stand.scope for stand in customers])
        outbox.queue_answer(inbound, Kind.OWN_REQUEST, text)
        return
    text = _say(inbound, "offer", [])
    text += "".join(f"\n\n*{scope.name}*: {scope.description}" for scope in open_scopes)
    buttons = [(f"OPTIN:{scope.slug}", title) for scope, title in zip(open_scopes, _titles(open_scopes), strict=True)]
    outbox.queue_answer(inbound, Kind.OWN_REQUEST, text[:1024], buttons=buttons)


def _titles(scopes: list[Scope]) -> list[str]:
    """A button's title for each, no two the same: the platform refuses those."""
    titles: list[str] = []
    for number, scope in enumerate(scopes, 1):
        title = scope.name[:BUTTON_TITLE_LIMIT].strip()
        titles.append(title if title not in titles else f"{title[: BUTTON_TITLE_LIMIT - 2]} {number}")
    return titles


def _agree(reading: Reading, inbound: Message) -> list[ConsentEvent]:
    """A tap on an offered scope."""
    scope = Scope.objects.filter(slug=reading.scope).first()
    if scope is None:
        return []
    wording = _wording(f"offer-{scope.slug}", scope, inbound, scope.description)
    event = _grant(inbound, scope, Source.BUTTON, wording, None)
    if not _is_overtaken(inbound):
        outbox.queue_answer(inbound, Kind.OWN_REQUEST, _say(inbound, "agreed", [scope]))
    return [event]


def _grant(
    inbound: Message, scope: Scope, source: Source, wording: Wording, expires_at: datetime | None
) -> ConsentEvent:
    return consent.record(
        inbound.contact, action=Action.GRANTED, scope=scope, source=source, wording=wording, proof=_proof(inbound),
        occurred_at=inbound.at, expires_at=expires_at,
    )  # fmt: skip


def _source(inbound: Message) -> Source:
    return Source.BUTTON if inbound.type in ("button", "interactive") else Source.KEYWORD


def _proof(inbound: Message) -> consent.Proof:
    return consent.Proof(Evidence.Kind.MESSAGE, {"wamid": inbound.wamid, "quote": inbound.text[:500]})


def _wording(key: str, scope: Scope, inbound: Message, text: str) -> Wording:
    """The version of this wording with this text; a changed text makes the next one."""
    key = f"{key[:50]}-{_language(inbound.contact)}"
    latest = Wording.objects.filter(key=key).order_by("-version").first()
    if latest is not None and latest.text == text:
        return latest
    return Wording.objects.create(
        key=key, version=latest.version + 1 if latest else 1, scope=scope, language=_language(inbound.contact),
        text=text, shown_at="WhatsApp chat",
    )  # fmt: skip


def _say(inbound: Message, key: str, scopes: list[Scope]) -> str:
    text = SAID[_language(inbound.contact)][key]
    return text.format(business=inbound.number.portfolio.name, scopes=", ".join(scope.name for scope in scopes))


def _language(contact: Contact) -> str:
    """The language we answer in: theirs if we speak it, else the one spoken in their country, else English."""
    known = contact.language[:2].lower()
    if known in SAID:
        return known
    return "it" if contact.country == "IT" and not known else "en"
