"""Campaigns in the admin: the list, one page per campaign from draft to figures, and the people behind each number."""

import hashlib
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_base import ParleyAdmin
from accounts.look import chip, dated, moment
from accounts.roles import AGENT, AUDITOR, MARKETING
from campaigns import dispatch, picture, sentences
from campaigns.audience import dry_run
from campaigns.figures import NoSuchGroup, figures, group_title, people
from campaigns.forms import CampaignForm, TimeForm, zone_name
from campaigns.models import Campaign
from campaigns.preview import phone
from campaigns.values import gap_label, in_words
from contacts.models import Contact
from conversations.template_values import variables
from conversations.verdicts import Verdict

State = Campaign.State
TONES = {
    State.DRAFT: "quiet", State.SCHEDULED: "wait", State.STARTING: "good", State.RUNNING: "good",
    State.PAUSED: "warn", State.FINISHED: "quiet", State.CANCELLED: "quiet", State.MISSED: "bad",
}  # fmt: skip
# A reason that is a standing of consent has its colour; the others are said plainly.
VERDICT_TONES = {
    Verdict.WITHDRAWN: "withdrawn", Verdict.STOPPED: "withdrawn", Verdict.BLOCKED: "withdrawn",
    Verdict.NO_CONSENT: "unknown", Verdict.PENDING: "pending", Verdict.EXPIRED: "expired", Verdict.HELD: "held",
}  # fmt: skip
MOVING = (State.STARTING, State.RUNNING, State.PAUSED)  # the page asks for news
NEARLY = timedelta(minutes=1)  # before its time the page looks as often as while it leaves
ANSWERS_COME = timedelta(hours=1)
PER_PAGE = 100


