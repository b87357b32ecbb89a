"""Health: what a load balancer or a person asks to learn whether this process can work."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from contacts import triggers


@require_safe
@never_cache
@login_not_required
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; it asks nothing of the database."""
    return HttpResponse("live\n", content_type="text/plain")


@require_safe
@never_cache
@login_not_required
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and the ledger's triggers stand; else 503 and one line per reason."""
    try:
        problems = ["the ledger is not protected"] if triggers.missing(connection) else []
    except Error:
        problems = ["the database does not answer"]
    text = "\n".join(problems or ["ready"]) + "\n"
    return HttpResponse(text, content_type="text/plain", status=503 if problems else 200)
