"""What a template wants filled in, and how it reads then: for the rooms above, which do not speak WhatsApp."""

from collections.abc import Mapping
from typing import Any

from conversations.models import MessageTemplate
from conversations.whatsapp import payloads
from conversations.whatsapp.payloads import Rendered, Variable, clean

__all__ = ["Rendered", "Variable", "clean", "parameters", "reading", "variables", "wants_media"]


def variables(template: MessageTemplate) -> list[Variable]:
    """Every gap that wants a value, in the order header, body, buttons; `slot` is its name ("body.1")."""
    return payloads.variables(template.components, template.parameter_format)


def parameters(template: MessageTemplate, values: Mapping[str, object]) -> dict[str, Any]:
    """What a message keeps as its parameters, out of one value per slot. KeyError when a slot has none."""
    return payloads.fill(template.components, template.parameter_format, values)


def reading(template: MessageTemplate, filled: Mapping[str, Any] | None = None) -> Rendered:
    """The template as the person sees it, with its parameters filled in. A gap without a value stays {{1}}."""
    return payloads.render(template.components, filled)


def wants_media(template: MessageTemplate) -> str:
    """ "image", "video", "document", "location" or "gif" where the header wants one with every send; else ""."""
    return payloads.media_header(template.components)
