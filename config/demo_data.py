"""What the demo begins with: a shop, its people with the consent they gave, and a campaign that leaves by itself.

Everything goes through the doors that staff use: the list is imported, templates are synced, campaigns are scheduled.
Nothing is made twice, so a second start finds what the first one left.
"""

import csv
import io
import random
from datetime import date, timedelta

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import User
from accounts.roles import MARKETING, ROLES
from campaigns import dispatch
from campaigns.models import Campaign
from contacts import importing
from contacts.models import Contact, Scope, Tag, Wording
from conversations import message_templates
from conversations.models import BusinessNumber, MessageTemplate, Portfolio, RateBucket

PASSWORD = "try-parley-now"  # noqa: S105  printed on the screen of a demo that listens on this machine only

# What the sandbox is made with (its seed.py; a test holds the two together).
PORTFOLIO_ID = "90817263544001"
WABA_ID = "104857600112233"
PHONE_NUMBER_ID = "118877665544332"
DISPLAY_PHONE = "+390236789012"
TOKEN = "sandbox-token-bottega-aurora"  # noqa: S105  it opens nothing but the sandbox
SHOP = "Bottega Aurora"

PEOPLE = 400
LEAVES_AFTER = timedelta(seconds=75)  # time to open the page and watch it leave

FIRST_NAMES = (
    "Giulia", "Marco", "Anna", "Luca", "Sofia", "Matteo", "Chiara", "Davide", "Martina", "Andrea", "Elena", "Simone",
    "Francesca", "Paolo", "Valentina", "Stefano", "Sara", "Roberto", "Alessia", "Giorgio", "Laura", "Fabio", "Silvia",
    "Nicola", "Giada", "Tommaso", "Irene", "Filippo", "Beatrice", "Pietro",
)  # fmt: skip
LAST_NAMES = (
    "Rossi", "Bianchi", "Ferrari", "Russo", "Romano", "Colombo", "Ricci", "Marino", "Greco", "Bruno", "Gallo", "Conti",
    "De Luca", "Mancini", "Costa", "Giordano", "Rizzo", "Lombardi", "Moretti", "Barbieri", "Fontana", "Santoro",
    "Mariani", "Rinaldi", "Caruso", "Ferrara", "Galli", "Martini", "Leone", "Longo",
)  # fmt: skip
WORDINGS = (
    # key, scope, text, where it stood
    (
        "web-form", "marketing",
        "Sì, Bottega Aurora può scrivermi su WhatsApp con offerte e novità. Posso fermarle quando voglio con STOP.",
        "checkout page, box not ticked beforehand",
    ),
    (
        "counter-card", "marketing",
        "Vorrei ricevere da Bottega Aurora offerte e novità su WhatsApp.", "paper card at the counter, signed",
    ),
    (
        "order-news", "order_updates",
        "Bottega Aurora può scrivermi su WhatsApp notizie sui miei ordini.", "checkout page, below the phone field",
    ),
    (
        "staff-tests", "internal_tests",
        "I work at Bottega Aurora and want its test messages on my phone.", "staff handbook, last page",
    ),
)  # fmt: skip
SCOPE_OF = {"MARKETING": "marketing", "UTILITY": "order_updates"}
SCOPE_OF_TEMPLATE = {"promemoria_appuntamento": "reminders"}


def fill() -> list[str]:
    """Create what is not there yet. Returns lines to print: who may log in, and what to try."""
    users = _users()
    number = _number()
    _templates(number)
    _wordings()
    if not Contact.objects.exists():
        _people(users[MARKETING])
    _campaigns(number, users[MARKETING])
    width = max(len(role) for role in ROLES) + len("@example.com")
    return [
        "Log in as",
        *(f"  {f'{role}@example.com':<{width}}  {PASSWORD}" for role in ROLES),
        "",
        "Try this",
        "  1. As marketing: open Campaigns. “Autumn knitwear” leaves about a minute after the first start: watch it.",
        "  2. As agent: open the inbox. People answer within seconds, and some write STOP.",
        "  3. Open somebody who wrote STOP: the contact page says why nobody may write to them.",
        "  4. As marketing: import docs/example-contacts.csv, then make a campaign for its tag.",
        "  5. In another terminal: .venv/bin/python manage.py --in-demo verify_ledger",
    ]


def _users() -> dict[str, User]:
    users = {}
    for role in ROLES:
        email = f"{role}@example.com"
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email, PASSWORD, first_name=role.capitalize(), is_staff=True)
            user.groups.add(Group.objects.get(name=role))
        users[role] = user
    return users


