"""What a fresh sandbox holds: one portfolio, one account, one number, one token, ten message templates.

Fixed on purpose: whoever sets up against a sandbox can write these down once.
"""

from typing import Any

PORTFOLIO_ID = "90817263544001"
WABA_ID = "104857600112233"
PHONE_NUMBER_ID = "118877665544332"
DISPLAY_PHONE_NUMBER = "+39 02 3678 9012"
COUNTRY_CODE = "39"  # of the business number; put before a phone that comes without "+"
VERIFIED_NAME = "Bottega Aurora"
TOKEN = "sandbox-token-bottega-aurora"  # noqa: S105 - it opens nothing but the sandbox

# A lively mix for a demonstration; a sandbox without it is full of readers.
DEMO_SHARES = {"reader": 0.62, "silent": 0.24, "replier": 0.07, "stopper": 0.02, "opt_out": 0.01, "unreachable": 0.04}

OPT_OUT_BUTTON_IT = "Non voglio promozioni"
OPT_OUT_BUTTON_EN = "Stop promotions"


def _template(
    number: int,
    name: str,
    language: str,
    category: str,
    body: str,
    examples: list[str] | dict[str, str],
    *,
    status: str = "APPROVED",
    header: str = "",
    header_example: str = "",
    footer: str = "",
    buttons: list[dict[str, Any]] | None = None,
    quality: str = "GREEN",
    rejected_reason: str = "NONE",
) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    if header:
        component: dict[str, Any] = {"type": "HEADER", "format": "TEXT", "text": header}
        if header_example:
            component["example"] = {"header_text": [header_example]}
        components.append(component)
    component = {"type": "BODY", "text": body}
    if isinstance(examples, dict):
        rows = [{"param_name": name, "example": example} for name, example in examples.items()]
        component["example"] = {"body_text_named_params": rows}
    elif examples:
        component["example"] = {"body_text": [examples]}
    components.append(component)
    if footer:
        components.append({"type": "FOOTER", "text": footer})
    if buttons:
        components.append({"type": "BUTTONS", "buttons": buttons})
    return {
        "id": str(1689556908129800 + number),
        "name": name,
        "language": language,
        "category": category,
        "status": status,
        "parameter_format": "NAMED" if isinstance(examples, dict) else "POSITIONAL",
        "components": components,
        "quality_score": {"score": quality if status == "APPROVED" else "UNKNOWN", "date": 1795000000, "reasons": None},
        "rejected_reason": rejected_reason,
    }


TEMPLATES: list[dict[str, Any]] = [
    _template(
        1,
        "promo_autunno",
        "it",
        "MARKETING",
        "Ciao {{1}}, l'autunno è arrivato in bottega. Fino a domenica hai il {{2}} di sconto su tutta la maglieria: "
        "passa a trovarci o scegli da casa.",
        ["Giulia", "20%"],
        header="Sconti d'autunno da Aurora",
        footer="Bottega Aurora, Milano",
        buttons=[
            {
                "type": "URL",
                "text": "Scopri la collezione",
                "url": "https://aurora.example/collezione/{{1}}",
                "example": ["https://aurora.example/collezione/autunno"],
            },
            {"type": "QUICK_REPLY", "text": OPT_OUT_BUTTON_IT},
        ],
    ),
    _template(
        2,
        "promo_autunno",
        "en",
        "MARKETING",
        "Hi {{1}}, autumn has come to our shop. Until Sunday you have {{2}} off all knitwear: drop by, or choose from "
        "home.",
        ["Julia", "20%"],
        header="Autumn sale at Aurora",
        footer="Bottega Aurora, Milan",
        buttons=[
            {
                "type": "URL",
                "text": "See the collection",
                "url": "https://aurora.example/en/collection/{{1}}",
                "example": ["https://aurora.example/en/collection/autumn"],
            },
            {"type": "QUICK_REPLY", "text": OPT_OUT_BUTTON_EN},
        ],
    ),
    _template(
        3,
        "nuovi_arrivi",
        "it",
        "MARKETING",
        "Ciao {{first_name}}, sono arrivati i nuovi {{product}} e ne abbiamo messo da parte qualcuno per te. "
        "Rispondi a questo messaggio se vuoi provarli.",
        {"first_name": "Giulia", "product": "cappotti"},
        footer="Bottega Aurora, Milano",
        buttons=[
            {"type": "QUICK_REPLY", "text": "Mi interessa"},
            {"type": "QUICK_REPLY", "text": OPT_OUT_BUTTON_IT},
        ],
    ),
    _template(
        4,
        "ordine_spedito",
        "it",
        "UTILITY",
        "Ciao {{first_name}}, il tuo ordine {{order_id}} è partito oggi. Arriverà entro {{delivery_day}}, come "
        "promesso.",
        {"first_name": "Giulia", "order_id": "A-81", "delivery_day": "giovedì"},
        buttons=[
            {
                "type": "URL",
                "text": "Segui il pacco",
                "url": "https://aurora.example/pacco/{{1}}",
                "example": ["https://aurora.example/pacco/A-81"],
            }
        ],
    ),
    _template(
        5,
        "order_shipped",
        "en",
        "UTILITY",
        "Hi {{first_name}}, your order {{order_id}} left our shop today. It should arrive by {{delivery_day}} as "
        "promised.",
        {"first_name": "Julia", "order_id": "A-81", "delivery_day": "Thursday"},
    ),
    _template(
        6,
        "promemoria_appuntamento",
        "it",
        "UTILITY",
        "Ciao {{1}}, ti aspettiamo {{2}} alle {{3}} per la prova del tuo abito. Se non puoi venire, faccelo sapere.",
        ["Giulia", "martedì 24 novembre", "16:30"],
        header="Appuntamento per {{1}}",
        header_example="la prova",
        buttons=[
            {"type": "QUICK_REPLY", "text": "Confermo"},
            {"type": "QUICK_REPLY", "text": "Devo spostare"},
        ],
    ),
    _template(
        7,
        "confirm_subscription",
        "en",
        "UTILITY",
        "You asked for news from Bottega Aurora. Tap Confirm to receive them here; without it we will not write again.",
        [],
        buttons=[{"type": "QUICK_REPLY", "text": "Confirm"}, {"type": "QUICK_REPLY", "text": "No, thanks"}],
    ),
    _template(
        8,
        "winter_clearance",
        "en",
        "MARKETING",
        "Hi {{1}}, our winter clearance ends on {{2}} and the best sizes are going quickly. See you in the shop soon.",
        ["Julia", "Saturday"],
        status="PAUSED",
        footer="Bottega Aurora, Milan",
        buttons=[{"type": "QUICK_REPLY", "text": OPT_OUT_BUTTON_EN}],
    ),
    _template(
        9,
        "anteprima_natale",
        "it",
        "MARKETING",
        "Ciao {{1}}, sei tra i primi a vedere i regali di Natale scelti da noi. L'anteprima dura fino al {{2}} in "
        "bottega.",
        ["Giulia", "30 novembre"],
        status="PENDING",
        footer="Bottega Aurora, Milano",
    ),
    _template(
        10,
        "vip_flash_sale",
        "en",
        "MARKETING",
        "Hi {{1}}, click now for an unbelievable flash sale, only for very special people like you today.",
        ["Julia"],
        status="REJECTED",
        rejected_reason="PROMOTIONAL",
    ),
]
