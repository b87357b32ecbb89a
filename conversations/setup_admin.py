"""What Meta gives us to send with, in the admin: portfolio, business numbers, message templates."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from accounts import audit, look
from accounts.admin_base import ADMINISTRATORS, Act, ParleyAdmin, WordFilter, actor_of
from accounts.roles import AUDITOR, MARKETING
from contacts.models import Scope
from conversations import message_templates, outbox
from conversations.formatting import to_html
from conversations.models import BusinessNumber, MessageTemplate, Portfolio, RateBucket
from conversations.template_values import parameters, reading, variables
from conversations.whatsapp.errors import NotSent, Refused, WhatsAppError, sentence

TEMPLATE_TONES = {
    MessageTemplate.Status.APPROVED: "good",
    MessageTemplate.Status.PENDING: "wait",
    MessageTemplate.Status.PAUSED: "warn",
    MessageTemplate.Status.REJECTED: "bad",
    MessageTemplate.Status.DISABLED: "bad",
    MessageTemplate.Status.OTHER: "warn",
    MessageTemplate.Status.GONE: "quiet",
}
QUALITY_TONES = {"GREEN": "good", "YELLOW": "wait", "RED": "bad"}


@admin.register(Portfolio)
class PortfolioAdmin(ParleyAdmin):
    change_roles = add_roles = ADMINISTRATORS
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Portfolio")
    list_display = ("name", "limit", "cap", "quiet")
    empty_title = gettext_lazy("No portfolio yet.")
    empty_next = gettext_lazy("Add your Meta business first, then its numbers.")
    fieldsets = (
        (None, {"fields": ("name", "business_id", "messaging_limit")}),
        (
            gettext_lazy("How much one person gets"),
            {"fields": (("marketing_cap", "marketing_cap_days"),)},
        ),
        (gettext_lazy("Quiet hours"), {"fields": (("quiet_from", "quiet_until"),)}),
    )

    def list_lead(self, request: HttpRequest) -> str:
        return _("Your Meta business: what holds for all its numbers together.")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("business_id",) if obj else ()

    @admin.display(description=gettext_lazy("new people in 24 hours"))
    def limit(self, obj: Portfolio) -> str:
        return f"{obj.messaging_limit:,}" if obj.messaging_limit is not None else _("no limit")

    @admin.display(description=gettext_lazy("campaign messages a person"))
    def cap(self, obj: Portfolio) -> str:
        if obj.marketing_cap is None:
            return _("no cap")
        return _("%(cap)d in %(days)d days") % {"cap": obj.marketing_cap, "days": obj.marketing_cap_days}

    @admin.display(description=gettext_lazy("quiet hours"))
    def quiet(self, obj: Portfolio) -> str:
        if obj.quiet_from is None or obj.quiet_until is None:
            return _("none")
        return f"{obj.quiet_from:%H:%M} – {obj.quiet_until:%H:%M}"


class NumberForm(forms.ModelForm):
    """A number. Its token goes in and never comes out: an empty field keeps the one that is there."""

    new_token = forms.CharField(
        label=gettext_lazy("Access token"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Kept encrypted and never shown. Leave it empty to keep the one you gave."),
    )

    class Meta:
        model = BusinessNumber
        fields = (
            "name", "portfolio", "display_phone", "phone_number_id", "waba_id", "rate_per_second", "confirm_stops",
        )  # fmt: skip


@admin.register(BusinessNumber)
class BusinessNumberAdmin(ParleyAdmin):
    form = NumberForm
    change_roles = add_roles = ADMINISTRATORS
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Business numbers")
    list_display = ("name", "display_phone", "standing", "quality_chip", "rate", "portfolio")
    list_select_related = ("portfolio",)
    ordering = ("pk",)
    empty_title = gettext_lazy("No business number yet.")
    empty_next = gettext_lazy("Add the number people see when you write to them.")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = ("name", "display_phone", "portfolio")
        meta = (("phone_number_id", "waba_id"), *(("new_token",) if self.has_change_permission(request) else ()))
        sending = ("rate_per_second", "confirm_stops")
        return [
            (None, {"fields": ("standing", *what) if obj else what}),
            (_("At Meta"), {"fields": meta}),
            (_("Sending"), {"fields": sending}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("standing", "phone_number_id", "waba_id", "portfolio") if obj else ()

    def save_model(self, request: HttpRequest, obj: BusinessNumber, form: Any, change: bool) -> None:
        with transaction.atomic():
            if token := form.cleaned_data.get("new_token"):
                obj.token = token
            super().save_model(request, obj, form, change)
            RateBucket.objects.get_or_create(number=obj)
            if token:
                self.note(request, "token_set", obj)

    def object_acts(self, request: HttpRequest, obj: BusinessNumber) -> list[Act]:
        if not self.has_change_permission(request):
            return []
        if obj.held_reason:
            return [Act(label=_("Release the number"), url=self.url_of(obj, "release"), tone="primary")]
        return [Act(label=_("Hold the number"), url=self.url_of(obj, "hold"), tone="danger")]

    def act_pages(self) -> Any:
        return (
            ("hold", "<object_id>/hold/", self.hold_view),
            ("release", "<object_id>/release/", self.release_view),
        )

    def hold_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        number: BusinessNumber = self.found_to_change(request, object_id)

        def act() -> str:
            with transaction.atomic():
                outbox.hold(number, reason="by staff")
                self.note(request, "held", number)
            return _("%(name)s is on hold. Nothing leaves from it.") % {"name": number.name}

        return self.ask(
            request, number, act, title=_("Hold the number"), button=_("Hold the number"), danger=True,
            lead=_("Nothing leaves from %(name)s until you release it.") % {"name": number},
            points=[
                _("What waits keeps waiting, as long as it may; then it is withheld."),
                _("Messages from people still come in, and STOP still counts."),
            ],
        )  # fmt: skip

    def release_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        number: BusinessNumber = self.found_to_change(request, object_id)
        reason = number.held_reason

        def act() -> str:
            with transaction.atomic():
                outbox.release(number)
                self.note(request, "released", number, reason=reason)
            return _("%(name)s may send again.") % {"name": number.name}

        return self.ask(
            request, number, act, title=_("Release the number"), button=_("Release the number"),
            lead=_("What waits for %(name)s leaves again, at its rate.") % {"name": number},
            points=[_("It is on hold because of: %(reason)s.") % {"reason": held_words(reason)}] if reason else [],
        )  # fmt: skip

    @admin.display(description=gettext_lazy("state"))
    def standing(self, obj: BusinessNumber) -> SafeString:
        if obj.held_reason:
            return format_html(
                '{} <span class="p-meta">{}</span>', look.chip("warn", _("on hold")), held_words(obj.held_reason)
            )
        if not obj.token_set:
            return look.chip("warn", _("no token"))
        return look.chip("good", _("ready"))

    @admin.display(description=gettext_lazy("quality"), empty_value="–")
    def quality_chip(self, obj: BusinessNumber) -> Any:
        return look.chip(QUALITY_TONES.get(obj.quality, "quiet"), obj.quality.lower()) if obj.quality else None

    @admin.display(description=gettext_lazy("rate"))
    def rate(self, obj: BusinessNumber) -> str:
        return _("%(rate)d a second") % {"rate": obj.rate_per_second}


def held_words(reason: str) -> str:
    """Why a number is on hold, in words: "code 131042" is WhatsApp's."""
    code = reason.removeprefix("code ")
    return f"{sentence(int(code))} ({reason})" if code != reason and code.isdigit() else reason


