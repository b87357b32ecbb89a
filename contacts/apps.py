from django.apps import AppConfig
from django.db.models.signals import post_migrate

from contacts.scopes import create_scopes


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = "Contacts and consent"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from contacts import checks  # noqa: F401, PLC0415  registers the system check

        post_migrate.connect(create_scopes, dispatch_uid="contacts.create_scopes")
