"""The front door: everybody goes where their work is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.roles import ADMINISTRATOR, AGENT, roles_of


def home(request: HttpRequest) -> HttpResponse:
    """Agents to the inbox, everybody else to the admin."""
    roles = roles_of(request.user)
    return redirect("inbox" if AGENT in roles and ADMINISTRATOR not in roles else "admin:index")
