"""WhatsApp's marks in a text (*bold* _italic_ ~strike~ ```mono```) as safe HTML.

Written by strangers, so everything is escaped, only tags made here are added, and the work grows with the length of the
text: one pass per mark, three deep at most.
"""

import re
import unicodedata
from bisect import bisect_right

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

_TAGS = {"*": "strong", "_": "em", "~": "s"}
_CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_NOT_THE_END = "*_~.,;:!?)]}'’”»"  # of a sentence around the link, not of the link
_LARGEST_EMOJI_ONLY = 12  # code points; one emoji may be several


def to_html(text: str) -> SafeString:
    """The text with its marks as tags and its web addresses as links that tell the other side nothing."""
    parts: list[str] = []
    end = 0
    for match in _CODE.finditer(text):
        parts.append(_lines(text[end : match.start()]))
        parts.append(format_html("<code>{}</code>", match[1] or match[2]))
        end = match.end()
    parts.append(_lines(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308 every part is escaped or made by format_html


def is_emoji_only(text: str) -> bool:
    """True for one to a few emoji and nothing else: they are shown large."""
    glyphs = text.strip()
    if not glyphs or len(glyphs) > _LARGEST_EMOJI_ONLY:
        return False
    kinds = {unicodedata.category(glyph) for glyph in glyphs}
    return "So" in kinds and kinds <= {"So", "Sk", "Mn", "Me", "Cf"}


def one_line(text: str, limit: int = 120) -> str:
    """The beginning of a text on one line, for lists."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _lines(text: str) -> str:
    return "\n".join(_marked(line, "*_~") for line in text.split("\n"))  # a mark never reaches over a line


def _marked(line: str, marks: str) -> str:
    links = [(match.start(), match.start() + len(match[0].rstrip(_NOT_THE_END))) for match in _LINK.finditer(line)]
    link_at = dict(links)
    in_links = {place for start, end in links for place in range(start, end)}
    closers = {
        mark: [place for place in range(1, len(line)) if place not in in_links and _closes(line, place, mark)]
        for mark in marks
    }
    parts: list[str] = []
    kept = place = 0  # everything before `kept` is in parts
    while place < len(line):
        if place in link_at:
            url = line[place : link_at[place]]
            link = format_html('<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>', url, url)
            parts += [escape(line[kept:place]), link]
            kept = place = link_at[place]
            continue
        mark = line[place]
        if mark in marks and _opens(line, place):
            ends = closers[mark]
            index = bisect_right(ends, place + 1)
            if index < len(ends):
                inner = _marked(line[place + 1 : ends[index]], marks.replace(mark, ""))
                parts += [escape(line[kept:place]), f"<{_TAGS[mark]}>{inner}</{_TAGS[mark]}>"]
                kept = place = ends[index] + 1
                continue
        place += 1
    parts.append(escape(line[kept:]))
    return "".join(parts)


def _opens(line: str, place: int) -> bool:
    before, after = line[place - 1 : place], line[place + 1 : place + 2]
    return not before.isalnum() and bool(after) and not after.isspace()


def _closes(line: str, place: int, mark: str) -> bool:
    return line[place] == mark and not line[place - 1].isspace() and not line[place + 1 : place + 2].isalnum()
