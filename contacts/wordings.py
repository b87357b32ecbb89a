"""The scopes and wordings that a list names, found by slug or name, by key or by the very text people were shown."""

import hashlib
import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from contacts.models import Scope, Wording

MOST_NEW = 50  # texts of one list that we did not know; more of them are no wordings but a column of something else

_KEY = re.compile(r"(?P<key>[-\w]+)(?:\s*[ /@]\s*v?(?P<version>\d{1,6}))?", re.ASCII | re.IGNORECASE)


class Wordings:
    """All scopes and wordings, read once; wordings are made for texts that are new.

    only_looks: nothing is saved; a new text is a Wording without a row.
    """

    def __init__(self, *, only_looks: bool = False) -> None:
        self.only_looks = only_looks
        self.scopes: dict[str, Scope] = {}
        for scope in Scope.objects.all():
            self.scopes |= {scope.name.casefold(): scope}
        for scope in Scope.objects.all():  # a slug is never mistaken for another scope's name
            self.scopes |= {scope.slug.casefold(): scope}
        self.by_key: dict[tuple[str, int], Wording] = {}
        self.newest: dict[str, Wording] = {}
        self.by_text: dict[tuple[int, str], Wording] = {}
        self.made = 0
        for wording in Wording.objects.order_by("key", "version"):
            self._learn(wording)

    def _learn(self, wording: Wording) -> None:
        key = wording.key.casefold()
        self.by_key[key, wording.version] = wording
        self.newest[key] = wording
        self.by_text[wording.scope_id, _folded(wording.text)] = wording

    def scope(self, text: str) -> Scope | None:
        """The scope with this slug or name."""
        return self.scopes.get(text.strip().casefold())

    def find(self, scope: Scope, text: str) -> Wording:
        """A wording of the scope: `key`, `key v2`, or the text itself, which becomes a wording when it is new.

        Raises ValidationError.
        """
        known = self.by_text.get((scope.pk, _folded(text)))
        if known is not None:
            return known
        named = _KEY.fullmatch(text.strip())
        if named is not None:
            return self._named(scope, named["key"].casefold(), named["version"])
        if self.made >= MOST_NEW:
            raise ValidationError(_("This list has too many different wordings."))
        self.made += 1
        # The key follows from the text: two imports at once make one wording.
        key = f"{scope.slug[:40]}-{hashlib.sha256(_folded(text).encode()).hexdigest()[:12]}"
        what = {"scope": scope, "language": "und", "text": text.strip()}
        wording = Wording(key=key, **what)
        if not self.only_looks:
            wording, _new = Wording.objects.get_or_create(key=key, version=1, defaults=what)
        self._learn(wording)
        return wording

    def _named(self, scope: Scope, key: str, version: str | None) -> Wording:
        wording = self.by_key.get((key, int(version))) if version else self.newest.get(key)
        if wording is None:
            raise ValidationError(_("There is no such wording."))
        if wording.scope_id != scope.pk:
            raise ValidationError(_("This wording belongs to another scope."))
        return wording


def _folded(text: str) -> str:
    """One text however its lines were broken."""
    return " ".join(text.split())
