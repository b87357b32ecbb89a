"""What replies say about consent: real sentences, for and against, in every language we list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts import words
from contacts.keywords import Kind, Reading, folded, read_reply


def _listed(table):
    return [(language, word.strip()) for language, line in table.items() for word in line.split(",")]


@pytest.mark.parametrize(("language", "word"), _listed(words.STOP))
def test_every_stop_word_is_a_sure_stop(language, word):
    for text in (word, word.upper(), f"{word}.", f"{word}!!!"):
        for after_marketing in (False, True):
            reading = read_reply(text, after_marketing=after_marketing)
            assert (reading.kind, reading.keyword) == (Kind.STOP, folded(word))
            assert reading.language in (language, "")


@pytest.mark.parametrize(("language", "word"), _listed(words.COLLIDING))
def test_a_word_of_bookings_is_a_stop_only_after_marketing(language, word):
    assert read_reply(word, after_marketing=True).kind is Kind.STOP
    assert read_reply(word, after_marketing=False).kind is Kind.MAYBE_STOP
    assert read_reply(word, after_marketing=True).language in (language, "")


@pytest.mark.parametrize(("language", "word"), _listed(words.START))
def test_every_start_word_is_a_start(language, word):
    assert read_reply(word).kind is Kind.START
    assert read_reply(word.upper() + " 🙂").kind is Kind.START


@pytest.mark.parametrize(("language", "word"), _listed(words.HELP))
def test_every_help_word_asks_for_help(language, word):
    assert read_reply(word).kind is Kind.HELP


def test_no_word_means_two_things():
    meanings = [
        {folded(word) for _, word in _listed(table)} for table in (words.STOP, words.COLLIDING, words.START, words.HELP)
    ]
    assert sum(len(meaning) for meaning in meanings) == len(set.union(*meanings))


def test_all_the_languages_are_in_every_list():
    languages = {"en", "it", "es", "pt", "fr", "de", "ar", "hi", "id", "tr", "nl", "pl", "ru"}
    for table in (words.STOP, words.COLLIDING, words.START, words.HELP, words.THINGS, words.LINKS):
        assert set(table) == languages
    assert set(words.POLITE) == languages | {""}


@pytest.mark.parametrize(
    "text",
    [
        "STOP!!!",
        "stop.",
        "«Stop»",
        "*STOP*",
        "_stop_",
        "STOP 🛑",
        "🛑🛑 stop 🛑🛑",
        "S T O P",
        "S.T.O.P.",
        "stoooop",
        "𝐒𝐓𝐎𝐏",
        "ＳＴＯＰ",
        "s\u200bt\u200bo\u200bp",
        "stop stop stop",
        "please stop",
        "Stop please",
        "Please, stop!",
        "Stop it now",
        "stop this",
        "STOP NOW",
        "Can you stop?",
        "could you please stop texting me",
        "stop sending me messages please",
        "Stop messaging me",
        "stop these messages",
        "stop all messages",
        "Stop spam",
        "stop promo",
        "Stop promotions",
        "Unsubscribe from Promos",
        "unsubscribe me from this list",
        "I want to unsubscribe",
        "take me off your list",
        "remove me from the list please",
        "Don't text me",
        "dont message me",
        "no more messages",
        "opt-out",
        "Opt out please",
        "stop grazie",
        "STOP, grazie.",
        "per favore basta",
        "Basta!",
        "basta messaggi",
        "basta con questi messaggi",
        "Basta pubblicità per favore",
        "ora basta",
        "Buongiorno, cancellatemi dalla lista grazie",
        "Vorrei disiscrivermi",
        "Non voglio più messaggi",
        "non scrivetemi più",
        "Cancella l'iscrizione",
        "por favor parar",
        "No más mensajes por favor",
        "quiero darme de baja",
        "BAJA gracias",
        "basta de publicidad",
        "parar, obrigado",
        "Não quero mais mensagens",
        "Arrêtez s'il vous plaît",
        "arretez de m'envoyer des messages",
        "STOP SVP",
        "Je souhaite me désabonner",
        "bitte abmelden",
        "Bitte keine Werbung mehr",
        "Ich möchte mich abmelden",
        "Stopp mit der Werbung",
        "إيقاف من فضلك",
        "الغاء الاشتراك",
        "ايقاف الرسائل",
        "कृपया बंद करें",
        "message band karo",
        "ये मैसेज बंद करो",
        "tolong berhenti",
        "berhenti kirim pesan",
        "lütfen durdur",
        "ABONELİKTEN ÇIK",
        "abonelikten çık",
        "Üyelikten çık lütfen",
        "stop alsjeblieft",
        "graag afmelden",
        "stop met deze berichten",
        "Proszę mnie wypisać",
        "wypisz, dziękuję",
        "Отпишите меня, пожалуйста",
        "стоп рассылка",
        "хватит спам",
    ],
)
def test_manners_and_messages_around_a_stop_change_nothing(text):
    assert read_reply(text).kind is Kind.STOP


@pytest.mark.parametrize(
    "text",
    [
        "don't stop",
        "Don’t stop!",
        "please do not stop",
        "never stop",
        "non stop",
        "non-stop",
        "no stop",
        "bus stop?",
        "Where is the bus stop",
        "full stop",
        "the last stop on the line",
        "is this the stop",
        "Arrivo domani stop",
        "la fine del mese",
        "alla fine ho deciso",
        "Fine thanks",
        "ok fine",
        "I'm fine",
        "annulla l'appuntamento",
        "vorrei annullare l'ordine",
        "cancel my order",
        "cancella la prenotazione di domani",
        "mi basta sapere quando arriva il pacco",
        "¿para cuándo estará?",
        "para mañana por favor",
        "arrêt de bus",
        "j'arrête demain",
        "am Ende der Woche",
        "the end is near",
        "I will quit my job",
        "weekend",
        "kırmızı red",
        "Yes",
        "si",
        "Sì",
        "sí",
        "ja",
        "oui",
        "да",
        "evet",
        "ok",
        "grazie",
        "start the machine tomorrow",
        "I started yesterday",
        "can you help me with my order",
        "info@example.it",
        "Good morning",
        "",
        "   ",
        "👍",
        "???",
        "12345",
    ],
)
def test_a_sentence_about_something_else_is_nothing(text):
    assert read_reply(text).kind is Kind.NONE


@pytest.mark.parametrize(
    "text", ["don't stop", "non stop", "bus stop?", "full stop", "la fine del mese", "Fine thanks"]
)
def test_what_is_no_stop_is_none_after_marketing_either(text):
    assert read_reply(text, after_marketing=True).kind is Kind.NONE


@pytest.mark.parametrize(
    ("text", "after_marketing"),
    [
        ("stop with the weekly ones", False),
        ("stop the blue order", False),
        ("unsubscribe my sister", False),
        ("Berhenti kirim iklan sepatu", False),
        ("Basta così grazie", False),
        ("annulla l'appuntamento", True),
        ("cancel my order", True),
        ("cancella tutto", True),
        ("Stop? What does that do?", False),
        ("Stop, wait for me", False),
        ("No thanks, stop", False),
        ("Ho già comprato. Basta", False),
        ("🛑", False),
    ],
)
def test_what_may_be_a_stop_is_asked_about(text, after_marketing):
    assert read_reply(text, after_marketing=after_marketing).kind is Kind.MAYBE_STOP


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("STOP. but where is my order?", True),
        ("STOP but where is my order?", True),
        ("STOP but where is my order", True),
        ("Stop!\nDov'è il mio ordine?", True),
        ("Basta. Quando arriva il pacco", True),
        ("STOP. Ma il mio ordine è partito?", True),
        ("Parar. ¿Dónde está mi pedido?", True),
        ("СТОП. Где мой заказ", True),
        ("Is my order on its way? Otherwise cancel it. STOP", True),
        ("STOP. Thank you for everything", False),
        ("STOP\nAnna Rossi", False),
        ("Non mi interessa.\nSTOP", False),
        ("STOP", False),
        ("STOP?", False),
        ("Can you stop?", False),
    ],
)
def test_a_question_beside_a_stop_is_noticed(text, asks):
    reading = read_reply(text)
    assert (reading.kind, reading.asks) == (Kind.STOP, asks)


def test_a_stop_and_a_comma_is_sure_after_marketing():
    assert read_reply("Stop, I have bought one already", after_marketing=True).kind is Kind.STOP
    assert read_reply("Stop, where is my order?", after_marketing=True).asks


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("STOP", ""),
        ("stop grazie", "it"),
        ("bitte stop", "de"),
        ("unsubscribe", "en"),
        ("disiscrivimi", "it"),
        ("basta", ""),
        ("basta, gracias", "es"),
        ("отписаться", "ru"),
        ("توقف", "ar"),
        ("बंद करो", "hi"),
    ],
)
def test_the_language_of_a_stop_is_told_when_the_words_tell_it(text, language):
    assert read_reply(text).language == language


@pytest.mark.parametrize(
    ("payload", "reading"),
    [
        ("OPTOUT", Reading(Kind.STOP, keyword="optout")),
        ("OPTOUT:marketing", Reading(Kind.STOP, keyword="optout", scope="marketing")),
        ("optout:Order_Updates", Reading(Kind.STOP, keyword="optout", scope="order_updates")),
        ("OPTOUT:", Reading(Kind.STOP, keyword="optout")),
        ("OPTOUT:all", Reading(Kind.STOP, keyword="optout")),
        ("OPTIN:marketing", Reading(Kind.START, keyword="optin", scope="marketing")),
        ("CHOOSE:blue", Reading(Kind.NONE)),
        ("STOP", Reading(Kind.STOP, keyword="stop")),
        ("Stop promotions", Reading(Kind.STOP, keyword="stop", scope="marketing")),
        ("", Reading(Kind.NONE)),
        (None, Reading(Kind.NONE)),
    ],
)
def test_a_button_speaks_for_itself(payload, reading):
    assert read_reply("No more of these, thanks", payload=payload) == reading


def test_a_button_outweighs_its_label():
    assert read_reply("Start", payload="OPTOUT:reminders") == Reading(Kind.STOP, keyword="optout", scope="reminders")


_NOISE = st.text(alphabet=" \t\n.,!?;:'\"«»()*_~-…🙂🛑🙏🏽❤️™ⓘ\u200b\u200e\u2060\ufe0f\u00a0", max_size=6)
_SURE = st.sampled_from(sorted({word for _, word in _listed(words.STOP)}))


@given(_SURE, st.lists(_NOISE, min_size=12, max_size=12), st.data())
def test_noise_never_hides_a_stop(word, noise, data):
    """Case, signs, emoji, odd spaces between the words; invisible signs inside them."""
    noisy = noise[0]
    for position, part in enumerate(word.split()):
        part = data.draw(st.sampled_from([part, part.upper(), part.lower(), part.title(), "\u200c".join(part)]))
        noisy += (" " if position else "") + part + noise[position + 1]
    reading = read_reply(noisy + noise[-1])
    assert (reading.kind, reading.keyword) == (Kind.STOP, folded(word))


@given(st.text(max_size=300), st.none() | st.text(max_size=40), st.booleans())
def test_any_text_can_be_read(text, payload, after_marketing):
    assert isinstance(read_reply(text, payload=payload, after_marketing=after_marketing), Reading)


_WORDS = st.sampled_from(
    sorted({part for _, word in _listed(words.STOP) + _listed(words.THINGS) for part in word.split()})
)


@given(
    st.lists(_WORDS | st.sampled_from(["please", "where", "?", ".", ",", "but", "start"]), max_size=60).map(" ".join)
)
def test_any_heap_of_our_words_can_be_read(text):
    assert read_reply(text).kind in set(Kind)


@given(
    st.sampled_from(["yes", "Sì", "si", "SÍ", "ja", "oui", "sim", "да", "نعم", "हाँ", "haan", "ya", "evet", "tak"]),
    _NOISE,
)
def test_a_yes_never_subscribes(yes, noise):
    assert read_reply(noise + yes + noise).kind is not Kind.START


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text):
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("Non voglio promozioni", "marketing"),
        ("Non voglio più promozioni, grazie", "marketing"),
        ("Stop promotions", "marketing"),
        ("Unsubscribe from Promos", "marketing"),
        ("STOP PROMO", "marketing"),
        ("basta pubblicità", "marketing"),
        ("no more offers please", "marketing"),
        ("keine Werbung mehr", "marketing"),
        ("no quiero promociones", "marketing"),
        ("STOP", ""),
        ("stop all promotions", ""),
        ("basta messaggi", ""),
    ],
)
def test_who_stops_promotions_stops_marketing_and_keeps_the_rest(text: str, scope: str) -> None:
    for reading in (read_reply(text), read_reply("", payload=text)):
        assert (reading.kind, reading.scope) == (Kind.STOP, scope)


@pytest.mark.parametrize("text", ["avete promozioni?", "no offers today?", "quando finiscono le offerte"])
def test_a_question_about_offers_is_no_stop(text: str) -> None:
    assert read_reply(text).kind != Kind.STOP


@pytest.mark.parametrize("text", ["weiter", "devam", "kabul", "lanjut", "voltar", "ok", "sì", "yes"])
def test_words_of_ordinary_talk_never_subscribe(text: str) -> None:
    assert read_reply(text).kind == Kind.NONE
