"""The permission matrix: every URL of the project, what each role gets from it, and what somebody without log-in gets.

A line is one URL by its name. First what a GET answers, then what a POST with nothing in it answers, each for
administrator, marketing, agent, auditor, nobody. A URL without a line fails, and so does a line without a URL.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.urls.resolvers import RegexPattern
from pytest_django import Settings

from accounts.models import User
from accounts.roles import ROLES
from tests import make, world

WHO = (*ROLES, "nobody")

MATRIX = {
    "/account/social/connections/": "301 301 301 301 302 | 301 301 301 301 302",
    "/account/social/login/cancelled/": "301 301 301 301 302 | 301 301 301 301 302",
    "/account/social/login/error/": "301 301 301 301 302 | 301 301 301 301 302",
    "/account/social/signup/": "301 301 301 301 302 | 301 301 301 301 302",
    "account_change_password": "200 200 200 200 302 | 200 200 200 200 302",
    "account_confirm_email": "200 200 200 200 200 | 404 404 404 404 404",
    "account_confirm_login_code": "302 302 302 302 302 | 302 302 302 302 302",
    "account_email": "200 200 200 200 302 | 302 302 302 302 302",
    "account_email_verification_sent": "200 200 200 200 200 | 405 405 405 405 405",
    "account_inactive": "200 200 200 200 200 | 405 405 405 405 405",
    "account_login": "302 302 302 302 200 | 302 302 302 302 200",
    "account_logout": "200 200 200 200 302 | 302 302 302 302 302",
    "account_reauthenticate": "200 200 200 200 302 | 200 200 200 200 302",
    "account_reset_password": "200 200 200 200 200 | 200 200 200 200 200",
    "account_reset_password_done": "200 200 200 200 200 | 405 405 405 405 405",
    "account_reset_password_from_key": "200 200 200 200 200 | 200 200 200 200 200",
    "account_reset_password_from_key_done": "200 200 200 200 200 | 405 405 405 405 405",
    "account_set_password": "302 302 302 302 302 | 302 302 302 302 302",
    "account_signup": "302 302 302 302 200 | 302 302 302 302 200",
    "admin:accounts_auditentry_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:accounts_jobrun_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:accounts_user_add": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:accounts_user_change": "200 403 403 200 302 | 200 403 403 403 302",
    "admin:accounts_user_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:accounts_user_let_in": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:accounts_user_password": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:accounts_user_shut_out": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:campaigns_campaign_add": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:campaigns_campaign_cancel": "200 200 403 403 302 | 302 302 403 403 302",
    "admin:campaigns_campaign_change": "200 200 200 200 302 | 200 200 403 403 302",
    "admin:campaigns_campaign_changelist": "200 200 200 200 302 | 200 200 200 200 302",
    "admin:campaigns_campaign_live": "204 204 204 204 302 | 204 204 204 204 302",
    "admin:campaigns_campaign_pause": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:campaigns_campaign_people": "200 200 200 200 302 | 200 200 200 200 302",
    "admin:campaigns_campaign_preview": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:campaigns_campaign_preview_saved": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:campaigns_campaign_reschedule": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:campaigns_campaign_resume": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:campaigns_campaign_unschedule": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:contacts_consentevent_change": "200 200 403 200 302 | 403 403 403 403 302",
    "admin:contacts_consentevent_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_contact_agree": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:contacts_contact_change": "200 200 200 200 302 | 302 302 302 302 302",
    "admin:contacts_contact_changelist": "200 200 200 200 302 | 200 200 200 200 302",
    "admin:contacts_contact_edit": "200 200 403 403 302 | 302 302 403 403 302",
    "admin:contacts_contact_withdraw": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:contacts_import_change": "200 200 403 200 302 | 302 302 403 302 302",
    "admin:contacts_import_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_import_columns": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:contacts_import_live": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_import_problems": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_import_report": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_import_upload": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:contacts_scope_add": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:contacts_scope_change": "200 200 403 200 302 | 200 403 403 403 302",
    "admin:contacts_scope_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_tag_add": "200 200 403 403 302 | 200 200 403 403 302",
    "admin:contacts_tag_change": "200 200 403 200 302 | 200 200 403 403 302",
    "admin:contacts_tag_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:contacts_wording_add": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:contacts_wording_change": "200 200 403 200 302 | 403 403 403 403 302",
    "admin:contacts_wording_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:conversations_batch_change": "200 200 403 200 302 | 403 403 403 403 302",
    "admin:conversations_batch_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:conversations_businessnumber_add": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:conversations_businessnumber_change": "200 403 403 200 302 | 200 403 403 403 302",
    "admin:conversations_businessnumber_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:conversations_businessnumber_hold": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:conversations_businessnumber_release": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:conversations_message_change": "200 200 403 200 302 | 403 403 403 403 302",
    "admin:conversations_message_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:conversations_messagetemplate_change": "200 200 403 200 302 | 200 200 403 403 302",
    "admin:conversations_messagetemplate_changelist": "200 200 403 200 302 | 200 200 403 200 302",
    "admin:conversations_messagetemplate_sync": "302 302 403 403 302 | 302 302 403 403 302",
    "admin:conversations_portfolio_add": "200 403 403 403 302 | 200 403 403 403 302",
    "admin:conversations_portfolio_change": "200 403 403 200 302 | 200 403 403 403 302",
    "admin:conversations_portfolio_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:conversations_unrecognisedevent_change": "200 403 403 200 302 | 403 403 403 403 302",
    "admin:conversations_unrecognisedevent_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:conversations_webhookdelivery_change": "200 403 403 200 302 | 403 403 403 403 302",
    "admin:conversations_webhookdelivery_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:conversations_webhookdelivery_retry": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:conversations_webhookdelivery_retry_all": "200 403 403 403 302 | 302 403 403 403 302",
    "admin:django_q_failure_change": "200 403 403 200 302 | 403 403 403 403 302",
    "admin:django_q_failure_changelist": "200 403 403 200 302 | 200 403 403 200 302",
    "admin:index": "200 200 200 200 302 | 200 200 200 200 302",
    "admin:jsi18n": "200 200 200 200 302 | 405 405 405 405 302",
    "admin:login": "302 302 302 302 302 | 200 200 200 200 302",
    "admin:logout": "405 405 405 405 302 | 302 302 302 302 302",
    "health_live": "200 200 200 200 200 | 405 405 405 405 405",
    "health_ready": "200 200 200 200 200 | 405 405 405 405 405",
    "home": "302 302 302 302 302 | 302 302 302 302 302",
    "inbox": "200 200 200 200 302 | 405 403 405 403 302",
    "inbox_answer": "405 403 405 403 302 | 422 403 422 403 302",
    "inbox_release": "405 403 405 403 302 | 302 403 302 403 302",
    "inbox_reopen": "405 403 405 403 302 | 302 403 302 403 302",
    "inbox_resolve": "405 403 405 403 302 | 302 403 302 403 302",
    "inbox_seen": "405 403 405 403 302 | 302 403 302 403 302",
    "inbox_take": "405 403 405 403 302 | 302 403 302 403 302",
    "inbox_thread": "200 200 200 200 302 | 405 403 405 403 302",
    "mfa_activate_totp": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_add_webauthn": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_authenticate": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_deactivate_totp": "404 404 404 404 302 | 404 404 404 404 302",
    "mfa_download_recovery_codes": "404 404 404 404 302 | 404 404 404 404 302",
    "mfa_edit_webauthn": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_generate_recovery_codes": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_index": "200 200 200 200 302 | 405 405 405 405 302",
    "mfa_list_webauthn": "200 200 200 200 302 | 405 405 405 405 302",
    "mfa_login_webauthn": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_reauthenticate": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_reauthenticate_webauthn": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_remove_webauthn": "302 302 302 302 302 | 302 302 302 302 302",
    "mfa_view_recovery_codes": "404 404 404 404 302 | 405 405 405 405 302",
    "openid_connect_callback": "404 404 404 404 404 | 404 404 404 404 404",
    "openid_connect_login": "404 404 404 404 404 | 404 404 404 404 404",
    "socialaccount_connections": "200 200 200 200 302 | 200 200 200 200 302",
    "socialaccount_login_cancelled": "200 200 200 200 200 | 405 405 405 405 405",
    "socialaccount_login_error": "401 401 401 401 302 | 405 405 405 405 302",
    "socialaccount_signup": "302 302 302 302 302 | 302 302 302 302 302",
    "usersessions_list": "200 200 200 200 302 | 302 302 302 302 302",
    "webhook_whatsapp": "403 403 403 403 403 | 403 403 403 403 403",
}

# What stands in the address of a page that is about something other than its own model's row.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "admin:contacts_import_columns": {"token": "no-such-file"},
    "account_confirm_email": {"key": "no-such-key"},
    "account_reset_password_from_key": {"uidb36": "1", "key": "no-such-key"},
    "mfa_edit_webauthn": {"pk": 0},
    "mfa_remove_webauthn": {"pk": 0},
    "openid_connect_callback": {"provider_id": "none"},
    "openid_connect_login": {"provider_id": "none"},
    "admin:campaigns_campaign_people": {"group": "everyone"},
}


class Found(NamedTuple):
    route: str  # for what has no name
    parameters: set[str]


def patterns(
    resolver: URLResolver, prefix: str = "", route: str = "", above: frozenset[str] = frozenset()
) -> "Iterator[tuple[str, Found]]":
    """(name with its namespaces, or the route where there is no name; what it is) of every URL below a resolver."""
    for entry in resolver.url_patterns:
        here = frozenset(entry.pattern.converters) | above
        if isinstance(entry.pattern, RegexPattern):
            here |= set(entry.pattern.regex.groupindex)
        below = f"{route}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from patterns(entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix, below, here)
        else:
            yield f"{prefix}{entry.name}" if entry.name else f"/{below}", Found(below, set(here))


def address(name: str, rows: dict[str, Any]) -> str:
    """An address of the page that exists, about one of the world's rows."""
    if name.startswith("/"):
        return name
    wanted = FOUND[name].parameters
    given = {key: value for key, value in ARGUMENTS.get(name, {}).items() if key in wanted}
    if "object_id" in wanted:
        models = {model._meta.label_lower.replace(".", "_"): model for model in admin.site._registry}
        label = max((label for label in models if name.startswith(f"admin:{label}_")), key=len)
        model_admin: Any = admin.site._registry[models[label]]
        given["object_id"] = model_admin.address_of(rows[models[label]._meta.model_name or ""])
    if "public_id" in wanted:
        given["public_id"] = rows["conversation"].public_id
    return reverse(name, kwargs=given or None)


