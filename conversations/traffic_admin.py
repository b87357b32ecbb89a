"""What goes in and out, in the admin: messages, the queue, webhooks, and what the platform said that we do not know."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import audit, look
from accounts.admin_base import ADMINISTRATORS, Act, ParleyAdmin, WordFilter, actor_of
from accounts.roles import AUDITOR, MARKETING, has_role
from conversations import verdicts
from conversations.formatting import one_line, to_html
from conversations.models import (
    Batch,
    BusinessNumber,
    Kind,
    Message,
    Status,
    UnrecognisedEvent,
    WebhookDelivery,
)
from conversations.person_parts import why
from conversations.verdicts import Verdict

STATUS_TONES = {
    Status.RECEIVED: "quiet",
    Status.QUEUED: "wait",
    Status.CLAIMED: "wait",
    Status.SENDING: "wait",
    Status.SENT: "good",
    Status.DELIVERED: "good",
    Status.READ: "good",
    Status.FAILED: "bad",
    Status.UNKNOWN: "warn",
    Status.WITHHELD: "withdrawn",
    Status.CANCELLED: "quiet",
}
BATCH_TONES = {
    Batch.State.RUNNING: "good",
    Batch.State.PAUSED: "wait",
    Batch.State.CANCELLED: "quiet",
    Batch.State.BROKEN: "bad",
    Batch.State.FINISHED: "quiet",
}
WAITING_COUNTED = 10_000
BATCHES_OFFERED = 100
BODY_SHOWN = 100_000  # characters of a webhook's body


class StatusFilter(WordFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def words(self, request: HttpRequest) -> Any:
        return Status.choices


class KindFilter(WordFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def words(self, request: HttpRequest) -> Any:
        return Kind.choices


class VerdictFilter(WordFilter):
    title = gettext_lazy("reason")
    parameter_name = "verdict"

    def words(self, request: HttpRequest) -> Any:
        return [(code, label) for code, label in Verdict.choices if code != Verdict.ALLOWED]


class BatchFilter(WordFilter):
    title = gettext_lazy("campaign")
    parameter_name = "batch"

    def words(self, request: HttpRequest) -> Any:
        rows = list(Batch.objects.order_by("-pk")[:BATCHES_OFFERED])
        asked = request.GET.get(self.parameter_name, "")
        if asked and asked not in {str(row.public_id) for row in rows}:
            rows += Batch.objects.filter(public_id=asked) if _is_uuid(asked) else []
        return [(str(row.public_id), row.label) for row in rows]

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        return rows.filter(batch__public_id=word)


@admin.register(Message)
class MessageAdmin(ParleyAdmin):
    view_roles = (MARKETING, AUDITOR)
    private_search = True
    list_title = gettext_lazy("Messages")
    list_display = ("when", "kind_words", "who", "said", "status_chip", "reason")
    list_filter = (StatusFilter, VerdictFilter, KindFilter, BatchFilter)
    list_select_related = ("contact", "batch")
    search_fields = ("wamid",)
    search_help_text = gettext_lazy("WhatsApp's id (wamid) or ours")
    ordering = ("-id",)
    fields = (
        "who", "number", "kind_words", "status_chip", "whole_text", "reason_and_cure", "ground", "author", "campaign",
        "template", "times", "tries", "ids",
    )  # fmt: skip
    readonly_fields = fields
    empty_title = gettext_lazy("No message yet.")
    empty_next = gettext_lazy("What people write and what you send them shows up here.")

    def title_of(self, obj: Message) -> str:
        return _("Message of %(when)s") % {"when": look.dated(obj.at)}

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(public_id=term) if _is_uuid(term) else Q(wamid=term)), False

    @admin.display(description=gettext_lazy("when"))
    def when(self, obj: Message) -> Any:
        return look.moment(obj.at)

    @admin.display(description=gettext_lazy("kind"))
    def kind_words(self, obj: Message) -> str:
        return f"{obj.get_kind_display()}: {obj.batch.label}" if obj.batch else obj.get_kind_display()

    @admin.display(description=gettext_lazy("person"))
    def who(self, obj: Message) -> SafeString:
        url = reverse("admin:contacts_contact_change", args=[obj.contact.public_id])
        return format_html('<a href="{}"><bdi>{}</bdi></a>', url, obj.contact)

    @admin.display(description=gettext_lazy("text"))
    def said(self, obj: Message) -> SafeString:
        return format_html('<span class="p-text-cell">{}</span>', one_line(obj.text, 80) or obj.type)

    @admin.display(description=gettext_lazy("text"))
    def whole_text(self, obj: Message) -> SafeString:
        return format_html('<div class="p-break">{}</div>', to_html(obj.text) or obj.type)

    @admin.display(description=gettext_lazy("status"))
    def status_chip(self, obj: Message) -> SafeString:
        return look.chip(STATUS_TONES[Status(obj.status)], obj.get_status_display())

    @admin.display(description=gettext_lazy("reason"), empty_value="–")
    def reason(self, obj: Message) -> Any:
        if obj.status == Status.FAILED and obj.error_code is not None:
            return _("code %(code)d") % {"code": obj.error_code}
        waits = obj.status in (Status.QUEUED, Status.CLAIMED, Status.WITHHELD)
        return str(Verdict(obj.verdict).label) if obj.verdict and waits else None

    @admin.display(description=gettext_lazy("why"), empty_value="–")
    def reason_and_cure(self, obj: Message) -> Any:
        waits = obj.status in (Status.QUEUED, Status.CLAIMED, Status.WITHHELD)
        cure = verdicts.what_next(obj.verdict) if obj.verdict and waits else ""
        return f"{why(obj)} {cure}".strip() or None

    @admin.display(description=gettext_lazy("stands on"), empty_value="–")
    def ground(self, obj: Message) -> Any:
        """The ledger line or the message that it stands on: what makes it allowed to leave."""
        if obj.stands_on is not None:
            url = reverse("admin:contacts_consentevent_change", args=[obj.stands_on.public_id])
            words = _("Ledger line %(number)d: %(action)s, %(when)s") % {
                "number": obj.stands_on.number, "action": obj.stands_on.get_action_display(),
                "when": look.dated(obj.stands_on.occurred_at),
            }  # fmt: skip
            return format_html('<a href="{}">{}</a>', url, words)
        if obj.answers is not None:
            words = _("What they wrote on %(when)s") % {"when": look.dated(obj.answers.at)}
            return format_html('<a href="{}">{}</a>', self.url_of(obj.answers), words)
        if obj.led_to is not None:
            url = reverse("admin:contacts_consentevent_change", args=[obj.led_to.public_id])
            words = _("It led to ledger line %(number)d") % {"number": obj.led_to.number}
            return format_html('<a href="{}">{}</a>', url, words)
        return None

    @admin.display(description=gettext_lazy("campaign"), empty_value="–")
    def campaign(self, obj: Message) -> Any:
        if obj.batch is None:
            return None
        url = reverse("admin:conversations_batch_change", args=[obj.batch.public_id])
        return format_html('<a href="{}">{}</a>', url, obj.batch)

    @admin.display(description=gettext_lazy("times"))
    def times(self, obj: Message) -> SafeString:
        steps = (
            (_("queued"), obj.queued_at), (_("due"), obj.due_at if obj.status == Status.QUEUED else None),
            (_("not after"), obj.send_until), (_("left"), obj.sending_at), (_("taken by WhatsApp"), obj.sent_at),
            (_("delivered"), obj.delivered_at), (_("read"), obj.read_at), (_("failed"), obj.failed_at),
            (_("withheld"), obj.withheld_at),
        )  # fmt: skip
        rows = [(word, look.dated(at)) for word, at in steps if at] or [(_("said"), look.dated(obj.at))]
        return format_html_join("", "<div>{}: {}</div>", rows)

    @admin.display(description=gettext_lazy("earlier attempts"))
    def tries(self, obj: Message) -> Any:
        rows = [
            (row.number, row.outcome.replace("_", " "), f", {_('code')} {row.code}" if row.code else "",
             look.dated(row.sending_at))
            for row in obj.attempts.order_by("number")
        ]  # fmt: skip
        return format_html_join("", "<div>{}: {}{}, {}</div>", rows) or _("none")

    @admin.display(description=gettext_lazy("ids"))
    def ids(self, obj: Message) -> SafeString:
        rows = [(word,) for word in (str(obj.public_id), obj.wamid) if word]
        return format_html_join("", '<div class="p-mono">{}</div>', rows)


@admin.register(Batch)
class BatchAdmin(ParleyAdmin):
    """The queue. Who made a batch pauses and cancels it: a campaign on its own page."""

    view_roles = (MARKETING, AUDITOR)
    list_title = gettext_lazy("Queue")
    list_display = ("label", "state_chip", "waiting", "number", "until", "since")
    list_select_related = ("number",)
    ordering = ("-id",)
    fields = ("label", "state_chip", "number", "until", "since", "counts")
    readonly_fields = fields
    empty_title = gettext_lazy("The queue is empty.")
    empty_next = gettext_lazy("A campaign that starts puts its messages here.")

    def list_lead(self, request: HttpRequest) -> str:
        alone = Message.objects.filter(status=Status.QUEUED, batch=None)[: WAITING_COUNTED + 1].count()
        return ngettext(
            "%(count)s answer waits outside of campaigns. Answers go first.",
            "%(count)s answers wait outside of campaigns. Answers go first.",
            alone,
        ) % {"count": _capped(alone)}  # fmt: skip

    @admin.display(description=gettext_lazy("state"))
    def state_chip(self, obj: Batch) -> SafeString:
        chip = look.chip(BATCH_TONES[Batch.State(obj.state)], obj.get_state_display())
        if not obj.state_reason:
            return chip
        words = verdicts.Verdict(obj.state_reason).label if obj.state_reason in Verdict.values else obj.state_reason
        return format_html('{} <span class="p-meta">{}</span>', chip, words)

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, obj: Batch) -> str:
        if obj.state in (Batch.State.FINISHED, Batch.State.CANCELLED):
            return "0"
        return _capped(Message.objects.filter(batch=obj, status=Status.QUEUED)[: WAITING_COUNTED + 1].count())

    @admin.display(description=gettext_lazy("not after"), empty_value="–")
    def until(self, obj: Batch) -> Any:
        return look.moment(obj.send_until) or None

    @admin.display(description=gettext_lazy("since"))
    def since(self, obj: Batch) -> Any:
        return look.moment(obj.created_at)

    @admin.display(description=gettext_lazy("messages"))
    def counts(self, obj: Batch) -> Any:
        rows = obj.messages.order_by().values("status").annotate(count=Count("pk"))
        by_status = {row["status"]: row["count"] for row in rows}
        doors = [
            (
                reverse(
                    "admin:conversations_message_changelist", query={"batch": str(obj.public_id), "status": status}
                ),
                f"{by_status[status]:,}",
                status.label,
            )
            for status in Status
            if status in by_status
        ]
        return format_html_join("", '<div><a href="{}">{} {}</a></div>', doors) or _("none yet")


class DeliveryStateFilter(WordFilter):
    title = gettext_lazy("state")
    parameter_name = "state"
    conditions = {
        "unread": Q(applied_at=None, parked_at=None, attempts=0),
        "failing": Q(applied_at=None, parked_at=None, attempts__gt=0),
        "parked": Q(parked_at__isnull=False),
        "applied": Q(applied_at__isnull=False),
    }

    def words(self, request: HttpRequest) -> Any:
        return [
            ("unread", _("waiting to be read")), ("failing", _("failed, tried again")), ("parked", _("given up")),
            ("applied", _("read")),
        ]  # fmt: skip

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        return rows.filter(self.conditions[word])


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ParleyAdmin):
    """Bodies are kept as they came: nobody edits one, an administrator may have it read again."""

    address = "pk"
    list_title = gettext_lazy("Webhooks")
    list_display = ("received", "lane", "state_chip", "attempts", "error")
    list_filter = (DeliveryStateFilter,)
    ordering = ("-id",)
    fields = ("received", "lane", "state_chip", "attempts", "error", "content")
    readonly_fields = fields
    empty_title = gettext_lazy("WhatsApp has not called yet.")
    empty_next = gettext_lazy("Each call is kept as it came, before anything is made of it.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        rows = super().get_queryset(request)
        return rows if request.resolver_match and request.resolver_match.kwargs else rows.defer("body")

    def title_of(self, obj: WebhookDelivery) -> str:
        return _("Webhook of %(when)s") % {"when": look.dated(obj.received_at)}

    def list_lead(self, request: HttpRequest) -> str:
        parked = WebhookDelivery.objects.filter(parked_at__isnull=False)[:1001].count()
        if not parked:
            return _("None was given up. Each body is kept as it came, before anything is made of it.")
        return ngettext(
            "%d could not be applied and waits for you.", "%d could not be applied and wait for you.", parked
        ) % parked  # fmt: skip

    def list_acts(self, request: HttpRequest) -> list[Act]:
        if not _may_retry(request) or not _parked().exists():
            return []
        url = reverse("admin:conversations_webhookdelivery_retry_all")
        return [Act(label=_("Try those again"), url=url, tone="primary")]

    def object_acts(self, request: HttpRequest, obj: WebhookDelivery) -> list[Act]:
        failed = obj.applied_at is None and (obj.parked_at is not None or obj.attempts > 0)
        if not failed or not _may_retry(request):
            return []
        return [Act(label=_("Try again"), url=self.url_of(obj, "retry"), tone="primary")]

    def act_pages(self) -> Any:
        return (
            ("retry_all", "retry/", self.retry_all_view),
            ("retry", "<object_id>/retry/", self.retry_view),
        )

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not _may_retry(request):
            raise PermissionDenied
        delivery: WebhookDelivery = self.found(request, object_id)

        def act() -> str:
            self._again(request, WebhookDelivery.objects.filter(pk=delivery.pk, applied_at=None))
            return _("It is read again within seconds.")

        return self.ask(
            request, delivery, act, title=_("Try again"), button=_("Try again"),
            lead=_("The body is read once more. What was applied of it is not applied twice."),
        )  # fmt: skip

    def retry_all_view(self, request: HttpRequest) -> HttpResponse:
        if not _may_retry(request):
            raise PermissionDenied

        def act() -> str:
            count = self._again(request, _parked())
            return ngettext("%d is read again.", "%d are read again.", count) % count

        return self.ask(
            request, None, act, title=_("Try those again"), button=_("Try those again"),
            lead=_("All that were given up are read once more. What was applied of them is not applied twice."),
        )  # fmt: skip

    def _again(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> int:
        with transaction.atomic():
            ids = list(rows.values_list("pk", flat=True)[:10_000])
            count = WebhookDelivery.objects.filter(pk__in=ids).update(parked_at=None, attempts=0, due_at=None)
            for delivery in WebhookDelivery.objects.defer("body").filter(pk__in=ids[:100]):
                audit.note("webhookdelivery.tried_again", delivery, actor=actor_of(request))
        return count

    @admin.display(description=gettext_lazy("received"))
    def received(self, obj: WebhookDelivery) -> Any:
        return look.moment(obj.received_at)

    @admin.display(description=gettext_lazy("carries"))
    def lane(self, obj: WebhookDelivery) -> str:
        return _("messages or preferences") if obj.people else _("statuses and the rest")

    @admin.display(description=gettext_lazy("state"))
    def state_chip(self, obj: WebhookDelivery) -> SafeString:
        if obj.applied_at is not None:
            return look.chip("good", _("read"))
        if obj.parked_at is not None:
            return look.chip("bad", _("given up"))
        return look.chip("warn", _("failed, tried again")) if obj.attempts else look.chip("wait", _("waiting"))

    @admin.display(description=gettext_lazy("body"))
    def content(self, obj: WebhookDelivery) -> SafeString:
        return _folded(bytes(obj.body))


def _may_retry(request: HttpRequest) -> bool:
    return has_role(request.user, *ADMINISTRATORS)


def _parked() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(parked_at__isnull=False, applied_at=None)


@admin.register(UnrecognisedEvent)
class UnrecognisedEventAdmin(ParleyAdmin):
    address = "pk"
    list_title = gettext_lazy("Unknown events")
    list_display = ("what", "seen", "number")
    ordering = ("-id",)
    fields = ("what", "seen", "number", "delivery_link", "content")
    readonly_fields = fields
    empty_title = gettext_lazy("Nothing unknown so far.")
    empty_next = gettext_lazy("What WhatsApp says that we have no use for yet is kept here, not lost.")

    def list_lead(self, request: HttpRequest) -> str:
        return _("What WhatsApp told us that we have no use for yet. Nothing is wrong; nothing is lost.")

    @admin.display(description=gettext_lazy("what"))
    def what(self, obj: UnrecognisedEvent) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("seen"))
    def seen(self, obj: UnrecognisedEvent) -> Any:
        return look.moment(obj.seen_at)

    @admin.display(description=gettext_lazy("number"), empty_value="–")
    def number(self, obj: UnrecognisedEvent) -> Any:
        if not obj.phone_number_id:
            return None
        ours = BusinessNumber.objects.filter(phone_number_id=obj.phone_number_id).first()
        return str(ours) if ours else format_html("{} {}", obj.phone_number_id, look.chip("warn", _("not ours")))

    @admin.display(description=gettext_lazy("came with"))
    def delivery_link(self, obj: UnrecognisedEvent) -> SafeString:
        url = reverse("admin:conversations_webhookdelivery_change", args=[obj.delivery_id])
        return format_html('<a href="{}">{}</a>', url, _("the webhook it came with"))

    @admin.display(description=gettext_lazy("content"))
    def content(self, obj: UnrecognisedEvent) -> SafeString:
        return _folded(json.dumps(obj.value).encode())


def _folded(body: bytes) -> SafeString:
    """A body as indented JSON, folded: it may carry what people wrote."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body.decode(errors="replace")
    return format_html(
        '<details class="p-fold"><summary>{}</summary><pre class="p-mono p-body">{}</pre></details>',
        _("Show what it says"), text[:BODY_SHOWN],
    )  # fmt: skip


def _capped(count: int) -> str:
    return f"{WAITING_COUNTED:,}+" if count > WAITING_COUNTED else f"{count:,}"


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
