from django.apps import AppConfig
from django.db.models.signals import post_migrate

from contacts.scopes import create_scopes


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = "Contacts and consent"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from contacts import checks, person_parts  # noqa: F401, PLC0415  checks registers its own

        person_parts.register()
        post_migrate.connect(create_scopes, dispatch_uid="contacts.create_scopes")
