"""What can go wrong at the door to WhatsApp, and what each of the platform's codes asks of us.

    WhatsAppError
    ├── NotSent       nothing left us: safe to queue again
    ├── Refused       the platform said no, with a code
    └── FateUnknown   it may have arrived: never repeat it unasked

Codes arrive in the answer to a post and in status webhooks alike. Branch on the code, never on HTTP status or title.
Source: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from enum import StrEnum


class ErrorClass(StrEnum):
    """What a code asks of the sender. One class is one way of going on."""

    RETRY_SOON = "retry_soon"  # a hiccup of the platform: again in seconds, with back-off, a few times
    RETRY_MINUTES = "retry_minutes"  # a call limit or maintenance: again in minutes
    RATE = "rate"  # this number sends too fast: again in seconds, and slower
    PAIR_RATE = "pair_rate"  # too fast for this one person: wait 4^n seconds for them only
    WAIT_DAY = "wait_day"  # the person has had enough marketing for now: not before 24 hours
    NOT_THIS_TIME = "not_this_time"  # this message never; the person stays reachable
    HOLD_NUMBER = "hold_number"  # the number or account may not send: stop everything on it and tell somebody
    TEMPLATE = "template"  # the template cannot be sent: stop what uses it
    OUR_FAULT = "our_fault"  # we built the message wrongly: never repeat it as it is
    BAD_RECIPIENT = "bad_recipient"  # this address cannot be written to
    UNREACHABLE = "unreachable"  # could not be delivered; proof of a dead number only when repeated over days
    STOPPED = "stopped"  # the person stopped our marketing in WhatsApp
    COUNTRY_CLOSED = "country_closed"  # we may not write to people in that country
    WINDOW_CLOSED = "window_closed"  # no open session: only a template may be sent
    INBOUND = "inbound"  # about something the person sent us
    UNKNOWN = "unknown"  # a code we have not met: never repeat, show it


_RETRY_SOON = "WhatsApp had a passing fault. The message is tried again by itself."
_CALL_LIMIT = "Too many calls to WhatsApp in a short time. Sending goes on by itself in a few minutes, more slowly."
_MAINTENANCE = "WhatsApp is working on this number. Sending goes on by itself in a few minutes."
_TOKEN = "WhatsApp does not accept this number's access token. Enter a new token for the number."  # noqa: S105
_PERMISSION = (
    "The access token lacks a permission. Make a new token with the WhatsApp messaging and management permissions."
)
_ACCOUNT = "WhatsApp has restricted or locked this account. Look in WhatsApp Manager for the reason and appeal there."
_PAYMENT = "WhatsApp found a problem with the payment method. Put it right in Meta's billing settings."
_REGISTER = "This number is not registered with the Cloud API. Register it, then release the number here."
_BUILT_WRONGLY = "WhatsApp could not read the message we built. It is not repeated; please report it with its code."
_FEATURE = "This message uses a WhatsApp feature that is not available here. Send it another way."
_TEMPLATE_TEXT = "WhatsApp refused the text of the template. Correct it in WhatsApp Manager and sync again."
_MARKETING_API = "This template can only be sent through the Marketing Messages API. Choose another template."

_CODES: dict[int, tuple[ErrorClass, str]] = {
    0: (ErrorClass.HOLD_NUMBER, _TOKEN),
    1: (ErrorClass.RETRY_SOON, _RETRY_SOON),
    2: (ErrorClass.RETRY_SOON, _RETRY_SOON),
    3: (ErrorClass.HOLD_NUMBER, _PERMISSION),
    4: (ErrorClass.RETRY_MINUTES, _CALL_LIMIT),
    10: (ErrorClass.HOLD_NUMBER, _PERMISSION),
    33: (ErrorClass.HOLD_NUMBER, "WhatsApp no longer knows this business number. Check its id in WhatsApp Manager."),
    100: (ErrorClass.OUR_FAULT, _BUILT_WRONGLY),
    104: (ErrorClass.HOLD_NUMBER, _TOKEN),
    190: (ErrorClass.HOLD_NUMBER, _TOKEN),
    368: (ErrorClass.HOLD_NUMBER, _ACCOUNT),
    613: (ErrorClass.RETRY_MINUTES, _CALL_LIMIT),
    80007: (ErrorClass.RETRY_MINUTES, _CALL_LIMIT),
    80008: (ErrorClass.RETRY_MINUTES, _CALL_LIMIT),
    130403: (ErrorClass.BAD_RECIPIENT, "You have blocked this person in WhatsApp. Unblock them to write to them."),
    130429: (ErrorClass.RATE, "This number sent faster than WhatsApp allows. Sending goes on by itself, more slowly."),
    130472: (
        ErrorClass.NOT_THIS_TIME,
        "WhatsApp did not deliver this marketing message because of a test of its own. Nothing was billed; the next "
        "campaign may reach this person.",
    ),
    130497: (
        ErrorClass.COUNTRY_CLOSED,
        "Your account may not write to people in this country. Look in WhatsApp Manager for the restriction.",
    ),
    131000: (ErrorClass.RETRY_SOON, _RETRY_SOON),
    131005: (ErrorClass.HOLD_NUMBER, _PERMISSION),
    131008: (ErrorClass.OUR_FAULT, "A required value was missing from the message. Fill it in and send again."),
    131009: (ErrorClass.OUR_FAULT, "A value in the message is not valid for WhatsApp. Correct it and send again."),
    131016: (ErrorClass.RETRY_SOON, _RETRY_SOON),
    131020: (ErrorClass.OUR_FAULT, _FEATURE),
    131021: (ErrorClass.BAD_RECIPIENT, "This is the business number itself. Remove it from the contacts."),
    131026: (
        ErrorClass.UNREACHABLE,
        "WhatsApp could not deliver this message. The person may not use WhatsApp on this number, or has an old "
        "version. After repeated failures they are no longer written to.",
    ),
    131030: (
        ErrorClass.BAD_RECIPIENT,
        "This is a test number, and the recipient is not on its list of allowed phones. Add the phone in Meta's app "
        "dashboard.",
    ),
    131031: (ErrorClass.HOLD_NUMBER, _ACCOUNT),
    131037: (
        ErrorClass.HOLD_NUMBER,
        "The display name of this number is not approved yet. Have it approved in WhatsApp Manager.",
    ),
    131041: (ErrorClass.OUR_FAULT, _FEATURE),
    131042: (ErrorClass.HOLD_NUMBER, _PAYMENT),
    131044: (ErrorClass.HOLD_NUMBER, _PAYMENT),
    131045: (ErrorClass.HOLD_NUMBER, _REGISTER),
    131047: (
        ErrorClass.WINDOW_CLOSED,
        "More than 24 hours have passed since this person last wrote. Send an approved template instead.",
    ),
    131048: (
        ErrorClass.HOLD_NUMBER,
        "Too many people blocked or reported this number, so WhatsApp limits it. Wait until its quality recovers, "
        "then go on slowly.",
    ),
    131049: (
        ErrorClass.WAIT_DAY,
        "WhatsApp held this marketing message back because the person had enough of them for now. It may be tried "
        "again after a day.",
    ),
    131050: (
        ErrorClass.STOPPED,
        "This person stopped your marketing messages in WhatsApp. Only they can allow them again.",
    ),
    131051: (ErrorClass.OUR_FAULT, "WhatsApp does not support this type of message. Send it another way."),
    131052: (ErrorClass.INBOUND, "WhatsApp could not download the file this person sent. Ask them to send it again."),
    131053: (
        ErrorClass.OUR_FAULT,
        "WhatsApp could not use the picture or file of this message. Check its type and size.",
    ),
    131055: (ErrorClass.OUR_FAULT, _FEATURE),
    131056: (
        ErrorClass.PAIR_RATE,
        "Too many messages to this one person in a short time. The message is tried again by itself.",
    ),
    131057: (ErrorClass.RETRY_MINUTES, _MAINTENANCE),
    131059: (ErrorClass.OUR_FAULT, _FEATURE),
    131060: (ErrorClass.INBOUND, "WhatsApp could not pass on a message this person sent. Ask them to send it again."),
    131061: (ErrorClass.TEMPLATE, _MARKETING_API),
    131062: (
        ErrorClass.BAD_RECIPIENT,
        "This kind of message can only be sent to a phone number, and we only know a username for this person.",
    ),
    131063: (
        ErrorClass.HOLD_NUMBER,
        "Marketing over the Cloud API is switched off for this account. Switch it on in WhatsApp Manager.",
    ),
    131064: (
        ErrorClass.HOLD_NUMBER,
        "WhatsApp limits this account because templates were in the wrong category. The limit ends by itself; "
        "correct the categories.",
    ),
    132000: (
        ErrorClass.TEMPLATE,
        "The template was sent with a wrong number of values. Sync the templates and fill its variables again.",
    ),
    132001: (
        ErrorClass.TEMPLATE,
        "This template does not exist in this language, or is not approved. Sync the templates and choose another.",
    ),
    132005: (ErrorClass.OUR_FAULT, "With this person's values the template is too long. Shorten the values."),
    132007: (ErrorClass.TEMPLATE, _TEMPLATE_TEXT),
    132008: (ErrorClass.OUR_FAULT, "A value of the template has the wrong format. Correct it and send again."),
    132012: (
        ErrorClass.TEMPLATE,
        "A value does not fit the template, for example a missing picture in its header. Sync and fill it again.",
    ),
    132015: (
        ErrorClass.TEMPLATE,
        "WhatsApp has paused this template because of its quality. Wait until it is active again, or use another.",
    ),
    132016: (ErrorClass.TEMPLATE, "WhatsApp has disabled this template for good. Make a new one."),
    132018: (ErrorClass.TEMPLATE, "WhatsApp found a fault in the template's values. Fill its variables again."),
    132068: (ErrorClass.TEMPLATE, "The flow in this template is blocked. Correct it in WhatsApp Manager."),
    132069: (ErrorClass.RETRY_MINUTES, "The flow in this template may only be sent a few times an hour for now."),
    133000: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133004: (ErrorClass.RETRY_SOON, _RETRY_SOON),
    133005: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133006: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133008: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133009: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133010: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133015: (ErrorClass.HOLD_NUMBER, _REGISTER),
    133016: (ErrorClass.HOLD_NUMBER, _REGISTER),
    134011: (ErrorClass.HOLD_NUMBER, _PAYMENT),
    134100: (ErrorClass.TEMPLATE, _MARKETING_API),
    134101: (ErrorClass.RETRY_MINUTES, "WhatsApp is still preparing this template. It is tried again by itself."),
    134102: (ErrorClass.HOLD_NUMBER, "This account is not set up for the Marketing Messages API."),
    135000: (ErrorClass.OUR_FAULT, _BUILT_WRONGLY),
    137000: (
        ErrorClass.BAD_RECIPIENT,
        "This person's WhatsApp identity has changed. Check with them before writing again.",
    ),
    2494100: (ErrorClass.RETRY_MINUTES, _MAINTENANCE),
}

# Families the platform documents as a range; looked at after the single codes.
_RANGES: tuple[tuple[range, ErrorClass, str], ...] = (
    (range(200, 300), ErrorClass.HOLD_NUMBER, _PERMISSION),
    (range(131201, 131216), ErrorClass.OUR_FAULT, _FEATURE),  # groups
    (range(138000, 138022), ErrorClass.OUR_FAULT, _FEATURE),  # calling
    (range(139000, 139104), ErrorClass.OUR_FAULT, _FEATURE),  # flows, block list
    (range(2388000, 2389000), ErrorClass.TEMPLATE, _TEMPLATE_TEXT),
)
_UNMET = "WhatsApp refused this message with a code Parley does not know. Look the code up in Meta's list of errors."
WRONG_OBJECT = 33  # subcode of 100: the id in the address is not ours, so every post on this number would fail


def _entry(code: int, subcode: int | None) -> tuple[ErrorClass, str]:
    if code == 100 and subcode == WRONG_OBJECT:
        return _CODES[33]
    if code in _CODES:
        return _CODES[code]
    for codes, error_class, text in _RANGES:
        if code in codes:
            return error_class, text
    return ErrorClass.UNKNOWN, _UNMET


def classify(code: int, subcode: int | None = None) -> ErrorClass:
    """What this code asks of us. A code we never met is UNKNOWN, never an error."""
    return _entry(code, subcode)[0]


def sentence(code: int, subcode: int | None = None) -> str:
    """One plain sentence for staff: what happened and what to do about it."""
    return _entry(code, subcode)[1]


def known_codes() -> tuple[int, ...]:
    """Every code listed by itself, in order; for pages and tests."""
    return tuple(sorted(_CODES))


class WhatsAppError(Exception):
    """Any trouble at the door. Its text holds no phone, token or message text, so it may be logged."""


class NotSent(WhatsAppError):
    """Nothing was handed to the platform: no connection, or turned away before WhatsApp saw it. Safe to try again."""


class FateUnknown(WhatsAppError):
    """The request left and no readable answer came back. It may have arrived: never repeat it unasked."""


class Refused(WhatsAppError):
    """The platform said no. The code decides what follows; title and details are for people and may change.

    details can quote the recipient: show it to staff, keep it out of logs. str() has only the numbers.
    """

    def __init__(
        self, code: int, http_status: int, title: str = "", details: str = "", *, subcode: int | None = None
    ) -> None:
        super().__init__(f"refused, code {code}, HTTP {http_status}")
        self.code = code
        self.http_status = http_status
        self.title = title
        self.details = details
        self.subcode = subcode

    @property
    def error_class(self) -> ErrorClass:
        return classify(self.code, self.subcode)
