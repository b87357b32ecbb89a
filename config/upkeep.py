"""Upkeep: removing what only piles up. No business data is touched here."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Failure

from accounts import hosts

FAILURES_KEPT = timedelta(days=30)  # django-q2 never removes them


def prune() -> None:
    """Job, daily: old failures of background work, expired sessions, machines that are gone."""
    now = timezone.now()
    Failure.objects.filter(stopped__lt=now - FAILURES_KEPT).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    hosts.prune()
