"""Walks through every page by its links and presses every button, as each role, with data and without.

It fails on an error page, on a link or button that the same person is then refused, on a list that is empty and says
nothing about it, and on a button after which nothing is different.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.urls import resolve
from pytest_django import Settings

from accounts.roles import ROLES
from tests import make, world

ANSWERS = (200, 409, 422)  # done, overtaken by somebody else, or refused beside the field
SAME_KIND = 2  # pages of one kind that are opened: ten contacts are no better a test than two
# These end the session; what they do has tests of its own.
LEAVES = ("/account/logout/", "/admin/logout/", "/account/sessions/")
CHANGING = re.compile(r'(name="csrfmiddlewaretoken" value="[^"]*"|<time[^>]*>.*?</time>|"[\w-]{22,}")', re.DOTALL)


@dataclass
class Form:
    method: str
    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list["Button"] = field(default_factory=list)


class Button(NamedTuple):
    name: str
    value: str
    action: str  # where it leads, when not where its form does


class Page(HTMLParser):
    """The links, the forms with what stands in them, and the words of a page."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.address = address
        self.links: list[str] = []
        self.forms: dict[str, Form] = {}
        self.empty: list[str] = []  # the words of each place that says it is empty
        self._form: Form | None = None
        self._select = self._textarea = ""
        self._option: tuple[str, bool] | None = None
        self._in_empty = 0
        self._apart: list[tuple[str, Button]] = []  # buttons that name a form, which may follow later
        self.feed(html)
        for form, button in self._apart:
            self.forms[form].buttons.append(button)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._in_empty and tag not in ("br", "img", "input", "hr"):
            self._in_empty += 1
        if "p-empty" in given.get("class", "").split():
            self._in_empty = 1
            self.empty.append("")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "form":
            self._form = Form(given.get("method", "get").lower(), given.get("action", ""))
            self.forms[given.get("id") or str(len(self.forms))] = self._form
        elif tag in ("input", "select", "textarea", "button"):
            self._control(tag, given)
        elif tag == "option" and self._select:
            self._choose(given)

    def _control(self, tag: str, given: dict[str, str]) -> None:
        form, name, kind = self._form, given.get("name", ""), given.get("type", "")
        if "disabled" in given:
            return
        if tag == "button" or kind == "submit":
            button = Button(name, given.get("value", ""), given.get("formaction", ""))
            if kind not in ("", "submit"):
                return
            if given.get("form"):
                self._apart.append((given["form"], button))
            elif form is not None:
                form.buttons.append(button)
        elif form is None:
            return
        elif tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = name
            form.fields[name] = [""]
        elif name and kind != "file" and (kind not in ("checkbox", "radio") or "checked" in given):
            stands = given.get("value") or {"checkbox": "on", "search": "nobody is called so"}.get(kind, "")
            form.fields.setdefault(name, []).append(stands)

    def _choose(self, given: dict[str, str]) -> None:
        assert self._form is not None
        if "selected" in given or self._select not in self._form.fields:
            self._form.fields[self._select] = [given.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        self._in_empty = max(self._in_empty - 1, 0)
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea and self._form is not None:
            self._form.fields[self._textarea] = [data.removeprefix("\n")]
        if self._in_empty and data.strip():
            self.empty[-1] += data.strip() + "\n"


class Walk:
    """One person's way through everything they can reach from the front door."""

    def __init__(self, role: str) -> None:
        self.client = Client()
        self.client.force_login(make.user(role, "walker@example.test"))
        self.troubles: list[str] = []
        self.seen: Counter[str] = Counter()
        self.waiting = ["/", "/account/password/change/"]
        self.pressed: Counter[str] = Counter()

    def go(self) -> "Walk":
        while self.waiting:
            self.open(self.waiting.pop(0))
        return self

    def open(self, address: str) -> None:
        kind = self.kind(address)
        if self.seen[kind] >= SAME_KIND or self.seen[address] or address.split("?")[0] in LEAVES[:2]:
            return
        self.seen.update({kind, address})
        response = self.client.get(address, follow=True)
        if response.status_code != 200:
            self.troubles.append(f"GET {address}: {response.status_code}")
            return
        if "html" not in response.headers["Content-Type"]:
            if response.streaming:
                b"".join(response.streaming_content)  # type: ignore[attr-defined]  # a download holds its file open until it is read
            return
        at = response.redirect_chain[-1][0] if response.redirect_chain else address
        html = response.content.decode()
        page = Page(at, html)
        self.look_for_emptiness(page, html)
        for link in page.links:
            target = urlsplit(urljoin(at, link))
            if target.scheme in ("", "http") and target.netloc in ("", "testserver") and not link.startswith("#"):
                self.waiting.append(target.path + (f"?{target.query}" if target.query else ""))
        for form in page.forms.values():
            for button in form.buttons:
                self.press(page, html, form, button)

    def kind(self, address: str) -> str:
        """Pages drawn by the same view with the same questions are of one kind."""
        parts = urlsplit(address)
        match = resolve(parts.path)
        return f"{match.view_name} {match.kwargs.get('group', '')} {sorted(name for name, _ in parse_qsl(parts.query))}"

    def look_for_emptiness(self, page: Page, html: str) -> None:
        for words in page.empty:
            if len(words.strip().splitlines()) < 2:
                self.troubles.append(f"{page.address}: empty, and no word about what to do ({words.strip()!r})")
        if 'id="changelist"' in html and 'id="result_list"' not in html and not page.empty:
            self.troubles.append(f"{page.address}: an empty list without a word")

    def press(self, page: Page, html: str, form: Form, button: Button) -> None:
        target = urljoin(page.address, button.action or form.action or page.address)
        what = f"{form.method} {self.kind(target)} {button.name}"
        if form.method == "dialog" or self.pressed[what] >= SAME_KIND or target.split("?")[0] in LEAVES:
            return
        self.pressed[what] += 1
        sent = form.fields | ({button.name: [button.value]} if button.name else {})
        if form.method == "get":
            self.waiting.append(f"{target.split('?')[0]}?{urlencode(sent, doseq=True)}")
            return
        with transaction.atomic():  # undone: the next button stands on the same ground
            response = self.client.post(target, sent, follow=True)
            transaction.set_rollback(True)
        if response.status_code not in ANSWERS:
            self.troubles.append(f"POST {target} ({button.name}) from {page.address}: {response.status_code}")
        elif without_chance(response.content.decode()) == without_chance(html):
            self.troubles.append(f"POST {target} ({button.name}) from {page.address}: nothing is different")


def without_chance(html: str) -> str:
    """A page without what differs each time it is drawn."""
    return CHANGING.sub("", html)


@pytest.fixture(autouse=True)
def no_rate_limits(settings: Settings) -> None:
    """Of the log-in: they count what other tests did."""
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_every_page_and_button_does_something(role: str) -> None:
    world.build()

    walk = Walk(role).go()

    assert walk.troubles == []
    assert len(walk.seen) > 10


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_an_empty_installation_says_what_to_do_first(role: str) -> None:
    walk = Walk(role).go()

    assert walk.troubles == []
