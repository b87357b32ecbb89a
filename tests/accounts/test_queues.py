import pytest
from django.db import transaction
from django_q.models import OrmQ

from accounts import queues


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_leaves_with_the_commit_and_goes_with_the_rollback() -> None:
    def work(*, fails: bool) -> None:
        with transaction.atomic():
            queues.wake("config.canary.sing", queue=queues.INBOUND)
            if fails:
                raise LookupError

    with pytest.raises(LookupError):
        work(fails=True)
    work(fails=False)

    assert list(OrmQ.objects.values_list("key", flat=True)) == [queues.INBOUND]


@pytest.mark.django_db
def test_a_full_queue_takes_no_more_wake_ups_and_the_others_still_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FULL", 3)

    for _ in range(5):
        queues.wake("config.canary.sing", queue=queues.SEND)
    queues.wake("config.canary.sing", queue=queues.INBOUND)

    assert [OrmQ.objects.filter(key=queue).count() for queue in (queues.SEND, queues.INBOUND)] == [3, 1]
