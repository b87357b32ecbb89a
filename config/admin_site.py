"""The admin site: who may enter, which of its pages exist, and the page that opens the day."""

from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from accounts.roles import roles_of
from config import dashboard

# The rest of the theme's and Django's own pages would be second ways to do what Parley does elsewhere: lists by app,
# a password change past the log-in's rules, a search that reads every table.
LEFT_OUT = {"app_list", "autocomplete", "password_change", "password_change_done", "search", "view_on_site"}


class ParleyAdminSite(UnfoldAdminSite):
    index_template = "admin/dashboard.html"
    index_title = _("Today")
    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever has a role may enter; each page asks for its own."""
        return bool(roles_of(request.user))

    def get_urls(self) -> list[URLPattern]:
        return [url for url in super().get_urls() if getattr(url, "name", "") not in LEFT_OUT]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        return []  # the navigation is by task: config/unfold.py

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**dashboard.today(request), **(extra_context or {})})

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return leave(request)


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("account_login")
