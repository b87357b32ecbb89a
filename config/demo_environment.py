"""What `manage.py demo` needs before Django reads its settings: free ports, a folder, and secrets of its own.

Everything of the demo lives in the folder `demo` of DATA_DIR, so that it never meets real data. Nothing of Django may
be imported here.
"""

import argparse
import base64
import os
import secrets
import shutil
import socket
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRETS = "secrets.env"  # also the sign that a folder is a demo's, and may be removed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8000, help="Where Parley listens, on this machine only.")
    parser.add_argument("--sandbox-port", type=int, default=8001, help="Where the WhatsApp sandbox listens.")
    parser.add_argument("--reset", action="store_true", help="Forget everything and start over.")


def prepare(arguments: list[str]) -> None:
    """Fill os.environ for the demo's own command line. Ends the process with one sentence if it cannot start."""
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    options, _ = parser.parse_known_args(arguments)
    for option, port in (("PORT", options.port), ("SANDBOX_PORT", options.sandbox_port)):
        if not is_free(port):
            sys.exit(f"Port {port} is taken. Stop what uses it, or choose another: make demo {option}={port + 80}")
    folder = Path(os.environ.get("DATA_DIR") or BASE_DIR / "data") / "demo"
    if options.reset:
        reset(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _use(folder, options.port, options.sandbox_port)


def enter() -> None:
    """Fill os.environ for another command on the demo's data: `manage.py --in-demo verify_ledger`."""
    folder = Path(os.environ.get("DATA_DIR") or BASE_DIR / "data") / "demo"
    if not (folder / SECRETS).is_file():
        sys.exit("There is no demo yet. Start it first: make demo")
    _use(folder, 8000, 8001)


def _use(folder: Path, port: int, sandbox_port: int) -> None:
    os.environ.update(
        kept_secrets(folder / SECRETS),
        DEBUG="false",
        DATA_DIR=str(folder),
        DATABASE_URL="",
        REDIS_URL="",
        Q_BROKER="",
        EMAIL_URL="",
        PUBLIC_URL=f"http://localhost:{port}",
        ALLOWED_HOSTS="localhost,127.0.0.1",
        WHATSAPP_API_URL=f"http://127.0.0.1:{sandbox_port}",
        WHATSAPP_API_VERSION="",
        WORKER_NAME="",
    )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def reset(folder: Path) -> None:
    """Remove the demo's folder; never one that is not a demo's."""
    if not folder.exists():
        return
    if not (folder / SECRETS).is_file():
        sys.exit(f"{folder} was not made by the demo, so it is left as it is.")
    shutil.rmtree(folder)


def kept_secrets(file: Path) -> dict[str, str]:
    """The demo's secrets, made at its first start: a second one must read what the first wrote."""
    if not file.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FIELD_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "WHATSAPP_APP_SECRET": secrets.token_hex(16),
            "WHATSAPP_VERIFY_TOKEN": secrets.token_hex(16),
        }
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in made.items()))
    return dict(line.split("=", 1) for line in file.read_text().splitlines())
