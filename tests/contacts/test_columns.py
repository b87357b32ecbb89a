"""What the columns of a list are taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.columns import FIELDS, guess_mapping, phone_columns, yes_or_no


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        ("Phone,First Name,Last Name,E-mail,Tags", "phone,first_name,last_name,email,tags"),
        ("TELEFONO;Nome;Cognome;Indirizzo email;Lingua;Data consenso;Fonte".replace(";", ","),
         "phone,first_name,last_name,email,language,occurred_at,source"),
        ("Teléfono móvil,Nombre,Apellidos,Correo electrónico,Idioma,Etiquetas,Fecha de alta",
         "phone,first_name,last_name,email,language,tags,occurred_at"),
        ("Handy,Vorname,Nachname,E-Mail-Adresse,Sprache,Einwilligungsdatum,Herkunft",
         "phone,first_name,last_name,email,language,occurred_at,source"),
        ("N° téléphone,Prénom,Nom de famille,Courriel,Langue,Date d'inscription,Désabonné",
         "phone,first_name,last_name,email,language,occurred_at,opted_out"),
        ("phone,name,scope,wording,source,occurred_at,opted_out",
         "phone,name,scope,wording,source,occurred_at,opted_out"),
        ("wa_id,full_name,consent_date,opt_in", "phone,name,occurred_at,opted_in"),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names(header, mapping):
    header = header.split(",")
    assert guess_mapping(header, []) == {field: [name] for field, name in zip(mapping.split(","), header, strict=True)}


def test_of_two_phone_columns_the_mobile_comes_first_and_an_empty_one_last():
    header = ["Telefono", "Nome", "Cellulare", "Fax", "WhatsApp"]
    sample = [["06 698 12345", "Anna", "347 1234567", "06 1", ""], ["", "Bo", "347 7654321", "", ""]]
    assert phone_columns(header, sample) == ["Cellulare", "Telefono", "WhatsApp"]
    assert guess_mapping(header, sample)["phone"] == ["Cellulare", "Telefono", "WhatsApp"]


def test_a_column_named_phone_that_holds_no_number_is_none():
    assert phone_columns(["Phone type", "Phone", "Home phone"], [["private", "+39 347 1234567", "yes"]]) == ["Phone"]


def test_without_names_the_contents_tell():
    header = ["column 1", "column 2", "column 3", "column 4"]
    sample = [["1000123", "Anna", "347 1234567", "anna@example.it"], ["1000124", "Bo", "347 7654321", ""]]
    assert guess_mapping(header, sample, region="IT") == {"phone": ["column 3"], "email": ["column 4"]}
    assert guess_mapping(header, []) == {}


def test_a_column_of_whole_names_is_split_up():
    assert guess_mapping(["Telefono", "Nome"], [["1", "Anna Rossi"], ["2", "Bo Li"]])["name"] == ["Nome"]
    assert guess_mapping(["Telefono", "Nome"], [["1", "Anna"], ["2", "Bo"]])["first_name"] == ["Nome"]


def test_a_column_called_consent_is_a_yes_and_no_only_when_it_answers():
    assert guess_mapping(["phone", "consenso"], [["1", "sì"], ["2", "No"]])["opted_in"] == ["consenso"]
    assert "opted_in" not in guess_mapping(["phone", "consenso"], [["1", "newsletter di marzo"]])
    mapping = guess_mapping(["phone", "unsubscribed at"], [["1", ""], ["2", "2025-03-04"]])
    assert mapping["opted_out"] == ["unsubscribed at"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [("yes", True), ("Sì", True), ("X", True), ("1", True), ("", False), ("no", False), ("Nein", False), ("eh", None)],
)
def test_yes_and_no_in_words(text, answer):
    assert yes_or_no(text) is answer


_CELLS = st.text(max_size=8) | st.sampled_from(["phone", "Nome", "telefono", "347 1234567", "a@b", "sì", "2025-01"])


@st.composite
def _tables(draw):
    header = draw(st.lists(_CELLS, unique=True, max_size=5))
    return header, draw(st.lists(st.lists(_CELLS, min_size=len(header), max_size=len(header)), max_size=4))


@given(_tables())
def test_any_columns_can_be_guessed_at(table):
    header, sample = table
    mapping = guess_mapping(header, sample)
    assert set(mapping) <= set(FIELDS)
    used = [name for names in mapping.values() for name in names]
    assert len(used) == len(set(used))
    assert set(used) <= set(header)
