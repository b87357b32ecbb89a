"""Importing a list in the admin: the file, its columns, the import and its report."""

import io

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from accounts.models import AuditEntry, JobRun
from contacts import importing
from contacts.models import ConsentEvent, Contact, Import, Tag, Wording
from tests import make

pytestmark = pytest.mark.django_db

UPLOAD = reverse("admin:contacts_import_upload")
LIST = "Nome;Cellulare;Telefono;Data consenso\nAnna;347 1234567;06 69812345;01/03/2026\nBo;;06 69812346;\nCy;x;;\n"
EVIDENCE = {"scope": "marketing", "wording_text": "Yes, send me offers.", "source": "paper form", "occurred_at": ""}


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def marketing():
    client = Client()
    user = make.user("marketing")
    user.time_zone = "Europe/Rome"
    user.save()
    client.force_login(user)
    return client


def upload(client, content=LIST, name="customers.csv"):
    file = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)
    return client.post(UPLOAD, {"file": file})


def choices(response, **changed):
    """What the form shows, as a browser would send it back, with changes."""
    form = response.context["form"]
    shown = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in (shown | changed).items() if value not in (None, False)}


def start(client, **changed):
    address = upload(client).headers["Location"]
    page = client.get(address)
    return client.post(address, choices(page, **changed) | {"import": "1"})


def test_a_file_is_looked_at_before_anything_is_imported(marketing):
    response = upload(marketing)
    page = marketing.get(response.headers["Location"])
    form = page.context["form"]
    held = {form[f"column_{place}"].label: form[f"column_{place}"].value() for place in range(4)}
    assert held == {
        "Nome": "first_name", "Cellulare": "phone", "Telefono": "phone_2", "Data consenso": "occurred_at",
    }  # fmt: skip
    assert (form["region"].value(), form["time_zone"].value()) == ("IT", "Europe/Rome")
    assert [row.phone for row in page.context["shown"]] == ["+393471234567", "+390669812346", ""]
    assert "nothing can be sent to them" in page.content.decode()
    assert not Contact.objects.exists() and not Import.objects.exists()


def test_looking_again_shows_what_the_choices_would_make_and_saves_nothing(marketing):
    address = upload(marketing).headers["Location"]
    page = marketing.post(address, choices(marketing.get(address), tag="autumn", **EVIDENCE) | {"look": "1"})
    assert [row.standing for row in page.context["shown"]] == ["granted", "unknown", None]
    assert "missing: date" in page.content.decode()
    assert not Wording.objects.exists() and not Tag.objects.exists() and not Import.objects.exists()


def test_an_import_is_started_run_and_reported(marketing):
    response = start(marketing, tag="autumn", **EVIDENCE)
    source = Import.objects.get()
    assert response.headers["Location"] == reverse("admin:contacts_import_change", args=[source.public_id])
    assert (source.file_name, source.created_by.email) == ("customers.csv", "marketing@example.test")
    assert source.mapping["phone"] == ["Cellulare", "Telefono"]
    assert OrmQ.objects.count() == 1
    assert AuditEntry.objects.filter(verb="import.started").exists()
    waiting = marketing.get(response.headers["Location"]).content.decode()
    assert "It begins in a moment." in waiting

    importing.run(source.pk)
    page = marketing.get(response.headers["Location"]).content.decode()
    assert "1 row was not imported. The other 2 were." in page
    assert ConsentEvent.objects.get().wording.text == "Yes, send me offers."
    assert Tag.objects.get().contacts.count() == 2
    report = b"".join(marketing.get(reverse("admin:contacts_import_report", args=[source.public_id])).streaming_content)
    assert report.decode().splitlines()[:2] == ["row,e164,error", "1,+393471234567,"]
    problems = marketing.get(reverse("admin:contacts_import_problems", args=[source.public_id]))
    assert [line.split(",")[0] for line in b"".join(problems.streaming_content).decode().splitlines()] == [
        "row",
        "2",
        "3",
    ]


