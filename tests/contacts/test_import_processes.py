"""An import in a process of its own: killed in the middle, finished by the next, in little memory."""

import csv
import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from django.core.files.base import ContentFile

from accounts.models import JobRun, Lease
from contacts import importing, ledger
from contacts.models import Consent, ConsentEvent, Contact, Import
from tests import make
from tests.conftest import eventually

ROWS = 2_000
# Imports, and prints by how many kilobytes the process grew after its first chunk.
RUN = """
import resource, sys, django
django.setup()
from contacts import importing
sizes = []
def look(done, total):
    sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
importing.run(int(sys.argv[1]), seconds=None, progress=look)
print(sizes[-1] - sizes[0])
"""


@pytest.fixture
def source(transactional_db, settings, process_environment):
    settings.MEDIA_ROOT = settings.DATA_DIR / "media"  # where the processes look for files
    rows = "".join(f"347 {number:07},Anna {number},2026-03-{1 + number % 28:02}\n" for number in range(ROWS))
    scope = make.scope()
    return importing.start(
        importing.keep(ContentFile(f"phone,name,consent date\n{rows}".encode(), name="list.csv")),
        by=None,
        options=importing.Options(
            mapping={"phone": ["phone"], "name": ["name"], "occurred_at": ["consent date"]},
            region="IT", scope=scope, wording=make.wording(), source="paper form",
        ),
        in_background=False,
    )  # fmt: skip


def begin(source, environment):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(source.pk)], env=environment, stdout=subprocess.PIPE, text=True
    )


def rows_done(source):
    return Import.objects.values_list("rows_done", flat=True).get(pk=source.pk)


def has_done(source, least):
    return rows_done(source) >= least


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_killed_import_is_finished_by_another_process(source, process_environment):
    for least in (1, ROWS // 2):
        process = begin(source, process_environment)
        try:
            eventually(partial(has_done, source, least))
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        done = rows_done(source)
        assert least <= done < ROWS
        assert Contact.objects.count() == ConsentEvent.objects.count() == done  # chunks are whole
        Lease.objects.all().delete()  # the dead process holds it for half a minute
    process = begin(source, process_environment)
    grown, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert int(grown) < 20_000
    source.refresh_from_db()
    assert source.job.state == JobRun.State.DONE
    assert source.counts == {"created": ROWS, "granted": ROWS}
    assert Contact.objects.count() == ConsentEvent.objects.count() == ROWS
    assert Consent.objects.filter(standing="granted").count() == ROWS
    assert ledger.verify().faults == []
    with open(source.report.path, newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["row", *map(str, range(1, ROWS + 1))]
