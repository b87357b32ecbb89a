"""Admin pages of the ground floor: who works here, what they did, and the long jobs they started."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import look
from accounts.admin_base import ADMINISTRATORS, Act, ParleyAdmin
from accounts.models import AuditEntry, JobRun, User
from accounts.roles import ADMINISTRATOR, AGENT, AUDITOR, MARKETING, ROLES, roles_of

ROLE_WORDS = {
    ADMINISTRATOR: gettext_lazy("Administrator"),
    MARKETING: gettext_lazy("Marketing"),
    AGENT: gettext_lazy("Agent"),
    AUDITOR: gettext_lazy("Auditor"),
}
ROLE_CHOICES = [
    (ADMINISTRATOR, gettext_lazy("Administrator: everything, and who works here")),
    (MARKETING, gettext_lazy("Marketing: contacts, imports, templates, campaigns; reads the inbox")),
    (AGENT, gettext_lazy("Agent: answers in the inbox, reads contacts")),
    (AUDITOR, gettext_lazy("Auditor: reads everything, changes nothing")),
]


class PasswordsForm(forms.Form):
    """A new password, once: the person changes it after their first log-in."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=gettext_lazy("At least 10 characters. Give it to them in person; they can change it once inside."),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class UserForm(forms.ModelForm):
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=ROLE_CHOICES, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")
        widgets = {
            "email": UnfoldAdminEmailInputWidget,
            "first_name": UnfoldAdminTextInputWidget,
            "last_name": UnfoldAdminTextInputWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["role"] = role_of(self.instance)

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("Somebody with this address works here already."))
        return email

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.pk and role != ADMINISTRATOR:
            refuse_without_administrator(self.instance)
        return role


class NewUserForm(UserForm, PasswordsForm):
    pass


def role_of(user: User) -> str:
    """The first role somebody holds, in the order of importance; empty for none."""
    held = roles_of(user)
    return next((role for role in ROLES if role in held), "")


def refuse_without_administrator(leaving: User) -> None:
    """ValidationError when without this person nobody could administer the installation."""
    others = User.objects.filter(Q(is_superuser=True) | Q(groups__name=ADMINISTRATOR), is_active=True)
    if ADMINISTRATOR in roles_of(leaving) and not others.exclude(pk=leaving.pk).exists():
        raise ValidationError(_("This is the only administrator left. Make somebody else one first."))


