from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The top room: settings, URLs, operations. It has no models; it is an app for its commands."""

    name = "config"
    verbose_name = "Parley"
