"""What a reply says about consent: a stop, perhaps a stop, a start, a call for help, or nothing.

Only reading happens here: what follows from it is decided by whoever asked. In doubt between a stop and nothing the
answer is `maybe_stop`; in doubt about a start it is nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from contacts import words


class Kind(StrEnum):
    STOP = "stop"  # sure: record the withdrawal
    MAYBE_STOP = "maybe_stop"  # probable: hold marketing and ask
    START = "start"
    HELP = "help"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says.

    language: of the keyword, empty when several languages share it ("stop").
    keyword: what was matched, folded. scope: the slug a button named; empty means all.
    asks: beside the stop there is a question, which a person may answer.
    """

    kind: Kind
    language: str = ""
    keyword: str = ""
    scope: str = ""
    asks: bool = False


NOTHING = Reading(Kind.NONE)
MARKETING = "marketing"  # the slug of the scope that promotions belong to

_LONGEST = 4096  # characters WhatsApp lets a person write
_MOST_WORDS = 16  # of a part that can still be one stop; longer ones talk about something
_MOST_WORDS_MAYBE = 5
_BUTTON = re.compile(r"\s*(OPTOUT|OPTIN)\s*(?::\s*(\S*)\s*)?", re.IGNORECASE)
_STOP_SIGNS = re.compile("[🛑⛔🚫🔕]")
_CONTRACTION = re.compile(r"(?<=\w)'(?=(?:t|s|d|m|re|ll|ve)\b)")
_SENTENCE_END = re.compile(r"([.!?;:…\n\r。！？؟।|]+)")
_COMMA = re.compile(r"[,،、]|\s[-–—]+\s")
_QUESTION_MARK = re.compile("[?？؟]")
_STRETCHED = re.compile(r"(.)\1{2,}")
_SAME_SIGNS = str.maketrans("’‘`´ʼℹ", "''''' ")
_SAME_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ى": "ي", "ة": "ه", "ی": "ي", "ک": "ك", "ـ": ""})
_MARKS_KEPT = range(0x0900, 0x0E00)  # the scripts of India


def read_reply(text: str, *, payload: str | None = None, after_marketing: bool = False) -> Reading:
    """What one inbound message says about consent.

    payload: of a pressed button; `OPTOUT`, `OPTOUT:<scope>` and `OPTIN:<scope>` speak for themselves.
    after_marketing: our last message to this person was marketing, so CANCEL means us and not their appointment.
    """
    button = _BUTTON.fullmatch(payload or "")
    if button:
        scope = (button[2] or "").casefold()
        kind = Kind.STOP if button[1].upper() == "OPTOUT" else Kind.START
        return Reading(kind, keyword=button[1].casefold(), scope="" if scope == "all" else scope)
    reading = _read_text(text[:_LONGEST], after_marketing)
    if reading.kind is Kind.NONE and payload:
        text, reading = payload, _read_text(payload[:_LONGEST], after_marketing)
    if reading.kind is Kind.STOP and _is_about_promotions(text):
        return replace(reading, scope=MARKETING)
    return reading


def _is_about_promotions(text: str) -> bool:
    """ "Stop promotions" stops marketing; "stop all promotions and everything" stops everything."""
    tokens = set(folded(text[:_LONGEST]).split())
    return bool(tokens & _PROMOTIONS) and not tokens & _EVERYTHING


def folded(text: str) -> str:
    """Text with everything gone that people vary without meaning it: case, accents, invisible signs, punctuation."""
    # Emoji first: some of them (™, Ⓜ, ㊙) are letters once normalised.
    text = "".join(" " if unicodedata.category(c) == "So" else c for c in text.translate(_SAME_SIGNS))
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).casefold()
    text = _CONTRACTION.sub("", "".join(c for c in text if not _is_invisible(c)).translate(_SAME_LETTERS))
    return " ".join("".join(c if _is_letter(c) else " " for c in text).split())


