"""Lists become contacts, and what they prove becomes consent."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import JobRun
from contacts import consent, import_chunks, importing, ledger
from contacts.models import Action, Consent, ConsentEvent, Contact, Identity, Import, Source, Standing, Tag, Wording
from tests import make

pytestmark = pytest.mark.django_db

ANNA, BO, CY = "+393471234567", "+393471234568", "+393471234569"
TEXT = "Yes, send me offers by WhatsApp."


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def load(tmp_path):
    """Imports text with the command; gives the import and its report as a list of lines."""

    def load(content, *args, region="IT", **options):
        path = tmp_path / "contacts.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        report = tmp_path / "report.csv"
        call_command("import_contacts", str(path), *args, report=report, region=region, **options)
        with report.open(newline="") as file:
            return Import.objects.latest("pk"), list(csv.reader(file))

    return load


def evidence(**more):
    return {"scope": "marketing", "wording": TEXT, "source": "paper form", "occurred_at": "2026-03-01"} | more


def standing(phone, slug="marketing"):
    contact = Contact.objects.get(phone=phone)
    rows = {stand.scope.slug: stand.standing for stand in consent.standings(contact, at=timezone.now())}
    return rows[slug]


class TestContacts:
    def test_a_list_becomes_contacts(self, load):
        source, report = load(
            "Telefono;Nome;Cognome;Email;Lingua;Etichette;Città;Taglia\n"
            "347 123 45 67;Anna;Rossi;anna@example.it;Italiano;vip, Milano;Milano;M\n"
            "0039 347 1234568;Bo;;;en-GB;;;\n",
            tag="autumn",
        )
        anna, bo = Contact.objects.get(phone=ANNA), Contact.objects.get(phone=BO)
        assert (anna.first_name, anna.last_name, anna.email, anna.language) == (
            "Anna",
            "Rossi",
            "anna@example.it",
            "it",
        )
        assert (anna.country, anna.time_zone) == ("IT", "Europe/Rome")
        assert anna.attributes == {"Città": "Milano", "Taglia": "M"}
        assert {tag.name for tag in anna.tags.all()} == {"autumn", "vip", "Milano"}
        assert (bo.first_name, bo.language, bo.attributes) == ("Bo", "en_GB", {})
        assert {tag.name for tag in bo.tags.all()} == {"autumn"}
        assert report == [["row", "e164", "error"], ["1", ANNA, ""], ["2", BO, ""]]
        assert source.counts == {"created": 2, "unknown": 2}
        assert source.job.state == JobRun.State.DONE
        assert (source.job.done, source.job.total) == (2, 2)

    def test_every_row_is_in_the_report_with_its_reason(self, load):
        source, report = load(
            "phone;name\n"
            "347 1234567;Anna\n"
            "\n"
            "347 1234568;Bo;x\n"
            ";Cy\n"
            "3,93471E+11;Di\n"
            "06 69812345 int. 3;Ed\n"
            '347 1234569;"Fe\n'
            "+39 347 1234567;Anna again\n"
        )
        assert [row[:2] for row in report[1:]] == [
            ["1", ANNA], ["2", ""], ["3", ""], ["4", ""], ["5", ""], ["6", ""], ["7", ""], ["8", ANNA],
        ]  # fmt: skip
        assert [bool(error) for _, _, error in report[1:]] == [False, *[True] * 6, False]
        assert "empty" in report[2][2]
        assert "3 cells" in report[3][2]
        assert Contact.objects.count() == 1
        assert source.counts == {"created": 1, "updated": 1, "unknown": 2, "failed": 6}
        assert sum(source.reading["reasons"].values()) == 6
        assert source.reading["reasons"]["The row is empty."] == 1

    def test_a_person_met_again_is_updated_and_nothing_is_emptied(self, load):
        anna = make.contact(
            ANNA, first_name="Anna", last_name="Rossi", email="old@example.it", attributes={"size": "M"}
        )
        load("phone,email,last_name,city\n+39 347 1234567,new@example.it,,Milan\n")
        anna.refresh_from_db()
        assert (anna.last_name, anna.email, anna.attributes) == (
            "Rossi",
            "new@example.it",
            {"size": "M", "city": "Milan"},
        )

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("+55 11 98765-4321", "55 11 8765-4321"),
            ("+52 55 1234 5678", "+52 1 55 1234 5678"),
            ("+54 9 11 2345 6789", "+54 11 2345 6789"),
        ],
    )
    def test_national_variants_of_a_number_are_one_person(self, load, first, second):
        load(f"phone\n{first}\n{second}\n")
        load(f"phone\n{second}\n")
        assert Contact.objects.count() == 1

    def test_a_number_that_whatsapp_taught_us_is_known(self, load):
        anna = make.contact("+525512345678")
        other = "+525598765432"
        Identity.objects.create(contact=anna, kind=Identity.Kind.PHONE_VARIANT, value=other)
        load(f"phone,name\n{other},Anna\n")
        assert Contact.objects.get().first_name == "Anna"

    def test_of_two_phone_columns_the_first_good_number_counts(self, load):
        _, report = load(
            "Telefono;Cellulare;Nome\n;347 1234567;Anna\n06 69812345;;Bo\n347 1234569;abc;Cy\nxyz;123;Di\n"
        )
        assert [row[1] for row in report[1:]] == [ANNA, "+390669812345", CY, ""]

    def test_a_list_without_header(self, load):
        _, report = load("Anna;+39 347 1234567\nBo;347 1234568\n", map=["first_name=column 1"])
        assert [row[1] for row in report[1:]] == [ANNA, BO]
        assert Contact.objects.get(phone=ANNA).first_name == "Anna"

    def test_spreadsheet_formulas_are_text_and_never_numbers(self, load):
        _, report = load(
            'phone;name;note\n="00393471234567";="Anna";=1+1\n=1+393471234568;Bo;\n347 1234569;=cmd|x;@sum\n'
        )
        assert [row[1] for row in report[1:]] == [ANNA, "", CY]
        assert Contact.objects.get(phone=ANNA).first_name == "Anna"
        assert Contact.objects.get(phone=CY).attributes == {"note": "@sum"}

    def test_what_cannot_be_kept_is_left_out_and_said(self, load):
        long = "x" * 300
        _, report = load(f"phone,name,email,language,tags\n347 1234567,{long},anna(at)x,??,{long}\n")
        anna = Contact.objects.get()
        assert (len(anna.first_name), anna.email, anna.language, anna.tags.count()) == (120, "", "", 0)
        assert [word in report[1][2] for word in ("e-mail", "language", "tags")] == [True] * 3

    def test_a_column_of_anything_is_not_taken_for_tags(self, load):
        rows = "".join(f"347 {number:07},note {number}\n" for number in range(250))
        _, report = load(f"phone,tags\n{rows}")
        assert Tag.objects.count() == 200
        assert "too many different tags" in report[-1][2]
        assert Contact.objects.count() == 250


class TestConsent:
    def test_all_four_once_for_the_file_are_a_grant(self, load):
        source, _ = load("phone,name\n347 1234567,Anna\n", timezone="Europe/Rome", **evidence())
        line = ConsentEvent.objects.get()
        assert (line.action, line.source, line.scope.slug) == (Action.GRANTED, Source.IMPORT, "marketing")
        assert line.occurred_at == datetime(2026, 2, 28, 23, tzinfo=UTC)  # the first second of that day in Rome
        assert (line.wording.text, line.wording.scope) == (TEXT, line.scope)
        assert line.evidence.kind == "file_row"
        assert line.evidence.data == {
            "sha256": source.sha256, "file": "contacts.csv", "row": 1, "source": "paper form",
        }  # fmt: skip
        assert standing(ANNA) == Standing.GRANTED
        assert source.counts == {"created": 1, "granted": 1}

    def test_all_four_from_columns_are_a_grant_each(self, load):
        make.wording("reminders")
        load(
            "phone,scope,wording,source,occurred_at\n"
            f'347 1234567,marketing,"{TEXT}",web form,2026-03-01T10:00:00Z\n'
            "347 1234568,Reminders,form-reminders,desk,01/03/2026 11:00\n"
            "347 1234569,reminders,form-reminders v1,desk,1.3.26\n",
            timezone="Europe/Rome",
        )
        lines = ConsentEvent.objects.order_by("contact__phone")
        assert [line.scope.slug for line in lines] == ["marketing", "reminders", "reminders"]
        assert [line.wording.text for line in lines] == [TEXT, *["Yes, send me reminders by WhatsApp."] * 2]
        assert lines[0].occurred_at == lines[1].occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC)

    def test_a_column_outweighs_what_was_said_for_the_file(self, load):
        load("phone,source,occurred_at\n347 1234567,fair,2026-03-05\n347 1234568,,\n", timezone="UTC", **evidence())
        found = {
            line.contact.phone: (line.evidence.data["source"], line.occurred_at.day)
            for line in ConsentEvent.objects.all()
        }
        assert found == {ANNA: ("fair", 5), BO: ("paper form", 1)} or found == {
            ANNA: ("fair", 4),
            BO: ("paper form", 28),
        }

    @pytest.mark.parametrize("missing", ["scope", "wording", "source", "occurred_at"])
    def test_what_is_missing_is_said_and_the_contact_kept_with_consent_unknown(self, load, missing):
        given = evidence()
        del given[missing]
        if missing == "scope":
            given["wording"] = make.wording().key
            column, value = "scope", "nonsense"
            content = f"phone,{column}\n347 1234567,{value}\n"
        else:
            content = "phone\n347 1234567\n"
        _, report = load(content, **given)
        assert report[1][1] == ANNA
        assert {"scope": "no such scope", "occurred_at": "date"}.get(missing, missing) in report[1][2]
        assert standing(ANNA) == Standing.UNKNOWN
        assert not ConsentEvent.objects.exists()

    def test_a_list_that_claims_no_consent_has_nothing_to_complain_of(self, load):
        source, report = load("phone,name\n347 1234567,Anna\n")
        assert report[1] == ["1", ANNA, ""]
        assert source.counts == {"created": 1, "unknown": 1}

    @pytest.mark.parametrize(
        ("cell", "said"),
        [
            ("31/02/2026", "no such date"),
            ("45292", "wrote this date as a number"),
            ("last year", "cannot be read"),
            ("2099-01-01", "future"),
        ],
    )
    def test_a_date_that_cannot_be_is_no_evidence(self, load, cell, said):
        _, report = load(f"phone,consent date\n347 1234567,{cell}\n347 1234568,2026-03-01\n", **evidence())
        assert said in report[1][2]
        assert (standing(ANNA), standing(BO)) == (Standing.UNKNOWN, Standing.GRANTED)

    def test_one_month_above_twelve_turns_the_whole_column(self, load):
        load("phone,consent date\n347 1234567,03/04/2026\n347 1234568,03/31/2026\n", **evidence())
        first, second = ConsentEvent.objects.order_by("contact__phone")
        assert (first.occurred_at + timedelta(hours=12)).strftime("%d %b") == "04 Mar"
        assert (second.occurred_at + timedelta(hours=12)).strftime("%d %b") == "31 Mar"

    def test_a_yes_and_no_column_grants_only_where_it_says_yes(self, load):
        _, report = load("phone,consenso\n347 1234567,sì\n347 1234568,no\n347 1234569,\n", **evidence())
        assert [standing(phone) for phone in (ANNA, BO, CY)] == ["granted", "unknown", "unknown"]
        assert [row[2] for row in report[1:]] == [""] * 3

    def test_a_scope_with_double_opt_in_waits_for_the_phone(self, load):
        make.scope("club", double_opt_in=True)
        source, _ = load("phone\n347 1234567\n", **evidence(scope="club"))
        assert standing(ANNA, "club") == Standing.PENDING
        assert source.counts == {"created": 1, "requested": 1}

    def test_a_text_is_one_wording_however_often_it_comes(self, load):
        load("phone\n347 1234567\n347 1234568\n", **evidence())
        load("phone\n347 1234569\n", **evidence(wording=f"  {TEXT} "))
        assert Wording.objects.count() == 1

    def test_a_column_of_anything_is_not_taken_for_wordings(self, load):
        rows = "".join(f"347 {number:07},some words {number}\n" for number in range(60))
        _, report = load(f"phone,wording\n{rows}", **evidence(wording=""))
        assert Wording.objects.count() == 50
        assert "too many different wordings" in report[-1][2]


class TestWithdrawals:
    def test_a_row_that_opted_out_is_withdrawn_with_its_evidence(self, load):
        source, _ = load("phone,opted out\n347 1234567,yes\n347 1234568,no\n", **evidence())
        line = Contact.objects.get(phone=ANNA).consent_events.get()
        assert (line.action, line.source, line.scope.slug) == (Action.WITHDRAWN, Source.IMPORT, "marketing")
        assert line.evidence.data["row"] == 1
        assert (standing(ANNA), standing(BO)) == (Standing.WITHDRAWN, Standing.GRANTED)
        assert source.counts == {"created": 2, "granted": 1, "opted_out": 1}

    def test_without_a_scope_an_opt_out_is_one_of_everything(self, load):
        load("phone,opted out\n347 1234567,x\n")
        assert {standing(ANNA, slug) for slug in ("marketing", "reminders", "support")} == {Standing.WITHDRAWN}

    def test_a_day_counts_to_its_last_second_for_a_withdrawal(self, load):
        load("phone,unsubscribed at\n347 1234567,2026-03-01\n", timezone="Europe/Rome")
        assert ConsentEvent.objects.get().occurred_at == datetime(2026, 3, 1, 22, 59, 59, tzinfo=UTC)

    def test_a_withdrawal_of_today_is_never_later_than_we_heard_of_it(self, load):
        today = timezone.now().date().isoformat()
        source, _ = load(f"phone,unsubscribed at\n347 1234567,{today}\n", timezone="UTC")
        line = ConsentEvent.objects.get()
        assert line.occurred_at == min(source.recorded_at, line.recorded_at)

    @pytest.mark.parametrize("date", ["soon 1", "2099-01-01", ""])
    def test_a_withdrawal_is_not_lost_for_want_of_a_date(self, load, date):
        source, _ = load(f"phone,opted out,occurred_at\n347 1234567,yes,{date}\n")
        assert standing(ANNA) == Standing.WITHDRAWN
        assert ConsentEvent.objects.get().occurred_at == source.recorded_at

    @pytest.mark.parametrize("date", ["2020-01-01", "2026-11-01"])
    def test_after_a_withdrawal_an_import_never_grants_whatever_its_date(self, load, date):
        anna = make.contact(ANNA)
        make.withdraw(anna, at=make.moment(10))
        source, report = load("phone,name\n347 1234567,Anna\n", **evidence(occurred_at=date))
        assert "withdrew" in report[1][2]
        assert report[1][1] == ANNA
        assert standing(ANNA) == Standing.WITHDRAWN
        assert anna.consent_events.count() == 1
        assert source.counts == {"updated": 1, "refused": 1}

    @pytest.mark.parametrize("order", [1, -1])
    def test_who_opted_out_in_one_row_is_not_granted_by_another(self, load, order):
        rows = ["347 1234567,yes,2026-03-01", "+39 347 1234567,,2026-03-05"][::order]
        load("phone,opted out,occurred_at\n" + "\n".join(rows), **evidence())
        assert standing(ANNA) == Standing.WITHDRAWN

    def test_the_same_list_again_adds_nothing_to_the_ledger(self, load):
        content = "phone,opted out\n347 1234567,\n347 1234568,yes\n347 1234569,2026-03-02\n"
        load(content, **evidence())
        before = ConsentEvent.objects.count()
        source, _ = load(content, **evidence())
        assert ConsentEvent.objects.count() == before == 3
        assert source.counts == {"updated": 3, "known": 3}

    def test_a_list_that_repeats_an_undated_opt_out_adds_no_line(self, load):
        load("phone,opted out\n347 1234567,yes\n347 1234567,yes\n")
        load("phone,opted out\n347 1234567,yes\n")
        assert ConsentEvent.objects.count() == 1

    def test_an_undated_opt_out_takes_back_what_was_granted_since(self, load):
        load("phone,opted out\n347 1234567,2026-03-02\n")
        anna = Contact.objects.get()
        make.agree(anna, source=Source.KEYWORD, at=timezone.now() - timedelta(days=1))
        assert standing(ANNA) == Standing.GRANTED
        load("phone,opted out\n347 1234567,yes\n")
        assert standing(ANNA) == Standing.WITHDRAWN

    def test_an_answer_nobody_can_read_grants_nothing(self, load):
        _, report = load("phone,opted\n347 1234567,perhaps\n", map=["opted_out=opted"], **evidence())
        assert "cannot be read" in report[1][2]
        assert standing(ANNA) == Standing.UNKNOWN

    def test_the_ledger_is_whole_after_all_of_it(self, load):
        load("phone,opted out\n347 1234567,\n347 1234568,yes\n347 1234567,yes\n", **evidence())
        assert ledger.verify().faults == []


class TestOptions:
    def keep(self, content="phone\n347 1234567\n"):
        return importing.keep(ContentFile(content.encode(), name="../Clients of March.csv"))

    def test_a_kept_file_has_a_name_that_tells_nothing(self):
        kept = self.keep()
        assert kept.file_name == "Clients of March.csv"
        assert "March" not in kept.name
        assert len(kept.sha256) == 64

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"mapping": {}}, "mapping"),
            ({"mapping": {"phone": ["number"]}}, "mapping"),
            ({"mapping": {"phone": ["phone"], "colour": ["phone"]}}, "mapping"),
            ({"mapping": {"phone": ["phone"], "name": ["phone"]}}, "mapping"),
            ({"region": "XX"}, "region"),
            ({"time_zone": "Rome"}, "time_zone"),
            ({"occurred_at": "yesterday"}, "occurred_at"),
            ({"occurred_at": "2099-01-01"}, "occurred_at"),
            ({"source": "x" * 201}, "source"),
        ],
    )
    def test_a_mistake_is_said_next_to_its_field(self, options, field):
        with pytest.raises(ValidationError) as refusal:
            importing.start(
                self.keep(), by=None, options=importing.Options(**{"mapping": {"phone": ["phone"]}} | options)
            )
        assert list(refusal.value.message_dict) == [field]
        assert not Import.objects.exists()

    def test_a_wording_of_another_scope_is_refused(self):
        options = importing.Options(mapping={"phone": ["phone"]}, scope=make.scope(), wording=make.wording("reminders"))
        with pytest.raises(ValidationError, match="another scope"):
            importing.start(self.keep(), by=None, options=options)

    @pytest.mark.parametrize(
        ("content", "args", "said"),
        [
            (b"PK\x03\x04[Content_Types].xml", {}, "Excel workbook"),
            (b"<html>", {}, "a web page"),
            (b"name\nAnna\n", {}, "which column holds the phone"),
            (b"phone\n1\n", {"map": ["phone=mobile"]}, "There is no column"),
            (b"phone\n1\n", {"map": ["colour=phone"]}, "--map needs"),
            (b"phone\n1\n", {"scope": "nonsense"}, "no such scope"),
            (b"phone\n1\n", {"wording": "some words"}, "--scope"),
            (b"phone\n1\n", {"scope": "marketing", "wording": "nonsense"}, "no such wording"),
            (b"phone\n1\n", {"timezone": "Rome"}, "no such time zone"),
        ],
    )
    def test_the_command_refuses_in_a_sentence_and_leaves_nothing(self, load, settings, content, args, said):
        with pytest.raises(CommandError, match=said):
            load(content, **args)
        assert not Import.objects.exists()
        assert not list(settings.MEDIA_ROOT.glob("imports/*"))

    def test_the_command_refuses_a_file_that_is_not_there(self):
        with pytest.raises(CommandError, match="cannot be opened"):
            call_command("import_contacts", "/nowhere/list.csv")
        with pytest.raises(CommandError, match="cannot be written"):
            call_command("import_contacts", "/nowhere/list.csv", report="/nowhere/report.csv")

    def test_the_command_says_how_it_reads_and_what_came_of_it(self, tmp_path, capsys):
        path = tmp_path / "list.csv"
        path.write_text("Cellulare;Vorname\n347 1234567;Anna\nx;Bo\n")
        call_command("import_contacts", str(path), region="IT")
        words = capsys.readouterr().out
        assert "phone: Cellulare" in words
        assert "first_name: Vorname" in words
        assert "1 row was not imported. The other 1 was." in words

    def test_columns_may_be_given_by_number_and_read_from_nowhere(self, load):
        load("a,name\n347 1234567,Anna\n", map=["phone=1", "name="])
        assert Contact.objects.get().first_name == ""


class TestGoingOn:
    ROWS = "".join(f"347 {number:07},{'yes' if number % 7 == 0 else ''}\n" for number in range(300))

    def start(self, content=None, **options):
        content = content or f"phone,opted out\n{self.ROWS}"
        kept = importing.keep(ContentFile(content.encode(), name="list.csv"))
        wording = make.wording()
        return importing.start(
            kept,
            by=make.user("marketing"),
            options=importing.Options(
                mapping={"phone": ["phone"], "opted_out": ["opted out"]}, region="IT", scope=wording.scope,
                wording=wording, source="paper form", occurred_at="2026-03-01", **options,
            ),
        )  # fmt: skip

    def report(self, source):
        source.refresh_from_db()
        with open(source.report.path, newline="") as file:
            return list(csv.reader(file))

    def assert_complete(self, source):
        source.refresh_from_db()
        assert source.job.state == JobRun.State.DONE
        assert source.counts == {"created": 300, "granted": 257, "opted_out": 43}
        assert ConsentEvent.objects.count() == Contact.objects.count() == 300
        assert Consent.objects.filter(standing="granted").count() == 257
        assert [row[0] for row in self.report(source)] == ["row", *map(str, range(1, 301))]
        assert ledger.verify().faults == []

    def test_a_job_does_it_all_and_a_second_one_nothing(self):
        source = self.start()
        importing.run(source.pk)
        self.assert_complete(source)
        importing.run(source.pk)
        self.assert_complete(source)
        assert ConsentEvent.objects.first().actor == source.created_by

    @pytest.mark.parametrize("chunk", [1, 3, 4])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_what_a_killed_process_left_is_finished_by_the_next(self, monkeypatch, chunk, moment):
        """Killed in the transaction of a chunk, before or after its lines went to the report."""
        source = self.start()
        monkeypatch.setitem(importing._PACES, "sqlite", importing.Pace(first=20, most=20, hold=1, rest=0))
        monkeypatch.setattr(importing, "_PACE", importing.Pace(first=20, most=20, hold=1, rest=0))
        move_on, calls = importing._Work._move_on, []

        class Killed(BaseException):
            pass

        def dies(self, *args):
            calls.append(1)
            if moment == "before" and len(calls) == chunk:
                raise Killed
            state = move_on(self, *args)
            if len(calls) == chunk:
                raise Killed
            return state

        monkeypatch.setattr(importing._Work, "_move_on", dies)
        with pytest.raises(Killed):
            importing.run(source.pk)
        monkeypatch.undo()
        source.refresh_from_db()
        assert source.rows_done == 20 * (chunk - 1)
        importing.run(source.pk)
        self.assert_complete(source)

    def test_an_import_out_of_time_is_taken_up_again(self, monkeypatch):
        source = self.start()
        JobRun.objects.update(heartbeat_at=timezone.now())
        for _ in range(400):
            importing.run(source.pk, seconds=0)
            source.refresh_from_db()
            if source.job.state == JobRun.State.DONE:
                break
        self.assert_complete(source)

    def test_while_one_process_imports_another_leaves(self, monkeypatch):
        source = self.start()
        monkeypatch.setattr("contacts.importing.leases.hold", lambda *args: False)
        importing.run(source.pk)
        source.refresh_from_db()
        assert (source.rows_done, source.job.state) == (0, JobRun.State.QUEUED)

    def test_who_lost_the_lease_unawares_writes_nothing(self, monkeypatch):
        source = self.start()
        real = import_chunks.import_chunk

        def overtaken(*args):
            Import.objects.filter(pk=source.pk).update(rows_done=7)
            return real(*args)

        monkeypatch.setattr("contacts.importing.import_chunk", overtaken)
        importing.run(source.pk)
        assert not Contact.objects.exists()

    def test_waiting_and_silent_imports_are_woken_once(self, monkeypatch):
        woken = []
        source = self.start()
        monkeypatch.setattr("contacts.importing.queues.wake", lambda *args: woken.append(args))
        importing.wake_waiting()
        assert woken == []  # it was just queued
        JobRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        importing.wake_waiting()
        importing.wake_waiting()
        assert woken == [("contacts.importing.run", source.pk)]
        JobRun.objects.update(heartbeat_at=None, state=JobRun.State.DONE)
        importing.wake_waiting()
        assert len(woken) == 1

    def test_a_file_that_is_gone_fails_the_job_with_its_reason(self):
        source = self.start()
        source.file.storage.delete(source.file.name)
        importing.run(source.pk)
        source.refresh_from_db()
        assert (source.job.state, source.job.error) == (JobRun.State.FAILED, "The file cannot be opened.")

    def test_a_mistake_of_ours_fails_the_job_and_is_heard_of(self, monkeypatch):
        source = self.start()
        monkeypatch.setattr("contacts.importing.import_chunk", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            importing.run(source.pk)
        source.refresh_from_db()
        assert source.job.state == JobRun.State.FAILED
        assert "ZeroDivisionError" in source.job.error

    def test_files_nobody_imported_are_removed_after_a_day(self, monkeypatch):
        source = self.start()
        forgotten = importing.keep(ContentFile(b"phone\n1\n", name="x.csv"))
        importing.prune()
        assert source.file.storage.exists(forgotten.name)
        monkeypatch.setattr("contacts.importing.timezone.now", lambda: datetime.now(UTC) + timedelta(days=2))
        importing.prune()
        assert not source.file.storage.exists(forgotten.name)
        assert source.file.storage.exists(source.file.name)
