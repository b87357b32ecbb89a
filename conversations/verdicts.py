"""The verdicts: the closed list of answers to "may this message leave now?", in the order they are tried.

The codes are the same in the dry run, on the message, in the composer and in reports; so are the sentences.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Verdict(models.TextChoices):
    ERASED = "erased", _("erased")
    NO_ADDRESS = "no_address", _("no phone number or WhatsApp id")
    STOPPED = "stopped", _("session ended by STOP")
    WITHDRAWN = "withdrawn", _("withdrew")
    BLOCKED = "blocked", _("stopped marketing in WhatsApp")
    HELD = "held", _("consent on hold")
    NO_CONSENT = "no_consent", _("never agreed")
    PENDING = "pending", _("not confirmed yet")
    EXPIRED = "expired", _("agreement expired")
    UNREACHABLE = "unreachable", _("cannot be reached on WhatsApp")
    COUNTRY_CLOSED = "country_closed", _("country closed to marketing")
    TEMPLATE_NOT_APPROVED = "template_not_approved", _("template not approved")
    WINDOW_CLOSED = "window_closed", _("session closed")
    MISSING_VALUE = "missing_value", _("a value is missing")
    FREQUENCY_CAP = "frequency_cap", _("had enough messages")
    QUIET_HOURS = "quiet_hours", _("quiet hours")
    RESTING = "resting", _("WhatsApp asks to wait")
    NUMBER_HELD = "number_held", _("number on hold")
    MESSAGING_LIMIT = "messaging_limit", _("daily limit reached")
    ALLOWED = "allowed", _("allowed")


# These keep a message queued, with a next time, until its send_until.
WAITS_FOR = (
    Verdict.HELD, Verdict.FREQUENCY_CAP, Verdict.QUIET_HOURS, Verdict.RESTING, Verdict.NUMBER_HELD,
    Verdict.MESSAGING_LIMIT,
)  # fmt: skip
# Any reason may end as withheld: the waiting ones when send_until has passed.
WITHHELD_FOR = tuple(verdict for verdict in Verdict if verdict != Verdict.ALLOWED)

_SENTENCES = {
    Verdict.ERASED: (_("This person was erased."), _("Only a message from them changes that.")),
    Verdict.NO_ADDRESS: (_("We know no phone number or WhatsApp id of this person."), _("Add their number.")),
    Verdict.STOPPED: (
        _("They ended this conversation with STOP."),
        _("You can answer when they write again, and send templates once they agree again."),
    ),
    Verdict.WITHDRAWN: (_("They withdrew their agreement."), _("Only they can give it again, from their phone.")),
    Verdict.BLOCKED: (
        _("They stopped marketing messages in WhatsApp's settings."),
        _("Only they can allow it again, in WhatsApp. Other templates may still be sent."),
    ),
    Verdict.HELD: (
        _("Their agreement is on hold."),
        _("Releasing the hold, or a new agreement from their phone, ends it."),
    ),
    Verdict.NO_CONSENT: (
        _("They never agreed to this."),
        _("Record their agreement with its date, source and wording."),
    ),
    Verdict.PENDING: (_("Their agreement is not confirmed yet."), _("They confirm it from their phone.")),
    Verdict.EXPIRED: (_("Their agreement has expired."), _("They can renew it.")),
    Verdict.UNREACHABLE: (
        _("WhatsApp could not deliver to this number several times."),
        _("A message from them, or a delivery, ends it."),
    ),
    Verdict.COUNTRY_CLOSED: (
        _("WhatsApp delivers no marketing to this country."),
        _("Use a utility template or another channel."),
    ),
    Verdict.TEMPLATE_NOT_APPROVED: (
        _("WhatsApp does not accept this template now, or it has no scope."),
        _("Choose an approved template of this number's account and give it a scope."),
    ),
    Verdict.WINDOW_CLOSED: (
        _("The 24 hours after their last message are over."),
        _("Wait until they write. A campaign they agreed to may still reach them."),
    ),
    Verdict.MISSING_VALUE: (
        _("A value of the template is missing for this person."),
        _("Fill the field or give a fallback."),
    ),
    Verdict.FREQUENCY_CAP: (
        _("They had as many campaign messages as you allow."),
        _("It waits until the days have passed."),
    ),
    Verdict.QUIET_HOURS: (_("It is quiet time where they live."), _("It waits until the quiet hours end.")),
    Verdict.RESTING: (
        _("WhatsApp asked to leave this person in peace for now."),
        _("It waits until that time has passed."),
    ),
    Verdict.NUMBER_HELD: (_("Your number is on hold."), _("Put right what it waits for, then release the number.")),
    Verdict.MESSAGING_LIMIT: (
        _("Your business reached the number of people it may start with in 24 hours."),
        _("It waits until there is room."),
    ),
    Verdict.ALLOWED: (_("Yes, you may write."), ""),
}


def sentence(verdict: str) -> str:
    """What the verdict means, in one plain sentence."""
    return str(_SENTENCES[Verdict(verdict)][0])


def what_next(verdict: str) -> str:
    """What would change the answer; empty when nothing needs to."""
    return str(_SENTENCES[Verdict(verdict)][1])
