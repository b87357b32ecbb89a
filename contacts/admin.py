"""Contacts, what they agreed to, and the ledger, in the admin."""

import re
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import look
from accounts.admin_base import Act, ParleyAdmin, WordFilter, actor_of
from accounts.roles import AGENT, AUDITOR, MARKETING
from contacts import consent_admin, contact_page, import_admin, phones, staff_record
from contacts.contact_forms import AgreementForm, ContactForm, WithdrawalForm
from contacts.models import Consent, Contact, Scope, Standing, Tag

__all__ = ["ContactAdmin", "consent_admin", "import_admin"]

NUMBER_LIKE = re.compile(r"^[\d\s+().\-/]{5,}$")
SHORT_LIST = 2  # scopes named in a row of the list


class TagFilter(WordFilter):
    title = gettext_lazy("tag")
    parameter_name = "tag"

    def words(self, request: HttpRequest) -> Any:
        return [(tag.name, tag.name) for tag in Tag.objects.all()[:500]]

    def narrow(self, rows: QuerySet[Contact], word: str) -> QuerySet[Contact]:
        return rows.tagged(Tag.objects.get(name=word))  # type: ignore[attr-defined]


class StandingFilter(WordFilter):
    """Where they stand in one scope: "marketing:granted"."""

    title = gettext_lazy("consent")
    parameter_name = "consent"

    def words(self, request: HttpRequest) -> Any:
        return [
            (f"{scope.slug}:{standing.value}", f"{scope.name}: {standing.label}")
            for scope in Scope.objects.all()
            for standing in Standing
        ]

    def narrow(self, rows: QuerySet[Contact], word: str) -> QuerySet[Contact]:
        slug, _sign, standing = word.partition(":")
        now = timezone.now()
        said = Consent.objects.filter(contact=OuterRef("pk"), scope__slug=slug)
        if standing == Standing.GRANTED:
            return rows.filter(Exists(said.filter(standing=standing).exclude(expires_at__lte=now)))
        ran_out = Exists(said.filter(standing=Standing.GRANTED, expires_at__lte=now))
        if standing == Standing.EXPIRED:
            return rows.filter(ran_out | Exists(said.filter(standing=standing)))
        nothing_said = ~Exists(said)
        if standing == Standing.WITHDRAWN:
            covered = nothing_said & Q(head__all_withdrawn_at__isnull=False)
            return rows.filter(Exists(said.filter(standing=standing)) | covered)
        if standing == Standing.UNKNOWN:
            silent = nothing_said & Q(head__all_withdrawn_at__isnull=True)
            return rows.filter(Exists(said.filter(standing=standing)) | silent)
        return rows.filter(Exists(said.filter(standing=standing)))


