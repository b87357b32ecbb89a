"""Template words that every room's pages share: chips, moments, breadcrumbs."""

from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from accounts import look

register = template.Library()


@register.simple_tag
def chip(tone: str, word: object) -> SafeString:
    """{% chip "granted" "agreed" %}"""
    return look.chip(tone, word)


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """{{ message.at|moment }}: "18 min ago", or "12 Mar, 10:04"."""
    return look.moment(at)


@register.filter
def dated(at: datetime | None) -> str:
    """{{ event.occurred_at|dated }}: always the date, "12 Mar, 10:04"."""
    return look.dated(at) if at else ""


@register.filter
def styled(field: BoundField) -> SafeString:
    """{{ field|styled }}: a form's field in the look of our own pages, with its error and help named for readers."""
    attrs: dict[str, str | bool] = {} if field.widget_type in ("checkbox", "radioselect") else {"class": "p-input"}
    return field.as_widget(attrs=attrs)


@register.inclusion_tag("admin/parts/crumbs.html", takes_context=True)
def crumbs(context: template.RequestContext) -> dict[str, Any]:
    """Where this admin page is: the list it belongs to, then its own title."""
    parts: list[dict[str, Any]] = list(context.get("crumbs") or [])
    opts, original = context.get("opts"), context.get("original")
    title = context.get("page_title") or original or context.get("title") or ""
    if opts and not context.get("cl") and not parts:
        try:
            link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        except NoReverseMatch:
            link = ""
        parts = [{"title": opts.verbose_name_plural, "link": link}]
    if context.get("cl"):
        title = context["cl"].model_admin.list_title or capfirst(opts.verbose_name_plural)  # type: ignore[union-attr]
    return {"parts": parts, "title": title}
