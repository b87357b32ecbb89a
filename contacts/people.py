"""Who is this? From the identifiers WhatsApp gives to the contact they belong to.

The business-scoped id is asked first, then the phone with its national variants. Nothing is ever guessed from a name.
Merging two contacts is not built yet: where one message's identifiers lead to two contacts, the one with the id speaks,
and what the person withdraws is withdrawn for both.
"""

from dataclasses import dataclass, field

from django.db import transaction

from contacts import consent, phones
from contacts.models import Contact, Identity

LONGEST_NAME, LONGEST_USERNAME = 200, 100  # characters kept; a username that is longer is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What we were told about a person. namespace: the portfolio whose business-scoped ids these are."""

    phone: str | None = None  # E.164
    user_id: str | None = None
    username: str | None = None
    name: str | None = None
    namespace: str = ""

    @property
    def anybody(self) -> bool:
        """Whether they can name a contact at all."""
        return bool(self.phone or self.user_id)


@dataclass(frozen=True, slots=True)
class Person:
    """The contact, and others whom the same identifiers name."""

    contact: Contact
    others: list[Contact] = field(default_factory=list)

    @property
    def all(self) -> list[Contact]:
        return [self.contact, *self.others]


def find(ids: Ids) -> Person | None:
    """Whom the identifiers name; changes nothing."""
    by_id = _by_user_id(ids)
    by_phone = by_number(ids.phone) if ids.phone else None
    if by_id is None:
        return Person(by_phone) if by_phone else None
    return Person(by_id, [by_phone] if by_phone is not None and by_phone != by_id else [])


def meet(ids: Ids) -> Person:
    """Whom the identifiers name, with what is new about them written down; a new contact where there is none.

    ValueError when there is neither a phone nor an id.
    """
    if not ids.anybody:
        raise ValueError("neither a phone nor a user id")
    with transaction.atomic():
        person = find(ids)
        if person is None:
            person = Person(_create(ids))
        consent.lock_heads(contact.pk for contact in person.all)  # heads come before what is written about a contact
        if ids.user_id and not person.others:
            person = _check_owner(person.contact, ids)
        _learn(person.contact, ids)
    return person


def by_number(phone: str) -> Contact | None:
    """The contact with this number, or with the same number written the national way."""
    contact = Contact.objects.filter(phone=phone).first()
    if contact is None:
        contact = Contact.objects.filter(phone__in=phones.variants(phone)).order_by("pk").first()
    if contact is None:
        known = Identity.objects.filter(kind=Identity.Kind.PHONE_VARIANT, namespace="", value=phone)
        identity = known.select_related("contact").first()
        contact = identity.contact if identity else None
    return contact


def _by_user_id(ids: Ids) -> Contact | None:
    if not ids.user_id:
        return None
    known = Identity.objects.filter(kind=Identity.Kind.BSUID, namespace=ids.namespace, value=ids.user_id)
    identity = known.select_related("contact").first()
    return identity.contact if identity else None


def _check_owner(contact: Contact, ids: Ids) -> Person:
    """A phone that comes back with another id, and no notice of a changed number, is a new person's.

    The old contact loses the phone; the new one begins with nothing agreed.
    """
    owned = Identity.objects.filter(contact=contact, kind=Identity.Kind.BSUID, namespace=ids.namespace)
    other_id = owned.exclude(value=ids.user_id).exists() and not owned.filter(value=ids.user_id).exists()
    if not other_id or contact.phone is None:
        return Person(contact)
    Contact.objects.filter(pk=contact.pk).update(phone=None)
    return Person(_create(ids))


def _create(ids: Ids) -> Contact:
    country = phones.country(ids.phone) if ids.phone else (ids.user_id or "")[:2]
    return Contact.objects.create(
        phone=ids.phone,
        country=country,
        time_zone=phones.time_zone(ids.phone or country),
        profile_name=(ids.name or "")[:LONGEST_NAME],
    )


def _learn(contact: Contact, ids: Ids) -> None:
    if ids.user_id:
        Identity.objects.get_or_create(
            kind=Identity.Kind.BSUID, namespace=ids.namespace, value=ids.user_id, defaults={"contact": contact}
        )
    if ids.phone and contact.phone and contact.phone != ids.phone:
        Identity.objects.get_or_create(
            kind=Identity.Kind.PHONE_VARIANT, namespace="", value=ids.phone, defaults={"contact": contact}
        )
    if ids.username and len(ids.username) <= LONGEST_USERNAME:
        Identity.objects.update_or_create(
            kind=Identity.Kind.USERNAME,
            namespace=ids.namespace,
            value=ids.username.casefold(),
            defaults={"contact": contact},
        )
    fields = []
    if ids.name and contact.profile_name != ids.name[:LONGEST_NAME]:
        contact.profile_name = ids.name[:LONGEST_NAME]
        fields.append("profile_name")
    if ids.phone and contact.phone is None and by_number(ids.phone) is None:
        contact.phone, contact.country = ids.phone, phones.country(ids.phone)
        fields += ["phone", "country"]
    if fields:
        contact.save(update_fields=[*fields, "updated_at"])
