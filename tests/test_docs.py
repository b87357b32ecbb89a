"""The documents promise nothing that is not there: commands with their options, files, functions, links."""

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
KINDS_OF_FILE = ("admin.py", "utils.py", "helpers.py", "services.py", "tasks.py")  # each room's, or nobody's
MADE_LATER = ("data/", "report.csv", "copy.sqlite3")  # what a command on the page itself makes
ENDINGS = r"(?:py|md|csv|html|txt|in|css|js|json|png)"


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_there_is_something_to_look_at() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/acceptance.md", "docs/operations.md"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", text(name), re.MULTILINE))

    assert named - targets == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_named_exists_with_its_options(name: str) -> None:
    commands = get_commands()
    unknown = []
    for command, rest in re.findall(r"manage\.py (?:--in-demo )?([a-z_]+)([^`\n]*)", text(name)):
        if command not in commands:
            unknown.append(command)
            continue
        app = commands[command]
        found = app if not isinstance(app, str) else load_command_class(app, command)
        parser: argparse.ArgumentParser = found.create_parser("manage.py", command)
        unknown += [
            f"{command} {option}" for option in re.findall(r"(?<=\s)--[a-z-]+", rest) if not knows(parser, option)
        ]

    assert unknown == []


def knows(parser: argparse.ArgumentParser, option: str) -> bool:
    return option in parser._option_string_actions


@pytest.mark.parametrize("name", NAMES)
def test_every_file_and_function_named_exists(name: str) -> None:
    named = re.findall(rf"`([\w.-]+(?:/[\w.-]+)*(?:/|\.{ENDINGS}))(?:::(\w+))?`", text(name))
    missing = [
        f"{path}::{function}" if function else path
        for path, function in named
        if not path.startswith(MADE_LATER) and not is_there(path, function)
    ]

    assert missing == []


def is_there(path: str, function: str) -> bool:
    """In the repository, by its path from the root; with a function or class of that name in it."""
    file = ROOT / path
    if not file.exists():
        return not function and path in KINDS_OF_FILE
    return not function or bool(re.search(rf"^\s*(?:def|class) {function}\b", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(name))
    inside = [link for link in links if "://" not in link]

    assert [link for link in inside if not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_page_names_a_place_of_one_machine(name: str) -> None:
    assert re.findall(r"(?<![\w.])/(?:root|home|tmp|work|usr/local)/[\w/.-]*", text(name)) == []


def test_pictures_are_few_and_small() -> None:
    pictures = list((ROOT / "docs").rglob("*.png"))

    assert len(pictures) <= 8
    assert [picture.name for picture in pictures if picture.stat().st_size > 200_000] == []


def test_every_picture_is_shown() -> None:
    shown = "".join(text(name) for name in NAMES)

    assert [picture.name for picture in (ROOT / "docs").rglob("*.png") if picture.name not in shown] == []
