"""The audit trail: one line per deliberate act of a person on the set-up or a campaign."""

from typing import Any

from accounts.models import AuditEntry, User


def note(verb: str, subject: Any, *, actor: User | None, **details: Any) -> AuditEntry:
    """Write one line. subject has a `public_id`; details hold ids, codes and counts, never personal data."""
    kind = subject._meta.model_name
    return AuditEntry.objects.create(actor=actor, verb=verb, subject=f"{kind} {subject.public_id}", details=details)
