"""manage.py sandbox: a local WhatsApp Cloud API, for trying Parley out and for tests."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.sandbox import seed
from conversations.sandbox.faults import phone_digits
from conversations.sandbox.server import HOST, Sandbox, SandboxServer, serve


def pair(text: str) -> tuple[str, str]:
    """NAME=VALUE, as the options that may be repeated take it."""
    name, separator, value = text.partition("=")
    if not (separator and name and value):
        raise ValueError(text)
    return name, value


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text} is no share: write a number between 0 and 1") from None


class Command(BaseCommand):
    help = "Run a local WhatsApp Cloud API with people who read, reply and stop. It listens on this machine only."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--webhook-url", default="", help="where webhooks go; by default Parley on port 8000")
        parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="before every answer")
        parser.add_argument("--jitter", type=float, default=0.0, metavar="MS", help="up to this much more or less")
        parser.add_argument(
            "--error",
            type=pair,
            action="append",
            default=[],
            metavar="CODE=SHARE",
            help="let this share of messages fail with a code, for example 131049=0.05; may be repeated",
        )
        parser.add_argument(
            "--share",
            type=pair,
            action="append",
            default=[],
            metavar="PERSONA=SHARE",
            help="how people behave, for example stopper=0.02; the rest only reads; may be repeated",
        )
        parser.add_argument(
            "--persona",
            type=pair,
            action="append",
            default=[],
            metavar="PHONE=PERSONA",
            help="how one person behaves, for example +393471234567=replier:Is it in blue?; may be repeated",
        )
        parser.add_argument("--lively", action="store_true", help="a believable mix of people, as in the demo")
        parser.add_argument("--data", type=Path, default=None, help="where its state is kept")
        parser.add_argument("--fresh", action="store_true", help="forget what it kept")
        parser.add_argument("--plain-unicode", action="store_true", help="webhooks in UTF-8 instead of ASCII escapes")
        parser.add_argument("--old-shapes", action="store_true", help="webhooks as they were before user ids")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.WHATSAPP_APP_SECRET:
            raise CommandError("Set WHATSAPP_APP_SECRET: the sandbox signs its webhooks with it.")
        try:
            server = SandboxServer(options["port"])
        except OSError as error:
            raise CommandError(f"Port {options['port']} is taken. Choose another with --port.") from error
        sandbox = Sandbox(
            options["data"] or Path(settings.DATA_DIR) / "sandbox.sqlite3",
            secret=settings.WHATSAPP_APP_SECRET,
            webhook_url=options["webhook_url"] or f"http://{HOST}:8000/webhooks/whatsapp/",
            fresh=options["fresh"],
            plain_unicode=options["plain_unicode"],
            old_shapes=options["old_shapes"],
        )
        try:
            self.switch(sandbox, options)
        except ValueError as error:
            server.server_close()
            sandbox.stop()
            raise CommandError(str(error)) from error
        serve(server, sandbox, ready=self.announce)

    def switch(self, sandbox: Sandbox, options: dict[str, Any]) -> None:
        """Set what the command line asks for. Raises ValueError."""
        sandbox.faults.change(
            {
                "latency_ms": options["latency"],
                "jitter_ms": options["jitter"],
                "errors": {code: number(share) for code, share in options["error"]},
            }
        )
        shares = {kind: number(share) for kind, share in options["share"]}
        if options["lively"] or shares:
            sandbox.people.set_shares(shares or seed.DEMO_SHARES)
        for phone, persona in options["persona"]:
            sandbox.people.assign(phone_digits(phone), persona)

    def announce(self, url: str) -> None:
        self.stdout.write(f"WhatsApp sandbox at {url} (phone number id {seed.PHONE_NUMBER_ID}, token {seed.TOKEN})")
        self.stdout.flush()
