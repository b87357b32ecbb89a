"""The JSON of webhooks: of today, with user ids beside or instead of phones, and of the years before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from conversations.sandbox import faults, seed
from conversations.sandbox.store import Store

Value = dict[str, Any]
ERRORS_PAGE = "/documentation/business-messaging/whatsapp/support/error-codes"


def body(field: str, value: Value, *, at: int | None = None) -> Value:
    """The envelope around one change. at: only account and template news carry a time of the entry."""
    entry: Value = {"id": seed.WABA_ID}
    if at is not None:
        entry["time"] = at
    entry["changes"] = [{"value": value, "field": field}]
    return {"object": "whatsapp_business_account", "entry": [entry]}


@dataclass
class Shapes:
    """Builds what goes into a body. old: the shapes from before user ids, with a `conversation` in each status."""

    store: Store
    old: bool = False

    def statuses(self, events: Iterable[tuple[Value, int]]) -> Value:
        """One change with many statuses: (event, Unix time of it) each."""
        contacts: dict[str, Value] = {}
        statuses = []
        for event, at in events:
            person = self.store.person(event["phone"])
            statuses.append(self._status(event, at, person))
            if not self.old and event["status"] != "failed":
                hidden = bool(person["hides_phone"]) and event["by_user_id"]
                contact = self._contact(person, with_username=event["status"] != "sent", hidden=hidden)
                contacts[event["phone"]] = contact
        value = self._value()
        if contacts:
            value["contacts"] = list(contacts.values())
        value["statuses"] = statuses
        return value

    def message(self, event: Value) -> Value:
        person = self.store.person(event["phone"])
        hidden = bool(person["hides_phone"]) and not self.old
        message: Value = {}
        if not hidden:
            message["from"] = person["phone"]
        if not self.old:
            message["from_user_id"] = person["user_id"]
        contact = self._contact(person, with_username=True, hidden=hidden)
        return {**self._value(), "contacts": [contact], "messages": [{**message, **event["message"]}]}

    def preference(self, event: Value, at: int) -> Value:
        person = self.store.person(event["phone"])
        hidden = bool(person["hides_phone"]) and not self.old
        preference: Value = {}
        if not hidden:
            preference["wa_id"] = person["phone"]
        if not self.old:
            preference["user_id"] = person["user_id"]
        preference |= {
            "detail": f"User requested to {event['value']} marketing messages",
            "category": "marketing_messages",
            "value": event["value"],
            "timestamp": at,  # a number here, a string everywhere else
        }
        contact = self._contact(person, with_username=True, hidden=hidden)
        return {**self._value(), "contacts": [contact], "user_preferences": [preference]}

    def template(self, event: Value) -> Value:
        template = event["template"]
        return {
            "event": event["event"],
            "message_template_id": int(template["id"]),
            "message_template_name": template["name"],
            "message_template_language": template["language"],
            "reason": event["reason"],
            "message_template_category": template["category"],
        }

    def _value(self) -> Value:
        digits = "".join(character for character in seed.DISPLAY_PHONE_NUMBER if character.isdigit())
        return {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": digits, "phone_number_id": seed.PHONE_NUMBER_ID},
        }

    def _contact(self, person: Any, *, with_username: bool, hidden: bool) -> Value:
        profile: Value = {"name": person["name"] or f"Persona {person['phone'][-4:]}"}
        if with_username and person["username"] and not self.old:
            profile["username"] = f"@{person['username']}"
        contact: Value = {"profile": profile}
        if not hidden:
            contact["wa_id"] = person["phone"]
        if not self.old:
            contact["user_id"] = person["user_id"]
        return contact

    def _status(self, event: Value, at: int, person: Any) -> Value:
        name, category = event["status"], event["category"]
        status: Value = {"id": event["wamid"], "status": name, "timestamp": str(at)}
        if not (event["by_user_id"] and person["hides_phone"]) or self.old:
            status["recipient_id"] = event["phone"]
        if not self.old and (name != "failed" or event["by_user_id"]):
            status["recipient_user_id"] = person["user_id"]
        if event["callback"]:
            status["biz_opaque_callback_data"] = event["callback"]
        if name == "failed":
            status["errors"] = [error(event["code"])]
            return status
        if self.old:
            status["conversation"] = _conversation(event, at)
        if name in ("sent", "delivered"):
            free = category == "service"
            kind = "free_customer_service" if free else "regular"
            status["pricing"] = {"billable": not free, "pricing_model": "PMP", "type": kind, "category": category}
        return status


def error(code: int) -> Value:
    title = faults.title(code)
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": faults.details(code)},
        "href": ERRORS_PAGE,
    }


def _conversation(event: Value, at: int) -> Value:
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    conversation_id = sha256(f"{event['phone']}:{event['category']}:{day}".encode()).hexdigest()[:32]
    conversation: Value = {"id": conversation_id, "origin": {"type": event["category"]}}
    if event["status"] == "sent":
        conversation["expiration_timestamp"] = str(at + 86400)
    return conversation