def _is_letter(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind[0] in "LNM" and kind != "Lm"


def _is_invisible(character: str) -> bool:
    """Direction marks, zero-width spaces and accents; the marks of Indian scripts are vowels and stay."""
    kind = unicodedata.category(character)
    return kind == "Cf" or (kind[0] == "M" and ord(character) not in _MARKS_KEPT)


def _list(line: str) -> list[str]:
    return [folded(word) for word in line.split(",")]


def _languages(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """{folded phrase: the languages that list it}"""
    found: dict[str, tuple[str, ...]] = {}
    for language, line in table.items():
        for phrase in dict.fromkeys(_list(line)):
            found[phrase] = (*found.get(phrase, ()), language)
    return found


_STOP = _languages(words.STOP)
_COLLIDING = _languages(words.COLLIDING)
_START = _languages(words.START)
_HELP = _languages(words.HELP)
_POLITE = _languages(words.POLITE)
_THINGS = frozenset(_languages(words.THINGS))
_LINKS = frozenset(_languages(words.LINKS))
_THINGS_FIRST = frozenset(_list(words.THINGS_FIRST))
_UNMISTAKABLE = frozenset(_list(words.UNMISTAKABLE))
_PROMOTIONS = frozenset(_list(words.PROMOTIONS))
_EVERYTHING = frozenset(_list(words.EVERYTHING))
_VERBS = (frozenset(_STOP) | frozenset(_COLLIDING)) - frozenset(_list(words.NO_VERBS))
_QUESTIONS = frozenset(_list(words.QUESTIONS))
_BUT = re.compile(r"\s(?:{})\s".format("|".join(re.escape(word) for word in words.BUTS.split(", "))), re.IGNORECASE)
_LONGEST_PHRASE = max(len(phrase.split()) for phrase in (*_STOP, *_POLITE))


def _read_text(text: str, after_marketing: bool) -> Reading:
    tokens = folded(text).split()
    if not tokens:
        return Reading(Kind.MAYBE_STOP, keyword="🛑") if _STOP_SIGNS.search(text) else NOTHING
    return (
        _read_whole(tokens, after_marketing)
        or _read_stretched(tokens, after_marketing)
        or _read_parts(text, after_marketing)
        or _read_beginning(tokens, after_marketing)
        or NOTHING
    )


def _read_whole(tokens: list[str], after_marketing: bool) -> Reading | None:
    """The message is one of our words, alone or with manners around it."""
    stop = _sure_stop(tokens)
    if stop:
        return stop
    colliding = _only(tokens, _COLLIDING, Kind.STOP, own_manners=True)
    if colliding:
        return colliding if after_marketing else replace(colliding, kind=Kind.MAYBE_STOP)
    return _only(tokens, _START, Kind.START) or _only(tokens, _HELP, Kind.HELP)


def _read_stretched(tokens: list[str], after_marketing: bool) -> Reading | None:
    """The same for S T O P and stoooop."""
    if len(tokens) > 2 and all(len(token) == 1 for token in tokens):
        return _read_whole(["".join(tokens)], after_marketing)
    shortened = [_STRETCHED.sub(r"\1", token) for token in tokens]
    return _read_whole(shortened, after_marketing) if shortened != tokens else None


def _read_parts(text: str, after_marketing: bool) -> Reading | None:
    """A stop beside something else: "STOP. But where is my order?" """
    pieces = _SENTENCE_END.split(text)
    sentences = [(part, end) for part, end in zip(pieces[::2], [*pieces[1::2], ""], strict=True) if folded(part)]
    if not sentences:
        return None
    (first, end), rest = sentences[0], sentences[1:]
    stop = _sure_stop(folded(first).split())
    if stop and rest:
        # "Stop? What does that do?" asks about the word.
        kind = Kind.MAYBE_STOP if _QUESTION_MARK.search(end) else Kind.STOP
        return replace(stop, kind=kind, asks=_asks(rest))
    for separator, is_sure in ((_BUT, True), (_COMMA, after_marketing)):
        before, *after = separator.split(first, maxsplit=1)
        stop = _sure_stop(folded(before).split()) if after else None
        if stop:
            kind = Kind.STOP if is_sure and stop.keyword in _UNMISTAKABLE else Kind.MAYBE_STOP
            return replace(stop, kind=kind, asks=_asks([(after[0], end), *rest]))
    last, end = sentences[-1]
    stop = _sure_stop(folded(last).split()) if rest else None
    if stop:
        is_sure = stop.keyword in _UNMISTAKABLE and not _QUESTION_MARK.search(end)
        return replace(stop, kind=Kind.STOP if is_sure else Kind.MAYBE_STOP, asks=_asks(sentences[:-1]))
    stop = _sure_stop(folded(_COMMA.split(last)[-1]).split())
    return replace(stop, kind=Kind.MAYBE_STOP) if stop and stop.keyword in _UNMISTAKABLE else None


def _read_beginning(tokens: list[str], after_marketing: bool) -> Reading | None:
    """A few words that begin with a stop: "stop with the weekly ones"."""
    start = 0
    while size := _phrase_at(tokens, start, _POLITE):
        start += size
    rest = tokens[start:]
    if not 1 < len(rest) <= _MOST_WORDS_MAYBE:
        return None
    # "Annulla l'appuntamento" is about the appointment, unless all we had sent was marketing.
    for table in (_STOP, _COLLIDING) if after_marketing else (_STOP,):
        size = _phrase_at(rest, 0, table)
        phrase = " ".join(rest[:size])
        if phrase in _VERBS:
            return Reading(Kind.MAYBE_STOP, _language(table[phrase], tokens), phrase)
    return None


def _sure_stop(tokens: list[str]) -> Reading | None:
    """A stop word with nothing around it but manners and the messages to be stopped.

    Every word must be accounted for, so that "don't stop", "bus stop" and "stop the blue order" are none. Walks through
    the words once, keeping every way to read those so far: (stop word found, link waiting for its thing, thing found).
    """
    if not 0 < len(tokens) <= _MOST_WORDS:
        return None
    ways: list[set[tuple[str, bool, bool]]] = [set() for _ in range(len(tokens) + 1)]
    ways[0].add(("", False, False))
    for start in range(len(tokens)):
        for size in range(1, min(_LONGEST_PHRASE, len(tokens) - start) + 1):
            phrase = " ".join(tokens[start : start + size])
            for keyword, link, thing in ways[start]:
                after = ways[start + size]
                if phrase in _STOP:
                    after.add((keyword or phrase, link, thing))
                if phrase in _POLITE:
                    after.add((keyword, link, thing))
                if phrase in _THINGS and keyword:
                    after.add((keyword, link, True))
                if phrase in _LINKS and keyword:
                    after.add((keyword, True, thing))
                if phrase in _THINGS_FIRST and not keyword:
                    after.add((keyword, link, thing))
    keywords = sorted(keyword for keyword, link, thing in ways[-1] if keyword and (thing or not link))
    if not keywords:
        return None
    keyword = max(keywords, key=len)
    return Reading(Kind.STOP, _language(_STOP[keyword], tokens), keyword)


def _only(
    tokens: list[str], table: Mapping[str, tuple[str, ...]], kind: Kind, *, own_manners: bool = False
) -> Reading | None:
    """One phrase of the table, with manners before and after; own_manners: only those of the phrase's own language.

    "Fine, thanks" is English and no Italian stop.
    """
    if len(tokens) > _MOST_WORDS:
        return None
    for start in range(len(tokens)):
        for size in range(min(_LONGEST_PHRASE, len(tokens) - start), 0, -1):
            phrase = " ".join(tokens[start : start + size])
            languages = table.get(phrase)
            if languages is None:
                continue
            manners = tokens[:start], tokens[start + size :]
            if all(_is_polite(part, languages if own_manners else None) for part in manners):
                return Reading(kind, _language(languages, tokens), phrase)
    return None


def _is_polite(tokens: list[str], languages: tuple[str, ...] | None) -> bool:
    start = 0
    while start < len(tokens):
        size = _phrase_at(tokens, start, _POLITE, languages)
        if not size:
            return False
        start += size
    return True


def _phrase_at(
    tokens: list[str], start: int, table: Mapping[str, tuple[str, ...]], languages: tuple[str, ...] | None = None
) -> int:
    """How many words the longest phrase of the table takes at this place; 0 for none."""
    for size in range(min(_LONGEST_PHRASE, len(tokens) - start), 0, -1):
        known = table.get(" ".join(tokens[start : start + size]))
        if known and (languages is None or set(known) & set(languages)):
            return size
    return 0


def _language(known: tuple[str, ...], tokens: list[str]) -> str:
    """The keyword's language; where several share it, the one that the manners around it speak."""
    if len(known) == 1:
        return known[0]
    spoken = {
        language
        for start in range(len(tokens))
        if (size := _phrase_at(tokens, start, _POLITE))
        for language in _POLITE[" ".join(tokens[start : start + size])]
    }
    common = [language for language in known if language in spoken]
    return common[0] if len(common) == 1 else ""


def _asks(sentences: Iterable[tuple[str, str]]) -> bool:
    """Whether one of these (text, its closing signs) is a question; people often leave the sign away."""
    for text, end in sentences:
        tokens = [token for token in folded(text).split() if not _BUT.fullmatch(f" {token} ")]
        if tokens and (_QUESTION_MARK.search(end) or any(token in _QUESTIONS for token in tokens[:2])):
            return True
    return False
