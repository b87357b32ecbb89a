"""How the admin's theme is set: our colours, our styles, and the navigation by task.

Everything here is read by the theme through settings.UNFOLD; functions are called with the request.
"""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.roles import AGENT, AUDITOR, MARKETING, has_role

# (group, [(title, icon, URL name, roles beside administrators)])
NAVIGATION = (
    ("", (
        (_("Today"), "today", "admin:index", (MARKETING, AGENT, AUDITOR)),
        (_("Inbox"), "forum", "inbox", (MARKETING, AGENT, AUDITOR)),
        (_("Campaigns"), "campaign", "admin:campaigns_campaign_changelist", (MARKETING, AUDITOR)),
        (_("Contacts"), "group", "admin:contacts_contact_changelist", (MARKETING, AGENT, AUDITOR)),
        (_("Imports"), "upload_file", "admin:contacts_import_changelist", (MARKETING, AUDITOR)),
        (_("Tags"), "label", "admin:contacts_tag_changelist", (MARKETING, AUDITOR)),
    )),
    (_("What we may say"), (
        (_("Templates"), "chat", "admin:conversations_messagetemplate_changelist", (MARKETING, AUDITOR)),
        (_("Scopes"), "rule", "admin:contacts_scope_changelist", (MARKETING, AUDITOR)),
        (_("Wordings"), "format_quote", "admin:contacts_wording_changelist", (MARKETING, AUDITOR)),
    )),
    (_("Proof"), (
        (_("Consent ledger"), "verified_user", "admin:contacts_consentevent_changelist", (MARKETING, AUDITOR)),
        (_("Messages"), "mail", "admin:conversations_message_changelist", (MARKETING, AUDITOR)),
        (_("Audit trail"), "history", "admin:accounts_auditentry_changelist", (AUDITOR,)),
    )),
    (_("Set-up"), (
        (_("Business numbers"), "smartphone", "admin:conversations_businessnumber_changelist", (AUDITOR,)),
        (_("Portfolio"), "domain", "admin:conversations_portfolio_changelist", (AUDITOR,)),
        (_("Team"), "badge", "admin:accounts_user_changelist", (AUDITOR,)),
    )),
    (_("Under the bonnet"), (
        (_("Queue"), "stacks", "admin:conversations_batch_changelist", (MARKETING, AUDITOR)),
        (_("Long jobs"), "hourglass", "admin:accounts_jobrun_changelist", (MARKETING, AUDITOR)),
        (_("Failed tasks"), "error", "admin:django_q_failure_changelist", (AUDITOR,)),
        (_("Webhooks"), "webhook", "admin:conversations_webhookdelivery_changelist", (AUDITOR,)),
        (_("Unknown events"), "help", "admin:conversations_unrecognisedevent_changelist", (AUDITOR,)),
    )),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the side bar that this person may use; each page checks again for itself."""
    groups = []
    for title, items in NAVIGATION:
        allowed = [
            {"title": name, "icon": icon, "link": reverse(url), "active": _is_here(request, reverse(url))}
            for name, icon, url, roles in items
            if has_role(request.user, *roles)
        ]
        if allowed:
            groups.append({"title": title, "items": allowed})
    return groups


def _is_here(request: HttpRequest, link: str) -> bool:
    return request.path == link or (link != reverse("admin:index") and request.path.startswith(link))


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Parley",
    "SITE_HEADER": "Parley",
    "SITE_SYMBOL": "approval",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("parley/mark.svg")}],
    "STYLES": [
        lambda request: static("parley/tokens.css"),
        lambda request: static("parley/parts.css"),
        lambda request: static("parley/admin.css"),
    ],
    "SCRIPTS": [lambda request: static("parley/zone.js")],
    "BORDER_RADIUS": "6px",
    # The theme's two scales, laid through our tokens: 50 is the ground, 200 the lines, 600 secondary text.
    "COLORS": {
        "base": {
            "50": "#f6f7f5", "100": "#eef1ee", "200": "#dfe5e1", "300": "#c3cdc7", "400": "#8a9991", "500": "#64736c",
            "600": "#47564f", "700": "#35423c", "800": "#2a342f", "900": "#161c19", "950": "#0f1412",
        },
        "primary": {
            "50": "#eaf6f1", "100": "#d0ebe0", "200": "#a3d8c4", "300": "#74c7aa", "400": "#57c5a4", "500": "#4cc3a0",
            "600": "#0b6b53", "700": "#085543", "800": "#084436", "900": "#07372c", "950": "#031f19",
        },
        "font": {
            "subtle-light": "#5f6e67", "subtle-dark": "#8a9991", "default-light": "#47564f", "default-dark": "#b3c0b9",
            "important-light": "#14201b", "important-dark": "#e8efeb",
        },
    },
    "ACCOUNT": {
        "navigation": [
            {"title": _("Password"), "link": reverse_lazy("account_change_password")},
            {"title": _("Two-step log-in"), "link": reverse_lazy("mfa_index")},
            {"title": _("Where you are logged in"), "link": reverse_lazy("usersessions_list")},
        ]
    },
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": navigation},
}  # fmt: skip
