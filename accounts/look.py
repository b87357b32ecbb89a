"""Small pieces of HTML that every room's pages share: a state with its icon and word, and a moment in time.

The classes are those of static/parley/parts.css. Everything shown is escaped.
"""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

DAY = timedelta(days=1)


def chip(tone: str, word: object) -> SafeString:
    """A state: its word in its colour, with the icon that parts.css gives the tone.

    tone: a consent standing (granted, pending, held, withdrawn, expired, unknown) or good, wait, warn, bad, quiet.
    """
    return format_html('<span class="p-state p-state--{}">{}</span>', tone, word)


def moment(at: datetime | None, *, now: datetime | None = None) -> SafeString | str:
    """A moment as people say it: "18 min ago", "in 3 h", past a day "12 Mar, 10:04" on the reader's clock.

    The full date and zone are in the title. Empty for None.
    """
    if at is None:
        return ""
    local = timezone.localtime(at)
    full = f"{date_format(local, 'j M Y, H:i:s')} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), full, said(at, now=now))


def said(at: datetime, *, now: datetime | None = None) -> str:
    """The words of `moment`, without the element around them."""
    now = now or timezone.now()
    gap = at - now
    if abs(gap) < timedelta(minutes=1):
        return _("just now") if gap <= timedelta() else _("in a moment")
    if abs(gap) < DAY:
        span = length(abs(gap))
        return _("in %(span)s") % {"span": span} if gap > timedelta() else _("%(span)s ago") % {"span": span}
    return dated(at, now=now)


def dated(at: datetime, *, now: datetime | None = None) -> str:
    """ "12 Mar, 10:04" on the reader's clock, with the year when it is not this one."""
    local, this_year = timezone.localtime(at), timezone.localtime(now or timezone.now()).year
    return date_format(local, "j M, H:i" if local.year == this_year else "j M Y, H:i")


def length(span: timedelta) -> str:
    """A length of time in at most two units: "18 min", "2 h 10 min", "3 days", "17 months"."""
    minutes = int(span.total_seconds()) // 60
    if minutes < 60:
        return _("%d min") % max(minutes, 1)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes} if minutes else _("%d h") % hours
    days = hours // 24
    if days >= 60:
        return _("%d months") % round(days / 30.44)
    return ngettext("%d day", "%d days", days) % days
