"""The second content policy: the admin's theme needs more than our own pages are allowed."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

# The theme's Alpine evaluates expressions out of attributes, and sets styles on elements.
THEME_NEEDS = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class AdminContentPolicyMiddleware:
    """Give pages of the admin what its theme needs; every other page keeps the policy in the settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.prefix = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path_info.startswith(self.prefix):
            directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
            policy = {name: [*directives[name], *extra] for name, extra in THEME_NEEDS.items()}
            setattr(response, "_csp_replace", policy)  # the attribute that django-csp's own decorator sets
        return response
