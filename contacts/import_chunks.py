"""One chunk of an import: its contacts, their tags, and what they said, in the transaction of the caller."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from contacts import consent, phones
from contacts.import_report import Result
from contacts.import_rows import Line, Said
from contacts.models import Action, Consent, Contact, ContactHead, Evidence, Identity, Import, Source, Standing, Tag

_UPDATED = ("first_name", "last_name", "email", "language", "attributes", "updated_at")


def import_chunk(source: Import, lines: Sequence[Line], tags: Mapping[str, Tag]) -> tuple[list[Result], Counter[str]]:
    """Write the lines down. Gives what became of each, and how many were what.

    Each is counted as failed, created or updated; and what was not failed as granted, requested (to be confirmed from
    the phone), opted_out, known (said before), refused (they withdrew) or unknown. tags: those the lines name, by name.
    """
    counts: Counter[str] = Counter()
    good = [line for line in lines if not line.problem]
    counts["failed"] = len(lines) - len(good)
    contacts = _contacts(good, counts)
    _tag(good, contacts, tags, source.tag)
    errors = {line.number: [line.problem] if line.problem else list(line.notes) for line in lines}
    _record(source, good, contacts, counts, errors)
    return [Result(line.number, line.phone, " ".join(errors[line.number])) for line in lines], counts


def _contacts(lines: Sequence[Line], counts: Counter[str]) -> dict[str, Contact]:
    """{phone: contact} for all of the lines, made where there was none; lines of one person share one."""
    forms = {line.phone: phones.variants(line.phone) for line in lines}
    known = _known({form for variants in forms.values() for form in variants})
    contacts: dict[str, Contact] = {}
    new: list[Contact] = []
    changed: dict[int, Contact] = {}
    for line in lines:
        contact = next((known[form] for form in (line.phone, *forms[line.phone]) if form in known), None)
        if contact is None:
            country = phones.country(line.phone)
            contact = Contact(phone=line.phone, country=country, time_zone=phones.time_zone(country))
            known |= dict.fromkeys(forms[line.phone], contact)
            new.append(contact)
            counts["created"] += 1
        else:
            counts["updated"] += 1
        if _fill(contact, line) and contact.pk:
            changed[contact.pk] = contact
        contacts[line.phone] = contact
    Contact.objects.bulk_create(new)
    for contact in changed.values():
        contact.updated_at = timezone.now()
    Contact.objects.bulk_update(changed.values(), _UPDATED, batch_size=200)
    return contacts


def _known(forms: set[str]) -> dict[str, Contact]:
    """The contacts with these numbers, also under national variants of theirs that WhatsApp told us."""
    wanted = sorted(forms)
    variants = Identity.objects.filter(kind=Identity.Kind.PHONE_VARIANT, namespace="", value__in=wanted)
    known = {identity.value: identity.contact for identity in variants.select_related("contact")}
    for contact in Contact.objects.filter(phone__in=wanted):
        if contact.phone:
            known[contact.phone] = contact
    return known


def _fill(contact: Contact, line: Line) -> bool:
    """Put what the line knows on the contact; it never empties anything. True if something changed."""
    changed = False
    for name, value in line.fields.items():
        if getattr(contact, name) != value:
            setattr(contact, name, value)
            changed = True
    if any(contact.attributes.get(name) != value for name, value in line.attributes.items()):
        contact.attributes = {**contact.attributes, **line.attributes}
        changed = True
    return changed


def _tag(lines: Sequence[Line], contacts: Mapping[str, Contact], tags: Mapping[str, Tag], for_all: Tag | None) -> None:
    through = Contact.tags.through
    pairs = {(contacts[line.phone].pk, tags[name].pk) for line in lines for name in line.tags if name in tags}
    if for_all is not None:
        pairs |= {(contact.pk, for_all.pk) for contact in contacts.values()}
    through.objects.bulk_create(
        [through(contact_id=contact, tag_id=tag) for contact, tag in sorted(pairs)], ignore_conflicts=True
    )


def _record(
    source: Import,
    lines: Sequence[Line],
    contacts: Mapping[str, Contact],
    counts: Counter[str],
    errors: dict[int, list[str]],
) -> None:
    """Write what the lines say into the ledger, and into `errors` what it refused."""
    people = {contacts[line.phone].pk for line in lines if line.said and not line.said.is_dated}
    withdrawn = _Withdrawn(people)
    told: list[tuple[Line, consent.Entry]] = []
    for line in lines:
        contact = contacts[line.phone]
        if line.said is None:
            counts["unknown"] += 1
        elif not line.said.is_dated and withdrawn.already(contact, line.said):
            counts["known"] += 1
        else:
            told.append((line, _entry(source, contact, line, line.said)))
            if not line.said.is_dated:
                withdrawn.add(contact, line.said)
    outcomes = consent.record_many([entry for _line, entry in told])
    for (line, _), outcome in zip(told, outcomes, strict=True):
        if outcome.event is not None:
            counts[_COUNTED_AS[Action(outcome.event.action)]] += 1
        elif outcome.refused == "known":
            counts["known"] += 1
        else:
            counts["refused"] += 1
            errors[line.number].append(gettext(consent.REFUSALS[outcome.refused]))


_COUNTED_AS = {Action.GRANTED: "granted", Action.REQUESTED: "requested", Action.WITHDRAWN: "opted_out"}


def _entry(source: Import, contact: Contact, line: Line, said: Said) -> consent.Entry:
    data: dict[str, Any] = {"sha256": source.sha256, "file": source.file_name, "row": line.number}
    if said.source:
        data["source"] = said.source
    return consent.Entry(
        contact=contact,
        action=said.action,
        source=Source.IMPORT,
        proof=consent.Proof(Evidence.Kind.FILE_ROW, data),
        occurred_at=said.occurred_at,
        scope=said.scope,
        covers_all=said.scope is None,
        wording=said.wording,
        actor=source.created_by,
    )


class _Withdrawn:
    """Who has withdrawn already: a list that says so once more, without a date, says nothing new.

    Otherwise every weekly export would add a line, and each would count as later than the one before.
    """

    def __init__(self, people: set[int]) -> None:
        heads = ContactHead.objects.filter(pk__in=people, all_withdrawn_at__isnull=False)
        self.everything = set(heads.values_list("pk", flat=True))
        rows = Consent.objects.filter(contact__in=people).values_list("contact_id", "scope_id", "standing")
        self.standings = {(contact, scope): standing for contact, scope, standing in rows}
        alive = {contact for (contact, _scope), standing in self.standings.items() if standing != Standing.WITHDRAWN}
        self.everything -= alive

    def already(self, contact: Contact, said: Said) -> bool:
        if contact.pk in self.everything:
            return True
        return said.scope is not None and self.standings.get((contact.pk, said.scope.pk)) == Standing.WITHDRAWN

    def add(self, contact: Contact, said: Said) -> None:
        if said.scope is None:
            self.everything.add(contact.pk)
        else:
            self.standings[contact.pk, said.scope.pk] = Standing.WITHDRAWN
