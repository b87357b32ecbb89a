"""Take the pictures of docs/screenshots from a running demo whose first campaign has left.

    .venv/bin/python tools/screenshots.py [http://localhost:8000]

Wants a fresh demo (`make demo-reset`), a minute or two after its campaign left, and Chromium.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
PASSWORD = "try-parley-now"  # the demo's
CHROMIUM = "/usr/bin/chromium"
TIME_ZONE = "Europe/Rome"


def log_in(browser: Browser, url: str, role: str) -> Page:
    context = browser.new_context(
        base_url=url, viewport={"width": 1280, "height": 760}, timezone_id=TIME_ZONE, locale="en-GB",
        color_scheme="light", reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("Email").fill(f"{role}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(lambda address: "/login/" not in address)
    return page


def take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.name}: {file.stat().st_size // 1000} kB")


def open_campaign(page: Page, name: str) -> None:
    page.goto("/admin/campaigns/campaign/")
    page.get_by_role("link", name=name).click()


def main(url: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        marketing = log_in(browser, url, "marketing")
        open_campaign(marketing, "Autumn knitwear")
        take(marketing, "campaign")
        open_campaign(marketing, "New coats")
        take(marketing, "plan")
        agent = log_in(browser, url, "agent")
        agent.goto("/inbox/")
        agent.get_by_role("link").filter(has_text="STOP").filter(has_text="closed").first.click()
        take(agent, "inbox")
        agent.get_by_role("link", name="Everything about them").click()
        take(agent, "person")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
