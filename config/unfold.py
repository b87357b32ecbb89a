"""How the admin's theme is set: our name, our colours, our styles. settings.py takes UNFOLD from here.

Read while settings load, so it imports nothing of ours; the navigation is named by its path (config/navigation.py).
"""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Parley",
    "SITE_HEADER": "Parley",
    "SITE_SYMBOL": "approval",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("parley/mark.svg")}],
    "STYLES": [
        lambda request: static("parley/tokens.css"),
        lambda request: static("parley/parts.css"),
        lambda request: static("parley/admin.css"),
    ],
    "SCRIPTS": [lambda request: static("parley/zone.js")],
    "BORDER_RADIUS": "6px",
    # The theme's two scales, laid through our tokens: 50 is the ground, 200 the lines, 600 secondary text.
    "COLORS": {
        "base": {
            "50": "#f6f7f5", "100": "#eef1ee", "200": "#dfe5e1", "300": "#c3cdc7", "400": "#8a9991", "500": "#64736c",
            "600": "#47564f", "700": "#35423c", "800": "#2a342f", "900": "#161c19", "950": "#0f1412",
        },
        "primary": {
            "50": "#eaf6f1", "100": "#d0ebe0", "200": "#a3d8c4", "300": "#74c7aa", "400": "#57c5a4", "500": "#4cc3a0",
            "600": "#0b6b53", "700": "#085543", "800": "#084436", "900": "#07372c", "950": "#031f19",
        },
        "font": {
            "subtle-light": "#5f6e67", "subtle-dark": "#8a9991", "default-light": "#47564f", "default-dark": "#b3c0b9",
            "important-light": "#14201b", "important-dark": "#e8efeb",
        },
    },
    "ACCOUNT": {
        "navigation": [
            {"title": _("Password"), "link": reverse_lazy("account_change_password")},
            {"title": _("Two-step log-in"), "link": reverse_lazy("mfa_index")},
            {"title": _("Where you are logged in"), "link": reverse_lazy("usersessions_list")},
        ]
    },
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "config.navigation.groups"},
}  # fmt: skip
