"""The admin pages of this room, by what they are for. The inbox is not one of them: views.py."""

from conversations import setup_admin, traffic_admin

__all__ = ["setup_admin", "traffic_admin"]