@admin.register(Contact)
class ContactAdmin(ParleyAdmin):
    """The list, the page of one person, and the acts on it. People come in by import, form or message."""

    form = ContactForm
    view_roles = (AGENT, AUDITOR)
    change_roles = (MARKETING,)
    pages = ("changelist", "change")
    private_search = True
    list_title = gettext_lazy("Contacts")
    list_display = ("person", "number", "agreed", "tagged", "since")
    list_filter = (StandingFilter, TagFilter)
    search_fields = ("first_name", "last_name", "profile_name")
    search_help_text = gettext_lazy("Name, or phone number in any form")
    empty_title = gettext_lazy("No contacts yet.")
    empty_next = gettext_lazy("Import a file, or wait for somebody to write to your number.")
    change_form_before_template = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        rows = super().get_queryset(request).select_related("head")
        return rows.prefetch_related("tags", "consents__scope")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Names by their parts; a number as people write it, whole or from its beginning with + on."""
        term = search_term.strip()
        if not NUMBER_LIKE.match(term):
            return super().get_search_results(request, queryset, search_term)
        digits = re.sub(r"\D", "", term)
        match = Q(phone__in=phones.candidates(term))
        if term.startswith(("+", "00")):
            match |= Q(phone__startswith="+" + digits.removeprefix("00"))
        return queryset.filter(match), False

    # ---- The page ----

    def act_pages(self) -> Any:
        return (
            ("edit", "<object_id>/edit/", self.edit_view),
            ("agree", "<object_id>/agreement/", self.agree_view),
            ("withdraw", "<object_id>/withdrawal/", self.withdraw_view),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        contact = self.found(request, object_id)
        if request.method == "POST":  # nothing on this page saves anything
            return HttpResponseRedirect(self.url_of(contact))
        shown = contact_page.context(
            contact,
            tab=request.GET.get("show", ""),
            before=request.GET.get("before", ""),
            address=request.path,
            at=timezone.now(),
        )
        acts = []
        if self.has_change_permission(request):
            acts = [
                Act(label=_("Record an agreement"), url=self.url_of(contact, "agree")),
                Act(label=_("Record a withdrawal"), url=self.url_of(contact, "withdraw"), tone="danger"),
                Act(label=_("Edit"), url=self.url_of(contact, "edit")),
            ]
        crumbs = [{"title": self.list_title, "link": self.url_of_list()}]
        about = {"title": contact.name, "page_title": contact.name, "crumbs": crumbs, "acts": acts}
        return self.page(request, "admin/contacts/contact.html", shown | about)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self.found_to_change(request, object_id)
        return self.changeform_view(request, object_id)

    def response_post_save_change(self, request: HttpRequest, obj: Contact) -> HttpResponse:
        return HttpResponseRedirect(self.url_of(obj))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        response = super().render_change_form(request, context, **kwargs)
        if contact := kwargs.get("obj"):
            response.context_data["crumbs"].append({"title": contact.name, "link": self.url_of(contact)})
            response.context_data["page_title"] = _("Edit")
        return response

    def agree_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact: Contact = self.found_to_change(request, object_id)
        form = AgreementForm(request.POST or None)
        return self.ask(
            request, contact, lambda: staff_record.agreement(contact, form.cleaned_data, actor=actor_of(request)),
            form=form, title=_("Record an agreement"), button=_("Record the agreement"),
            lead=_("Write down that %(name)s agreed: to what, in which words, how and when.") % {"name": contact},
            points=staff_record.what_agreement_does(contact, at=timezone.now()),
        )  # fmt: skip

    def withdraw_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact: Contact = self.found_to_change(request, object_id)
        form = WithdrawalForm(request.POST or None)
        return self.ask(
            request, contact, lambda: staff_record.withdrawal(contact, form.cleaned_data, actor=actor_of(request)),
            form=form, title=_("Record a withdrawal"), button=_("Record the withdrawal"), danger=True,
            lead=_("From the moment you record it, nothing it covers is sent to %(name)s.") % {"name": contact},
            points=[
                _("Messages that wait in the queue are withheld; those already leaving may still arrive."),
                _("You cannot take it back. Only the person can agree again, from their phone."),
                _("No message is sent to confirm it."),
            ],
        )  # fmt: skip

    # ---- The list ----

    @admin.display(description=gettext_lazy("name"))
    def person(self, obj: Contact) -> str:
        return obj.name

    @admin.display(description=gettext_lazy("phone"), empty_value="–")
    def number(self, obj: Contact) -> Any:
        return format_html('<span class="p-num p-nowrap">{}</span>', phones.readable(obj.phone)) if obj.phone else None

    @admin.display(description=gettext_lazy("consent"))
    def agreed(self, obj: Contact) -> SafeString:
        now = timezone.now()
        rows = sorted(obj.consents.all(), key=lambda row: row.scope.position)
        head = getattr(obj, "head", None)
        if not rows:
            silent = head is None or head.all_withdrawn_at is None
            return look.chip("unknown", _("unknown")) if silent else look.chip("withdrawn", _("everything"))
        chips = [look.chip(_shown(row, now), row.scope.name) for row in rows[:SHORT_LIST]]
        more = len(rows) - SHORT_LIST
        rest = format_html(' <span class="p-meta">+{}</span>', more) if more > 0 else ""
        return format_html('<span class="p-row">{}{}</span>', format_html_join("", "{}", ((c,) for c in chips)), rest)

    @admin.display(description=gettext_lazy("tags"), empty_value="–")
    def tagged(self, obj: Contact) -> Any:
        names = [(tag.name,) for tag in obj.tags.all()]
        return format_html_join(" ", '<span class="p-tag">{}</span>', names) or None

    @admin.display(description=gettext_lazy("known since"))
    def since(self, obj: Contact) -> Any:
        return look.moment(obj.created_at)


def _shown(row: Consent, now: Any) -> str:
    """The standing by the clock; the words of a chip say the scope, its icon and colour the standing."""
    ran_out = row.standing == Standing.GRANTED and row.expires_at is not None and row.expires_at <= now
    return Standing.EXPIRED if ran_out else row.standing
