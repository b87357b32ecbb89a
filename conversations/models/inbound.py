"""What the platform told us, kept raw before anything is made of it."""

from django.db import models
from django.db.models import Q


class WebhookDelivery(models.Model):
    """One signed body, committed before it is answered. Applying it is idempotent, so it may be applied again."""

    body = models.BinaryField()
    people = models.BooleanField()  # carries messages or preferences: read before bodies of statuses
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)  # after a failure: when to try again; NULL: at once
    parked_at = models.DateTimeField(null=True)  # failed too often: a person looks
    error = models.CharField(max_length=200, blank=True)  # type and place of the last failure, nothing personal

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(
                fields=["-people", "id"], name="webhook_unread", condition=Q(applied_at=None, parked_at=None)
            ),  # drain()
        ]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class UnrecognisedEvent(models.Model):
    """Something the platform said that we have no use for yet: kept and shown, never an error."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="unrecognised")
    position = models.PositiveIntegerField()  # within its delivery, so that a second pass adds nothing
    field = models.CharField(max_length=60)
    kind = models.CharField(max_length=60, blank=True)
    phone_number_id = models.CharField(max_length=64, blank=True)
    value = models.JSONField()
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["delivery", "position"], name="unrecognised_once")]

    def __str__(self) -> str:
        return f"{self.field} {self.kind}".strip()
