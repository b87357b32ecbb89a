"""What was said, on which number, and what waits to be said."""

from conversations.models.inbound import UnrecognisedEvent, WebhookDelivery
from conversations.models.messages import (
    ANSWERS_INBOUND,
    LEFT,
    SINGLE_ANSWERS,
    STANDS_ON_EVENT,
    WAITING,
    Attempt,
    Batch,
    Conversation,
    Kind,
    Message,
    MessageQuerySet,
    Pump,
    Status,
)
from conversations.models.numbers import (
    BusinessNumber,
    LimitUse,
    MessageTemplate,
    Portfolio,
    RateBucket,
    Reachability,
)

__all__ = [
    "ANSWERS_INBOUND", "LEFT", "SINGLE_ANSWERS", "STANDS_ON_EVENT", "WAITING",
    "Attempt", "Batch", "BusinessNumber", "Conversation", "Kind", "LimitUse", "Message", "MessageQuerySet",
    "MessageTemplate", "Portfolio", "Pump", "RateBucket", "Reachability", "Status",
    "UnrecognisedEvent", "WebhookDelivery",
]  # fmt: skip
