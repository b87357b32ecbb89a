"""What the page of a campaign shows: its sentence, its waterfall or its funnel, its progress, and what can be done now.

The same for the page and for its news, which the browser asks for while it is open.
"""

import time
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin_base import Act
from accounts.look import dated, length
from campaigns import sentences
from campaigns.audience import DryRun, dry_run
from campaigns.figures import Figures, Reason, figures, for_verdict
from campaigns.forms import zone_name
from campaigns.models import Campaign
from campaigns.preview import phone
from conversations.verdicts import Verdict

State = Campaign.State
PACE_WINDOW = 30  # seconds over which the rate on the page is measured
WORDS_FIT, NUMBER_FITS = 0.22, 0.08  # shares of the bar from which a piece has room for its words, or its number


def people_url(campaign: Campaign, group: str) -> str:
    """The door behind a number: figures.people() says which groups there are."""
    return reverse("admin:campaigns_campaign_people", args=[campaign.public_id, group])


def pieces(campaign: Campaign, counted: DryRun, *, doors: bool) -> list[dict[str, Any]]:
    """The waterfall: who will get it first, then what is lost, verdict by verdict."""
    order = sorted(counted.by_verdict, key=lambda pair: (pair[0] != Verdict.ALLOWED, -pair[1]))
    return [
        {
            "verdict": verdict.value,
            "count": count,
            "share": f"{100 * count / counted.total:.2f}",
            "room": _room(count / counted.total),
            "why": sentences.why(verdict),
            "reason": for_verdict("would", verdict, count),
            "url": people_url(campaign, f"would-{verdict.value}") if doors else "",
        }
        for verdict, count in order
    ]


def _room(share: float) -> str:
    """What fits on a piece of the bar."""
    return "words" if share > WORDS_FIT else "number" if share > NUMBER_FITS else ""


def told(campaign: Campaign, place: int) -> dict[str, Any]:
    """What the page of a campaign that is no draft says now; the same for the page and for its news."""
    context: dict[str, Any] = {"phone": phone(campaign, place)}
    if campaign.batch_id is None and campaign.state != State.CANCELLED:
        counted = dry_run(campaign)
        context |= {
            "lead": sentences.of_dry_run(counted),
            "pieces": pieces(campaign, counted, doors=True),
            "schedule_label": sentences.schedule_label(counted),
        }
    elif campaign.batch_id is None:
        context["lead"] = _("Cancelled before anything left.")
    else:
        found = figures(campaign)
        context |= {
            "lead": sentences.of_figures(campaign, found),
            "figures": found,
            "doors": _doors(campaign, found),
            "funnel": _funnel(campaign, found),
            "progress": _progress(campaign, found),
            "tables": _tables(campaign, found),
        }
    return context


def state_words(campaign: Campaign) -> str:
    """The line under the sentence: when, and why it stands still."""
    at, now = campaign.scheduled_at, timezone.now()
    zone = zone_name()
    if campaign.state == State.SCHEDULED and at is not None:
        left = _("in %(span)s") % {"span": length(at - now)} if at > now else _("now")
        return _("Leaves on %(when)s (%(zone)s), %(left)s.") % {"when": dated(at), "zone": zone, "left": left}
    if campaign.state == State.DRAFT:
        return _("A draft. Nothing leaves before it is scheduled.")
    if campaign.state == State.MISSED and at is not None:
        words = _("It did not leave on %(when)s (%(zone)s).") % {"when": dated(at), "zone": zone}
        return f"{words} {sentences.of_state_reason(campaign.state_reason)}".strip()
    if campaign.state == State.PAUSED:
        why = sentences.of_state_reason(campaign.state_reason)
        until = campaign.batch.send_until if campaign.batch else None
        if until is None:
            return why
        end = _("What has not left by %(when)s (%(zone)s) never will.") % {"when": dated(until), "zone": zone}
        return f"{why} {end}".strip()
    if campaign.started_at is not None:
        return _("Started on %(when)s (%(zone)s).") % {"when": dated(campaign.started_at), "zone": zone}
    return ""