class TemplateStatusFilter(WordFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def words(self, request: HttpRequest) -> Any:
        return MessageTemplate.Status.choices


class ScopeForm(forms.ModelForm):
    class Meta:
        model = MessageTemplate
        fields = ("scope",)
        widgets = {"scope": UnfoldAdminSelectWidget}

    scope = forms.ModelChoiceField(
        Scope.objects.all(),
        label=gettext_lazy("Scope"),
        to_field_name="slug",
        required=False,
        empty_label=gettext_lazy("None: it cannot be sent"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("It reaches only people who agreed to this."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["scope"] = self.instance.scope  # the row, which the field turns into its slug


@admin.register(MessageTemplate)
class MessageTemplateAdmin(ParleyAdmin):
    """Templates as WhatsApp lists them. Only their scope is ours to say."""

    view_roles = (MARKETING, AUDITOR)
    change_roles = (MARKETING,)
    list_title = gettext_lazy("Templates")
    list_display = ("name", "language", "category", "status_chip", "scope_chip", "synced")
    list_filter = (TemplateStatusFilter,)
    list_select_related = ("scope",)
    search_fields = ("name",)
    ordering = ("name", "language")
    empty_title = gettext_lazy("No templates yet.")
    empty_next = gettext_lazy("Write them in WhatsApp Manager, then fetch them here.")

    def list_lead(self, request: HttpRequest) -> str:
        without = MessageTemplate.objects.filter(status=MessageTemplate.Status.APPROVED, scope=None).count()
        if without:
            return ngettext(
                "%d approved template has no scope yet, so it cannot be sent.",
                "%d approved templates have no scope yet, so they cannot be sent.",
                without,
            ) % without  # fmt: skip
        return _("As WhatsApp lists them. Each needs a scope before it can be sent.")

    def list_acts(self, request: HttpRequest) -> list[Act]:
        if not self.has_change_permission(request):
            return []
        url = reverse("admin:conversations_messagetemplate_sync")
        return [Act(label=_("Fetch from WhatsApp"), url=url, post=True, tone="primary")]

    def act_pages(self) -> Any:
        return (("sync", "sync/", self.sync_view),)

    def sync_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            numbers = message_templates.first_of_each_account()
            if not numbers:
                messages.warning(request, _("Nothing was fetched: no business number has a token yet."))
            for number in numbers:
                self._sync(request, number)
        return HttpResponseRedirect(self.url_of_list())

    def _sync(self, request: HttpRequest, number: BusinessNumber) -> None:
        try:
            counts = message_templates.sync(number)
        except WhatsAppError as error:
            messages.error(request, f"{number.name}: {_trouble(error)}")
            return
        said = _("%(listed)d templates of %(number)s: %(added)d new, %(changed)d changed, %(gone)d no longer listed.")
        messages.success(request, said % {
            "listed": counts.listed, "number": number.name, "added": counts.added, "changed": counts.changed,
            "gone": counts.gone,
        })  # fmt: skip
        if counts.unreadable:
            messages.warning(request, _("%d more are of a kind we do not know.") % counts.unreadable)
        audit.note("number.templates_fetched", number, actor=actor_of(request), listed=counts.listed, gone=counts.gone)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        template: MessageTemplate = self.found(request, object_id)
        form = ScopeForm(request.POST or None, instance=template)
        if request.method == "POST":
            self.found_to_change(request, object_id)
            if form.is_valid():
                self._save_scope(request, template, form)
                return HttpResponseRedirect(self.url_of(template))
        gaps = variables(template)
        examples = {gap.slot: gap.example or "{{" + gap.key + "}}" for gap in gaps}
        shown = reading(template, parameters(template, examples))
        return self.page(
            request,
            "admin/conversations/template.html",
            {
                "title": template.name, "page_title": str(template), "template": template, "gaps": gaps,
                "crumbs": [{"title": self.list_title, "link": self.url_of_list()}],
                "message": shown, "body": to_html(shown.body), "chip": self.status_chip(template),
                "form": form if self.has_change_permission(request) else None,
                "number": BusinessNumber.objects.filter(waba_id=template.waba_id).order_by("pk").first(),
            },
        )  # fmt: skip

    def _save_scope(self, request: HttpRequest, template: MessageTemplate, form: Any) -> None:
        if "scope" not in form.changed_data:
            messages.info(request, _("Nothing was changed."))
            return
        scope = form.cleaned_data["scope"]
        with transaction.atomic():
            MessageTemplate.objects.filter(pk=template.pk).update(scope=scope)
            self.note(request, "scope_given", template, scope=scope.slug if scope else "")
        said = _("From now on it reaches people who agreed to %(scope)s.") % {"scope": scope}
        messages.success(request, said if scope else _("It has no scope any more and cannot be sent."))

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageTemplate]:
        return super().get_queryset(request).filter(archived_at=None).select_related("scope")

    @admin.display(description=gettext_lazy("status"))
    def status_chip(self, obj: MessageTemplate) -> SafeString:
        return look.chip(TEMPLATE_TONES[MessageTemplate.Status(obj.status)], obj.get_status_display())

    @admin.display(description=gettext_lazy("scope"))
    def scope_chip(self, obj: MessageTemplate) -> Any:
        return obj.scope or look.chip("warn", _("none"))

    @admin.display(description=gettext_lazy("fetched"))
    def synced(self, obj: MessageTemplate) -> Any:
        return look.moment(obj.synced_at)


def _trouble(error: WhatsAppError) -> str:
    """What went wrong with a fetch, what was kept, what to do."""
    if isinstance(error, Refused):
        said = sentence(error.code)
        return _("WhatsApp refused: %(said)s (code %(code)d). Nothing was changed.") % {
            "said": said, "code": error.code,
        }  # fmt: skip
    if isinstance(error, NotSent):
        return _("WhatsApp could not be reached. Nothing was changed; try again in a minute.")
    return _("WhatsApp gave no readable answer. Nothing was changed; try again in a minute.")
