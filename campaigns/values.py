"""The values of a campaign: what stands in each gap of its template, for each person.

A campaign keeps one source per slot of the template:

    {"body.1": {"field": "first_name", "fallback": "there"}, "body.2": {"constant": "20%"}}

A field is a column of the contact, or "attributes.<column>" for a column that came with an import. Where the field is
empty the fallback stands; without one the person's value is missing and they are left out. The same rule is asked in
SQL, for audiences of any size, and in Python, for the words of one message.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Regex
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Contact, Tag
from conversations.models import MessageTemplate
from conversations.template_values import Variable, clean, variables

FIELDS = {
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "profile_name": gettext_lazy("Name on WhatsApp"),
    "email": gettext_lazy("E-mail"),
    "language": gettext_lazy("Language"),
    "country": gettext_lazy("Country"),
    "stage": gettext_lazy("Stage"),
}
ATTRIBUTE = "attributes."
LONGEST = 300  # characters of a constant or a fallback; WhatsApp allows 1,024 for the whole text
LOOKED_AT = 200  # newest people with the tag whose imported columns are offered

# All that clean() makes nothing of. Spelled out, because \s is not the same set in PostgreSQL and in Python.
_BLANK = "^[\x01-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"

Source = Mapping[str, str]


class AttributeText(Func):
    """The text of one imported column. JSON paths will not do: they take a column "2024" for a place in a list."""

    output_field = TextField()

    def __init__(self, column: str) -> None:
        super().__init__(F("attributes"), Value(column, output_field=TextField()))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        (document, first), (column, second) = [compiler.compile(part) for part in self.get_source_expressions()]
        sql = f"(SELECT value FROM json_each({document}) WHERE key = {column})"  # noqa: S608 compiled, with parameters
        return sql, [*first, *second]

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, function="jsonb_extract_path_text", **extra)


def fields_for(tag: Tag | None) -> list[tuple[str, str]]:
    """The fields a value can come from, as (code, name): our columns, then those that came with imports."""
    newest = Contact.objects.filter(tags=tag) if tag else Contact.objects.all()
    columns: dict[str, None] = {}
    for attributes in newest.order_by("-pk").values_list("attributes", flat=True)[:LOOKED_AT]:
        columns.update(dict.fromkeys(attributes))
    return [(code, str(name)) for code, name in FIELDS.items()] + [(ATTRIBUTE + name, name) for name in sorted(columns)]


def gap_label(gap: Variable) -> str:
    """ "{{1}} in the text" """
    where = {"header": _("in the header"), "body": _("in the text")}.get(gap.component, _("of the button"))
    name = _("Code") if gap.sub_type == "copy_code" else "{{" + gap.key + "}}"
    return f"{name} {where}"


def in_words(source: Source) -> str:
    """What stands in a gap, as staff say it: "20%", or "First name, otherwise “there”"."""
    if "constant" in source:
        return source["constant"]
    field = source.get("field", "")
    name = str(FIELDS.get(field) or field.removeprefix(ATTRIBUTE))
    fallback = clean(source.get("fallback", ""))
    return _("%(field)s, otherwise “%(text)s”") % {"field": name, "text": fallback} if fallback else name


def value_for(contact: Contact, source: Source) -> str:
    """What stands in a gap for this person; empty when it is missing."""
    if "constant" in source:
        return clean(source["constant"])
    field = source.get("field", "")
    if field.startswith(ATTRIBUTE):
        own = contact.attributes.get(field.removeprefix(ATTRIBUTE))
    else:
        own = getattr(contact, field) if field in FIELDS else ""
    return clean("" if own is None else own) or clean(source.get("fallback", ""))


def values_for(contact: Contact, template: MessageTemplate, sources: Mapping[str, Source]) -> dict[str, str]:
    """One value per slot of the template; empty where it is missing."""
    return {gap.slot: value_for(contact, sources.get(gap.slot, {})) for gap in variables(template)}


def missing(template: MessageTemplate, sources: Mapping[str, Source]) -> Q:
    """The people for whom a value is missing, as a condition over contacts."""
    conditions = [_missing(sources.get(gap.slot, {})) for gap in variables(template)]
    return reduce(or_, [condition for condition in conditions if condition is not None], Q(pk__in=[]))


def _missing(source: Source) -> Q | None:
    field = source.get("field", "")
    if clean(source.get("constant", "") if "constant" in source else source.get("fallback", "")):
        return None
    if field.startswith(ATTRIBUTE):
        own: Combinable = AttributeText(field.removeprefix(ATTRIBUTE))
    elif field in FIELDS:
        own = F(field)
    else:
        return Q(pk__isnull=False)  # no source at all: everybody
    return Q(Regex(Coalesce(own, Value(""), output_field=TextField()), _BLANK))


def check(template: MessageTemplate, sources: Mapping[str, Source]) -> dict[str, ValidationError]:
    """What has to be put right before the values can be used, by slot."""
    wrong = {}
    for gap in variables(template):
        source = sources.get(gap.slot, {})
        given = source.get("constant", source.get("fallback", ""))
        if not source.get("field") and not clean(source.get("constant", "")):
            wrong[gap.slot] = ValidationError(
                _("Say what goes here: a field, or the same text for everybody."), "missing"
            )
        elif source.get("field") and source["field"] not in FIELDS and not source["field"].startswith(ATTRIBUTE):
            wrong[gap.slot] = ValidationError(_("This field does not exist. Choose another."), "unknown_field")
        elif len(given) > LONGEST:
            wrong[gap.slot] = ValidationError(_("At most %(most)d characters."), "too_long", {"most": LONGEST})
    return wrong
