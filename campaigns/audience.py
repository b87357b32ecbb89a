"""The people of a campaign: how many would get it, and the rows that say who does and who does not.

Freezing goes through the tagged contacts by id, a chunk at a time. A chunk is one short transaction that holds
everything: the messages, the recipients, and the id up to which they now exist. What a killed process left is a whole
number of chunks, and the next one goes on behind the last. Sending may begin with the first chunk.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Max, Model, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.functions import Greatest
from django.db.models.sql import InsertQuery
from django.utils import timezone

from accounts import hosts, leases, queues
from accounts.models import JobRun
from campaigns.models import Campaign, Recipient
from campaigns.values import ATTRIBUTE, missing, values_for
from contacts.models import Contact
from conversations import gate, outbox
from conversations.models import Batch, Kind, Message, Status
from conversations.template_values import parameters, reading
from conversations.verdicts import WAITS_FOR, Verdict

logger = logging.getLogger(__name__)

RUN_SECONDS = 300  # then others on the queue have their turn, and we ask to be called again
LEASE_SECONDS = 30  # a freeze that died is taken up again after this
BLOCK = 5000  # people asked about at once
FREEZING = (Campaign.State.STARTING, Campaign.State.PAUSED)  # a paused one is filled on, so that resuming is quick


@dataclass(frozen=True, slots=True)
class Pace:
    """How large a chunk may be. first, most: contacts; hold: seconds of a transaction; rest: seconds between two."""

    first: int
    most: int
    hold: float
    rest: float


# SQLite has one writer for everybody: it is held briefly and then given up for a while.
_PACES = {"sqlite": Pace(first=100, most=1000, hold=0.025, rest=0.02)}
_PACE = Pace(first=BLOCK, most=BLOCK, hold=2.0, rest=0.0)


@dataclass(frozen=True, slots=True)
class DryRun:
    """Who would get a campaign. by_verdict: in the order the verdicts are tried, without the empty ones."""

    total: int
    by_verdict: list[tuple[Verdict, int]]

    def count(self, *verdicts: Verdict) -> int:
        return sum(number for verdict, number in self.by_verdict if verdict in verdicts)

    @property
    def allowed(self) -> int:
        """People who get it at its time."""
        return self.count(Verdict.ALLOWED)

    @property
    def later(self) -> int:
        """People whose message waits for something, and leaves within a day or not at all."""
        return self.count(*WAITS_FOR)


def answered(campaign: Campaign, contacts: QuerySet[Contact] | None = None, *, at: datetime) -> QuerySet[Any]:
    """The people of a campaign, each with the gate's `answer` for it at a moment."""
    people = Contact.objects.tagged(campaign.tag) if contacts is None else contacts
    return gate.dry_run(
        people,
        template=campaign.template,
        number=campaign.number,
        kind=Kind.CAMPAIGN,
        at=at,
        missing=missing(campaign.template, campaign.values),
    )


def dry_run(campaign: Campaign) -> DryRun:
    """How many people would get the campaign at its time (now, where it has none or it has passed), and why not."""
    at = max(campaign.scheduled_at or timezone.now(), timezone.now())
    found = dict(answered(campaign, at=at).order_by().values_list("answer").annotate(Count("pk")))
    return DryRun(sum(found.values()), [(verdict, found[verdict]) for verdict in Verdict if found.get(verdict)])


def newest_contact() -> int:
    """The id up to which contacts are asked: who is added while a campaign starts is not in it."""
    return Contact.objects.aggregate(newest=Max("pk"))["newest"] or 0


def freeze(campaign_id: int) -> None:
    """Job: make the recipients of a campaign and queue their messages, going on where an earlier run stopped.

    Two at once are harmless: the second finds the lease taken. Leaves after RUN_SECONDS and asks to be called again.
    """
    lease, owner = f"freeze campaign {campaign_id}", leases.new_owner()
    if not leases.hold(lease, owner, LEASE_SECONDS):
        return
    try:
        again = _freeze_until(campaign_id, time.monotonic() + RUN_SECONDS, lease, owner)
    except Exception as error:
        JobRun.objects.filter(pk__in=_job_of(campaign_id)).update(error=type(error).__name__)
        raise
    finally:
        leases.release(lease, owner)
    if again:
        wake(campaign_id)


