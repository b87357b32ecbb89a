"""What this room adds to a person: who they are, and their ledger."""

from django.utils.translation import gettext_lazy as _

from contacts import person
from contacts.models import (
    GRANTS,
    Action,
    Block,
    Consent,
    ConsentEvent,
    Contact,
    ContactHead,
    Evidence,
    Identity,
    LedgerNews,
    Standing,
)
from contacts.person import Line, Part, Place

# The colour of a line is that of the standing it leads to.
TONES = {
    Action.REQUESTED: Standing.PENDING,
    Action.GRANTED: Standing.GRANTED,
    Action.RENEWED: Standing.GRANTED,
    Action.HELD: Standing.HELD,
    Action.RELEASED: Standing.GRANTED,
    Action.WITHDRAWN: Standing.WITHDRAWN,
    Action.EXPIRED: Standing.EXPIRED,
    Action.BLOCKED: Standing.WITHDRAWN,
    Action.UNBLOCKED: Standing.GRANTED,
}
EVIDENCE_WORDS = {
    "wamid": _("message (wamid)"),
    "file": _("file"),
    "row": _("row"),
    "sha256": _("SHA-256 of the file"),
    "url": _("page"),
    "ip": _("IP address"),
    "reference": _("reference"),
    "code": _("code"),
    "value": _("value"),
}


def consent_lines(contact: Contact, before: Place | None, limit: int) -> list[Line]:
    """Ledger lines by the moment the person spoke, newest first."""
    events = (
        contact.consent_events.filter(person.older(before, at="occurred_at"))
        .select_related("scope", "wording", "actor", "evidence")
        .order_by("-occurred_at", "-public_id")
    )
    return [
        Line(event.occurred_at, event.public_id, "admin/contacts/line.html", context_of(event))
        for event in events[:limit]
    ]


def context_of(event: ConsentEvent) -> dict[str, object]:
    """What the template of a ledger line needs."""
    evidence = getattr(event, "evidence", None)
    late = event.recorded_at.replace(microsecond=0) > event.occurred_at.replace(microsecond=0)
    return {
        "event": event,
        "tone": TONES[Action(event.action)],
        "icon": TONES[Action(event.action)],
        "title": said(event),
        "evidence": evidence,
        "facts": facts_of(evidence) if evidence else [],
        "quote": (evidence.data.get("quote") or evidence.data.get("note") or "") if evidence else "",
        "recorded_later": late and (event.recorded_at - event.occurred_at).total_seconds() > 60,
        "is_grant": event.action in GRANTS,
    }


def said(event: ConsentEvent) -> str:
    """The line in a few words: "Agreed: Offers and news"."""
    about = event.scope.name if event.scope else _("everything") if event.covers_all else ""
    word = str(event.get_action_display())
    word = word[:1].upper() + word[1:]
    return f"{word}: {about}" if about else word


def facts_of(evidence: Evidence) -> list[tuple[str, str]]:
    """What backs a line, as labelled facts; the quote or note is shown apart."""
    return [
        (str(EVIDENCE_WORDS.get(name, name)), str(value))
        for name, value in evidence.data.items()
        if name not in ("quote", "note") and value not in ("", None)
    ]


def register() -> None:
    person.add(
        Part(
            name="consent",
            title=_("Consent"),
            models=(Contact, Identity, ContactHead, ConsentEvent, Evidence, LedgerNews, Consent, Block),
            timeline=consent_lines,
        )
    )
