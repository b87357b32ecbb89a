"""The shop of the story: its people and their list, WhatsApp as the sandbox plays it, and tabs for who works there."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from django.utils import timezone
from playwright.sync_api import Browser, Page

from accounts.models import User
from conversations.models import BusinessNumber
from conversations.sandbox import seed
from tests import make

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "correct horse battery staple"  # as tests.make gives it
AGREED = "Sì, Bottega Aurora può scrivermi su WhatsApp con offerte e novità."
PICTURES = os.environ.get("STORY_PICTURES", "")  # a folder: what the pages looked like along the way

GIULIA = "+393470010001"  # reads, and asks whether there is one in blue
MARTA = "+393480010002"  # reads, and later writes STOP
LUCA = "+393490010003"  # gets it and never reads it
SARA = "+393400010004"  # is not on WhatsApp any more
PAOLO = "+393330010005"  # taps "no more offers"
NAMELESS = "+393280010006"  # has no name in the list
ELENA = "+4915123456789"  # lives in Germany
FAUSTO = "+393470010008"  # never agreed to anything
KATIA = "+393470010009"  # left before
NADIA = "+393470010010"  # agreed in the future, says the list
VERA = "+393470010011"  # in no list: wrote yesterday and was not answered in time

PERSONAS = {
    GIULIA: {"kind": "replier", "text": "C'è anche in blu?", "after": 1},
    LUCA: "silent",
    SARA: "unreachable",
    PAOLO: {"kind": "opt_out", "after": 1},
}
# What the columns of the list are taken for, by their names.
COLUMNS = ("first_name", "last_name", "phone", "email", "tags", "wording", "source", "occurred_at", "opted_out", "")
# The file's row of everybody who is somebody, by phone; row 11 has no usable phone, row 12 is empty.
ROWS = {GIULIA: (1, 13), MARTA: (2,), LUCA: (3,), SARA: (4,), PAOLO: (5,), NAMELESS: (6,), ELENA: (7,), FAUSTO: (8,)}
ROWS |= {KATIA: (9,), NADIA: (10,)}
FIRST_CARD = 14
AGREEING = (GIULIA, MARTA, LUCA, SARA, PAOLO, NAMELESS, ELENA)
CARDS = [f"+39366{serial:07}" for serial in range(1_500)]  # numbers on old cards, of people nobody knows more about


def messy_list() -> bytes:
    """The list as it comes out of the shop's spreadsheet: phones as people write them, dates in Italian order."""
    today = timezone.localdate()
    agreed = f"{today - timedelta(days=40):%d/%m/%Y}"
    tomorrow = f"{today + timedelta(days=400):%d/%m/%Y}"
    proof = f"{AGREED};negozio online;{agreed}"
    lines = [
        "Nome;Cognome;Cellulare;E-mail;Gruppi;Testo del consenso;Fonte;Data consenso;Cancellato;Città",
        f"Giulia;Rinaldi;347 001 00 01;giulia@example.com;autunno;{proof};;Milano",
        f"Marta;Costa;+39 348 0010002;;autunno,vip;{proof};;Monza",
        f"Luca;Ferri;0039 349 001 00 03;;autunno;{proof};;Como",
        f"Sara;Neri;(340) 001-0004;;autunno;{proof};no;Milano",
        f'Paolo;Greco;="+393330010005";;autunno;{proof};;Lodi',
        f";;328.001.00.06;;autunno;{proof};;Pavia",
        f"Elena;Vitale;+49 151 23456789;;autunno,vip;{proof};;München",
        "Fausto;Grassi;347 001 00 08;;autunno;;;;;Milano",
        f"Katia;Serra;347 0010009;;autunno;{proof};sì;Pavia",
        f"Nadia;Orlandi;347-001-00-10;;autunno;{AGREED};negozio online;{tomorrow};;Milano",
        f"Lorenzo;Villa;12345;;autunno;{proof};;Milano",
        "",
        f"Giulia;Rinaldi;+39 3470010001;;autunno,vip;{proof};;Milano",
    ]
    lines += [f";;{phone};;schede;;;;;" for phone in CARDS]
    return "\ufeff".encode() + "\r\n".join(lines).encode()


