"""The base of every list and form in the admin.

Objects are addressed by their public id, roles decide who sees and changes what, nothing can be deleted, large tables
are never counted whole, and what a person changes is written to the audit trail.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import SEARCH_VAR
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
from unfold.contrib.filters.admin import DropdownFilter
from unfold.fields import UnfoldAdminReadonlyField
from unfold.views import ChangeList

from accounts import audit
from accounts.models import AuditEntry, User
from accounts.roles import AUDITOR, has_role

COUNTED_UPTO = 5_000  # rows; past it a list says "more than", because counting on costs more than it tells

# A search for a person is kept in the session, and the address carries a random word for it: addresses end up in logs.
SEARCHES = "searches"
KEPT_SEARCH = "~"
SEARCHES_KEPT = 20

# Under a read-only choice the theme links to the chosen row by its primary key, whether the reader may open it or not.
setattr(UnfoldAdminReadonlyField, "get_admin_url", lambda field, remote_field, chosen: str(chosen))

ADMINISTRATORS: tuple[str, ...] = ()  # has_role lets administrators pass whatever is listed


class BoundedPaginator(Paginator):
    """Counts no further than COUNTED_UPTO, so a page of a huge table costs no more than one of a small one."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[: COUNTED_UPTO + 1].count()


class PublicChangeList(ChangeList):
    """A list whose rows link to objects by their public id, and which says when it stopped counting."""

    query: str

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        if self.query.startswith(KEPT_SEARCH):
            self.query = request.session.get(SEARCHES, {}).get(self.query, "")
        return super().get_queryset(request, exclude_parameters)

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


class WordFilter(DropdownFilter):
    """A filter whose values are words, not primary keys: `words` gives (value, label), `narrow` applies one."""

    def words(self, request: HttpRequest) -> Iterable[tuple[str, Any]]:
        raise NotImplementedError

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        return rows.filter(**{self.parameter_name: word})

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.words(request))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        word = self.value()
        if not word:
            return queryset
        if word not in {value for value, _label in self.lookup_choices}:
            return queryset.none()
        return self.narrow(queryset, word)


def actor_of(request: HttpRequest) -> User:
    """Who is doing this; pages of the admin let in nobody else."""
    assert isinstance(request.user, User)
    return request.user


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
    private_search: ClassVar[bool] = False  # what is searched for may be somebody's name or number
    list_title: ClassVar[Any] = ""
    empty_title: ClassVar[Any] = gettext_lazy("Nothing here yet.")
    empty_next: ClassVar[Any] = ""

    actions: Any = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # a count per choice of every filter reads whole tables
    list_per_page = 50
    list_fullwidth = True
    show_add_link = False
    sortable_by: Any = ()  # the order of a list is one that an index serves
    list_filter_submit = True
    list_before_template = "admin/parts/list_lead.html"
    change_form_before_template: str | None = "admin/parts/acts.html"
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

    def address_of(self, obj: Any) -> str:
        """What stands for an object in addresses."""
        return str(getattr(obj, self.address))

    def at_address(self, rows: QuerySet[Any], address: str) -> Any:
        return rows.get(**{self.address: address})

    def url_of(self, obj: Any, page: str = "change") -> str:
        """The address of an object's page, without its primary key."""
        opts = self.model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=[quote(self.address_of(obj))])

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
            return self.at_address(self.get_queryset(request), object_id)
        except (self.model.DoesNotExist, ValidationError, ValueError):
            return None

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The object of a page of one's own, or 404."""
        obj = self.get_object(request, unquote(object_id))
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

    def title_of(self, obj: Any) -> str:
        """What the page of an object is called."""
        return str(obj)

    def list_lead(self, request: HttpRequest) -> str:
        """The sentence above the list."""
        return ""

    def list_acts(self, request: HttpRequest) -> list[Act]:
        return []

    def object_acts(self, request: HttpRequest, obj: Any) -> list[Act]:
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST" and self.private_search and SEARCH_VAR in request.POST:
            return self._keep_search(request)
        acts = self.list_acts(request)
        if self.has_add_permission(request) and "add" in self.pages:
            opts = self.model._meta
            label = _("Add %(name)s") % {"name": opts.verbose_name}
            url = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
            acts = [Act(label=label, url=url, tone="primary"), *acts]
        title = str(self.model._meta.verbose_name_plural).capitalize()  # not "Select campaign to change"
        context = {"title": title, "lead": self.list_lead(request), "acts": acts, **(extra_context or {})}
        return super().changelist_view(request, context)

    def _keep_search(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        query.pop(SEARCH_VAR, None)
        query.pop("p", None)
        if term := request.POST[SEARCH_VAR].strip()[:200]:
            word = KEPT_SEARCH + secrets.token_urlsafe(9)
            kept = list(request.session.get(SEARCHES, {}).items())[-SEARCHES_KEPT + 1 :]
            request.session[SEARCHES] = {**dict(kept), word: term}
            query[SEARCH_VAR] = word
        return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        context |= {
            "acts": self.object_acts(request, obj) if obj else [],
            "show_history": False,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        context["page_title"] = self.title_of(obj) if obj else ""
        if obj is None:
            context["page_title"] = _("Add %(name)s") % {"name": self.model._meta.verbose_name}
        context |= {"title": context["page_title"], "subtitle": None}  # str(obj) may name a primary key
        title = self.list_title or self.model._meta.verbose_name_plural
        context["crumbs"] = [{"title": title, "link": self.url_of_list()}]
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
        crumbs = [{"title": self.list_title or self.model._meta.verbose_name_plural, "link": self.url_of_list()}]
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
        return audit.note(f"{self.model._meta.model_name}.{verb}", obj, actor=actor_of(request), **details)
