"""The forms of an import: the file, then what its columns hold and what people agreed to."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from contacts import phones
from contacts.import_rows import MOST_SOURCE, MOST_TAG
from contacts.importing import Look, Options
from contacts.models import Contact, Scope, Tag, Wording
from contacts.wordings import Wordings
from contacts.zones import ZONES

# What a column may hold. A second phone column counts where the first has no number that can be used.
COLUMN_CHOICES = (
    ("", gettext_lazy("something else")),
    (gettext_lazy("The person"), (
        ("phone", gettext_lazy("phone number")),
        ("phone_2", gettext_lazy("phone number, second choice")),
        ("first_name", gettext_lazy("first name")),
        ("last_name", gettext_lazy("last name")),
        ("name", gettext_lazy("whole name")),
        ("email", gettext_lazy("e-mail address")),
        ("language", gettext_lazy("language")),
        ("tags", gettext_lazy("tags")),
    )),
    (gettext_lazy("Their consent"), (
        ("opted_in", gettext_lazy("whether they agreed: yes or no")),
        ("opted_out", gettext_lazy("whether they opted out: yes, no or when")),
        ("occurred_at", gettext_lazy("when they agreed or opted out")),
        ("scope", gettext_lazy("to what they agreed (scope)")),
        ("wording", gettext_lazy("the words they were shown")),
        ("source", gettext_lazy("where they agreed (source)")),
    )),
)  # fmt: skip
MOST_COLUMNS = 200  # that are asked about
_FIELD_OF = {"mapping": None, "wording": "wording_text"}  # where a mistake in Options is shown


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
        help_text=gettext_lazy("A CSV file, with one person per row. Any separator and encoding will do."),
        error_messages={
            "required": gettext_lazy("Choose a file."),
            "empty": gettext_lazy("The file is empty."),
        },
    )


class OptionsForm(forms.Form):
    """How a file is to be read: a choice per column, and what holds for all rows."""

    region = forms.ChoiceField(
        label=gettext_lazy("Country of numbers without one"), required=False, widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Numbers that begin with + or 00 name theirs."),
    )  # fmt: skip
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone of dates"), widget=UnfoldAdminSelectWidget)
    tag = forms.CharField(
        label=gettext_lazy("Tag for everybody"), required=False, max_length=MOST_TAG, widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Campaigns choose their people by tag. A new name makes a new tag."),
    )  # fmt: skip
    other_columns = forms.BooleanField(
        label=gettext_lazy("Keep the other columns with the contact"), required=False, widget=UnfoldBooleanWidget,
        help_text=gettext_lazy("Messages can then use them."),
    )  # fmt: skip
    scope = forms.ModelChoiceField(
        Scope.objects.all(), label=gettext_lazy("To what they agreed"), required=False, to_field_name="slug",
        empty_label=gettext_lazy("They did not, or a column says it"), widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    wording = forms.ChoiceField(
        label=gettext_lazy("The words they were shown"), required=False, widget=UnfoldAdminSelectWidget
    )
    wording_text = forms.CharField(
        label=gettext_lazy("… or a new text"), required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("As it stood beside the field or on the paper, word for word."),
    )  # fmt: skip
    source = forms.CharField(
        label=gettext_lazy("Where they agreed"), required=False, max_length=MOST_SOURCE,
        widget=UnfoldAdminTextInputWidget, help_text=gettext_lazy("For example: paper form, Milan shop."),
    )  # fmt: skip
    occurred_at = forms.CharField(
        label=gettext_lazy("When they agreed"), required=False, max_length=40, widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("For example 2025-12-31, for rows without a date of their own."),
    )  # fmt: skip

    def __init__(self, seen: Look, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen = seen
        zones = [(name, name) for name in sorted(available_timezones())]
        self.fields["region"].choices = [("", _("none: refuse them")), *_regions()]  # type: ignore[attr-defined]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]
        self.fields["wording"].choices = [("", _("None of these")), *_wordings()]  # type: ignore[attr-defined]
        for place, name in enumerate(seen.header[:MOST_COLUMNS]):
            self.fields[f"column_{place}"] = forms.ChoiceField(
                choices=COLUMN_CHOICES,
                required=False,
                label=name,
                initial=_guess(seen, name),
                widget=UnfoldAdminSelectWidget(attrs={"aria-label": _("What “%(name)s” holds") % {"name": name}}),
            )

    def columns(self) -> Iterator[tuple[Any, list[str]]]:
        """The field of each column, with a few of its cells."""
        for place in range(len(self.seen.header[:MOST_COLUMNS])):
            cells = [row[place].strip() for row in self.seen.sample]
            yield self[f"column_{place}"], [cell[:60] for cell in cells if cell][:3]

    def general(self) -> list[Any]:
        return [self[name] for name in ("region", "time_zone", "tag", "other_columns")]

    def evidence(self) -> list[Any]:
        return [self[name] for name in ("scope", "wording", "wording_text", "source", "occurred_at")]

    def options(self, *, only_looks: bool) -> Options:
        """What the person chose. only_looks: nothing is saved, neither a new tag nor a new wording.

        Raises ValidationError by field of this form.
        """
        data = self.cleaned_data
        with transaction.atomic():
            wording = self._wording(only_looks)
            tag = data["tag"].strip()
            return Options(
                mapping=self._mapping(),
                region=data["region"],
                time_zone=data["time_zone"],
                scope=data["scope"],
                wording=wording,
                source=data["source"].strip(),
                occurred_at=data["occurred_at"].strip(),
                tag=Tag.objects.get_or_create(name=tag)[0] if tag and not only_looks else None,
                keeps_other_columns=data["other_columns"],
            )

    def add_mistakes(self, mistakes: dict[str, str]) -> None:
        """Show what importing.check() found beside the fields."""
        for name, sentence in mistakes.items():
            self.add_error(_FIELD_OF.get(name, name), sentence)

    def _mapping(self) -> dict[str, list[str]]:
        mapping: dict[str, list[str]] = {}
        second: list[str] = []
        for place, name in enumerate(self.seen.header[:MOST_COLUMNS]):
            held = self.cleaned_data[f"column_{place}"]
            if held == "phone_2":
                second.append(name)
            elif held:
                mapping.setdefault(held, []).append(name)
        if second:
            mapping["phone"] = [*mapping.get("phone", []), *second]
        return mapping

    def _wording(self, only_looks: bool) -> Wording | None:
        text, chosen, scope = (
            self.cleaned_data["wording_text"],
            self.cleaned_data["wording"],
            self.cleaned_data["scope"],
        )
        if text.strip():
            if scope is None:
                raise ValidationError({"scope": _("Say what this text is about.")})
            try:
                return Wordings(only_looks=only_looks).find(scope, text)
            except ValidationError as refusal:
                raise ValidationError({"wording_text": refusal.messages}) from refusal
        if not chosen:
            return None
        key, _slash, version = chosen.rpartition("/")
        return Wording.objects.select_related("scope").get(key=key, version=version)


def initial(seen: Look, *, zone: str) -> dict[str, Any]:
    """What the form begins with. zone: of the person who imports.

    The likeliest country of numbers that name none: that of the others in the list, of people we know, of the person.
    """
    here = next((code for code, name in ZONES.items() if name == zone), "")
    region = _commonest(_countries(seen)) or _commonest(_known_countries()) or here
    known_zone = zone if zone not in ("", "UTC") else ""
    return {"region": region, "time_zone": known_zone or phones.time_zone(region), "other_columns": True}


def _commonest(countries: Iterable[str]) -> str:
    found = Counter(filter(None, countries)).most_common(1)
    return found[0][0] if found else ""


def _countries(seen: Look) -> Iterator[str]:
    places = [seen.header.index(name) for name in seen.mapping.get("phone", ())]
    for row in seen.sample:
        for place in places:
            try:
                yield phones.country(phones.to_e164(row[place]))
            except phones.InvalidPhone:
                continue


def _known_countries() -> Iterable[str]:
    return Contact.objects.order_by("-pk").values_list("country", flat=True)[:200]


def labels() -> dict[str, str]:
    """What the fields are called: {"phone": "phone number", …}"""
    choices = [choice for _group, group in COLUMN_CHOICES[1:] for choice in group]
    return {str(field): str(label) for field, label in choices}


def _guess(seen: Look, name: str) -> str:
    for field, columns in seen.mapping.items():
        if name in columns:
            return "phone_2" if field == "phone" and name != columns[0] else field
    return ""


def _regions() -> list[tuple[str, str]]:
    return [(code, f"{code} +{phonenumbers.country_code_for_region(code)}") for code in sorted(ZONES)]


def _wordings() -> list[tuple[str, str]]:
    """The newest 200 wordings, with how they begin."""
    rows = Wording.objects.select_related("scope").order_by("-pk")[:200]
    return [(f"{row.key}/{row.version}", f"{row.scope}: {row.text[:70]} ({row})") for row in rows]
