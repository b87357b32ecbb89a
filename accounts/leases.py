"""Leases: one holder at a time of a named duty, among all processes and machines.

A lease is a row taken by one guarded UPDATE on the database's clock. Who loses it finds out at the next `hold`.
"""

import os
import socket
import uuid
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Lease


def new_owner() -> str:
    """A name for one process that holds leases: readable, and never used twice."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def hold(name: str, owner: str, seconds: float) -> bool:
    """Take the lease, or extend it when it is ours. False while somebody else's has not run out."""
    until = Now() + timedelta(seconds=seconds)
    free = Q(owner=owner) | Q(expires_at__lte=Now())
    if Lease.objects.filter(free, name=name).update(owner=owner, expires_at=until, version=F("version") + 1):
        return True
    if Lease.objects.filter(name=name).exists():
        return False
    try:
        with transaction.atomic():
            Lease.objects.create(name=name, owner=owner, expires_at=until)
    except IntegrityError:
        return False
    return True


def release(name: str, owner: str) -> None:
    """Give the lease back at once, if it is still ours."""
    Lease.objects.filter(name=name, owner=owner).update(expires_at=Now())
