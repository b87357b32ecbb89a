"""The forms on a contact's page: their details, and what staff write down about consent."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from contacts.models import Contact, Scope, Source, Tag, Wording

EVERYTHING = "*"
# How staff may say that somebody agreed. What a person does from the phone itself is never typed in by somebody else.
STAFF_SOURCES = (
    (Source.STAFF, gettext_lazy("In person, on paper or by telephone")),
    (Source.WEB_FORM, gettext_lazy("A form on our website")),
    (Source.LEAD_FORM, gettext_lazy("A lead form of an advertisement")),
)
TAG_LIMIT = 80  # characters


class MomentInput(forms.DateTimeInput):
    """The browser's own date and time picker, on the reader's clock."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES), "step": "60"}, format="%Y-%m-%dT%H:%M")


class TagsField(forms.CharField):
    """Tags by name, separated by commas; a name nobody used before becomes a new tag."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> list[str]:
        names = dict.fromkeys(" ".join(name.split()) for name in (super().clean(value) or "").split(","))
        for name in names:
            if len(name) > TAG_LIMIT:
                raise ValidationError(_("A tag has at most 80 characters."))
        return [name for name in names if name]


class ContactForm(forms.ModelForm):
    tag_names = TagsField(
        label=gettext_lazy("Tags"),
        required=False,
        help_text=gettext_lazy("Separated by commas. A new name makes a new tag."),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Contact
        fields = ("first_name", "last_name", "email", "language", "time_zone", "stage")
        widgets = {
            "first_name": UnfoldAdminTextInputWidget,
            "last_name": UnfoldAdminTextInputWidget,
            "email": UnfoldAdminEmailInputWidget,
            "language": UnfoldAdminTextInputWidget,
            "stage": UnfoldAdminTextInputWidget,
        }
        help_texts = {
            "language": gettext_lazy("As a code: it, en, pt_BR."),
            "stage": gettext_lazy("Where they are with you: lead, customer, …"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(available_timezones() | {self.instance.time_zone} - {""})
        self.fields["time_zone"].choices = [("", _("Not known")), *((name, name) for name in zones)]  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["tag_names"] = ", ".join(tag.name for tag in self.instance.tags.all())

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        wanted = [Tag.objects.get_or_create(name=name)[0] for name in self.cleaned_data["tag_names"]]
        self.instance.tags.set(wanted)


class MomentForm(forms.Form):
    """When the person said it. Now unless somebody says otherwise; never later than now."""

    occurred_at = forms.DateTimeField(
        label=gettext_lazy("When they said it"), widget=MomentInput, help_text=gettext_lazy("On your clock.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("occurred_at", timezone.localtime())

    def clean_occurred_at(self) -> datetime:
        moment: datetime = self.cleaned_data["occurred_at"]
        now = timezone.now()
        if moment > now + timedelta(minutes=1):
            raise ValidationError(_("This lies in the future."))
        return min(moment, now)


class WithdrawalForm(MomentForm):
    what = forms.ChoiceField(label=gettext_lazy("What they withdraw"), widget=UnfoldAdminSelectWidget)
    note = forms.CharField(
        label=gettext_lazy("What they said"),
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("How they told you, in a sentence. It is kept as evidence."),
    )
    field_order = ("what", "occurred_at", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = [(scope.slug, scope.name) for scope in Scope.objects.all()]
        self.fields["what"].choices = [(EVERYTHING, _("Everything, now and later")), *scopes]  # type: ignore[attr-defined]


class AgreementForm(MomentForm):
    wording = forms.ChoiceField(
        label=gettext_lazy("The words they were shown"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("The wording says what they agreed to."),
    )
    source = forms.ChoiceField(
        label=gettext_lazy("How they agreed"), choices=STAFF_SOURCES, widget=UnfoldAdminSelectWidget
    )
    note = forms.CharField(
        label=gettext_lazy("What happened"),
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("Where and how, in a sentence. It is kept as evidence."),
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Number of the order, page of the form, name of the file: whatever finds it again."),
    )
    field_order = ("wording", "source", "occurred_at", "note", "reference")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest: dict[str, Wording] = {}
        for row in Wording.objects.select_related("scope").order_by("scope__position", "key", "version"):
            newest[row.key] = row  # the older versions belong to older agreements
        self.fields["wording"].choices = [  # type: ignore[attr-defined]
            (f"{row.key}~{row.version}", f"{row.scope.name}: {row} ({row.language})") for row in newest.values()
        ]
        if not newest:
            self.fields["wording"].help_text = _("There is no wording yet. Add one under Wordings first.")

    def clean_wording(self) -> Wording:
        key, _sign, version = self.cleaned_data["wording"].partition("~")
        return Wording.objects.select_related("scope").get(key=key, version=version)
