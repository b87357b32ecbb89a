"""The page that opens the day: what needs a person first, then what runs and what was sent."""

from typing import Any

from django.http import HttpRequest


def today(request: HttpRequest) -> dict[str, Any]:
    return {}
