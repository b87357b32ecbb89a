"""WhatsApp's marks as HTML: what people mean is shown, and nothing they write becomes a tag."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.formatting import is_emoji_only, one_line, to_html

LINK = ' target="_blank" rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _italic_ ~gone~", "<strong>bold</strong> <em>italic</em> <s>gone</s>"),
        ("```a *b*```", "<code>a *b*</code>"),
        ("say `x_y_z` now", "say <code>x_y_z</code> now"),
        ("*bold _both_*", "<strong>bold <em>both</em></strong>"),
        ("2*3*4 and snake_case_name", "2*3*4 and snake_case_name"),
        ("* not a list * at all", "* not a list * at all"),
        ("*over\ntwo lines*", "*over\ntwo lines*"),
        ("*a _b* c_", "<strong>a _b</strong> c_"),
        ("**", "**"),
        ("(*yes*)!", "(<strong>yes</strong>)!"),
        ("*<b>&*", "<strong>&lt;b&gt;&amp;</strong>"),
        (
            "see https://shop.example/_a_/b?x=1&y=2.",
            f'see <a href="https://shop.example/_a_/b?x=1&amp;y=2"{LINK}>https://shop.example/_a_/b?x=1&amp;y=2</a>.',
        ),
        ("*https://a.example*", f'<strong><a href="https://a.example"{LINK}>https://a.example</a></strong>'),
        ("javascript:alert(1)", "javascript:alert(1)"),
        (
            'https://a.example/"onmouseover=',
            f'<a href="https://a.example/"{LINK}>https://a.example/</a>&quot;onmouseover=',
        ),
        ("مرحبا *أزرق*", "مرحبا <strong>أزرق</strong>"),
    ],
)
def test_marks_are_read_as_people_mean_them(text: str, html: str) -> None:
    assert to_html(text) == html


@given(st.text(alphabet="*_~`<>&\"'/: \nhtps.aä😍", max_size=80))
def test_whatever_is_written_only_our_tags_come_out_and_they_nest(text: str) -> None:
    open_tags: list[str] = []
    for end, tag in re.findall(r"<(/?)(\w*)[^>]*>", to_html(text)):
        assert tag in {"strong", "em", "s", "code", "a"}
        if end:
            assert open_tags.pop() == tag
        else:
            open_tags.append(tag)
    assert open_tags == []


@pytest.mark.parametrize("text", ["*" * 20_000, "*a " * 7_000, "*_~" * 7_000, "`" * 20_000, "https://" * 2_500])
def test_a_text_of_nothing_but_marks_comes_through_whole(text: str) -> None:
    read = re.sub(r"<[^>]+>", "", to_html(text))

    assert [letter for letter in read if letter not in "*_~`"] == [letter for letter in text if letter not in "*_~`"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("😍", True),
        ("👍🏽", True),
        ("👨‍👩‍👧", True),
        ("❤️", True),
        (" 😍 ", True),
        ("ok 😍", False),
        ("", False),
        ("😍" * 13, False),
    ],
)
def test_a_few_emoji_alone_are_shown_large(text: str, answer: bool) -> None:
    assert is_emoji_only(text) is answer


def test_a_list_shows_the_beginning_on_one_line() -> None:
    assert one_line("  a\n\n b\tc ") == "a b c"
    assert one_line("x" * 500) == "x" * 119 + "…"
