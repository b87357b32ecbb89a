"""What the columns of a list hold: the fields we know, guessed from their names and from what stands in them."""

import re
from collections.abc import Callable, Sequence

from contacts import phones
from contacts.keywords import folded

# Names of columns, folded. Of several columns for one field the one whose name stands first here comes first.
_NAMES: dict[str, str] = {
    "phone": "whatsapp, whatsapp number, numero whatsapp, wa id, mobile, mobile number, mobile phone, cell phone, "
    "cellphone, cell, cellulare, numero cellulare, cell., telefonino, móvil, teléfono móvil, celular, "
    "número de móvil, telemóvel, mobil, handy, handynummer, mobilnummer, mobiltelefon, portable, téléphone portable, "
    "mobile 1, phone, phone number, phone no, telephone, telephone number, tel, tel., telefono, numero di telefono, "
    "numero telefono, n. telefono, recapito telefonico, teléfono, número de teléfono, telefone, telefon, "
    "telefonnummer, téléphone, numéro de téléphone, msisdn, contact number, e164, phone 1, telefono 1, phone 2, "
    "telefono 2",
    "first_name": "first name, firstname, given name, forename, nome, nome di battesimo, nombre, nombre de pila, "
    "primeiro nome, vorname, prénom",
    "last_name": "last name, lastname, surname, family name, cognome, apellido, apellidos, sobrenome, apelido, "
    "nachname, familienname, nom de famille",
    "name": "name, full name, fullname, contact name, contact, customer, nominativo, nome e cognome, nome completo, "
    "cliente, nombre completo, nombre y apellidos, vor- und nachname, vollständiger name, kunde, nom, nom complet, "
    "nom et prénom, client",
    "email": "email, e-mail, e mail, mail, email address, e-mail address, indirizzo email, posta elettronica, "
    "correo, correo electrónico, e-mail-adresse, adresse e-mail, adresse mail, courriel",
    "language": "language, lang, locale, lingua, idioma, sprache, langue",
    "tags": "tags, tag, labels, label, groups, group, etichette, etichetta, gruppo, gruppi, etiquetas, etiqueta, "
    "grupo, schlagworte, gruppe, gruppen, étiquettes, étiquette, groupe",
    "scope": "scope, purpose, consent scope, consent purpose, finalità, ambito, finalidad, propósito, zweck, finalité",
    "wording": "wording, consent text, consent wording, testo del consenso, testo consenso, informativa, formula, "
    "texto de consentimiento, texto del consentimiento, einwilligungstext, texte du consentement",
    "source": "source, consent source, opt-in source, origin, fonte, origine, provenienza, origen, fuente, quelle, "
    "herkunft, origine du consentement",
    "occurred_at": "occurred at, consent date, consent time, date of consent, consented at, opt-in date, "
    "opt in date, opted in at, opt-in time, subscribed at, subscription date, signup date, sign-up date, "
    "data consenso, data del consenso, data iscrizione, data di iscrizione, fecha de consentimiento, "
    "fecha del consentimiento, fecha de alta, einwilligungsdatum, datum der einwilligung, anmeldedatum, "
    "date du consentement, date de consentement, date d'inscription",
    "opted_in": "consent, consented, opt-in, opt in, optin, opted in, subscribed, consenso, consenso marketing, "
    "iscritto, consentimiento, suscrito, einwilligung, angemeldet, consentement, inscrit, abonné",
    "opted_out": "opted out, opt-out, opt out, optout, unsubscribed, unsubscribed at, opt-out date, do not contact, "
    "disiscritto, cancellato, revocato, data revoca, baja, fecha de baja, dado de baja, abgemeldet, abmeldedatum, "
    "widerrufen, désabonné, désinscrit",
}
FIELDS = tuple(_NAMES)
SEVERAL = ("phone", "tags")  # fields that may have more than one column

_YES = "1, y, yes, true, x, s, si, sì, sí, ja, j, oui, sim, vero, verdadero, wahr, vrai, on, ✓, opted out, unsubscribed"
_NO = "0, n, no, false, nein, non, não, nao, falso, falsch, faux, off, -, –, none, null"
_ANSWERS = dict.fromkeys(_YES.split(", "), True) | dict.fromkeys(_NO.split(", "), False)

