"""News about message templates: status, category and quality, as webhooks bring them between two syncs."""

from conversations.models import MessageTemplate
from conversations.whatsapp import events

# What the platform's words mean for sending. A word we do not know is not usable.
_READING = {
    "APPROVED": MessageTemplate.Status.APPROVED,
    "REINSTATED": MessageTemplate.Status.APPROVED,
    "FLAGGED": MessageTemplate.Status.APPROVED,  # a warning; it can still be sent
    "UNARCHIVED": MessageTemplate.Status.APPROVED,
    "PENDING": MessageTemplate.Status.PENDING,
    "IN_APPEAL": MessageTemplate.Status.PENDING,
    "REJECTED": MessageTemplate.Status.REJECTED,
    "PAUSED": MessageTemplate.Status.PAUSED,
    "DISABLED": MessageTemplate.Status.DISABLED,
    "DELETED": MessageTemplate.Status.GONE,
    "PENDING_DELETION": MessageTemplate.Status.GONE,
}
_WARNINGS = {"FLAGGED"}


def reading(platform_status: str) -> MessageTemplate.Status:
    """Our reading of the platform's word for a template's status."""
    return _READING.get(platform_status.upper(), MessageTemplate.Status.OTHER)


def apply(event: events.Event) -> bool:
    """Apply one piece of news; False when it is about a template we do not know, or says nothing we use."""
    if isinstance(event, events.TemplateStatusChanged):
        if event.event in _WARNINGS:
            return True
        return _update(event, status=reading(event.event), platform_status=event.event[:30])
    if isinstance(event, events.TemplateCategoryChanged):
        return _update(event, category=event.category)
    if isinstance(event, events.TemplateQualityChanged):
        return _update(event, quality=event.quality[:10])
    return False


def _update(
    event: events.TemplateStatusChanged | events.TemplateCategoryChanged | events.TemplateQualityChanged, **fields: str
) -> bool:
    rows = MessageTemplate.objects.filter(waba_id=event.waba_id, name=event.name, language=event.language)
    return bool(rows.update(**fields))
