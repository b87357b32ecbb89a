"""What of other people's packages has a page in our admin, and what has none."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from django_q.models import Failure

from accounts import look
from accounts.admin_base import ParleyAdmin

# Their own pages know neither our roles nor our rule that nothing is deleted. Whoever works here is a page of ours.
for model, model_admin in list(admin.site._registry.items()):
    if not isinstance(model_admin, ParleyAdmin):
        admin.site.unregister(model)


@admin.register(Failure)
class FailedTaskAdmin(ParleyAdmin):
    """What went wrong in the background. A task is only a wake-up: the rows it looks at are taken up again."""

    pages = ("changelist", "change")
    address = "pk"
    list_title = gettext_lazy("Failed tasks")
    list_display = ("func", "when", "reason")
    ordering = ("-stopped",)
    sortable_by = ()
    fields = ("func", "when", "trace")
    readonly_fields = ("when", "trace")
    empty_title = gettext_lazy("No task has failed.")
    empty_next = gettext_lazy("Work in the background that ends with an error shows up here.")

    def list_lead(self, request: HttpRequest) -> Any:
        return gettext_lazy(
            "A failed task is not repeated by itself; what it was to do is looked at again every second."
        )

    @admin.display(description=gettext_lazy("when"))
    def when(self, obj: Failure) -> Any:
        return look.moment(obj.stopped)

    @admin.display(description=gettext_lazy("error"))
    def reason(self, obj: Failure) -> str:
        """The type of the error only: its text may quote what a person wrote."""
        return _last_line(obj).split(":", 1)[0][:120]

    @admin.display(description=gettext_lazy("where it happened"))
    def trace(self, obj: Failure) -> SafeString:
        places = [line for line in str(obj.result or "").splitlines() if line.lstrip().startswith("File ")]
        return format_html('<pre class="p-mono">{}\n{}</pre>', "\n".join(places), self.reason(obj))


def _last_line(failure: Failure) -> str:
    lines = [line for line in str(failure.result or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
