"""Messages as a thread shows them: bubbles with ticks, quotes, reactions and, where one did not leave, the reason.

Reads only what came with the messages (see `in_thread`), so the number of queries does not grow with the thread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversations import verdicts
from conversations.formatting import is_emoji_only, one_line, to_html
from conversations.models import Kind, Message, Status
from conversations.whatsapp import errors, payloads

# What carries no words of its own is named; anything else is said to be what WhatsApp calls it.
NAMES = {
    "image": gettext_lazy("Photo"),
    "video": gettext_lazy("Video"),
    "audio": gettext_lazy("Audio"),
    "voice": gettext_lazy("Voice message"),
    "document": gettext_lazy("Document"),
    "sticker": gettext_lazy("Sticker"),
    "location": gettext_lazy("Location"),
    "contacts": gettext_lazy("Contact card"),
    "order": gettext_lazy("Order"),
    "interactive": gettext_lazy("Answer to buttons or a form"),
    "button": gettext_lazy("Button"),
    "reaction": gettext_lazy("Reaction"),
    "template": gettext_lazy("Template"),
    "unsupported": gettext_lazy("A kind of message WhatsApp does not pass on"),
    "unknown": gettext_lazy("A kind of message WhatsApp does not pass on"),
}
FILES = ("image", "video", "audio", "document", "sticker")
TICKS = {
    Status.SENT: gettext_lazy("Sent"),
    Status.DELIVERED: gettext_lazy("Delivered"),
    Status.READ: gettext_lazy("Read"),
    Status.FAILED: gettext_lazy("Not delivered"),
    Status.UNKNOWN: gettext_lazy("Not known whether it arrived"),
    Status.WITHHELD: gettext_lazy("Never left"),
    Status.CANCELLED: gettext_lazy("Cancelled before it left"),
    Status.QUEUED: gettext_lazy("Waiting to leave"),
    Status.CLAIMED: gettext_lazy("Waiting to leave"),
    Status.SENDING: gettext_lazy("Leaving"),
}
NEVER_LEFT = (Status.WITHHELD, Status.CANCELLED)


@dataclass(slots=True)
class Bubble:
    """One message. `order` is microseconds since 1970: what the page sorts by."""

    key: str
    order: int
    side: str  # "in", "out" or "note"
    at: datetime
    first: bool = False  # of a run by the same side: it has the tail
    label: str = ""  # above the text: the campaign, who wrote, what kind
    campaign: str = ""
    name: str = ""  # of what is not words: "Photo"
    details: list[str] = field(default_factory=list)
    html: SafeString = field(default_factory=SafeString)
    large: bool = False
    quote: str = ""
    quote_of: str = ""
    buttons: list[str] = field(default_factory=list)
    reactions: list[str] = field(default_factory=list)
    status: str = ""
    tick: str = ""
    tick_at: datetime | None = None
    trouble: str = ""  # why it waits, failed or was withheld, and what to do
    led_to: str = ""  # the ledger line it caused
    kept: bool = False  # never left


@dataclass(frozen=True, slots=True)
class Day:
    """A line between two days."""

    key: str
    order: int
    label: str


def in_thread(messages: Any) -> Any:
    """The queryset with all that bubbles() reads."""
    return messages.select_related("author", "template", "batch", "quoted__batch", "led_to__scope")


def bubbles(messages: Sequence[Message], *, today: date) -> list[Bubble | Day]:
    """The thread, oldest first, with a line where a day begins. Days are those of the current time zone."""
    by_wamid: dict[str, Bubble] = {}
    shown: list[Bubble | Day] = []
    last: tuple[str, str] | None = None  # who spoke before: the name stands once over a run
    day: date | None = None
    for message in messages:
        if message.type == "reaction" and _react(message, by_wamid):
            continue
        bubble = _bubble(message)
        if message.wamid:
            by_wamid[message.wamid] = bubble
        local = timezone.localdate(bubble.at)
        if local != day:
            day, last = local, None
            shown.append(Day(f"day-{local:%Y%m%d}", bubble.order, day_label(local, today)))
        said_by = (bubble.side, bubble.label)
        bubble.first = said_by != last or bool(bubble.campaign)
        if not bubble.first:
            bubble.label = ""
        shown.append(bubble)
        last = said_by
    return shown


def preview(message: Message | None) -> str:
    """One line for the list: what was said last, by whom where it was not them."""
    if message is None:
        return ""
    words = one_line(message.text) or _name(message)
    if message.kind == Kind.INBOUND:
        return _("Reacted %(emoji)s") % {"emoji": words} if message.type == "reaction" else words
    return _("We: %(text)s") % {"text": words}


def day_label(day: date, today: date) -> str:
    """ "Today", "Yesterday", "Thu 12 Mar", and the year where it is another."""
    if day == today:
        return _("Today")
    if (today - day).days == 1:
        return _("Yesterday")
    return date_format(day, "D j M" if day.year == today.year else "D j M Y")


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _bubble(message: Message) -> Bubble:
    inbound = message.kind == Kind.INBOUND
    bubble = Bubble(
        key=message.public_id.hex,
        order=microseconds(message.at),
        side="note" if message.type == "system" else "in" if inbound else "out",
        at=message.at,
        html=to_html(message.text),
        large=is_emoji_only(message.text) and message.type == "text",
    )
    if message.type == "reaction":
        bubble.name = _("Reacted to an earlier message") if message.text else _("Took back a reaction")
    elif message.type in FILES or not message.text:
        bubble.name = _name(message)
    bubble.details = _details(message)
    _quote(message, bubble)
    if inbound:
        bubble.led_to = _led_to(message)
    else:
        _ours(message, bubble)
    return bubble


def _ours(message: Message, bubble: Bubble) -> None:
    status = Status(message.status)
    bubble.status = status.value
    bubble.tick = str(TICKS.get(status, status.label))
    bubble.tick_at = {
        Status.DELIVERED: message.delivered_at,
        Status.READ: message.read_at,
        Status.FAILED: message.failed_at,
    }.get(status)
    bubble.trouble = _trouble(message)
    bubble.kept = status in NEVER_LEFT
    bubble.buttons = _buttons(message)
    if message.batch is not None:
        bubble.campaign = message.batch.label
        bubble.label = _("Campaign") if message.kind == Kind.CAMPAIGN else capfirst(str(Kind(message.kind).label))
    elif message.kind == Kind.TEXT:
        bubble.label = str(message.author or "")
    elif message.kind == Kind.TEMPLATE and message.template is not None:
        bubble.label = _("Template %(name)s") % {"name": message.template.name}
    else:
        bubble.label = capfirst(str(Kind(message.kind).label))


def _trouble(message: Message) -> str:
    """Why it is not where it should be, and what to do; empty when all is well."""
    if message.status == Status.FAILED:
        if message.error_code is None:
            return _("WhatsApp did not deliver it and gave no reason.")
        reason = errors.sentence(message.error_code)
        return _("%(reason)s (code %(code)d)") % {"reason": reason, "code": message.error_code}
    if message.status == Status.UNKNOWN:
        return _("It left, and no answer came back. It may have arrived, so it is not sent again by itself.")
    if message.status in (Status.WITHHELD, Status.QUEUED) and message.verdict:
        return f"{verdicts.sentence(message.verdict)} {verdicts.what_next(message.verdict)}".strip()
    return ""


def _buttons(message: Message) -> list[str]:
    """Labels of the buttons under a message of ours: its own, or its template's."""
    own = message.content.get("buttons") if isinstance(message.content, dict) else None
    if isinstance(own, list):
        return [title for button in own if (title := _title(button))]
    if message.template is not None:
        return [button.text for button in payloads.render(message.template.components).buttons if button.text]
    return []


