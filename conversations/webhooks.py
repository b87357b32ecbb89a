"""The HTTP end of the platform's webhooks: verify, keep the body, answer. Nothing is applied here."""

import json
import logging

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import queues
from conversations.models import WebhookDelivery
from conversations.whatsapp import events

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
def whatsapp(request: HttpRequest) -> HttpResponse:
    """GET: the handshake. POST: one signed body, committed before the 200.

    403 for a wrong signature or token (nothing is kept), 400 for what is not JSON of the right outer shape.
    """
    return _handshake(request) if request.method == "GET" else _take(request)


def _handshake(request: HttpRequest) -> HttpResponse:
    token = settings.WHATSAPP_VERIFY_TOKEN
    right = request.GET.get("hub.mode") == "subscribe" and bool(token)
    if not right or not constant_time_compare(request.GET.get("hub.verify_token", ""), token):
        return _answer(403)
    return _answer(200, request.GET.get("hub.challenge", ""))


def _take(request: HttpRequest) -> HttpResponse:
    body = request.body  # before anything else reads it: the signature is over these very bytes
    if not events.verify_signature(body, request.headers.get("X-Hub-Signature-256"), settings.WHATSAPP_APP_SECRET):
        logger.warning("webhook refused, wrong signature, %s bytes", len(body))
        return _answer(403)
    try:
        told = json.loads(body)
        if not isinstance(told, dict) or not isinstance(told.get("entry"), list):
            raise ValueError("not a webhook body")
    except (ValueError, RecursionError):
        return _answer(400)
    people = events.carries_people(told)
    WebhookDelivery.objects.create(body=body, people=people)
    if people:
        # Statuses wait for the loop of `manage.py work`, a second at most; a STOP is read at once.
        queues.wake("conversations.inbound.drain_people", queue=queues.INBOUND)
    return _answer(200)


def _answer(status: int, text: str = "") -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain")
