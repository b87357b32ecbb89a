"""Message templates: fetched from WhatsApp, which alone writes and approves them.

Between two syncs webhooks bring news of them (template_news.py).
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations.models import BusinessNumber, MessageTemplate
from conversations.template_news import reading
from conversations.whatsapp.client import Client
from conversations.whatsapp.errors import WhatsAppError

FIELDS = ("meta_id", "category", "status", "platform_status", "parameter_format", "components", "quality")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one sync found."""

    added: int = 0
    changed: int = 0
    same: int = 0
    gone: int = 0
    unreadable: int = 0

    @property
    def listed(self) -> int:
        return self.added + self.changed + self.same


def sync_all() -> None:
    """Job: fetch the templates of every account we have a token for. A failure of one does not stop the others."""
    for number in first_of_each_account():
        try:
            sync(number)
        except WhatsAppError as error:
            logger.warning("templates of number %s not fetched: %s", number.pk, type(error).__name__)


def first_of_each_account() -> list[BusinessNumber]:
    """One number with a token per messaging account: templates belong to the account."""
    found: dict[str, BusinessNumber] = {}
    for number in BusinessNumber.objects.filter(token_set=True).order_by("pk"):
        found.setdefault(number.waba_id, number)
    return list(found.values())


def sync(number: BusinessNumber) -> Counts:
    """Make our rows of the number's account say what WhatsApp lists now. Raises the client's errors, changing nothing.

    The list is read whole before anything is written, so a list that breaks off makes nothing `gone`. The scope that
    staff gave a template stays.
    """
    client = Client(settings.WHATSAPP_API_URL, settings.WHATSAPP_API_VERSION, number.token)
    try:
        listed = list(client.iter_templates(number.waba_id))
    finally:
        client.close()
    readable = {(row["name"], row["language"]): row for row in listed if _is_readable(row)}
    with transaction.atomic():
        known = {
            (row.name, row.language): row
            for row in MessageTemplate.objects.select_for_update().filter(waba_id=number.waba_id).order_by("pk")
        }
        counts = {"added": 0, "changed": 0, "same": 0}
        for key, row in readable.items():
            counts[_keep(number.waba_id, key, row, known.get(key))] += 1
        lost = [row.pk for key, row in known.items() if key not in readable]
        gone = MessageTemplate.objects.filter(pk__in=lost).exclude(status=MessageTemplate.Status.GONE)
        gone_count = gone.update(status=MessageTemplate.Status.GONE, synced_at=timezone.now())
    result = Counts(**counts, gone=gone_count, unreadable=len(listed) - len(readable))
    logger.info(
        "templates of number %s: %d listed, %d new, %d changed, %d gone",
        number.pk, result.listed, result.added, result.changed, result.gone,
    )  # fmt: skip
    return result


def _keep(waba_id: str, key: tuple[str, str], row: dict[str, Any], known: MessageTemplate | None) -> str:
    """Write one listed template down: "added", "changed" or "same"."""
    told = _told(row)
    if known is None:
        name, language = key
        MessageTemplate.objects.create(
            waba_id=waba_id, name=name, language=language, synced_at=timezone.now(), **told
        )  # fmt: skip
        return "added"
    is_same = all(getattr(known, field) == told[field] for field in FIELDS)
    MessageTemplate.objects.filter(pk=known.pk).update(synced_at=timezone.now(), **told)
    return "same" if is_same else "changed"


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Our columns out of what the platform says of a template."""
    word = str(row.get("status") or "").upper()
    quality = row.get("quality_score")
    score = quality.get("score") if isinstance(quality, dict) else quality
    return {
        "meta_id": str(row.get("id") or "")[:64],
        "category": str(row.get("category") or "").upper(),
        "status": reading(word),
        "platform_status": word[:30],
        "parameter_format": str(row.get("parameter_format") or "POSITIONAL").upper()[:12],
        "components": row["components"],
        "quality": str(score or "")[:10],
    }


def _is_readable(row: dict[str, Any]) -> bool:
    """It has what a template cannot do without, in the shapes we know."""
    texts = all(isinstance(row.get(field), str) and row[field] for field in ("name", "language"))
    known = str(row.get("category") or "").upper() in MessageTemplate.Category.values
    return texts and known and isinstance(row.get("components"), list)
