"""The side bar of the admin: by task, and for each person only what their role may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
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
    (_("Operations"), (
        (_("Queue"), "stacks", "admin:conversations_batch_changelist", (MARKETING, AUDITOR)),
        (_("Long jobs"), "hourglass", "admin:accounts_jobrun_changelist", (MARKETING, AUDITOR)),
        (_("Failed tasks"), "error", "admin:django_q_failure_changelist", (AUDITOR,)),
        (_("Webhooks"), "webhook", "admin:conversations_webhookdelivery_changelist", (AUDITOR,)),
        (_("Unknown events"), "help", "admin:conversations_unrecognisedevent_changelist", (AUDITOR,)),
    )),
)  # fmt: skip


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the side bar that this person may use; each page checks again for itself."""
    found = []
    for title, items in NAVIGATION:
        allowed = [
            {"title": name, "icon": icon, "link": reverse(url), "active": _is_here(request, reverse(url))}
            for name, icon, url, roles in items
            if has_role(request.user, *roles)
        ]
        if allowed:
            found.append({"title": title, "items": allowed})
    return found


def _is_here(request: HttpRequest, link: str) -> bool:
    return request.path == link or (link != reverse("admin:index") and request.path.startswith(link))
