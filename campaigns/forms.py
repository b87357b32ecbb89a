"""The form of a campaign: what it is, what stands in each gap of its template, and when it leaves."""

from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Campaign
from campaigns.values import ATTRIBUTE, LONGEST, fields_for, gap_label
from contacts.models import Tag
from conversations.models import BusinessNumber, MessageTemplate
from conversations.template_values import Variable, variables

CONSTANT = "constant"
LOCAL = "%Y-%m-%dT%H:%M"  # how browsers write a datetime-local field


class LocalTimeField(forms.Field):
    """A moment as a browser's datetime-local field gives it: a time without a zone, which `at()` puts on a clock."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "class": "p-input"}, format=LOCAL)

    def prepare_value(self, value: Any) -> Any:
        return timezone.localtime(value).strftime(LOCAL) if isinstance(value, datetime) else value

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValidationError(_("Write the day and the time, like 2026-11-22 10:00."), "invalid") from None

    @staticmethod
    def at(said: datetime, zone: tzinfo) -> datetime:
        """The moment when a clock in the zone shows this. ValidationError where it never does."""
        if said.tzinfo is not None:
            return said.astimezone(UTC)
        try:
            found = said.replace(tzinfo=zone).astimezone(UTC)
            shown = found.astimezone(zone).replace(tzinfo=None)
        except OverflowError:
            raise ValidationError(_("Write the day and the time, like 2026-11-22 10:00."), "invalid") from None
        if shown != said:
            raise ValidationError(_("The clocks go forward then: this time does not exist. Choose another."), "gap")
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


class OnAClock(forms.Form):
    """A form with a time, on the clock that its page named: the reader's may be known only after the first page."""

    scheduled_at = LocalTimeField(label=gettext_lazy("Leaves at"), required=False)
    zone = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        if field_name == "zone":
            return zone_name()
        return super().get_initial_for_field(field, field_name)

    def clean(self) -> Any:
        said = self.cleaned_data.get("scheduled_at")
        if said is not None:
            try:
                self.cleaned_data["scheduled_at"] = LocalTimeField.at(said, self.clock())
            except ValidationError as error:
                self.add_error("scheduled_at", error)
        return super().clean()

    def clock(self) -> tzinfo:
        """The zone the page was shown in, or the reader's own."""
        try:
            return ZoneInfo(self.cleaned_data.get("zone", ""))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return timezone.get_current_timezone()


class TemplateChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        usable = "" if obj.is_approved else f" · {obj.get_status_display()}"
        return f"{obj.name} ({obj.language}) · {obj.get_category_display()}{usable}"


class Gap:
    """One variable of the template with its two fields: where the value comes from, and the words beside it."""

    def __init__(self, form: "CampaignForm", variable: Variable) -> None:
        self.variable = variable
        self.form = form
        self.origin = form[origin_name(variable.slot)]
        self.words = form[words_name(variable.slot)]

    @property
    def label(self) -> str:
        return gap_label(self.variable)

    @property
    def is_constant(self) -> bool:
        return self.origin.value() == CONSTANT

    @property
    def errors(self) -> list[str]:
        return [*self.origin.errors, *self.words.errors]


def origin_name(slot: str) -> str:
    return f"value-{slot}-from"


def words_name(slot: str) -> str:
    return f"value-{slot}-words"


