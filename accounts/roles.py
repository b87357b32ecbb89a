"""Roles: the four kinds of people who work here, each a group.

A page asks for a role by `role_required`, never for a group name of its own. An administrator may do all that the
others may; an auditor may read everything and change nothing.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

ADMINISTRATOR = "administrator"
MARKETING = "marketing"
AGENT = "agent"
AUDITOR = "auditor"
ROLES = (ADMINISTRATOR, MARKETING, AGENT, AUDITOR)


def create_groups(sender: Any, *, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """First rows, after every migrate: one group per role. A flush names no apps."""
    if sender.name != "accounts":
        return
    group = apps.get_model("auth", "Group")
    for role in ROLES:
        group.objects.using(using).get_or_create(name=role)


def roles_of(user: AbstractBaseUser | AnonymousUser) -> frozenset[str]:
    """The roles of a person; an active superuser holds the administrator's. One query per user object."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    known: frozenset[str] | None = getattr(user, "_roles", None)
    if known is None:
        names = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))  # type: ignore[attr-defined]
        if user.is_superuser:  # type: ignore[attr-defined]
            names.add(ADMINISTRATOR)
        known = frozenset(names)
        user._roles = known  # type: ignore[attr-defined]
    return known


def has_role(user: AbstractBaseUser | AnonymousUser, *roles: str) -> bool:
    """True when the person holds one of the roles, or is an administrator."""
    return bool(roles_of(user) & {ADMINISTRATOR, *roles})


def role_required(*roles: str, read: tuple[str, ...] = ()) -> Callable[..., Callable[..., HttpResponse]]:
    """Let only these roles (and administrators) in; `read` names roles that may only look (GET and HEAD)."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            looking = request.method in ("GET", "HEAD")
            if not has_role(request.user, *roles, *(read if looking else ())):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate
