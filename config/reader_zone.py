"""Times are written on the reader's clock: the browser names its zone in a cookie (static/parley/zone.js)."""

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from accounts.models import User

COOKIE = "parley_zone"


class ReaderZoneMiddleware:
    """Activate the reader's zone for the request, and keep it on the user so that mails and exports can use it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = unquote(request.COOKIES.get(COOKIE, ""))[:64]
        zone = known(name)
        user = getattr(request, "user", None)
        if zone is None and user is not None and user.is_authenticated:
            zone = known(user.time_zone)
        elif zone is not None and user is not None and user.is_authenticated and user.time_zone != name:
            User.objects.filter(pk=user.pk).update(time_zone=name)
        if zone is None:
            return self.get_response(request)
        with timezone.override(zone):
            return self.get_response(request)


def known(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of that IANA name; None for what is none."""
    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
