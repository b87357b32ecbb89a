"""Rows for tests, in the fewest words. Consent is always recorded through consent.record, never written by hand."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from contacts import consent
from contacts.models import Action, ConsentEvent, Contact, Evidence, Scope, Source, Tag, Wording
from conversations.models import BusinessNumber, MessageTemplate, Portfolio, RateBucket

_serial = count(1)


def next_serial() -> int:
    return next(_serial)


def contact(phone: str | None = "", **fields: Any) -> Contact:
    """A contact with an Italian number of its own, unless told otherwise."""
    if phone == "":
        phone = f"+39347{next(_serial):07d}"
    fields.setdefault("country", "IT")
    fields.setdefault("time_zone", "Europe/Rome")
    tags = fields.pop("tags", ())
    made = Contact.objects.create(phone=phone, **fields)
    made.tags.set(tags)
    return made


def tag(name: str = "autumn") -> Tag:
    return Tag.objects.get_or_create(name=name)[0]


def scope(slug: str = "marketing", **fields: Any) -> Scope:
    found, _ = Scope.objects.get_or_create(
        slug=slug, defaults={"name": slug.title(), "description": slug, "validity_months": None} | fields
    )
    return found


def wording(slug: str = "marketing", *, scope_row: Scope | None = None) -> Wording:
    return Wording.objects.get_or_create(
        key=f"form-{slug}", version=1,
        defaults={"scope": scope_row or scope(slug), "language": "en", "text": f"Yes, send me {slug} by WhatsApp."},
    )[0]  # fmt: skip


def proof(**data: Any) -> consent.Proof:
    return consent.Proof(Evidence.Kind.NOTE, data or {"note": "told us at the counter"})


def agree(
    who: Contact, slug: str = "marketing", *, at: datetime | None = None, source: Source = Source.WEB_FORM, **more: Any
) -> ConsentEvent:
    return consent.record(
        who, action=Action.GRANTED, source=source, scope=scope(slug), wording=wording(slug), proof=proof(),
        occurred_at=at or timezone.now() - timedelta(days=30), **more,
    )  # fmt: skip


def withdraw(
    who: Contact, slug: str | None = None, *, at: datetime | None = None, source: Source = Source.KEYWORD
) -> ConsentEvent:
    """Withdraw a scope, or everything."""
    what: dict[str, Any] = {"scope": scope(slug)} if slug else {"covers_all": True}
    return consent.record(
        who, action=Action.WITHDRAWN, source=source, proof=proof(), occurred_at=at or timezone.now(), **what
    )


def portfolio(**fields: Any) -> Portfolio:
    return Portfolio.objects.get_or_create(
        business_id="1000200030004000", defaults={"name": "Bottega Esempio"} | fields
    )[0]


def number(phone_number_id: str = "118877665544332", **fields: Any) -> BusinessNumber:
    defaults = {
        "portfolio": fields.pop("portfolio", None) or portfolio(), "name": "Shop", "waba_id": "104857600112233",
        "display_phone": "+390236789012", "token": "a-token",
    }  # fmt: skip
    made, new = BusinessNumber.objects.get_or_create(phone_number_id=phone_number_id, defaults=defaults | fields)
    if new:
        RateBucket.objects.create(number=made)
    return made


BODY = "Hi {{1}}, until Sunday everything is {{2}} off. Reply STOP to get no more offers."


def template(name: str = "autumn_offer", *, slug: str | None = "marketing", **fields: Any) -> MessageTemplate:
    defaults: dict[str, Any] = {
        "category": "MARKETING", "status": "APPROVED", "platform_status": "APPROVED", "synced_at": timezone.now(),
        "components": [{"type": "BODY", "text": BODY, "example": {"body_text": [["Anna", "20%"]]}}],
        "scope": scope(slug) if slug else None,
    }  # fmt: skip
    return MessageTemplate.objects.get_or_create(
        waba_id=fields.pop("waba_id", "104857600112233"), name=name, language="en", defaults=defaults | fields
    )[0]


def user(role: str, email: str = "") -> User:
    made = User.objects.create_user(email or f"{role}@example.test", "correct horse battery staple", is_staff=True)
    made.groups.add(Group.objects.get(name=role))
    return made


def moment(day: int, hour: int = 12, minute: int = 0, second: int = 0) -> datetime:
    """A time in March 2026."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)