def acts(campaign: Campaign) -> list[Act]:
    """What can be done now. Pause and Resume stand in the same place, first."""

    def to(name: str) -> str:
        return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.public_id])

    found = {
        State.SCHEDULED: [Act(label=_("Change it"), url=to("unschedule"), post=True)],
        State.MISSED: [Act(label=_("Change it"), url=to("unschedule"), post=True)],
        State.STARTING: [Act(label=_("Pause"), url=to("pause"), post=True)],
        State.RUNNING: [Act(label=_("Pause"), url=to("pause"), post=True)],
        State.PAUSED: [Act(label=_("Resume"), url=to("resume"), tone="primary", post=True)],
    }.get(State(campaign.state), [])
    if campaign.state not in (State.FINISHED, State.CANCELLED):
        label = _("Discard this draft…") if campaign.state == State.DRAFT else _("Cancel the campaign…")
        found = [*found, Act(label=label, url=to("cancel"), tone="danger")]
    return found


def _progress(campaign: Campaign, found: Figures) -> dict[str, Any] | None:
    """The one line while it runs: how far, how fast, how long still."""
    if campaign.state not in (State.STARTING, State.RUNNING, State.PAUSED):
        return None
    job = campaign.freezing
    choosing = job if campaign.batch and not campaign.batch.filled else None
    total = found.waiting + found.settled
    rate = _pace(campaign, found.settled) if campaign.state != State.PAUSED else 0.0
    return {
        "done": found.settled,
        "total": total,
        "percent": 100 * found.settled // total if total else 0,
        "rate": f"{rate:,.0f}" if rate >= 1 else "",
        "left": _time_left(found.waiting / rate) if rate >= 0.1 and found.waiting else "",
        "choosing": choosing,
    }


def _pace(campaign: Campaign, settled: int) -> float:
    """Messages a second, measured between looks at this page: no query over a million rows for one figure."""
    key, now = f"campaign-pace-{campaign.public_id}", time.time()
    seen: list[tuple[float, int]] = [look for look in cache.get(key, []) if now - look[0] < PACE_WINDOW]
    if not seen or now - seen[-1][0] >= 1:
        seen.append((now, settled))
        cache.set(key, seen, PACE_WINDOW)
    began, before = seen[0]
    return max(0.0, (settled - before) / (now - began)) if now - began >= 1 else 0.0


def _doors(campaign: Campaign, found: Figures) -> list[dict[str, Any]]:
    numbers = [
        ("everyone", _("aimed at"), found.aimed_at, True),
        ("left_out", _("left out"), found.left_out_total, True),
        ("waiting", _("waiting"), found.waiting, campaign.state != State.FINISHED),
        ("failed", _("failed"), found.failed_total, True),
        ("unknown", _("fate unknown"), found.unknown, found.unknown > 0),
        ("cancelled", _("cancelled"), found.cancelled, found.cancelled > 0),
        ("opted_out", _("opted out"), found.opted_out, True),
    ]
    return [
        {"label": label, "count": count, "url": people_url(campaign, group), "group": group}
        for group, label, count, shown in numbers
        if shown
    ]


def _funnel(campaign: Campaign, found: Figures) -> list[dict[str, Any]]:
    steps = [
        ("sent", _("Sent"), found.sent),
        ("delivered", _("Delivered"), found.delivered),
        ("read", _("Read"), found.read),
        ("replied", _("Replied"), found.replied),
    ]
    widest = max(found.aimed_at, 1)
    return [
        {
            "label": label,
            "count": count,
            "share": f"{min(100.0, 100 * count / widest):.2f}",
            "percent": f"{100 * count / found.sent:.0f}" if found.sent and group != "sent" else "",
            "url": people_url(campaign, group),
        }
        for group, label, count in steps
    ]


def _tables(campaign: Campaign, found: Figures) -> list[dict[str, Any]]:
    def rows(reasons: list[Reason]) -> list[dict[str, Any]]:
        reasons = sorted(reasons, key=lambda reason: -reason.count)
        return [{"reason": reason, "url": people_url(campaign, reason.group)} for reason in reasons]

    tables = [
        {"title": _("Why people were left out"), "reasons": rows(found.left_out)},
        {"title": _("What messages wait for"), "reasons": rows(found.waits_for)},
        {"title": _("Why messages failed"), "reasons": rows(found.failed)},
    ]
    return [table for table in tables if table["reasons"]]


def _time_left(seconds: float) -> str:
    if seconds < 60:
        return _("less than a minute left")
    return _("about %(span)s left") % {"span": length(timedelta(seconds=seconds))}