_KNOWN = {
    field: {folded(name): place for place, name in reversed(list(enumerate(names.split(","))))}
    for field, names in _NAMES.items()
}
_PHONE_WORD = re.compile(r"\b(?:whatsapp|mobile|cell\w*|phone|tel|tele[fp]\w*|handy|movil|portable|gsm)\b")
_NOT_A_PHONE = re.compile(r"\b(?:fax|type|tipo|country|prefix|prefisso|code|id)\b")


def guess_mapping(header: Sequence[str], sample: Sequence[Sequence[str]], *, region: str = "") -> dict[str, list[str]]:
    """{field: its columns, best first}, for what can be told from the names and the first rows.

    More than one column only for phone and tags. A column serves one field; what is left may become attributes.
    """
    mapping: dict[str, list[str]] = {}
    taken: set[str] = set()
    for field in FIELDS:
        places = _KNOWN[field]
        found = sorted((name for name in header if folded(name) in places), key=lambda name: places[folded(name)])
        found = [name for name in found if name not in taken]
        if field == "phone":
            found = _phones(header, sample, region, found)
        if field in ("opted_in", "opted_out"):  # "consent" may as well be the name of a text
            found = [name for name in found if all(map(_is_answer, _filled(header, sample, name)))]
        if field not in SEVERAL:
            found = found[:1]
        if found:
            mapping[field] = found
            taken.update(found)
    if "email" not in mapping:
        mails = [
            name
            for name in header
            if name not in taken and _share(header, sample, name, lambda text: "@" in text) > 0.5
        ]
        if mails:
            mapping["email"] = mails[:1]
    if "first_name" in mapping and "last_name" not in mapping and "name" not in mapping:
        first = mapping["first_name"][0]
        if (
            folded(first) in ("nome", "nombre")
            and _share(header, sample, first, lambda text: len(text.split()) > 1) > 0.5
        ):
            mapping["name"] = mapping.pop("first_name")  # in one column both names stand
    return mapping


def phone_columns(header: Sequence[str], sample: Sequence[Sequence[str]], *, region: str = "") -> list[str]:
    """Columns that seem to hold phone numbers, best first: what to ask about when there is more than one."""
    return guess_mapping(header, sample, region=region).get("phone", [])


def yes_or_no(text: str) -> bool | None:
    """What a cell of a yes-and-no column says, in the languages of our lists; None for anything else. Empty is no."""
    said = " ".join(text.split()).strip(".!'\"").casefold()
    return _ANSWERS.get(said) if said else False


def _phones(header: Sequence[str], sample: Sequence[Sequence[str]], region: str, named: list[str]) -> list[str]:
    """Columns named like a phone, as long as something in them may be one; else the one that is full of numbers."""
    likely = [
        name
        for name in header
        if name not in named and _PHONE_WORD.search(folded(name)) and not _NOT_A_PHONE.search(folded(name))
    ]
    shares = {name: _share(header, sample, name, phones.looks_like_phone) for name in header}
    by_name = [name for name in (*named, *likely) if shares[name] > 0 or not _filled(header, sample, name)]
    if by_name:
        return sorted(by_name, key=lambda name: shares[name] == 0)  # stable: empty columns last
    full = [name for name in header if shares[name] > 0.5]
    return sorted(full, key=lambda name: -_share(header, sample, name, lambda text: _is_phone(text, region)))[:1]


def _is_answer(text: str) -> bool:
    return yes_or_no(text) is not None or any(character.isdigit() for character in text)


def _is_phone(text: str, region: str) -> bool:
    try:
        phones.to_e164(text, region)
    except phones.InvalidPhone:
        return False
    return True


def _filled(header: Sequence[str], sample: Sequence[Sequence[str]], name: str) -> list[str]:
    position = list(header).index(name)
    return [row[position] for row in sample if row[position].strip()]


def _share(header: Sequence[str], sample: Sequence[Sequence[str]], name: str, test: Callable[[str], bool]) -> float:
    """The part of a column's filled cells that pass a test."""
    cells = _filled(header, sample, name)
    return sum(map(test, cells)) / len(cells) if cells else 0.0
