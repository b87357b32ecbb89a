"""Health: what a load balancer or a person asks to learn whether this process can work."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
@login_not_required
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; it asks nothing of the database."""
    return HttpResponse("live\n", content_type="text/plain")
