"""The shared inbox over HTTP: one page in two sizes, and the few things one can do in it.

A page and its parts are the same URL: asked with the header `X-Parley-Parts` it answers only what may have changed,
with an ETag, and 304 when nothing has. Every act is a POST that redirects back; asked for parts it answers those.
"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.roles import AGENT, AUDITOR, MARKETING, has_role, role_required
from conversations import gate, inbox, outbox
from conversations.models import Conversation
from conversations.whatsapp.payloads import TEXT_LIMIT

PARTS = "X-Parley-Parts"


class AnswerForm(forms.Form):
    """An answer as the composer sends it. `token` makes a second click, or a retry, the same answer."""

    text = forms.CharField(
        strip=False, error_messages={"required": gettext_lazy("Write something first.")}
    )  # length is checked below: the browser counts line ends as two
    token = forms.RegexField(r"\A[0-9a-zA-Z]{16,32}\Z")

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n").replace("\x00", "").strip()
        if not text:
            raise ValidationError(_("Write something first."))
        if len(text) > TEXT_LIMIT:
            over = len(text) - TEXT_LIMIT
            raise ValidationError(
                _("WhatsApp takes %(limit)s characters at most; this is %(over)s too long. Shorten it, or send two.")
                % {"limit": f"{TEXT_LIMIT:,}", "over": f"{over:,}"}
            )
        return text


@role_required(AGENT, read=(MARKETING, AUDITOR))
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The list, and nothing opened."""
    return page(request, None)