@dataclass(frozen=True)
class WhatsApp:
    """The sandbox, as WhatsApp and as the people in it."""

    url: str

    def _post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/sandbox/{name}", json=body, timeout=10)
        assert answer.ok, answer.text
        return dict(answer.json())

    def people_behave(self) -> None:
        """Everybody as in PERSONAS, and quicker than people are."""
        self._post("personas", {"phones": PERSONAS, "pace": {"sent": 0.1, "delivered": 0.3, "read": 0.8}})

    def writes(self, phone: str, text: str, **more: Any) -> str:
        """The person writes to the shop. Answers with the wamid."""
        return str(self._post("inbound", {"from": phone, "text": text, **more})["wamid"])

    def log(self) -> list[dict[str, Any]]:
        """Every message it took from us."""
        answer = requests.get(f"{self.url}/sandbox/sent", timeout=10)
        return list(answer.json()["messages"])

    def texts_to(self, phone: str) -> list[str]:
        """What we wrote to a person in our own words."""
        bodies = [message["body"] for message in self.log() if message["to"] == phone]
        return [body["text"]["body"] for body in bodies if body["type"] == "text"]

    def templates(self, name: str) -> list[dict[str, Any]]:
        """The messages of one template."""
        return [message for message in self.log() if message["body"].get("template", {}).get("name") == name]


def own_number() -> BusinessNumber:
    """The number that a fresh sandbox has, with its token."""
    portfolio = make.portfolio(business_id=seed.PORTFOLIO_ID, name=seed.VERIFIED_NAME)
    return make.number(seed.PHONE_NUMBER_ID, portfolio=portfolio, waba_id=seed.WABA_ID, token=seed.TOKEN)


class Shop:
    """Who sits in front of which screen. A page that fails in any of them fails the story."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._url = url
        self._contexts: list[Any] = []
        self._pictures = 0

    def sits_down(self, role: str, *, first_page: str = "/") -> Page:
        """A browser of their own for somebody of this role, logged in through the front door."""
        user = User.objects.filter(groups__name=role).first() or make.user(role, f"{role}@example.test")
        context = self._browser.new_context(
            base_url=self._url, locale="en-GB", timezone_id="Europe/Rome", viewport={"width": 1440, "height": 900}
        )
        self._contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: self.problems.append(f"{role}: {error}"))
        tab.on("console", lambda line: self._heard(role, line.text))
        tab.on("response", lambda answer: self._answered(role, answer.status, answer.url))
        tab.goto(first_page)
        tab.locator("[name=login]").fill(user.email)
        tab.locator("[name=password]").fill(PASSWORD)
        tab.locator("[name=password]").press("Enter")
        tab.wait_for_url(lambda url: "/account/" not in url)
        return tab

    def _heard(self, role: str, line: str) -> None:
        if "Content Security Policy" in line:
            self.problems.append(f"{role}: {line}")

    def _answered(self, role: str, status: int, url: str) -> None:
        if status >= 500:
            self.problems.append(f"{role}: {status} from {url}")

    def picture(self, tab: Page, name: str) -> None:
        if PICTURES:
            self._pictures += 1
            tab.screenshot(path=Path(PICTURES) / f"{self._pictures:02}-{name}.png", full_page=True)

    def closes(self) -> None:
        """Before the processes go, so that no open page asks a server that is not there."""
        for context in self._contexts:
            context.close()


@dataclass(frozen=True)
class Terminal:
    """`manage.py` typed by somebody on the same machine."""

    environment: dict[str, str]

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )


def in_seconds(tab: Page, seconds: int) -> str:
    """A moment as this browser's own clock shows it, as its time field wants it."""
    return str(
        tab.evaluate(
            "seconds => { const at = new Date(Date.now() + 1000 * seconds);"
            " return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19) }",
            seconds,
        )
    )
