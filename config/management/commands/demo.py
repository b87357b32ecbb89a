"""`manage.py demo`: all of Parley on one machine, with a sandbox for WhatsApp, from one command.

manage.py prepares its environment first (config/demo_environment.py). The web server, `work` and the sandbox each run
in a session of their own, so a Ctrl-C reaches this process alone: it stops them in order, and they die with it.
"""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config import children, demo_data, demo_environment

LONGEST_START = 180  # seconds
LONGEST_STOP = 10  # seconds


class Command(BaseCommand):
    help = "Run all of Parley on this machine with believable data and a sandbox for WhatsApp. Ctrl-C stops it."
    requires_system_checks: list[str] = []  # migrate runs them

    stopping = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        demo_environment.add_arguments(parser)

    def handle(self, *, port: int, sandbox_port: int, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        self.say("Preparing the database and the pages ...")
        call_command("migrate", verbosity=0)
        self.collect_static()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            sandbox, web = f"http://127.0.0.1:{sandbox_port}", f"http://127.0.0.1:{port}"
            webhooks = f"{web}/webhooks/whatsapp/"
            self.start(
                "sandbox", "manage.py", "sandbox", "--port", str(sandbox_port), "--webhook-url", webhooks, "--lively"
            )
            gunicorn = "-m gunicorn config.wsgi --no-control-socket --worker-class gthread --workers 2 --threads 4"
            gunicorn += " --graceful-timeout 5"
            self.start("web", *gunicorn.split(), "--bind", f"127.0.0.1:{port}")
            self.start("work", "manage.py", "work", "--drain-seconds", "8")
            if self.answers("sandbox", sandbox) and self.answers("web", f"{web}/health/live/"):
                lines = demo_data.fill()
                connections.close_all()
                self.say("", f"Parley runs at {settings.PUBLIC_URL}", "", *lines, "", "Ctrl-C stops it.")
                while not self.stopping:
                    self.see_that_all_run()
                    time.sleep(0.25)
        finally:
            self.say("Stopping ...")
            self.end_all()

    def say(self, *lines: str) -> None:
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def collect_static(self) -> None:
        """Collect the pages' files, unless nothing that is collected has changed since."""
        sources = [settings.BASE_DIR / "requirements.txt"]
        sources += [path for folder in settings.STATICFILES_DIRS for path in Path(folder).rglob("*")]
        newest = f"{max(path.stat().st_mtime_ns for path in sources)} {len(sources)}"
        stamp = Path(settings.DATA_DIR) / "static.stamp"
        if not stamp.exists() or stamp.read_text() != newest:
            call_command("collectstatic", interactive=False, clear=True, verbosity=0)
            stamp.write_text(newest)

    def start(self, name: str, *command: str) -> None:
        log = self.log(name)
        self.running[name] = children.start([sys.executable, *command], environment=dict(os.environ), log=log)

    def log(self, name: str) -> Path:
        return Path(settings.DATA_DIR) / f"{name}.log"

    def answers(self, name: str, url: str) -> bool:
        """Wait until a server answers at all; False when we are stopped meanwhile."""
        end = time.monotonic() + LONGEST_START
        while not self.stopping:
            self.see_that_all_run()
            try:
                requests.get(url, timeout=1)
            except requests.RequestException:
                if time.monotonic() > end:
                    raise CommandError(f"{name} did not answer. What it said is in {self.log(name)}") from None
                time.sleep(0.1)
            else:
                return True
        return False

    def see_that_all_run(self) -> None:
        for name, process in self.running.items():
            if children.has_ended(process):
                raise CommandError(f"{name} has ended by itself. What it said is in {self.log(name)}")

    def end_all(self) -> None:
        """Stop them in order: first who brings work in, then who does it, then who answers it."""
        end = time.monotonic() + LONGEST_STOP
        for name in ("web", "work", "sandbox"):
            process = self.running.get(name)
            if process is None:
                continue
            if not children.has_ended(process):
                process.terminate()
            while not children.has_ended(process) and time.monotonic() < end:
                time.sleep(0.05)
            children.kill_group(process)
