"""Settings: every environment variable is read here, once, and explained in .env.example.

A value that cannot be right stops the start with a sentence that names the variable.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from config.unfold import UNFOLD  # noqa: F401  the admin's theme

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")  # never overrides what the environment already says

DEBUG = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "data")  # SQLite file, uploads, collected static files
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def needed(name: str, value: str, *, in_development: str) -> str:
    """The value, or in development a fixed one that is never used anywhere else."""
    if value or DEBUG:
        return value or in_development
    raise ImproperlyConfigured(f"Set {name} in the environment or in .env (.env.example says how to make one).")


SECRET_KEY = needed("SECRET_KEY", env.str("SECRET_KEY", default=""), in_development="only-for-development")
# Newest first: the first encrypts, all decrypt.
FIELD_ENCRYPTION_KEYS = needed(
    "FIELD_ENCRYPTION_KEY",
    env.str("FIELD_ENCRYPTION_KEY", default=""),
    in_development=base64.urlsafe_b64encode(hashlib.sha256(b"only-for-development").digest()).decode(),
).split(",")

# Where people and WhatsApp reach us. https means: a proxy in front of us ends TLS and sets X-Forwarded-Proto.
PUBLIC_URL = (env.str("PUBLIC_URL", default="") or "http://localhost:8000").rstrip("/")
IS_HTTPS = PUBLIC_URL.startswith("https://")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [PUBLIC_HOST, *(["localhost", "127.0.0.1"] if DEBUG else [])]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# WhatsApp. Tokens of business numbers are rows, encrypted; these belong to the whole installation.
WHATSAPP_API_URL = (env.str("WHATSAPP_API_URL", default="") or "https://graph.facebook.com").rstrip("/")
WHATSAPP_API_VERSION = env.str("WHATSAPP_API_VERSION", default="") or "v26.0"
WHATSAPP_APP_SECRET = env.str("WHATSAPP_APP_SECRET", default="")  # empty: every webhook is refused
WHATSAPP_VERIFY_TOKEN = env.str("WHATSAPP_VERIFY_TOKEN", default="")  # empty: no handshake is answered

# Database
DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'parley.sqlite3'}"
DATABASE: dict[str, Any] = dict(environ.Env.db_url_config(DATABASE_URL))
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a transaction that reads first and writes later cannot wait for the lock
        "timeout": 20,  # seconds
        # FULL: with NORMAL a power cut forgets the last commits, and what had left would leave again.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASE["CONN_HEALTH_CHECKS"] = True
    if "pool" in DATABASE.get("OPTIONS", {}):
        raise ImproperlyConfigured(
            "DATABASE_URL must not ask for a pool: django-q2's processes would share its sockets."
        )
DATABASE["CONN_MAX_AGE"] = 60  # seconds; without it every webhook and every task connects anew
DATABASE["ATOMIC_REQUESTS"] = False  # the webhook commits its row before it answers, pages decide for themselves
DATABASES = {"default": DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache. Rate limits of the log-in live in it, so the web processes of a machine must share it.
REDIS_URL = env.str("REDIS_URL", default="")
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": DATA_DIR / "cache",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    ),
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache"
    },  # django-q2 writes a heartbeat twice a second
}

# django-q2. A task is only a wake-up: the row it looks at is the truth, and the loop of `manage.py work` asks again.
# That is why a failed task is not repeated, and why nothing keeps its results.
Q_BROKER = env.str("Q_BROKER", default="") or "database"
if Q_BROKER not in ("database", "redis"):
    raise ImproperlyConfigured("Q_BROKER is database or redis.")
if Q_BROKER == "redis" and not REDIS_URL:
    raise ImproperlyConfigured("Q_BROKER=redis needs REDIS_URL.")
TASK_SECONDS = 600  # the longest a task may run; long jobs leave 20 seconds earlier by themselves and are woken again
WORKER_NAME = env.str("WORKER_NAME", default="")  # which `manage.py work` started this process; it says so itself
Q_CLUSTER: dict[str, Any] = {
    "name": "parley",  # the default queue, and the salt of every signature: the same everywhere
    **({"redis": REDIS_URL} if Q_BROKER == "redis" else {"orm": "default"}),
    "cache": "process",
    "label": "Background work",
    "log_level": "WARNING",
    "workers": 2,
    "queue_limit": 2,  # what a crash may delay
    "bulk": 1,
    "poll": 0.5,  # seconds
    "timeout": TASK_SECONDS,  # guard_cycle must divide it exactly, or it never fires
    "retry": 2 * TASK_SECONDS,  # more than the timeout, the wait in memory and the time to save
    "guard_cycle": 0.5,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 5000,
    "ALT_CLUSTERS": {
        "inbound": {"poll": 0.2, "timeout": 60, "retry": 300},
        "send": {"poll": 0.2},
    },
}

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before the admin: its templates win
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.admin_app.ParleyAdminConfig",  # django.contrib.admin with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "csp",
    "django_q",
    "accounts",
    "contacts",
    "conversations",
    "campaigns",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",  # outermost of what answers, so that redirects and refusals carry the policy too
    "config.content_policy.AdminContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # shuts everything; few views opt out
    "config.reader_zone.ReaderZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Who works here. Accounts are made by an administrator; nobody signs up by themselves.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapters.StaffAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an administrator entered the address
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
SOCIALACCOUNT_ADAPTER = "accounts.adapters.StaffSocialAccountAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # an administrator entered the address
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if IS_HTTPS else 0  # whose X-Forwarded-For the rate limits believe

# Transport and browser
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # asked from inside, past the proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # installing us must put no domain on the browsers' HSTS preload list
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # bytes; WhatsApp sends webhooks of up to 3 MB
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "media-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# Language and time
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["config.formats"]

# Files
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# Mail: password resets only. Printed in development alone, as the link in them is a secret; config/checks.py warns.
EMAIL_URL = env.str("EMAIL_URL", default="")
vars().update(environ.Env.email_url_config(EMAIL_URL or ("consolemail://" if DEBUG else "dummymail://")))
DEFAULT_FROM_EMAIL = f"Parley <parley@{PUBLIC_HOST}>"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "logging.Formatter" if DEBUG else "config.logs.DiscreetFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},  # no handler of its own: nothing is mailed, nothing printed twice
        "django-q": {"handlers": [], "level": "WARNING"},
    },
}
