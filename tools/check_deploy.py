"""Run Django's deployment checks under settings as they are in production: `make deploy`."""

import os
import secrets
import subprocess
import sys
import tempfile

from cryptography.fernet import Fernet


def main() -> int:
    with tempfile.TemporaryDirectory() as data:
        production = {
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "PUBLIC_URL": "https://parley.example.com",
            "ALLOWED_HOSTS": "parley.example.com",
            "DATA_DIR": data,
            "DATABASE_URL": "",
            "WHATSAPP_APP_SECRET": secrets.token_hex(16),
            "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
        }
        environment = os.environ | production
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], check=True, env=environment)
        check = [*manage, "check", "--deploy", "--database", "default", "--fail-level", "WARNING"]
        return subprocess.run(check, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