def wake(campaign_id: int) -> None:
    """Have somebody go on with freeze()."""
    queues.wake("campaigns.audience.freeze", campaign_id)


def _job_of(campaign_id: int) -> list[int]:
    return [pk for pk in Campaign.objects.filter(pk=campaign_id).values_list("freezing", flat=True) if pk is not None]


def _freeze_until(campaign_id: int, deadline: float, lease: str, owner: str) -> bool:
    """Freeze chunk after chunk. True when there is more to do and the time is over."""
    pace = _PACES.get(connection.vendor, _PACE)
    size, held_at = pace.first, time.monotonic()
    campaign = _to_freeze(campaign_id)
    if campaign is not None:
        _count_first(campaign)
    while campaign is not None:
        people = _next_people(campaign)
        if not people:
            return False
        while people:
            took = _freeze_chunk(campaign, people[:size])
            if took is None:
                break  # somebody else moved the mark, or a person cancelled: look again
            people = people[size:]
            size = max(1, min(pace.most, int(size * min(2.0, pace.hold / max(took, 0.001)))))
            now = time.monotonic()
            if now >= deadline:
                return True
            if now - held_at > 1:
                if hosts.draining() or not leases.hold(lease, owner, LEASE_SECONDS):
                    return False  # the one-second loop of whoever works then wakes the next
                held_at = now
            time.sleep(pace.rest)
        campaign = _to_freeze(campaign_id)
    return False


def _to_freeze(campaign_id: int) -> Campaign | None:
    unfinished = Campaign.objects.filter(pk=campaign_id, state__in=FREEZING, batch__filled=False)
    return unfinished.select_related("number__portfolio", "template__scope", "tag", "batch", "freezing").first()


def _count_first(campaign: Campaign) -> None:
    """Say how many there are before the first chunk, so that progress has an end. Once: a resumed run keeps it."""
    job = _freezing(campaign)
    now = timezone.now()
    if job.total is None:
        total = Contact.objects.tagged(campaign.tag).filter(pk__lte=campaign.audience_upto or 0).count()
        JobRun.objects.filter(pk=job.pk, total=None).update(total=total)
    fresh = JobRun.objects.filter(pk=job.pk, started_at=None)
    fresh.update(started_at=now)
    JobRun.objects.filter(pk=job.pk).update(state=JobRun.State.RUNNING, heartbeat_at=now, error="")


def _next_people(campaign: Campaign) -> list[Any]:
    """The next people behind the mark, each with the gate's answer: enough for several chunks, as asking is dear.

    Nobody: the freeze is over, or stopped because of the template.
    """
    begin, end = campaign.frozen_upto, campaign.audience_upto or 0
    ahead = Contact.objects.tagged(campaign.tag).filter(pk__gt=begin, pk__lte=end)
    asked = answered(campaign, ahead, at=timezone.now()).only(*_columns(campaign))
    people = list(asked.order_by("pk")[:BLOCK])
    if any(person.answer == Verdict.TEMPLATE_NOT_APPROVED for person in people):
        # The template was refused meanwhile. That is nobody's verdict: it pauses the whole, and they are asked again.
        stop(campaign, Verdict.TEMPLATE_NOT_APPROVED)
        return []
    if not people:
        _finish(campaign)
    return people


