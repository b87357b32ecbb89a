"""What came of an import, in sentences."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.models import Import


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of an import and what it counts."""

    name: str  # as in Import.counts
    number: int
    label: str


def headline(source: Import) -> str:
    """The sentence its reader came for."""
    failed = source.counts.get("failed", 0)
    good = source.rows_done - failed
    if not source.rows_done:
        return _("There were no rows to import.")
    if not failed:
        return ngettext("%(good)s row was imported.", "All %(good)s rows were imported.", good) % {"good": f"{good:,}"}
    left_out = ngettext("%(failed)s row was not imported.", "%(failed)s rows were not imported.", failed)
    rest = ngettext("The other %(good)s was.", "The other %(good)s were.", good) if good else ""
    return f"{left_out} {rest}".strip() % {"failed": f"{failed:,}", "good": f"{good:,}"}


def figures(source: Import) -> list[Figure]:
    """The numbers behind it, without those that are nought."""
    words = (
        ("created", _("New contacts")),
        ("updated", _("Rows of people we knew")),
        ("granted", _("Agreements recorded")),
        ("requested", _("Agreements to be confirmed from the phone")),
        ("opted_out", _("Opt-outs recorded")),
        ("known", _("Recorded before")),
        ("refused", _("Agreements not recorded, because the person withdrew")),
        ("unknown", _("Without consent: nothing is sent to them")),
        ("failed", _("Rows not imported")),
    )
    return [Figure(name, number, text) for name, text in words if (number := source.counts.get(name, 0))]
