"""One of everything a page can be about, for tests that open every page."""

from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone
from django_q.models import Failure

from accounts import audit
from accounts.models import JobRun, User
from campaigns.models import Campaign, Recipient
from contacts.models import Import, Wording
from conversations.models import (
    Attempt,
    Batch,
    Conversation,
    Kind,
    Message,
    Status,
    UnrecognisedEvent,
    WebhookDelivery,
)
from conversations.verdicts import Verdict
from tests import make


def build(author: User | None = None) -> dict[str, Any]:
    """{what: a row}. Names are those of the models, in lower case."""
    now = timezone.now()
    number, template = make.number(), make.template()
    make.template("winter_sale", status="PAUSED", platform_status="PAUSED")
    make.template("no_scope_yet", slug=None)
    tag = make.tag()
    giulia = make.contact(first_name="Giulia", last_name="Rossi", tags=[tag], email="giulia@example.test")
    marco = make.contact(first_name="Marco", tags=[tag])
    make.contact(first_name="Nobody", last_name="Asked")
    agreed = make.agree(giulia)
    make.agree(marco)
    withdrew = make.withdraw(marco, at=now - timedelta(hours=3))
    batch = Batch.objects.create(number=number, label="Autumn offer", send_until=now + timedelta(hours=20))
    running = Campaign.objects.create(
        name="Autumn offer", number=number, template=template, tag=tag, state="running", scheduled_at=now, batch=batch,
        values={"body.1": {"field": "first_name", "fallback": "there"}, "body.2": {"constant": "20%"}}, started_at=now,
        freezing=JobRun.objects.create(kind="campaign", state="done", total=2, done=2),
    )  # fmt: skip
    draft = Campaign.objects.create(name="Winter", number=number, template=template, tag=tag, created_by=author)
    Campaign.objects.create(
        name="Missed", number=number, template=template, tag=tag, state="missed", scheduled_at=now - timedelta(days=1)
    )
    sent = Message.objects.create(
        contact=giulia, number=number, kind=Kind.CAMPAIGN, status=Status.DELIVERED, at=now - timedelta(hours=4),
        type="template", template=template, text="Hi Giulia, until Sunday everything is 20% off.", batch=batch,
        content={"parameters": {"body": ["Giulia", "20%"]}}, stands_on=agreed, wamid="wamid.sent", attempt=1,
        queued_at=now - timedelta(hours=5), sending_at=now - timedelta(hours=4), sent_at=now - timedelta(hours=4),
        delivered_at=now - timedelta(hours=4),
    )  # fmt: skip
    Attempt.objects.create(message=sent, number=0, outcome="not_sent", sending_at=now - timedelta(hours=4))
    withheld = Message.objects.create(
        contact=marco, number=number, kind=Kind.CAMPAIGN, status=Status.WITHHELD, at=now, type="template",
        template=template, text="Hi Marco", batch=batch, verdict=Verdict.WITHDRAWN, withheld_at=now,
    )  # fmt: skip
    Recipient.objects.create(campaign=running, contact=giulia, message=sent, verdict=Verdict.ALLOWED)
    Recipient.objects.create(campaign=running, contact=marco, message=withheld, verdict=Verdict.ALLOWED)
    reply = Message.objects.create(
        contact=giulia, number=number, kind=Kind.INBOUND, status=Status.RECEIVED, at=now - timedelta(hours=2),
        type="text", text="is it in blue?", wamid="wamid.reply", in_reply_to=sent,
    )  # fmt: skip
    Message.objects.create(
        contact=marco, number=number, kind=Kind.INBOUND, status=Status.RECEIVED, at=now - timedelta(hours=3),
        type="text", text="STOP", wamid="wamid.stop", led_to=withdrew,
    )  # fmt: skip
    conversation = Conversation.objects.create(
        contact=giulia, number=number, session_expires_at=now + timedelta(hours=22), last_inbound=reply,
        last_message=reply, changed_at=now, unread=1,
    )  # fmt: skip
    delivery = WebhookDelivery.objects.create(
        body=b'{"object": "whatsapp_business_account"}', people=True, attempts=8, parked_at=now, error="KeyError"
    )
    unknown = UnrecognisedEvent.objects.create(delivery=delivery, position=0, field="calls", value={"a": 1})
    failure = Failure.objects.create(
        id="f" * 32, name="drain", func="conversations.inbound.drain_people", started=now, stopped=now, success=False,
        result="boom",
    )  # fmt: skip
    imported = Import.objects.create(
        job=JobRun.objects.create(kind="import", state="done", total=2, done=2), file_name="customers.csv",
        file=ContentFile(b"phone\n+393471234567\nno number\n", "customers.csv"), sha256="0" * 64, time_zone="UTC",
        recorded_at=now, report=ContentFile(b"row,e164,error\n1,+393471234567,\n2,,No number.\n", "report.csv"),
        rows_done=2, counts={"created": 1, "failed": 1}, mapping={"phone": ["phone"]}, created_by=author,
    )  # fmt: skip
    audit.note("number.held", number, actor=author)
    return {
        "user": make.user("agent", "eva@example.test"), "portfolio": number.portfolio, "businessnumber": number,
        "messagetemplate": template, "tag": tag, "contact": giulia, "consentevent": agreed, "scope": template.scope,
        "wording": Wording.objects.get(), "batch": batch, "campaign": draft, "running": running, "message": sent,
        "conversation": conversation, "webhookdelivery": delivery, "unrecognisedevent": unknown, "failure": failure,
        "import": imported,
    }  # fmt: skip