def _number() -> BusinessNumber:
    portfolio, _ = Portfolio.objects.get_or_create(business_id=PORTFOLIO_ID, defaults={"name": SHOP})
    number, made = BusinessNumber.objects.get_or_create(
        phone_number_id=PHONE_NUMBER_ID,
        defaults={
            "portfolio": portfolio, "name": "Shop", "waba_id": WABA_ID, "display_phone": DISPLAY_PHONE, "token": TOKEN,
            "rate_per_second": 20,  # slow enough to watch
        },
    )  # fmt: skip
    if made:
        RateBucket.objects.create(number=number)
    return number


def _templates(number: BusinessNumber) -> None:
    message_templates.sync(number)
    scopes = {scope.slug: scope for scope in Scope.objects.all()}
    for template in MessageTemplate.objects.filter(scope=None):
        slug = SCOPE_OF_TEMPLATE.get(template.name, SCOPE_OF.get(template.category, ""))
        if slug:
            template.scope = scopes[slug]
            template.save(update_fields=["scope"])


def _wordings() -> None:
    for key, slug, text, shown_at in WORDINGS:
        defaults = {"scope": Scope.objects.get(slug=slug), "language": "it", "text": text, "shown_at": shown_at}
        Wording.objects.get_or_create(key=key, version=1, defaults=defaults)


def _people(by: User) -> None:
    """One list of customers as shops have them: most agreed, some never did, a few left again."""
    kept = importing.keep(ContentFile(_list().encode(), name="customers-2026.csv"))
    columns = {"phone": "cellulare", "first_name": "nome", "last_name": "cognome", "email": "email", "tags": "gruppi"}
    columns |= {"wording": "testo", "source": "fonte", "occurred_at": "consenso il", "opted_out": "cancellato"}
    options = importing.Options(
        mapping={field: [column] for field, column in columns.items()}, region="IT", time_zone="Europe/Rome",
        scope=Scope.objects.get(slug="marketing"), tag=Tag.objects.get_or_create(name="customers")[0],
    )  # fmt: skip
    made = importing.start(kept, by=by, options=options, in_background=False)
    importing.run(made.pk, seconds=None)


def _list() -> str:
    dice = random.Random(2026)  # noqa: S311  the same people every time
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(
        ["nome", "cognome", "cellulare", "email", "gruppi", "fonte", "testo", "consenso il", "cancellato", "città"]
    )
    for serial in range(PEOPLE):
        first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
        digits = f"34{dice.randrange(10)}{6_000_000 + serial * 7919 % 1_000_000:07d}"
        phone = dice.choice(("{0} {1} {2}", "+39 {0} {1}{2}", "0039{0}{1}{2}", "{0}.{1}.{2}", "+39{0}{1}{2}"))
        email = f"{first}.{last}{serial}@example.com".lower().replace(" ", "")
        groups = ["newsletter", *(["vip"] if dice.random() < 0.15 else [])]
        agreed = date.today() - timedelta(days=dice.randrange(10, 500))  # noqa: DTZ011  a date in a spreadsheet
        proof: tuple[str, str, str] = ("online shop", "web-form", agreed.strftime("%d/%m/%Y"))
        luck = dice.random()
        if luck < 0.18:
            proof = ("", "", "")  # in the list since always, and nobody knows why
        elif luck < 0.3:
            proof = ("counter", "counter-card", proof[2])
        left = "x" if luck > 0.95 else ""
        cells = phone.format(digits[:3], digits[3:6], digits[6:])
        writer.writerow(
            [first, last, cells, email, ",".join(groups), *proof, left, dice.choice(("Milano", "Monza", "Como"))]
        )
    return out.getvalue()


def _campaigns(number: BusinessNumber, by: User) -> None:
    if Campaign.objects.exists():
        return
    template = MessageTemplate.objects.get(waba_id=WABA_ID, name="promo_autunno", language="it")
    name = {"field": "first_name", "fallback": "cliente"}
    autumn = Campaign.objects.create(
        name="Autumn knitwear", number=number, template=template, tag=Tag.objects.get(name="newsletter"), created_by=by,
        values={"body.1": name, "body.2": {"constant": "20%"}, "button.0": {"constant": "autunno"}},
    )  # fmt: skip
    coats = MessageTemplate.objects.get(waba_id=WABA_ID, name="nuovi_arrivi", language="it")
    Campaign.objects.create(
        name="New coats for our best customers", number=number, template=coats, tag=Tag.objects.get(name="vip"),
        values={"body.first_name": name, "body.product": {"constant": "cappotti"}}, created_by=by,
    )  # fmt: skip
    dispatch.schedule(autumn, at=timezone.now() + LEAVES_AFTER, by=by)