def test_the_progress_is_told_while_it_changes(marketing):
    start(marketing)
    source = Import.objects.get()
    live = reverse("admin:contacts_import_live", args=[source.public_id])
    first = marketing.get(live)
    assert 'data-seconds="2"' in first.content.decode()
    assert marketing.get(live, headers={"If-None-Match": first["ETag"]}).status_code == 304
    importing.run(source.pk)
    done = marketing.get(live, headers={"If-None-Match": first["ETag"]})
    assert done.status_code == 200
    assert 'data-seconds="0"' in done.content.decode()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"column_1": "", "column_2": ""}, "__all__"),
        ({"column_0": "phone", "column_3": "email", "column_2": "email"}, "__all__"),
        ({"region": "XX"}, "region"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2099-01-01"}, "occurred_at"),
        ({"scope": "", "wording_text": "some words"}, "scope"),
        ({"scope": "marketing", "wording_text": "nonsense"}, "wording_text"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_nothing_begins(marketing, changed, field):
    response = start(marketing, **changed)
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04[Content_Types].xml", "This is an Excel workbook."),
        (b"<html><table>", "This is a web page"),
        (b"\n\n", "The file is empty."),
        (b"", "The file is empty."),
        (b"%PDF-1.4", "This is a PDF document"),
        (bytes(range(256)) * 9, "not a text file"),
    ],
)
def test_what_is_no_list_is_refused_beside_the_file(marketing, content, said):
    response = upload(marketing, content)
    assert response.status_code == 200
    assert said in str(response.context["form"].errors["file"])
    assert not default_storage.exists("imports") or default_storage.listdir("imports")[1] == []


def test_a_form_without_file_is_refused_beside_the_file(marketing):
    assert "Choose a file." in marketing.post(UPLOAD).content.decode()


def test_a_file_of_somebody_else_or_of_yesterday_is_not_here(marketing):
    address = upload(marketing).headers["Location"]
    other = Client()
    other.force_login(make.user("marketing", "other@example.test"))
    assert other.get(address).headers["Location"] == UPLOAD
    for name in default_storage.listdir("imports")[1]:
        default_storage.delete(f"imports/{name}")
    assert marketing.get(address).headers["Location"] == UPLOAD
    assert marketing.post(address, {"import": "1"}).headers["Location"] == UPLOAD


def test_a_list_with_a_thousand_columns_is_shown(marketing):
    header = ",".join(["phone", *(f"c{number}" for number in range(1500))])
    address = upload(marketing, f"{header}\n+393471234567{',x' * 1500}\n").headers["Location"]
    page = marketing.get(address)
    assert page.status_code == 200
    assert marketing.post(address, choices(page) | {"import": "1"}).status_code == 302


def test_markup_in_a_file_is_text(marketing):
    page = upload(marketing, "phone;<b>x</b>\n347 1234567;<script>alert(1)</script>\n", name="<i>.csv")
    shown = marketing.get(page.headers["Location"]).content.decode()
    assert "<script>alert(1)" not in shown
    assert "<b>x</b>" not in shown
    assert "&lt;b&gt;x" in shown


def test_a_report_that_does_not_exist_yet_is_not_found(marketing):
    start(marketing)
    source = Import.objects.get()
    for page in ("report", "problems"):
        assert marketing.get(reverse(f"admin:contacts_import_{page}", args=[source.public_id])).status_code == 404


def test_a_failed_import_says_why(marketing):
    start(marketing)
    source = Import.objects.get()
    default_storage.delete(source.file.name)
    importing.run(source.pk)
    page = marketing.get(reverse("admin:contacts_import_change", args=[source.public_id])).content.decode()
    assert "The file cannot be opened." in page
    assert JobRun.objects.get().state == "failed"


def test_who_may_only_look_sees_imports_and_begins_none():
    source = importing.start(
        importing.keep(SimpleUploadedFile("list.csv", b"phone\n+393471234567\n")),
        by=make.user("marketing"),
        options=importing.Options(mapping={"phone": ["phone"]}),
    )
    for role, seen in (("auditor", 200), ("agent", 403)):
        client = Client()
        client.force_login(make.user(role))
        assert client.get(reverse("admin:contacts_import_changelist")).status_code == seen
        assert client.get(reverse("admin:contacts_import_change", args=[source.public_id])).status_code == seen
        assert client.get(reverse("admin:contacts_import_live", args=[source.public_id])).status_code == seen
        assert client.get(UPLOAD).status_code == 403
        assert client.post(UPLOAD, {"file": io.BytesIO(b"phone\n1\n")}).status_code == 403
        assert client.get(reverse("admin:contacts_import_columns", args=["x"])).status_code == 403
    assert Import.objects.count() == 1
