"""What staff write down about somebody's consent, and what follows from it in one sentence."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from contacts import consent
from contacts.consent import Proof
from contacts.contact_forms import EVERYTHING
from contacts.models import Action, Contact, Evidence, Scope, Source, Standing, Wording


def withdrawal(contact: Contact, said: dict[str, Any], *, actor: User) -> str:
    """Record that the person withdrew. said: the cleaned WithdrawalForm. Returns what was done."""
    scope = None if said["what"] == EVERYTHING else Scope.objects.get(slug=said["what"])
    consent.record(
        contact, action=Action.WITHDRAWN, source=Source.STAFF, scope=scope, covers_all=scope is None,
        occurred_at=said["occurred_at"], actor=actor, proof=Proof(Evidence.Kind.NOTE, {"note": said["note"]}),
    )  # fmt: skip
    words = {"name": contact, "scope": scope or _("everything")}
    later = [
        row.scope.name
        for row in consent.standings(contact, at=timezone.now())
        if row.standing == Standing.GRANTED and scope in (None, row.scope)
    ]
    if later:  # the moment written down now lies before a later agreement
        words["later"] = ", ".join(later)
        return _("Recorded. After that moment %(name)s agreed again to %(later)s, and that stands.") % words
    return _("Recorded: %(name)s withdrew %(scope)s. Nothing is sent to them on it any more.") % words


def agreement(contact: Contact, said: dict[str, Any], *, actor: User) -> str:
    """Record that the person agreed. said: the cleaned AgreementForm. Returns where they stand now."""
    wording: Wording = said["wording"]
    scope = wording.scope
    event = consent.record(
        contact, action=Action.GRANTED, source=said["source"], scope=scope, wording=wording,
        occurred_at=said["occurred_at"], actor=actor,
        proof=Proof(Evidence.Kind.NOTE, {"note": said["note"], "reference": said["reference"]}),
    )  # fmt: skip
    name = {"name": contact, "scope": scope}
    standing = next(row.standing for row in consent.standings(contact, at=event.recorded_at) if row.scope == scope)
    if standing == Standing.GRANTED:
        return _("Recorded: %(name)s agreed to %(scope)s.") % name
    if standing == Standing.PENDING:
        return (
            _(
                "Recorded, but not in force yet: %(name)s has to confirm %(scope)s from their phone. "
                "Until then nothing is sent on it."
            )
            % name
        )
    if standing == Standing.EXPIRED:
        return _("Recorded, but it has run out by now: nothing is sent to %(name)s on it.") % name
    return _("Recorded. %(scope)s of %(name)s still stands as it did: what they said later counts.") % name


def what_agreement_does(contact: Contact, *, at: datetime) -> list[str]:
    """What to know before recording an agreement of this person."""
    points = [_("It is in force at once, from the moment they agreed, unless its scope asks for a confirmation.")]
    withdrawn = [row.scope.name for row in consent.standings(contact, at=at) if row.standing == Standing.WITHDRAWN]
    if withdrawn:
        points.append(
            _("They withdrew %(scopes)s. What you record there waits until they confirm it from their phone.")
            % {"scopes": ", ".join(withdrawn)}
        )
    points.append(_("It stays in the ledger with your name. You cannot change it afterwards."))
    return points
