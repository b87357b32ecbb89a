"""Every URL of the project. Each room lists its own; this file only says where they hang."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from config import health, home

# One log-in for everybody: the admin's own form would go around two-factor and the rate limits.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", home.home, name="home"),
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("", include("conversations.urls")),
    path("health/live/", health.live, name="health_live"),
    path("health/ready/", health.ready, name="health_ready"),
]