def give_role(user: User, role: str) -> None:
    """The one role somebody holds from now on."""
    user.groups.set(Group.objects.filter(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=False)
    user.is_superuser = False
    user._roles = None  # type: ignore[attr-defined]


@admin.register(User)
class UserAdmin(ParleyAdmin):
    form = UserForm
    add_roles = change_roles = ADMINISTRATORS
    pages = ("changelist", "add", "change")
    list_title = gettext_lazy("Team")
    list_display = ("name", "email", "role", "standing", "seen")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("-is_active", "first_name", "email")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | {"form": NewUserForm if obj is None else UserForm})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["email", ("first_name", "last_name"), "role"]
        return [(None, {"fields": names if obj else [*names, "password"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if self.has_change_permission(request, obj) else ("role",)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        was = "" if not change else role_of(User.objects.get(pk=obj.pk))
        role = form.cleaned_data["role"]
        with transaction.atomic():
            if not change:
                obj.set_password(form.cleaned_data["password"])
            super().save_model(request, obj, form, change)
            if change and "email" in form.changed_data:
                EmailAddress.objects.filter(user=obj).delete()  # the old address must open nothing
            give_role(obj, role)
            if was != role:
                self.note(request, "role_given", obj, role=role, before=was)

    def object_acts(self, request: HttpRequest, obj: User) -> list[Act]:
        if not self.has_change_permission(request):
            return []
        acts = [Act(label=_("Set a new password"), url=self.url_of(obj, "password"))]
        if not obj.is_active:
            acts.append(Act(label=_("Let them in again"), url=self.url_of(obj, "let_in")))
        elif obj.pk != request.user.pk:
            acts.append(Act(label=_("Shut them out"), url=self.url_of(obj, "shut_out"), tone="danger"))
        return acts

    def act_pages(self) -> Any:
        return (
            ("password", "<object_id>/password/", self.password_view),
            ("shut_out", "<object_id>/shut-out/", self.shut_out_view),
            ("let_in", "<object_id>/let-in/", self.let_in_view),
        )

    def password_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user: User = self.found_to_change(request, object_id)
        form = PasswordsForm(request.POST or None)

        def act() -> str:
            user.set_password(form.cleaned_data["password"])
            with transaction.atomic():
                user.save(update_fields=["password"])
                self.note(request, "password_set", user)
            _log_out_everywhere(user)
            return _("%(name)s has a new password and is logged out everywhere.") % {"name": user}

        return self.ask(
            request, user, act, form=form, title=_("Set a new password"), button=_("Set the password"),
            lead=_("%(name)s is logged out everywhere and needs the new password.") % {"name": user},
        )  # fmt: skip

    def shut_out_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user: User = self.found_to_change(request, object_id)

        def act() -> str:
            if user.pk == request.user.pk:
                raise ValidationError(_("You cannot shut yourself out."))
            refuse_without_administrator(user)
            self._set_active(request, user, False)
            _log_out_everywhere(user)
            return _("%(name)s can no longer log in.") % {"name": user}

        return self.ask(
            request, user, act, title=_("Shut them out"), button=_("Shut them out"), danger=True,
            lead=_("%(name)s is logged out at once and can no longer log in.") % {"name": user},
            points=[_("What they did stays in the audit trail."), _("You can let them in again at any time.")],
        )  # fmt: skip

    def let_in_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user: User = self.found_to_change(request, object_id)

        def act() -> str:
            self._set_active(request, user, True)
            return _("%(name)s can log in again.") % {"name": user}

        return self.ask(
            request, user, act, title=_("Let them in again"), button=_("Let them in again"),
            lead=_("%(name)s can log in again with the role they had.") % {"name": user},
        )  # fmt: skip

    def _set_active(self, request: HttpRequest, user: User, active: bool) -> None:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(is_active=active)
            self.note(request, "let_in" if active else "shut_out", user)

    @admin.display(description=gettext_lazy("name"), ordering="first_name")
    def name(self, obj: User) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("role"))
    def role(self, obj: User) -> Any:
        names = {group.name for group in obj.groups.all()}
        held = ADMINISTRATOR if obj.is_superuser else next((role for role in ROLES if role in names), "")
        return ROLE_WORDS.get(held) or look.chip("warn", _("no role"))

    @admin.display(description=gettext_lazy("may log in"))
    def standing(self, obj: User) -> SafeString:
        return look.chip("good", _("yes")) if obj.is_active else look.chip("bad", _("shut out"))

    @admin.display(description=gettext_lazy("last log-in"), ordering="last_login")
    def seen(self, obj: User) -> Any:
        return look.moment(obj.last_login) or _("never")


def _log_out_everywhere(user: User) -> None:
    for session in UserSession.objects.filter(user=user):
        session.end()


@admin.register(AuditEntry)
class AuditEntryAdmin(ParleyAdmin):
    address = "pk"
    pages = ("changelist",)
    list_title = gettext_lazy("Audit trail")
    list_display = ("moment", "actor", "verb", "subject", "more")
    list_filter = ("verb",)
    list_select_related = ("actor",)
    search_fields = ("=subject", "^verb")
    search_help_text = gettext_lazy("What was done, or kind and id")
    ordering = ("-id",)
    sortable_by = ()
    empty_title = gettext_lazy("Nobody has changed anything yet.")
    empty_next = gettext_lazy("Each deliberate change to the set-up or to a campaign leaves a line here.")

    @admin.display(description=gettext_lazy("when"))
    def moment(self, obj: AuditEntry) -> Any:
        return look.moment(obj.at)

    @admin.display(description=gettext_lazy("details"))
    def more(self, obj: AuditEntry) -> SafeString:
        text = ", ".join(f"{key}: {_words(value)}" for key, value in obj.details.items())
        return format_html('<span class="p-meta">{}</span>', text)


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(JobRun)
class JobRunAdmin(ParleyAdmin):
    view_roles = (MARKETING, AUDITOR)
    pages = ("changelist",)
    list_title = gettext_lazy("Long jobs")
    list_display = ("kind", "state_chip", "progress", "started_by", "begun", "ended", "error")
    list_filter = ("state", "kind")
    list_select_related = ("started_by",)
    ordering = ("-id",)
    sortable_by = ()
    empty_title = gettext_lazy("No long job has run yet.")
    empty_next = gettext_lazy("Imports and starting campaigns show their progress here.")

    @admin.display(description=gettext_lazy("state"))
    def state_chip(self, obj: JobRun) -> SafeString:
        tones = {"queued": "quiet", "running": "wait", "done": "good", "failed": "bad"}
        return look.chip(tones[obj.state], obj.get_state_display())

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, obj: JobRun) -> Any:
        if obj.percent is None:
            return f"{obj.done:,}"
        return format_html(
            '<progress class="p-progress" value="{}" max="{}"></progress><span class="p-meta">{} / {}</span>',
            obj.done, obj.total, f"{obj.done:,}", f"{obj.total:,}",
        )  # fmt: skip

    @admin.display(description=gettext_lazy("begun"))
    def begun(self, obj: JobRun) -> Any:
        return look.moment(obj.started_at)

    @admin.display(description=gettext_lazy("ended"))
    def ended(self, obj: JobRun) -> Any:
        return look.moment(obj.finished_at)
