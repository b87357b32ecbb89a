"""The project's settings in an environment of the tests' own: nothing of a developer's .env reaches a test."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

# One folder per run: xdist's workers inherit it from the process that starts them.
if "mypy" in sys.modules:  # it reads these settings, writes nothing, and leaves without cleaning up
    os.environ["PARLEY_TEST_DIR"] = os.path.join(tempfile.gettempdir(), "parley-types")
elif "PARLEY_TEST_DIR" not in os.environ:
    os.environ["PARLEY_TEST_DIR"] = tempfile.mkdtemp(prefix="parley-tests-")
    atexit.register(shutil.rmtree, os.environ["PARLEY_TEST_DIR"], ignore_errors=True)
DATA = Path(os.environ["PARLEY_TEST_DIR"])
os.environ.update(
    DEBUG="false",
    SECRET_KEY="tests-" + "only-" * 10,
    FIELD_ENCRYPTION_KEY="dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    PUBLIC_URL="http://testserver",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    DATA_DIR=str(DATA),
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),  # set by tools/with_postgres.py
    REDIS_URL="",
    Q_BROKER="",
    EMAIL_URL="memorymail://",
    WHATSAPP_API_URL="http://127.0.0.1:9",  # nobody listens there: a test that sends names its own server
    WHATSAPP_API_VERSION="v26.0",
    WHATSAPP_APP_SECRET="the app secret of the tests",
    WHATSAPP_VERIFY_TOKEN="the verify token of the tests",
)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASE, STORAGES  # noqa: E402

if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # A file: the shared-memory database locks up as soon as a second thread or process writes.
    DATABASE["TEST"] = {"NAME": str(DATA / "test.sqlite3")}
(DATA / "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns where it is missing
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # nothing is collected
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick, and of no use to anyone