class CampaignForm(OnAClock, forms.ModelForm):
    """Saves a draft, however unfinished. What stands against leaving is said by dispatch.schedule()."""

    template = TemplateChoice(
        MessageTemplate.objects.filter(archived_at=None).exclude(status=MessageTemplate.Status.GONE),
        to_field_name="public_id",
        label=gettext_lazy("Template"),
        empty_label=gettext_lazy("Choose a template…"),
    )
    tag = forms.ModelChoiceField(
        Tag.objects.all(),
        to_field_name="name",
        label=gettext_lazy("People tagged"),
        empty_label=gettext_lazy("Choose a tag…"),
    )
    number = forms.ModelChoiceField(
        BusinessNumber.objects.order_by("name"),
        to_field_name="public_id",
        label=gettext_lazy("From number"),
        empty_label=gettext_lazy("Choose a number…"),
    )

    class Meta:
        model = Campaign
        fields = ("name", "number", "template", "tag", "scheduled_at", "tolerance_minutes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "p-input")
        if not self.is_bound and self.instance.scheduled_at:
            self.fields["scheduled_at"].widget.attrs["data-at"] = self.instance.scheduled_at.isoformat()
        self.fields["name"].label = _("Name")
        self.fields["name"].help_text = _(
            "Staff see it in the inbox above the message; the people you write to do not."
        )
        self.fields["tolerance_minutes"].label = _("Latest start, in minutes after its time")
        numbers = BusinessNumber.objects.all()[:2]
        if self.instance.number_id is None and len(numbers) == 1:
            self.instance.number = numbers[0]
        for name in ("number", "template", "tag"):
            if getattr(self.instance, f"{name}_id") is not None:
                self.initial[name] = getattr(self.instance, name)  # the row, so that its public name is what is shown
        self.chosen_template = self._chosen("template")
        gaps = variables(self.chosen_template) if self.chosen_template else []
        choices = self._origins() if gaps else []
        for variable in gaps:
            self._add_gap(variable, choices)
        self.gaps = [Gap(self, variable) for variable in gaps]

    def _chosen(self, name: str) -> Any:
        """The row chosen in what was posted, or else in what is saved; None where there is none."""
        if not self.is_bound:
            return getattr(self.instance, name) if getattr(self.instance, f"{name}_id") else None
        try:
            return self.fields[name].clean(self.data.get(self.add_prefix(name)))
        except ValidationError:
            return None

    def _origins(self) -> list[tuple[str, Any]]:
        fields = fields_for(self._chosen("tag"))
        return [("", _("Choose…")), (CONSTANT, _("The same text for everybody")), (_("From the contact"), fields)]

    def _add_gap(self, variable: Variable, choices: list[tuple[str, Any]]) -> None:
        source = self.instance.values.get(variable.slot, {})
        saved = CONSTANT if CONSTANT in source else source.get("field", "")
        known = {code for _name, group in choices if isinstance(group, list) for code, _label in group}
        if saved and saved != CONSTANT and saved not in known:  # its column was not among the newest people's
            choices = [*choices, (saved, saved.removeprefix(ATTRIBUTE))]
        origin = forms.ChoiceField(choices=choices, required=False, initial=saved)
        origin.widget.attrs |= {"class": "p-input", "aria-label": _("Where the value comes from")}
        words = forms.CharField(
            required=False, max_length=LONGEST, initial=source.get(CONSTANT, source.get("fallback", ""))
        )
        words.widget.attrs |= {"class": "p-input", "autocomplete": "off"}
        self.fields[origin_name(variable.slot)] = origin
        self.fields[words_name(variable.slot)] = words

    @property
    def about(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "number", "template", "tag")]

    @property
    def times(self) -> list[forms.BoundField]:
        return [self[name] for name in ("scheduled_at", "tolerance_minutes")]

    @property
    def shape(self) -> str:
        """Changes when the gaps, or the fields they can be filled from, are others."""
        tag = self._chosen("tag")
        return f"{self.chosen_template.public_id if self.chosen_template else ''} {tag.name if tag else ''}"

    def sources(self) -> dict[str, dict[str, str]]:
        """The values as the campaign keeps them; a gap without an origin is left out."""
        found = {}
        for gap in self.gaps:
            origin = self.cleaned_data.get(gap.origin.name, "")
            words = self.cleaned_data.get(gap.words.name, "")
            if origin:
                found[gap.variable.slot] = (
                    {CONSTANT: words} if origin == CONSTANT else {"field": origin, "fallback": words}
                )
        return found

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        self.instance.values = self.sources()

    def show(self, problems: dict[str, list[ValidationError]]) -> None:
        """Put what dispatch said beside the fields where it is put right."""
        for name, errors in problems.items():
            slot = name.removeprefix("values.")
            field = origin_name(slot) if slot != name else name
            for error in errors:
                self.add_error(field if field in self.fields else None, error)


class TimeForm(OnAClock):
    """Another time for a campaign that missed its own."""


def zone_name() -> str:
    """The zone that times on this page are in, as its reader knows it: "Europe/Rome"."""
    zone = timezone.get_current_timezone()
    return zone.key if isinstance(zone, ZoneInfo) else str(zone)
