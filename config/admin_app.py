"""The admin as an app of its own kind: the same autodiscovery, with our site instead of Django's."""

from django.contrib.admin.apps import AdminConfig


class ParleyAdminConfig(AdminConfig):
    default_site = "config.admin_site.ParleyAdminSite"