@admin.register(Campaign)
class CampaignAdmin(ParleyAdmin):
    view_roles = (AUDITOR, AGENT)
    change_roles = (MARKETING,)
    add_roles = (MARKETING,)
    pages = ("changelist", "add", "change")
    list_display = ("name", "state_chip", "leaves", "template", "tag", "aimed_at")
    list_display_links = ("name",)
    list_filter = ("state",)
    list_select_related = ("template", "tag", "freezing")
    search_fields = ("name",)
    ordering = ("-id",)
    empty_title = gettext_lazy("No campaigns yet.")
    empty_next = gettext_lazy("Choose a template, the people, and a time: the first takes a minute.")

    # ---- The list ----

    def list_lead(self, request: HttpRequest) -> str:
        going = Campaign.objects.filter(state__in=(State.STARTING, State.RUNNING)).count()
        ahead = Campaign.objects.filter(state=State.SCHEDULED).order_by("scheduled_at")
        said = [_("%d running now.") % going] if going else []
        if following := ahead.first():
            when = {"name": following.name, "when": dated(following.scheduled_at)}  # type: ignore[arg-type]
            said.append(_("Next: %(name)s on %(when)s.") % when)
        if missed := Campaign.objects.filter(state=State.MISSED).count():
            said.append(_("%d did not leave at its time and waits for you.") % missed)
        return " ".join(said) or _("Nothing is running or scheduled.")

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def state_chip(self, campaign: Campaign) -> SafeString:
        return chip(TONES[State(campaign.state)], campaign.get_state_display())

    @admin.display(description=gettext_lazy("Leaves"), ordering="scheduled_at")
    def leaves(self, campaign: Campaign) -> SafeString | str:
        return moment(campaign.started_at or campaign.scheduled_at) or "–"

    @admin.display(description=gettext_lazy("People"))
    def aimed_at(self, campaign: Campaign) -> SafeString | str:
        if campaign.freezing is None or campaign.freezing.total is None:
            return "–"
        return format_html(
            '<a href="{}">{}</a>', picture.people_url(campaign, "everyone"), f"{campaign.freezing.total:,}"
        )

    # ---- Addresses ----

    def act_pages(self) -> Iterable[tuple[str, str, Callable[..., HttpResponse]]]:
        return (
            ("preview", "preview/", self.preview_view),
            ("live", "<object_id>/live/", self.live_view),
            ("preview_saved", "<object_id>/preview/", self.preview_view),
            ("pause", "<object_id>/pause/", self.pause_view),
            ("resume", "<object_id>/resume/", self.resume_view),
            ("unschedule", "<object_id>/unschedule/", self.unschedule_view),
            ("reschedule", "<object_id>/reschedule/", self.reschedule_view),
            ("cancel", "<object_id>/cancel/", self.cancel_view),
            ("people", "<object_id>/people/<slug:group>/", self.people_view),
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        related = ("number__portfolio", "template__scope", "tag", "batch", "freezing")
        return super().get_queryset(request).select_related(*related)

    def _changing(self, request: HttpRequest, object_id: str) -> Campaign:
        """The campaign of a page that changes it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self.found(request, object_id)

    def _looking(self, request: HttpRequest, object_id: str) -> Campaign:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.found(request, object_id)

    # ---- One campaign ----

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a campaign, or of a new one. A draft is a form; anything else is told."""
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
            return self._draft_page(request, Campaign())
        campaign = self._looking(request, object_id)
        if campaign.state == State.DRAFT and self.has_change_permission(request):
            return self._draft_page(request, campaign)
        if request.method == "POST":
            self._changing(request, object_id)
            messages.warning(request, _("Only a draft can be changed. Nothing was saved."))
            return HttpResponseRedirect(self.url_of(campaign))
        context = picture.told(campaign, _number(request, "place", 1))
        if campaign.state == State.MISSED and self.has_change_permission(request):
            context["time_form"] = TimeForm()
        return self._page(request, campaign, context)

    def _draft_page(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        new = campaign.pk is None
        form = CampaignForm(request.POST if request.method == "POST" else None, instance=campaign)
        refused = False
        if request.method == "POST" and form.is_valid():
            if not self._save(request, form, new=new):
                messages.warning(request, _("Somebody scheduled or discarded this a moment ago. Nothing was saved."))
                return HttpResponseRedirect(self.url_of(campaign))
            if "schedule" not in request.POST:
                messages.success(request, _("Saved %(name)s as a draft.") % {"name": campaign.name})
                return HttpResponseRedirect(self.url_of(campaign))
            try:
                self._schedule(request, campaign, form)
            except ValidationError as error:
                refused, new = True, False
                form.show(error.error_dict if hasattr(error, "error_dict") else {"name": [error]})
            else:
                return HttpResponseRedirect(self.url_of(campaign))
        campaign = form.instance
        context = {
            "form": form,
            "refused": refused,
            "action": self.url_of(campaign) if campaign.pk else reverse("admin:campaigns_campaign_add"),
            "preview_url": self._preview_url(campaign),
            **self._draft_context(request, campaign, doors=campaign.pk is not None and not form.errors),
        }
        return self._page(request, campaign, context)

    def _preview_url(self, campaign: Campaign) -> str:
        if campaign.pk is None:
            return reverse("admin:campaigns_campaign_preview")
        return reverse("admin:campaigns_campaign_preview_saved", args=[campaign.public_id])

    def _save(self, request: HttpRequest, form: CampaignForm, *, new: bool) -> bool:
        """Keep the draft. False when it is none any more."""
        campaign: Campaign = form.save(commit=False)
        if new:
            campaign.created_by = request.user  # type: ignore[assignment]
            campaign.save()
        else:
            # Named fields and the state it must be in: a form sent twice cannot undo what was scheduled meanwhile.
            fields = {name: getattr(campaign, name) for name in (*form.Meta.fields, "values")}
            if not Campaign.objects.filter(pk=campaign.pk, state=State.DRAFT).update(**fields):
                return False
        self.note(request, "added" if new else "changed", campaign)
        return True

    def _schedule(self, request: HttpRequest, campaign: Campaign, form: CampaignForm) -> None:
        at = campaign.scheduled_at
        if at is None:
            raise ValidationError(dispatch.problems(campaign, at=None))
        dispatch.schedule(campaign, at=at, by=request.user)  # type: ignore[arg-type]
        messages.success(request, _("Scheduled for %(when)s.") % {"when": dated(at)})

    def _draft_context(self, request: HttpRequest, campaign: Campaign, *, doors: bool) -> dict[str, Any]:
        """Who would get a draft, and how it looks; as far as it is filled in."""
        complete = None not in (campaign.template_id, campaign.tag_id, campaign.number_id)
        counted = dry_run(campaign) if complete else None
        lead = sentences.of_dry_run(counted) if counted else _("Choose a template and the people, and see who gets it.")
        gaps = variables(campaign.template) if campaign.template_id else []
        open_gaps = [gap for gap in gaps if not campaign.values.get(gap.slot)]
        return {
            "lead": lead,
            "hint": _("Say below what stands in each gap. Until then a value is missing for everybody.")
            if open_gaps and counted
            else "",
            "pieces": picture.pieces(campaign, counted, doors=doors) if counted else [],
            "schedule_label": sentences.schedule_label(counted),
            "phone": phone(campaign, _number(request, "place", 1)),
        }

    def _about(self, request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
        """What every picture of a saved campaign shows."""
        return {
            "campaign": campaign,
            "state": State(campaign.state),
            "chip": self.state_chip(campaign),
            "state_words": picture.state_words(campaign),
            "acts": picture.acts(campaign) if self.has_change_permission(request) else [],
            "poll_seconds": _seconds_between_news(campaign),
            "told_values": [
                {"gap": gap_label(gap), "words": in_words(campaign.values.get(gap.slot, {}))}
                for gap in variables(campaign.template)
            ],
            "leaves_at": f"{dated(campaign.scheduled_at)} ({zone_name()})" if campaign.scheduled_at else "",
            "live_url": reverse("admin:campaigns_campaign_live", args=[campaign.public_id]),
        }

    def _page(self, request: HttpRequest, campaign: Campaign, context: dict[str, Any]) -> HttpResponse:
        title = campaign.name if campaign.pk else _("New campaign")
        about = self._about(request, campaign) if campaign.pk else {"campaign": campaign, "state": State.DRAFT}
        base = {"title": title, "page_title": title, "zone": zone_name(), **about}
        return self.page(request, "admin/campaigns/campaign/page.html", base | context)

    # ---- News of a page that is open ----

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The parts of the page as they are now: 304 when nothing changed, 204 when the page has to be loaded anew."""
        campaign = self._looking(request, object_id)
        if campaign.state in (State.DRAFT, State.MISSED):
            return HttpResponse(status=204)
        context = picture.told(campaign, _number(request, "place", 1)) | self._about(request, campaign)
        body = render_to_string("admin/campaigns/campaign/_news.html", context, request)
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
        known = request.headers.get("If-None-Match") == tag
        response = HttpResponseNotModified() if known else HttpResponse(body)
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        return response

    def preview_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """Who would get a draft as it stands in the form, and how it looks, without saving anything."""
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
            campaign = Campaign()
        else:
            campaign = self._changing(request, object_id)
        if campaign.pk is not None and campaign.state != State.DRAFT:
            raise Http404
        form = CampaignForm(request.POST, instance=campaign)
        form.is_valid()  # fills the instance as far as it goes
        context = {"form": form, "campaign": form.instance, "unbound": True}
        if form.instance.pk is not None:
            context |= self._about(request, form.instance)
        context |= self._draft_context(request, form.instance, doors=False)
        return HttpResponse(render_to_string("admin/campaigns/campaign/_draft_news.html", context, request))

    # ---- Verbs ----

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(request, object_id, dispatch.pause, _("Paused. What has not left waits for you."))

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(request, object_id, dispatch.resume, _("Going on."))

    def unschedule_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(
            request, object_id, dispatch.unschedule, _("A draft again. It does not leave until you schedule it.")
        )

    def _do(self, request: HttpRequest, object_id: str, verb: Callable[..., None], done: str) -> HttpResponse:
        campaign = self._changing(request, object_id)
        if request.method == "POST":
            try:
                verb(campaign, by=request.user)
            except ValidationError as error:
                messages.error(request, " ".join(error.messages))
            else:
                messages.success(request, done)
        return HttpResponseRedirect(self.url_of(campaign))

    def reschedule_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Another time for a campaign that missed its own; errors stand beside the time."""
        campaign = self._changing(request, object_id)
        if request.method != "POST" or campaign.state != State.MISSED:
            return HttpResponseRedirect(self.url_of(campaign))
        form = TimeForm(request.POST)
        if form.is_valid():
            at = form.cleaned_data["scheduled_at"]
            try:
                if found := dispatch.problems(campaign, at=at):
                    raise ValidationError(found)
                dispatch.schedule(campaign, at=at, by=request.user)  # type: ignore[arg-type]
            except ValidationError as error:
                for message in error.messages:
                    form.add_error("scheduled_at", message)
            else:
                messages.success(request, _("Scheduled for %(when)s.") % {"when": dated(at)})
                return HttpResponseRedirect(self.url_of(campaign))
        return self._page(request, campaign, picture.told(campaign, _number(request, "place", 1)) | {"time_form": form})

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first, and says how many people will not get it."""
        campaign = self._changing(request, object_id)
        if campaign.state in (State.FINISHED, State.CANCELLED):
            messages.warning(request, _("This campaign is over already. Nothing was changed."))
            return HttpResponseRedirect(self.url_of(campaign))
        found = figures(campaign) if campaign.batch_id else None
        if found is None:
            lead, points = (
                _("Nobody will get this campaign."),
                [_("It stays in the list, and cannot be scheduled again.")],
            )
        else:
            lead = _("%(waiting)s people who have not got it never will.") % {"waiting": f"{found.waiting:,}"}
            points = [
                _("%(settled)s messages have left already; they cannot be called back.")
                % {"settled": f"{found.settled:,}"},
                _("This cannot be undone."),
            ]

        def act() -> str:
            dispatch.cancel(campaign, by=request.user)  # type: ignore[arg-type]
            return _("Cancelled.")

        count = found.waiting if found else dry_run(campaign).allowed
        button = _("Cancel for %(people)s people") % {"people": f"{count:,}"} if count else _("Cancel the campaign")
        title = _("Cancel “%(name)s”?") % {"name": campaign.name}
        return self.ask(request, campaign, act, title=title, lead=lead, button=button, danger=True, points=points)

    # ---- The people behind a number ----

    def people_view(self, request: HttpRequest, object_id: str, group: str) -> HttpResponse:
        campaign = self._looking(request, object_id)
        after, now = _after(request), timezone.now()
        would = group.startswith("would-")
        if would and campaign.batch_id is not None:
            raise Http404  # what would have been is no answer any more
        try:
            title = group_title(group)
            at = max(campaign.scheduled_at or now, now)
            found = people(campaign, group, after=after, limit=PER_PAGE + 1, at=at)
        except NoSuchGroup:
            raise Http404 from None
        shown, more = found[:PER_PAGE], len(found) > PER_PAGE
        context = {
            "title": title,
            "page_title": title,
            "campaign": campaign,
            "crumbs": [
                {"title": _("campaigns"), "link": self.url_of_list()},
                {"title": campaign.name, "link": self.url_of(campaign)},
            ],
            "people": [
                {
                    "person": person,
                    "url": reverse("admin:contacts_contact_change", args=[person.contact.public_id]),
                    "chip": _person_chip(person.status, person.verdict),
                }
                for person in shown
            ],
            "next": f"?after={shown[-1].contact.public_id}" if more else "",
            "first": after == 0,
            "per_page": PER_PAGE,
        }
        return self.page(request, "admin/campaigns/campaign/people.html", context)


def _seconds_between_news(campaign: Campaign) -> int:
    """How often an open page asks for news; 0: never. People read and answer for a while after the last has left."""
    now = timezone.now()
    if campaign.state == State.SCHEDULED and campaign.scheduled_at is not None:
        return 2 if campaign.scheduled_at - now < NEARLY else 15
    if campaign.state == State.FINISHED and campaign.finished_at is not None:
        return 5 if now - campaign.finished_at < ANSWERS_COME else 0
    return 2 if campaign.state in MOVING else 0


def _person_chip(status: str, verdict: str) -> SafeString:
    tones = {
        "sent": "quiet", "delivered": "good", "read": "good", "failed": "bad", "unknown": "warn", "withheld": "bad",
        "cancelled": "quiet", "queued": "wait", "claimed": "wait", "sending": "wait",
    }  # fmt: skip
    if status:
        from_status = {"queued": _("waiting"), "claimed": _("waiting"), "sending": _("leaving")}.get(status, status)
        return chip(tones.get(status, "quiet"), from_status)
    if verdict == Verdict.ALLOWED:
        return chip("good", _("will get it"))
    return chip(VERDICT_TONES.get(Verdict(verdict), "quiet"), Verdict(verdict).label)


def _after(request: HttpRequest) -> int:
    """The key of the person whose public id the address names: the page goes on behind them. 0: from the start."""
    try:
        named = uuid.UUID(request.GET.get("after", ""))
    except ValueError:
        return 0
    return Contact.objects.filter(public_id=named).values_list("pk", flat=True).first() or 0


def _number(request: HttpRequest, name: str, default: int) -> int:
    """A whole number out of the address or the form; the default for anything else."""
    given = request.GET.get(name) or request.POST.get(name) or ""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else default
