"""System checks of the installation as a whole, for `manage.py check --deploy`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def the_outside_is_set_up(**kwargs: Any) -> list[CheckMessage]:
    """What works without being set, but not as anybody in production would want it."""
    found: list[CheckMessage] = []
    if not settings.IS_HTTPS:
        found.append(Warning("PUBLIC_URL is not https: passwords and messages travel readable.", id="config.W001"))
    if not settings.EMAIL_URL:
        found.append(Warning("EMAIL_URL is not set: password resets reach nobody.", id="config.W002"))
    if not settings.WHATSAPP_APP_SECRET:
        found.append(Warning("WHATSAPP_APP_SECRET is not set: every webhook is refused.", id="config.W003"))
    return found
