from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ProjectConfig(AppConfig):
    """The top room: settings, URLs, operations. It has no models; it is an app for its commands."""

    name = "config"
    verbose_name = "Parley"

    def ready(self) -> None:
        from config import checks  # noqa: F401, PLC0415  registers the checks
        from config.schedules import create_schedules  # noqa: PLC0415  models can be imported only now

        post_migrate.connect(create_schedules, dispatch_uid="config.create_schedules")
