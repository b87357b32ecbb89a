"""The base of every list and form in the admin.

Objects are addressed by their public id, roles decide who sees and changes what, nothing can be deleted, large tables
are never counted whole, and what a person changes is written to the audit trail.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from accounts import audit
from accounts.models import AuditEntry
from accounts.roles import AUDITOR, has_role

COUNTED_UPTO = 5_000  # rows; past it a list says "more than", because counting on costs more than it tells

ADMINISTRATORS: tuple[str, ...] = ()  # has_role lets administrators pass whatever is listed


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic when it runs
    """Counts no further than COUNTED_UPTO, so a page of a huge table costs no more than one of a small one."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[: COUNTED_UPTO + 1].count()


class PublicChangeList(ChangeList):
    """A list whose rows link to objects by their public id, and which says when it stopped counting."""

    def url_for_result(self, result: Model) -> str:
        return self.model_admin.url_of(result)

    @property
    def count_words(self) -> str:
        """ "1 contact", "412 contacts", "more than 5,000 contacts"."""
        count: int = self.result_count
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        if count > COUNTED_UPTO:
            return _("more than %(count)s %(name)s") % {"count": f"{COUNTED_UPTO:,}", "name": name}
        return f"{count:,} {name}"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something a person can do on a page. A `post` act is done at once; another leads to a page that asks first."""

    label: str
    url: str
    tone: str = ""  # "primary" or "danger"
    post: bool = False


class ParleyAdmin(ModelAdmin):
    """Set `view_roles` and, where people may change things, `change_roles` and `add_roles` (None: nobody).

    `pages` lists what the model has pages for; a URL for anything else does not exist. `act_pages` adds pages of one's
    own: (name, path below the object or the list, method). `list_lead` is the sentence above a list.
    """

    view_roles: ClassVar[tuple[str, ...]] = (AUDITOR,)
    change_roles: ClassVar[tuple[str, ...] | None] = None
    add_roles: ClassVar[tuple[str, ...] | None] = None
    pages: ClassVar[tuple[str, ...]] = ("changelist", "change")
    address: ClassVar[str] = "public_id"  # the field in URLs
    list_title: ClassVar[Any] = ""
    empty_title: ClassVar[Any] = gettext_lazy("Nothing here yet.")
    empty_next: ClassVar[Any] = ""

    actions: Any = None
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    show_add_link = False
    list_before_template = "admin/parts/list_lead.html"
    change_form_before_template = "admin/parts/acts.html"
    change_form_show_cancel_button = True
    save_as_continue = False

    # ---- Who may what ----

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request.user, *self.view_roles, *(self.change_roles or ()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.change_roles is not None and has_role(request.user, *self.change_roles)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return self.add_roles is not None and has_role(request.user, *self.add_roles)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    # ---- Addresses ----

    def url_of(self, obj: Model, page: str = "change") -> str:
        """The address of an object's page, without its primary key."""
        opts = self.model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=[getattr(obj, self.address)])

    def url_of_list(self) -> str:
        opts = self.model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")

    def act_pages(self) -> Iterable[tuple[str, str, Callable[..., HttpResponse]]]:
        """Further pages: (name, path, view). `<object_id>` in a path is the public id."""
        return ()

    def get_urls(self) -> list[URLPattern]:
        opts = self.model._meta
        prefix = f"{opts.app_label}_{opts.model_name}_"
        wanted = {f"{prefix}{page}" for page in self.pages}
        own = [
            path(where.replace("<object_id>", "<path:object_id>"), self.admin_site.admin_view(view), name=prefix + name)
            for name, where, view in self.act_pages()
        ]
        return own + [url for url in super().get_urls() if url.name in wanted]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        try:
            return self.get_queryset(request).get(**{self.address: object_id})
        except (self.model.DoesNotExist, ValidationError, ValueError):
            return None

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The object of a page of one's own, or 404."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        return obj

    def found_to_change(self, request: HttpRequest, object_id: str) -> Any:
        """The object of a page that changes it; 403 for those who may not."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self.found(request, object_id)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PublicChangeList

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        # The small "add" and "change" links beside a choice would address other objects by primary key.
        for link in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, link):
                setattr(field.widget, link, False)
        return field

    # ---- What pages show ----

    def list_lead(self, request: HttpRequest) -> str:
        """The sentence above the list."""
        return ""

    def list_acts(self, request: HttpRequest) -> list[Act]:
        return []

    def object_acts(self, request: HttpRequest, obj: Any) -> list[Act]:
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        acts = self.list_acts(request)
        if self.has_add_permission(request) and "add" in self.pages:
            opts = self.model._meta
            label = _("Add %(name)s") % {"name": opts.verbose_name}
            url = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
            acts = [Act(label=label, url=url, tone="primary"), *acts]
        context = {"lead": self.list_lead(request), "acts": acts, **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        context |= {
            "acts": self.object_acts(request, obj) if obj else [],
            "show_history": False,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        if obj is None:
            context["page_title"] = _("Add %(name)s") % {"name": self.model._meta.verbose_name}
        return super().render_change_form(request, context, **kwargs)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        """A page of one's own in the admin's layout. context: at least `title`."""
        base = {**self.admin_site.each_context(request), "opts": self.model._meta, "media": self.media}
        return TemplateResponse(request, template, base | context)

    def ask(
        self,
        request: HttpRequest,
        obj: Any,
        act: Callable[[], str],
        *,
        title: str,
        lead: str,
        button: str,
        form: Form | None = None,
        danger: bool = False,
        back: str = "",
        points: Iterable[str] = (),
    ) -> HttpResponse:
        """A page that says what will happen and does it on POST. act returns the sentence that says what was done.

        form: already bound on POST; a ValidationError of act is shown above the button and nothing is done.
        """
        back = back or (self.url_of(obj) if obj is not None else self.url_of_list())
        errors: list[str] = []
        if request.method == "POST" and (form is None or form.is_valid()):
            try:
                done = act()
            except ValidationError as error:
                errors = error.messages
            else:
                messages.success(request, done)
                return HttpResponseRedirect(back)
        crumbs = [{"title": self.model._meta.verbose_name_plural, "link": self.url_of_list()}]
        if obj is not None:
            crumbs.append({"title": str(obj), "link": back})
        context = {
            "title": title, "page_title": title, "crumbs": crumbs, "ask_lead": lead, "button": button, "form": form,
            "danger": danger, "back": back, "errors_of_act": errors, "points": list(points),
        }  # fmt: skip
        return self.page(request, "admin/ask.html", context)

    # ---- After saving: no primary keys, no copies of names in a second log ----

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        messages.success(request, _("Added %(name)s.") % {"name": obj})
        return self.response_post_save_add(request, obj)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, _("Saved %(name)s.") % {"name": obj})
        return self.response_post_save_change(request, obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.note(request, "added", obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = sorted({name for part in message for name in part.get("changed", {}).get("fields", [])})
        if fields:
            self.note(request, "changed", obj, fields=fields)

    def note(self, request: HttpRequest, verb: str, obj: Any, **details: Any) -> AuditEntry:
        """One line in the audit trail: "contact.changed"."""
        return audit.note(f"{self.model._meta.model_name}.{verb}", obj, actor=request.user, **details)
