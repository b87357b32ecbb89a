"""The data the demo begins with, and what it tells a newcomer to try."""

from django.contrib.auth.models import Group

from accounts.models import User
from accounts.roles import ROLES

PASSWORD = "try-parley-now"  # noqa: S105  printed on the screen of a demo that listens on this machine only


def fill() -> list[str]:
    """Create what is not there yet. Returns lines to print: who may log in, and what to try."""
    for role in ROLES:
        email = f"{role}@example.com"
        if not User.objects.filter(email=email).exists():
            user = User.objects.create_user(email, PASSWORD, first_name=role.capitalize(), is_staff=True)
            user.groups.add(Group.objects.get(name=role))
    width = max(len(role) for role in ROLES) + len("@example.com")
    return ["Log in as", *(f"  {f'{role}@example.com':<{width}}  {PASSWORD}" for role in ROLES)]