FOUND = dict(patterns(get_resolver()))


@pytest.fixture(autouse=True)
def no_rate_limits(settings: Settings) -> None:
    """Of the log-in: they count what other tests did."""
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.fixture
def rows(db: None) -> dict[str, Any]:
    return world.build()


def test_every_url_has_a_line_and_every_line_a_url() -> None:
    assert set(FOUND) - set(MATRIX) == set()
    assert set(MATRIX) - set(FOUND) == set()


@pytest.mark.parametrize("who", WHO)
def test_each_page_answers_as_the_matrix_says(who: str, rows: dict[str, Any]) -> None:
    user = None if who == "nobody" else make.user(who, f"{who}-of-the-matrix@example.test")
    place = WHO.index(who)
    expected = {name: [part.split()[place] for part in line.split(" | ")] for name, line in MATRIX.items()}

    told = {name: [status(method, name, rows, user) for method in ("get", "post")] for name in MATRIX}

    assert {name: answer for name, answer in told.items() if answer != expected[name]} == {}


def status(method: str, name: str, rows: dict[str, Any], user: User | None) -> str:
    """What one request answers; whatever it did is undone."""
    client = Client(raise_request_exception=False)
    with transaction.atomic():
        if user is not None:
            client.force_login(user)
        response = getattr(client, method)(address(name, rows))
        if response.streaming:
            b"".join(response.streaming_content)  # a download holds its file open until it is read
        transaction.set_rollback(True)
    return str(response.status_code)
