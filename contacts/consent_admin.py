"""The ledger, its scopes and wordings, and the tags, in the admin. The ledger is read, never written here."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts import look
from accounts.admin_base import ADMINISTRATORS, Act, ParleyAdmin, WordFilter
from accounts.roles import AUDITOR, MARKETING
from contacts.models import Action, ConsentEvent, Scope, Source, Tag, Wording
from contacts.person_parts import TONES, facts_of, said


class ActionFilter(WordFilter):
    title = gettext_lazy("what")
    parameter_name = "action"

    def words(self, request: HttpRequest) -> Any:
        return Action.choices


class SourceFilter(WordFilter):
    title = gettext_lazy("source")
    parameter_name = "source"

    def words(self, request: HttpRequest) -> Any:
        return Source.choices


class ScopeFilter(WordFilter):
    """Of one scope, or of everything at once."""

    title = gettext_lazy("scope")
    parameter_name = "scope"
    everything = "*"

    def words(self, request: HttpRequest) -> Any:
        return [*((row.slug, row.name) for row in Scope.objects.all()), (self.everything, _("Everything"))]

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        return rows.filter(covers_all=True) if word == self.everything else rows.filter(scope__slug=word)


@admin.register(ConsentEvent)
class ConsentEventAdmin(ParleyAdmin):
    view_roles = (MARKETING, AUDITOR)
    list_title = gettext_lazy("Consent ledger")
    list_display = ("what", "who", "occurred", "source_words", "wording", "actor", "recorded")
    list_filter = (ActionFilter, ScopeFilter, SourceFilter)
    list_select_related = ("contact", "scope", "wording", "actor")
    ordering = ("-id",)
    fields = (
        "what", "who", "occurred_at", "recorded_at", "source", "wording_text", "actor", "expires_at", "backing", "line",
        "chain",
    )  # fmt: skip
    readonly_fields = ("what", "who", "wording_text", "backing", "line", "chain")
    empty_title = gettext_lazy("The ledger is empty.")
    empty_next = gettext_lazy("Its first lines come with an import, a form, or somebody who writes START or STOP.")

    def title_of(self, obj: ConsentEvent) -> str:
        return _("Line %(number)d of %(name)s") % {"number": obj.number, "name": obj.contact}

    def list_lead(self, request: HttpRequest) -> str:
        return _("Every agreement and withdrawal, as it was recorded. Lines are added and never changed.")

    @admin.display(description=gettext_lazy("what"))
    def what(self, obj: ConsentEvent) -> SafeString:
        return look.chip(TONES[Action(obj.action)], said(obj))

    @admin.display(description=gettext_lazy("who"))
    def who(self, obj: ConsentEvent) -> SafeString:
        url = reverse("admin:contacts_contact_change", args=[obj.contact.public_id])
        return format_html('<a href="{}"><bdi>{}</bdi></a>', url, obj.contact)

    @admin.display(description=gettext_lazy("when they said it"))
    def occurred(self, obj: ConsentEvent) -> Any:
        return look.moment(obj.occurred_at)

    @admin.display(description=gettext_lazy("recorded"))
    def recorded(self, obj: ConsentEvent) -> Any:
        return look.moment(obj.recorded_at)

    @admin.display(description=gettext_lazy("source"))
    def source_words(self, obj: ConsentEvent) -> str:
        return obj.get_source_display()

    @admin.display(description=gettext_lazy("wording"), empty_value="–")
    def wording_text(self, obj: ConsentEvent) -> Any:
        if obj.wording is None:
            return None
        return format_html("{}<br><blockquote>{}</blockquote>", obj.wording, obj.wording.text)

    @admin.display(description=gettext_lazy("evidence"))
    def backing(self, obj: ConsentEvent) -> Any:
        evidence = getattr(obj, "evidence", None)
        if evidence is None:
            return _("erased")
        quote = evidence.data.get("quote") or evidence.data.get("note") or ""
        facts = format_html_join("", "<div>{}: {}</div>", facts_of(evidence))
        return format_html('<div class="p-break">{}</div>{}', f"“{quote}”" if quote else "", facts)

    @admin.display(description=gettext_lazy("line"))
    def line(self, obj: ConsentEvent) -> str:
        return _("%(number)d of this person") % {"number": obj.number}

    @admin.display(description=gettext_lazy("chain"))
    def chain(self, obj: ConsentEvent) -> SafeString:
        rows = (
            (_("this line"), obj.hash),
            (_("the line before"), obj.previous_hash or _("none, it is the first")),
            (_("what its evidence hashes to"), obj.commitment),
        )
        return format_html_join("", '<div>{}: <span class="p-mono">{}</span></div>', rows)


@admin.register(Scope)
class ScopeAdmin(ParleyAdmin):
    address = "slug"
    view_roles = (MARKETING, AUDITOR)
    change_roles = add_roles = ADMINISTRATORS
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Scopes")
    list_display = ("name", "description", "lasts", "confirmed")
    fields = ("name", "slug", "description", "validity_months", "double_opt_in", "position")
    ordering = ("position", "slug")

    def list_lead(self, request: HttpRequest) -> str:
        return _("What a person can agree to. Each template needs one, and reaches only who agreed to it.")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("slug",) if obj else ()  # imports, forms and the API name scopes by it

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else {"slug": ("name",)}

    @admin.display(description=gettext_lazy("an agreement lasts"))
    def lasts(self, obj: Scope) -> str:
        months = obj.validity_months
        return _("%(months)d months") % {"months": months} if months else _("until withdrawn")

    @admin.display(description=gettext_lazy("confirmed from the phone"), boolean=True)
    def confirmed(self, obj: Scope) -> bool:
        return obj.double_opt_in


class WordingForm(forms.ModelForm):
    """A new wording, or the next version of one that is there: the key says which."""

    key = forms.CharField(
        label=gettext_lazy("Key"), max_length=60, widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Its short name, as in checkout-form. A key in use gets its next version."),
    )  # fmt: skip

    class Meta:
        model = Wording
        fields = ("key", "scope", "language", "text", "shown_at")
        widgets = {
            "scope": UnfoldAdminSelectWidget,
            "language": UnfoldAdminTextInputWidget,
            "text": UnfoldAdminTextareaWidget(attrs={"rows": 5}),
            "shown_at": UnfoldAdminTextInputWidget,
        }
        help_texts = {
            "text": gettext_lazy("Exactly as people see it. It is never changed, only followed by a new version."),
            "language": gettext_lazy("As a code: it, en, pt_BR."),
            "shown_at": gettext_lazy("“Checkout page, below the phone field”"),
        }  # fmt: skip

    def clean_key(self) -> str:
        key = slugify(self.cleaned_data["key"])
        if not key:
            raise ValidationError(_("Use letters and digits."))
        return key

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        before = Wording.objects.filter(key=data.get("key", "")).order_by("-version").first()
        if before and data.get("scope") and before.scope != data["scope"]:
            self.add_error("scope", _("%(key)s belongs to %(scope)s.") % {"key": before.key, "scope": before.scope})
        if before and data.get("text") == before.text and data.get("language") == before.language:
            self.add_error("text", _("This is word for word the version that is there."))
        return data


@admin.register(Wording)
class WordingAdmin(ParleyAdmin):
    """Versions are added and never edited: agreements point at the one the person was shown."""

    form = WordingForm
    view_roles = (MARKETING, AUDITOR)
    add_roles = ADMINISTRATORS
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Wordings")
    list_display = ("version_name", "scope", "language", "text", "shown_at", "created")
    list_select_related = ("scope",)
    ordering = ("key", "-version")
    empty_title = gettext_lazy("No wordings yet.")
    empty_next = gettext_lazy("Add the words people read when they agree. An agreement cannot be recorded without.")

    def address_of(self, obj: Wording) -> str:
        return f"{obj.key}-v{obj.version}"

    def at_address(self, rows: QuerySet[Wording], address: str) -> Wording:
        key, _sign, version = address.rpartition("-v")
        return rows.get(key=key, version=int(version))

    def list_lead(self, request: HttpRequest) -> str:
        return _("The words people were shown when they agreed. A new version never touches an older one.")

    def object_acts(self, request: HttpRequest, obj: Wording) -> list[Act]:
        if not self.has_add_permission(request):
            return []
        url = f"{reverse('admin:contacts_wording_add')}?key={obj.key}"
        return [Act(label=_("Write the next version"), url=url, tone="primary")]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        before = Wording.objects.filter(key=request.GET.get("key", "")).order_by("-version").first()
        if before is None:
            return {}
        return {
            "key": before.key, "scope": before.scope_id, "language": before.language, "text": before.text,
            "shown_at": before.shown_at,
        }  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["key", "scope", "language", "text", "shown_at"]
        return ["key", "version", *names[1:], "created"] if obj else names

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("created",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Wording, form: Any, change: bool) -> None:
        with transaction.atomic():
            last = Wording.objects.filter(key=obj.key).aggregate(last=Max("version"))["last"] or 0
            obj.version = last + 1
            super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("wording"))
    def version_name(self, obj: Wording) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("since"))
    def created(self, obj: Wording) -> Any:
        return look.moment(obj.created_at)


@admin.register(Tag)
class TagAdmin(ParleyAdmin):
    address = "name"
    view_roles = (MARKETING, AUDITOR)
    change_roles = add_roles = (MARKETING,)
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Tags")
    list_display = ("name", "people", "created")
    fields = ("name",)
    search_fields = ("name",)
    empty_title = gettext_lazy("No tags yet.")
    empty_next = gettext_lazy("Add one, or give an import a tag. Campaigns choose their people by it.")

    @admin.display(description=gettext_lazy("people"))
    def people(self, obj: Tag) -> SafeString:
        url = reverse("admin:contacts_contact_changelist", query={"tag": obj.name})
        return format_html('<a href="{}">{}</a>', url, _("show them"))

    @admin.display(description=gettext_lazy("since"))
    def created(self, obj: Tag) -> Any:
        return look.moment(obj.created_at)