def _freeze_chunk(campaign: Campaign, people: Sequence[Any]) -> float | None:
    """Write one chunk. Returns the seconds the transaction took, or None when the mark was not ours to move.

    The statements are made before the transaction: making them takes three times as long as running them, and SQLite
    has one writer at a time. Unique constraints keep out what is there already.
    """
    at, last = timezone.now(), people[-1].pk
    chosen = [person for person in people if person.answer in (Verdict.ALLOWED, *WAITS_FOR)]
    left_out = [person for person in people if person.answer not in (Verdict.ALLOWED, *WAITS_FOR)]
    statements = [
        *_inserts([_message(campaign, person, at) for person in chosen]),
        (_TAKE_IN, (campaign.pk, _batch(campaign).pk, campaign.frozen_upto, last)),
        *_inserts([Recipient(campaign=campaign, contact=person, verdict=person.answer) for person in left_out]),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        began = time.monotonic()
        mark = Campaign.objects.filter(pk=campaign.pk, state__in=FREEZING, frozen_upto=campaign.frozen_upto)
        if not mark.update(frozen_upto=last):
            return None
        for sql, values in statements:
            cursor.execute(sql, values)
        done = F("done") + len(people)
        # People tagged since the count may be more than it said.
        job = JobRun.objects.filter(pk=_freezing(campaign).pk)
        job.update(done=done, total=Greatest(F("total"), done), heartbeat_at=at)
    campaign.frozen_upto = last
    return time.monotonic() - began


# Whoever has a message is a recipient with it; its verdict is what the message waits for.
_TAKE_IN = """
    INSERT INTO campaigns_recipient (campaign_id, contact_id, message_id, verdict)
    SELECT %s, contact_id, id, CASE verdict WHEN '' THEN 'allowed' ELSE verdict END
    FROM conversations_message WHERE batch_id = %s AND contact_id > %s AND contact_id <= %s
    ON CONFLICT DO NOTHING
"""


def _inserts(rows: Sequence[Model]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The statements that insert rows of one model, passing over those that are there."""
    if not rows:
        return
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    size = min(1000, connection.ops.bulk_batch_size(fields, list(rows)))
    for start in range(0, len(rows), size):
        query = InsertQuery(model, on_conflict=OnConflict.IGNORE)
        query.insert_values(fields, list(rows[start : start + size]))
        yield from query.get_compiler(connection=connection).as_sql()


def _batch(campaign: Campaign) -> Batch:
    """The batch of a campaign that has started; a constraint says that it has one."""
    assert campaign.batch is not None
    return campaign.batch


def _freezing(campaign: Campaign) -> JobRun:
    assert campaign.freezing is not None
    return campaign.freezing


def _columns(campaign: Campaign) -> set[str]:
    """The columns of a contact that the chosen values need."""
    fields = {source["field"] for source in campaign.values.values() if source.get("field")}
    return {"id"} | {"attributes" if field.startswith(ATTRIBUTE) else field for field in fields}


def _message(campaign: Campaign, person: Any, at: datetime) -> Message:
    """What this person will get, with its words as they are now: a later change of their name changes nothing."""
    batch = _batch(campaign)
    values = values_for(person, campaign.template, campaign.values)
    filled = parameters(campaign.template, values)
    return Message(
        contact=person,
        number=campaign.number,
        kind=Kind.CAMPAIGN,
        status=Status.QUEUED,
        type="template",
        template=campaign.template,
        content={"parameters": filled} if filled else {},
        text=reading(campaign.template, filled).text,
        missing_value="" in values.values(),
        batch=batch,
        priority=outbox.CAMPAIGNS,
        verdict="" if person.answer == Verdict.ALLOWED else person.answer,
        at=at,
        queued_at=at,
        due_at=at,
        send_until=batch.send_until,
    )


def _finish(campaign: Campaign) -> None:
    """Everybody is in: the batch gets no more messages."""
    now = timezone.now()
    with transaction.atomic():
        if not Campaign.objects.select_for_update().filter(pk=campaign.pk, state__in=FREEZING).exists():
            return
        Batch.objects.filter(pk=_batch(campaign).pk).update(filled=True)
        Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.STARTING).update(state=Campaign.State.RUNNING)
        JobRun.objects.filter(pk=_freezing(campaign).pk).update(
            state=JobRun.State.DONE, heartbeat_at=now, finished_at=now
        )
    logger.info("campaign %s has all its recipients", campaign.pk)


def stop(campaign: Campaign, reason: str) -> None:
    """Pause a campaign for a reason that lies in itself and not in one person; a person resumes it."""
    with transaction.atomic():
        going = Campaign.objects.filter(pk=campaign.pk, state__in=(Campaign.State.STARTING, Campaign.State.RUNNING))
        if going.update(state=Campaign.State.PAUSED, state_reason=reason):
            outbox.pause(_batch(campaign), reason=reason)
    logger.warning("campaign %s paused itself: %s", campaign.pk, reason)