def _title(button: Any) -> str:
    if isinstance(button, dict):
        return str(button.get("title") or "")
    return str(button[1]) if isinstance(button, list | tuple) and len(button) == 2 else ""


def _quote(message: Message, bubble: Bubble) -> None:
    if message.quoted is not None:
        quoted = message.quoted
        bubble.quote = one_line(quoted.text, 160) or _name(quoted)
        if quoted.kind == Kind.INBOUND:
            bubble.quote_of = _("Them")
        else:
            bubble.quote_of = quoted.batch.label if quoted.batch is not None else _("Us")
    elif message.kind == Kind.INBOUND and message.type != "reaction" and _object(message.content, "context").get("id"):
        bubble.quote = _("A message that is not in Parley")


def _led_to(message: Message) -> str:
    line = message.led_to
    if line is None:
        return ""
    scope = line.scope.name if line.scope is not None else _("everything") if line.covers_all else ""
    said = capfirst(str(line.get_action_display()))
    return f"{said} · {scope}" if scope else said


def _react(message: Message, by_wamid: dict[str, Bubble]) -> bool:
    """Put a reaction on the bubble it belongs to; False when that one is not on this page."""
    reaction = _object(message.content, "reaction")
    target = by_wamid.get(str(reaction.get("message_id") or ""))
    if target is None:
        return False
    target.reactions = [message.text] if message.text else []  # one person has one reaction; without emoji it is gone
    return True


def _name(message: Message) -> str:
    if message.type == "audio" and _object(message.content, "audio").get("voice"):
        return str(NAMES["voice"])
    return str(NAMES.get(message.type, message.type))


def _details(message: Message) -> list[str]:
    """What can be said of a message that is more than words. The platform's object may lack anything."""
    if message.kind != Kind.INBOUND:
        return []
    kind, content = message.type, message.content if isinstance(message.content, dict) else {}
    if kind in FILES:
        about = _object(content, kind)
        return [*_texts(about, "filename", "mime_type"), _("Only what was written with it is kept here.")]
    if kind == "location":
        place = _object(content, kind)
        spot = [str(place[key]) for key in ("latitude", "longitude") if isinstance(place.get(key), int | float)]
        return [*_texts(place, "name", "address"), *([", ".join(spot)] if len(spot) == 2 else [])]
    if kind == "contacts":
        return [line for card in _objects(content.get("contacts")) for line in _card(card)]
    if kind == "order":
        items = _objects(_object(content, kind).get("product_items"))
        return [
            f"{item.get('quantity', '')} × {item.get('product_retailer_id', '')} {item.get('item_price', '')} "
            f"{item.get('currency', '')}".strip()
            for item in items
        ]
    if kind in ("unsupported", "unknown"):
        return [*_texts(_object(content, "unsupported"), "type"), _("Ask them to say it in words.")]
    return []


def _card(card: dict[str, Any]) -> Iterable[str]:
    yield from _texts(_object(card, "name"), "formatted_name")
    for phone in _objects(card.get("phones")):
        yield from _texts(phone, "phone")


def _object(content: Any, key: str) -> dict[str, Any]:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(content: dict[str, Any], *keys: str) -> list[str]:
    return [one_line(content[key]) for key in keys if isinstance(content.get(key), str) and content[key].strip()]