@role_required(AGENT, read=(MARKETING, AUDITOR))
@require_safe
def thread(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The list with one conversation opened. Opening reads only: `seen` is a POST, so that a prefetch marks nothing."""
    return page(request, found(public_id))


@role_required(AGENT)
@require_POST
def answer(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Queue what was written, if the gate allows it now; else 422 with the reason, and the text stays in the box."""
    conversation = found(public_id)
    form = AnswerForm(request.POST)
    if form.is_valid():
        key = f"i.{staff(request).pk}.{conversation.pk}.{form.cleaned_data['token']}"
        try:
            outbox.queue_text(conversation, form.cleaned_data["text"], author=staff(request), idempotency_key=key)
        except ValidationError as refusal:
            form.add_error("text", refusal)
        else:
            return done(request, conversation)
    problem = " ".join(str(reason) for reason in form.errors.get("text", ())) or _("Reload the page and send it again.")
    return page(request, conversation, problem=problem, draft=request.POST.get("text", ""), status=422)


@role_required(AGENT)
@require_POST
def take(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Assign to whoever asks, unless somebody else did since the page was shown: then 409 says who."""
    conversation = found(public_id)
    shown = uuid_or_none(request.POST.get("assignee", ""))  # whose it was on the page
    holder = User.objects.filter(public_id=shown).first() if shown else None
    taken = Conversation.objects.filter(pk=conversation.pk, assignee=holder).update(assignee=staff(request))
    if taken or conversation.assignee_id == staff(request).pk:
        return done(request, conversation)
    conversation = found(public_id)
    problem = _("%(name)s has this conversation now.") % {"name": conversation.assignee or _("Nobody")}
    return page(request, conversation, notice=problem, status=409)


@role_required(AGENT)
@require_POST
def release(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Give a conversation of one's own back to everybody."""
    conversation = found(public_id)
    Conversation.objects.filter(pk=conversation.pk, assignee=staff(request)).update(assignee=None)
    return done(request, conversation)


@role_required(AGENT)
@require_POST
def resolve(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return to_state(request, public_id, Conversation.State.RESOLVED)


@role_required(AGENT)
@require_POST
def reopen(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return to_state(request, public_id, Conversation.State.OPEN)


@role_required(AGENT)
@require_POST
def seen(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Nothing in it is unread any more."""
    conversation = found(public_id)
    # Not `changed_at`: it orders the list, and opening a conversation must not move it.
    Conversation.objects.filter(pk=conversation.pk).exclude(unread=0).update(unread=0)
    return done(request, conversation)


def to_state(request: HttpRequest, public_id: UUID, state: Conversation.State) -> HttpResponse:
    conversation = found(public_id)
    Conversation.objects.filter(pk=conversation.pk).update(state=state)
    return done(request, conversation)


def found(public_id: UUID) -> Conversation:
    return get_object_or_404(
        Conversation.objects.select_related("contact", "number__portfolio", "assignee"), public_id=public_id
    )


def done(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    """After an act: the parts as they are now, or back to the page."""
    if wants_parts(request):
        return page(request, found(conversation.public_id))
    view = tab(request)
    return redirect(f"{reverse('inbox_thread', args=[conversation.public_id])}?view={view}")


def page(
    request: HttpRequest,
    conversation: Conversation | None,
    *,
    problem: str = "",
    notice: str = "",
    draft: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page, or its parts with an ETag. problem stands beside the box, notice above the thread."""
    now = timezone.now()
    tag = ""
    if wants_parts(request) and request.method == "GET":
        depends = (
            may_answer(request),
            timezone.get_current_timezone_name(),
            request.GET.get("before", ""),
            after(request),
        )
        tag = f'"{inbox.version(tab(request), staff(request), conversation, now=now, extra=depends)}"'
        if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
            return finished(HttpResponseNotModified(), tag)
    context = {
        **list_context(request, now),
        **(thread_context(request, conversation, now) if conversation else {}),
        "problem": problem,
        "notice": notice,
        "draft": draft,
    }
    name = "_parts" if wants_parts(request) else "inbox"
    return finished(render(request, f"conversations/{name}.html", context, status=status), tag)


def finished(response: HttpResponse, tag: str) -> HttpResponse:
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = f"Cookie, {PARTS}"
    if tag:
        response["ETag"] = tag
    return response


def list_context(request: HttpRequest, now: datetime) -> dict[str, Any]:
    view = tab(request)
    rows, more = inbox.rows(view, staff(request), after=after(request), now=now)
    numbers = inbox.counts(staff(request))
    tabs = [(name, label, capped(numbers.get(name))) for name, label in inbox.VIEWS.items()]
    return {
        "view": view,
        "view_label": inbox.VIEWS[view],
        "tabs": tabs,
        "rows": rows,
        "more": rows[-1].key if more else "",
        "is_first_page": not after(request),
        "unread": numbers["unread"],
        "unread_words": capped(numbers["unread"]),
        "may_answer": may_answer(request),
        "text_limit": TEXT_LIMIT,
    }


def thread_context(request: HttpRequest, conversation: Conversation, now: datetime) -> dict[str, Any]:
    verdict = gate.may_answer(conversation, at=now)
    before = uuid_or_none(request.GET.get("before", ""))
    return {
        "conversation": conversation,
        "contact": conversation.contact,
        "left": inbox.session_left(conversation, now),
        "thread": inbox.thread(conversation, before=before),
        "is_newest": before is None,
        "composer": inbox.composer(conversation, verdict, may_answer=may_answer(request)),
        "person": inbox.person(conversation, verdict, now=now),
        "tags": conversation.contact.tags.all(),
        "token": get_random_string(32),
    }


def capped(count: int | None) -> str:
    """ "" for none, "99+" beyond."""
    return "" if not count else f"{inbox.MOST_COUNTED}+" if count > inbox.MOST_COUNTED else str(count)


def wants_parts(request: HttpRequest) -> bool:
    return PARTS in request.headers


def tab(request: HttpRequest) -> str:
    asked = request.POST.get("view") or request.GET.get("view", "")
    return asked if asked in inbox.VIEWS else "open"


def after(request: HttpRequest) -> str:
    return request.GET.get("after", "")


def staff(request: HttpRequest) -> User:
    return cast(User, request.user)  # role_required lets nobody else in


def may_answer(request: HttpRequest) -> bool:
    return has_role(request.user, AGENT)


def uuid_or_none(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None
