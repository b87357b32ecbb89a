from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.roles import create_groups  # noqa: PLC0415  models can be imported only now

        post_migrate.connect(create_groups, dispatch_uid="accounts.create_groups")
