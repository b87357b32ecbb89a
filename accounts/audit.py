"""The audit trail: one line per deliberate act of a person on the set-up or a campaign."""

from typing import Any

from accounts.models import AuditEntry, User


def note(verb: str, subject: Any, *, actor: User | None, **details: Any) -> AuditEntry:
    """Write one line about a row. details hold ids, codes and counts, never personal data."""
    name = f"{subject._meta.model_name} {getattr(subject, 'public_id', subject.pk)}"
    return AuditEntry.objects.create(actor=actor, verb=verb, subject=name, details=details)
