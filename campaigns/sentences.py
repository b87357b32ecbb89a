"""The answer before the data: what a campaign's page opens with."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns.audience import DryRun
from campaigns.figures import Figures
from campaigns.models import Campaign
from conversations.verdicts import Verdict, sentence

State = Campaign.State

# What follows a number: "1,840 never agreed".
_WHY = {
    Verdict.ERASED: gettext_lazy("erased"),
    Verdict.NO_ADDRESS: gettext_lazy("without a number"),
    Verdict.STOPPED: gettext_lazy("just said STOP"),
    Verdict.WITHDRAWN: gettext_lazy("withdrew"),
    Verdict.BLOCKED: gettext_lazy("stopped marketing in WhatsApp"),
    Verdict.HELD: gettext_lazy("on hold"),
    Verdict.NO_CONSENT: gettext_lazy("never agreed"),
    Verdict.PENDING: gettext_lazy("not confirmed yet"),
    Verdict.EXPIRED: gettext_lazy("agreed too long ago"),
    Verdict.UNREACHABLE: gettext_lazy("not reachable on WhatsApp"),
    Verdict.COUNTRY_CLOSED: gettext_lazy("in countries closed to marketing"),
    Verdict.TEMPLATE_NOT_APPROVED: gettext_lazy("stopped by the template"),
    Verdict.WINDOW_CLOSED: gettext_lazy("outside the 24 hours"),
    Verdict.MISSING_VALUE: gettext_lazy("without a value"),
    Verdict.FREQUENCY_CAP: gettext_lazy("had enough messages"),
    Verdict.QUIET_HOURS: gettext_lazy("in quiet hours then"),
    Verdict.RESTING: gettext_lazy("resting at WhatsApp's wish"),
    Verdict.NUMBER_HELD: gettext_lazy("held with your number"),
    Verdict.MESSAGING_LIMIT: gettext_lazy("over the daily limit"),
    Verdict.ALLOWED: gettext_lazy("will get it"),
}
_SAID = 2  # reasons named one by one; the rest is "128 more"


def why(verdict: str) -> str:
    """The reason as it follows a number."""
    return str(_WHY[Verdict(verdict)])


def schedule_label(counted: DryRun | None) -> str:
    """What the button says. Without an answer yet, or for nobody, it names no number."""
    if counted is None or not counted.allowed:
        return _("Schedule")
    words = ngettext("Schedule for %(people)s person", "Schedule for %(people)s people", counted.allowed)
    return words % {"people": f"{counted.allowed:,}"}


def of_dry_run(counted: DryRun) -> str:
    """ "9,412 of 12,000 will get this. 1,840 never agreed, 620 withdrew, 128 more." """
    if not counted.total:
        return _("Nobody has this tag yet.")
    numbers = {"some": f"{counted.allowed:,}", "all": f"{counted.total:,}"}
    if counted.allowed == counted.total:
        return ngettext("One person will get this.", "All %(all)s people will get this.", counted.total) % numbers
    first = (
        _("%(some)s of %(all)s will get this.") if counted.allowed else _("None of %(all)s will get this.")
    ) % numbers
    reasons = [(verdict, number) for verdict, number in counted.by_verdict if verdict != Verdict.ALLOWED]
    return f"{first} {_listed(reasons)}"


def _listed(found: Sequence[tuple[Verdict, int]]) -> str:
    reasons = sorted(found, key=lambda pair: -pair[1])
    said = [f"{number:,} {why(verdict)}" for verdict, number in reasons[:_SAID]]
    if rest := sum(number for verdict, number in reasons[_SAID:]):
        said.append(_("%(rest)s more") % {"rest": f"{rest:,}"})
    return ", ".join(said) + "."


def of_figures(campaign: Campaign, found: Figures) -> str:
    """What happened so far, or in the end."""
    queued = found.waiting + found.settled
    numbers = {
        "left": f"{found.sent + found.failed_total + found.unknown:,}",
        "queued": f"{queued:,}",
        "sent": f"{found.sent:,}",
        "aimed": f"{found.aimed_at:,}",
        "waiting": f"{found.waiting:,}",
        "read": f"{found.read:,}",
        "replied": f"{found.replied:,}",
        "cancelled": f"{found.cancelled:,}",
    }
    if campaign.state == State.PAUSED:
        return _("Paused. %(left)s of %(queued)s have left, %(waiting)s wait.") % numbers
    if campaign.state == State.CANCELLED:
        return _("Cancelled. %(sent)s were sent, %(cancelled)s never left.") % numbers
    if campaign.state == State.FINISHED:
        return _("Sent to %(sent)s of %(aimed)s people. %(read)s read it, %(replied)s replied.") % numbers
    if not found.aimed_at:
        return _("Leaving now. The recipients are being chosen.")
    return _("%(left)s of %(queued)s have left.") % numbers


REASONS = {
    "late": gettext_lazy("Its time passed while nothing was running here."),
    "no_scope": gettext_lazy("Its template has no scope any more."),
    "another_account": gettext_lazy("Its template belongs to another WhatsApp account than its number."),
    "wants_media": gettext_lazy("Its template now wants a picture or file in its header."),
    "missing": gettext_lazy("A variable of its template has no value."),
    "by staff": "",
    "broken": gettext_lazy("Too many messages failed for the same reason."),
    "paused": "",
}


def of_state_reason(reason: str) -> str:
    """Why a campaign stands still, in a sentence; empty where a person simply decided so."""
    if reason in REASONS:
        return str(REASONS[reason])
    if reason in Verdict.values:
        return sentence(reason)
    return _("It stopped itself: %(reason)s.") % {"reason": reason} if reason else ""
