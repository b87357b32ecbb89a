"""The scopes every installation begins with. Staff add more and may reword these."""

from typing import Any

from django.apps import apps as global_apps

FIRST_SCOPES = (
    # slug, name, description, validity in months
    ("marketing", "Offers and news", "Offers, news and invitations about our products, by WhatsApp.", 24),
    (
        "order_updates",
        "Order updates",
        "News about the orders you place with us: confirmation, delivery, problems.",
        None,
    ),
    ("reminders", "Reminders", "Reminders of appointments and deadlines you have with us.", None),
    ("support", "Help and service", "Answers and follow-ups when you ask us for help.", None),
    ("internal_tests", "Internal tests", "Test messages to people who work here.", None),
)


def create_scopes(sender: Any, *, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """First rows, after every migrate; a scope that staff changed is left as it is. A flush names no apps."""
    if sender.name != "contacts":
        return
    scopes = apps.get_model("contacts", "Scope").objects.using(using)
    for position, (slug, name, description, months) in enumerate(FIRST_SCOPES, 1):
        scopes.get_or_create(
            slug=slug,
            defaults={
                "name": name,
                "description": description,
                "validity_months": months,
                "position": position * 10,
            },
        )
