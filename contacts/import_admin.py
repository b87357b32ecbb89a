"""Imports in the admin: the list of them, the three steps of a new one, and the page that shows how far it is."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import astuple
from itertools import chain, islice
from pathlib import PurePath
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import look
from accounts.admin_base import Act, ParleyAdmin, actor_of
from accounts.models import JobRun
from accounts.roles import AUDITOR, MARKETING
from contacts import import_summary, importing
from contacts.csv_files import UnreadableFile
from contacts.import_forms import OptionsForm, UploadForm, initial, labels
from contacts.import_preview import Shown, preview
from contacts.import_report import COLUMNS
from contacts.importing import KeptFile
from contacts.models import Import, Standing

State = JobRun.State
TONES = {State.QUEUED: "wait", State.RUNNING: "good", State.DONE: "quiet", State.FAILED: "bad"}
WORDS = {
    State.QUEUED: gettext_lazy("waiting"),
    State.RUNNING: gettext_lazy("running"),
    State.DONE: gettext_lazy("done"),
    State.FAILED: gettext_lazy("stopped"),
}
KEPT = "kept_files"  # in the session: {token: [name in storage, file name, sha256]}
MOST_KEPT = 5  # files of one person that wait for their second step
PROBLEMS_SHOWN = 20
PROBLEMS_LOOKED_AT = 200_000  # rows; beyond them the report itself says it
POLL_SECONDS = 2


@admin.register(Import)
class ImportAdmin(ParleyAdmin):
    view_roles = (MARKETING, AUDITOR)
    change_roles = (MARKETING,)
    list_title = gettext_lazy("Imports")
    list_display = ("file_name", "state", "result", "by", "begun")
    list_display_links = ("file_name",)
    list_select_related = ("job", "created_by")
    ordering = ("-id",)
    empty_title = gettext_lazy("Nothing has been imported yet.")
    empty_next = gettext_lazy("Import a list of people, with the proof that they agreed to hear from you.")

    # ---- The list ----

    def list_acts(self, request: HttpRequest) -> list[Act]:
        if not self.has_change_permission(request):
            return []
        return [Act(label=_("Import a file"), url=reverse("admin:contacts_import_upload"), tone="primary")]

    def list_lead(self, request: HttpRequest) -> str:
        running = Import.objects.filter(job__state__in=(State.QUEUED, State.RUNNING)).count()
        return _("%d running now.") % running if running else _("Nothing is being imported now.")

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: Import) -> SafeString:
        return look.chip(TONES[State(obj.job.state)], WORDS[State(obj.job.state)])

    @admin.display(description=gettext_lazy("what came of it"))
    def result(self, obj: Import) -> str:
        return _lead(obj)

    @admin.display(description=gettext_lazy("by"), empty_value="–")
    def by(self, obj: Import) -> Any:
        return obj.created_by

    @admin.display(description=gettext_lazy("begun"))
    def begun(self, obj: Import) -> Any:
        return look.moment(obj.created_at)

    # ---- A new one: the file, then its columns ----

    def act_pages(self) -> Any:
        return (
            ("upload", "new/", self.upload_view),
            ("columns", "new/<slug:token>/", self.columns_view),
            ("live", "<object_id>/live/", self.live_view),
            ("report", "<object_id>/report/", self.report_view),
            ("problems", "<object_id>/problems/", self.problems_view),
        )

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_bound and form.is_valid():
            kept = importing.keep(form.cleaned_data["file"])
            try:
                importing.look(kept)
            except UnreadableFile as refusal:
                importing.discard(kept)
                form.add_error("file", str(refusal))
            else:
                return HttpResponseRedirect(reverse("admin:contacts_import_columns", args=[_remember(request, kept)]))
        context = {
            "title": _("Import a file"),
            "page_title": _("Import a file"),
            "form": form,
            "crumbs": self._crumbs(),
        }
        return self.page(request, "admin/contacts/import_upload.html", context)

    def columns_view(self, request: HttpRequest, token: str) -> HttpResponse:
        """What the columns hold and what people agreed to; with the first rows as they would be imported."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        kept = _remembered(request, token)
        try:
            if kept is None:
                raise UnreadableFile(_("The file is not here any more. Choose it again."))
            seen = importing.look(kept)
        except UnreadableFile as refusal:
            messages.warning(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:contacts_import_upload"))
        first = initial(seen, zone=actor_of(request).time_zone)
        data = request.POST if request.method == "POST" else _untouched(seen, first)
        form = OptionsForm(seen, data)
        shown: list[Shown] = []
        try:
            if form.is_valid():
                form.add_mistakes(importing.check(kept, form.options(only_looks=True)))
            if not form.errors:
                if request.method == "POST" and "import" in request.POST:
                    return self._start(request, token, kept, form)
                shown = preview(kept, form.options(only_looks=True))
        except ValidationError as refusal:
            form.add_error(None, refusal)
        if request.method == "GET" and "__all__" not in form.errors:
            form.errors.clear()  # nobody has chosen anything yet
        context = {
            "title": kept.file_name, "page_title": kept.file_name, "crumbs": self._crumbs(), "form": form, "seen": seen,
            "shown": shown, "lead": _promise(shown),
        }  # fmt: skip
        return self.page(request, "admin/contacts/import_columns.html", context)

    def _start(self, request: HttpRequest, token: str, kept: KeptFile, form: OptionsForm) -> HttpResponse:
        made = importing.start(kept, by=actor_of(request), options=form.options(only_looks=False))
        _forget(request, token)
        return HttpResponseRedirect(self.url_of(made))

    def _crumbs(self) -> list[dict[str, Any]]:
        return [{"title": self.list_title, "link": self.url_of_list()}]

    # ---- One import ----

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        source = self._looking(request, object_id)
        if request.method == "POST":  # nothing on this page saves anything
            return HttpResponseRedirect(self.url_of(source))
        context = {"title": source.file_name, "page_title": source.file_name, "crumbs": self._crumbs()}
        return self.page(request, "admin/contacts/import.html", context | self._told(source))

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the page that changes while the import runs; 304 while it does not."""
        source = self._looking(request, object_id)
        html = render_to_string("admin/contacts/_import.html", self._told(source), request)
        tag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=304, headers={"ETag": tag})
        return HttpResponse(html, headers={"ETag": tag, "Cache-Control": "no-store"})

    def report_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The whole report: row, number, what was wrong, for every row of the file."""
        source = self._looking(request, object_id)
        return FileResponse(
            _report(source),
            as_attachment=True,
            filename=_name(source, "report"),
            content_type="text/csv; charset=utf-8",
        )

    def problems_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The rows of the report that say what was wrong."""
        source = self._looking(request, object_id)
        _report(source).close()  # 404 while there is none
        response = StreamingHttpResponse(_problem_lines(source), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, _name(source, "problems")) or "attachment"
        return response

    def _looking(self, request: HttpRequest, object_id: str) -> Import:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: Import = self.found(request, object_id)
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        return super().get_queryset(request).select_related("job", "created_by", "scope", "wording", "tag")

    def _told(self, source: Import) -> dict[str, Any]:
        """What the page of one import shows."""
        state = State(source.job.state)
        moves = state in (State.QUEUED, State.RUNNING)
        return {
            "source": source,
            "chip": look.chip(TONES[state], WORDS[state]),
            "lead": _lead(source),
            "moves": moves,
            "poll_seconds": POLL_SECONDS if moves else 0,
            "live_url": self.url_of(source, "live"),
            "figures": import_summary.figures(source),
            "reasons": sorted(source.reading.get("reasons", {}).items(), key=lambda reason: -reason[1]),
            "problems": list(islice(_problems(source, at_most=PROBLEMS_LOOKED_AT), PROBLEMS_SHOWN)),
            "problems_url": self.url_of(source, "problems"),
            "report_url": self.url_of(source, "report") if source.report else "",
            "facts": _facts(source),
            "notes": source.reading.get("notes", []),
        }


# ---- Files between two steps: whose they are stands in the session ----


def _remember(request: HttpRequest, kept: KeptFile) -> str:
    token = PurePath(kept.name).stem
    files = {**request.session.get(KEPT, {}), token: list(astuple(kept))}
    request.session[KEPT] = dict(list(files.items())[-MOST_KEPT:])
    return token


def _remembered(request: HttpRequest, token: str) -> KeptFile | None:
    found = request.session.get(KEPT, {}).get(token)
    return KeptFile(*found) if found else None


def _forget(request: HttpRequest, token: str) -> None:
    request.session[KEPT] = {name: kept for name, kept in request.session.get(KEPT, {}).items() if name != token}


def _untouched(seen: importing.Look, first: dict[str, Any]) -> dict[str, Any]:
    """The form as it is first shown, as if it had been sent."""
    form = OptionsForm(seen, initial=first)
    return {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}


# ---- Words ----


def _lead(source: Import) -> str:
    state, total = State(source.job.state), source.reading.get("total")
    if state == State.QUEUED:
        return _("It begins in a moment.")
    if state == State.RUNNING and total is None:
        return _("Counting the rows.")
    if state == State.RUNNING:
        return _("%(done)s of %(total)s rows.") % {"done": f"{source.rows_done:,}", "total": f"{total:,}"}
    if state == State.FAILED:
        kept = _("%(done)s rows were imported before.") % {"done": f"{source.rows_done:,}"} if source.rows_done else ""
        return f"{source.job.error} {kept}".strip()
    return import_summary.headline(source)


def _promise(shown: list[Shown]) -> str:
    """What the first rows tell about the whole."""
    if not shown:
        return _("Say what the columns hold.")
    standings = [row.standing for row in shown]
    if Standing.GRANTED in standings or Standing.PENDING in standings:
        return _("People come in with the agreements below. Look at the first rows before you import the rest.")
    if not any(standings):
        return _("None of the first rows can be imported. Look at the reasons below.")
    return _("People come in, and nothing can be sent to them: no row here proves that somebody agreed.")


def _facts(source: Import) -> list[tuple[str, Any]]:
    """How the file was read."""
    called = labels()
    # In our own order: PostgreSQL does not keep the order of a JSON object.
    columns = [(called[field], " / ".join(names)) for field in called if (names := source.mapping.get(field))]
    facts = (
        *columns,
        (_("country of numbers without one"), source.region),
        (_("time zone of dates"), source.time_zone),
        (_("to what they agreed"), source.scope),
        (_("in these words"), source.wording.text if source.wording else ""),
        (_("where they agreed"), source.source),
        (_("when they agreed"), source.occurred_at),
        (_("tag for everybody"), source.tag),
        (_("by"), source.created_by),
        (_("begun"), look.moment(source.created_at)),
        (_("SHA-256 of the file"), source.sha256),
    )
    return [(name, value) for name, value in facts if value]


# ---- The report ----


def _name(source: Import, what: str) -> str:
    return f"{PurePath(source.file_name).stem}-{what}.csv"


def _report(source: Import) -> Any:
    if not source.report:
        raise Http404
    try:
        return source.report.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error


def _problems(source: Import, *, at_most: int | None = None) -> Iterator[list[str]]:
    """The lines [row, e164, error] that say what was wrong, of so many rows at most."""
    try:
        file = source.report.open("rb") if source.report else io.BytesIO()
    except FileNotFoundError:
        return
    with file:
        lines = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""))
        next(lines, None)
        yield from (line for line in islice(lines, at_most) if len(line) == 3 and line[2])


def _problem_lines(source: Import) -> Iterator[str]:
    for line in chain([COLUMNS], _problems(source)):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(line)
        yield text.getvalue()
