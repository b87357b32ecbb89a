"""Why a message failed, in words: for the rooms above, which do not speak WhatsApp themselves."""

from conversations.whatsapp.errors import sentence

__all__ = ["sentence"]
