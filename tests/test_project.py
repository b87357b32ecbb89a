"""Rules about the code itself: who may import whom, what files may be called, what the documents promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).parent.parent
ROOMS = ("accounts", "contacts", "conversations", "campaigns", "config")  # each may import itself and those before it
FORBIDDEN_NAMES = {"services.py", "utils.py", "helpers.py", "tasks.py", "signals.py"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, the relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def importers_of(module: str, files: list[Path]) -> list[str]:
    """Files that import a module or something below it."""
    return [
        str(path.relative_to(ROOT))
        for path in files
        if any(name == module or name.startswith(f"{module}.") for name in imported_modules(path))
    ]


def imports_in_functions(path: Path) -> Iterator[str]:
    """Imports that are not at the top of the file; AppConfig.ready is where Django itself wants them."""

    def walk(node: ast.AST, function: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child, child.name)
            elif isinstance(child, ast.Import | ast.ImportFrom) and function:
                if not (path.name == "apps.py" and function == "ready"):
                    yield f"{path.relative_to(ROOT)}:{child.lineno}"
            else:
                yield from walk(child, function)

    return walk(ast.parse(path.read_text()), "")


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down(room: str) -> None:
    above = ROOMS[ROOMS.index(room) + 1 :]

    assert {upper: importers_of(upper, sources(room)) for upper in above} == {upper: [] for upper in above}


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_imported_inside_a_function(room: str) -> None:
    assert [place for path in sources(room) for place in imports_in_functions(path)] == []


def test_the_whatsapp_client_knows_no_model() -> None:
    files = sources("conversations/whatsapp")
    ours = {name for path in files for name in imported_modules(path) if name.split(".")[0] in ROOMS}

    assert {name for name in ours if not name.startswith("conversations.whatsapp")} == set()
    assert importers_of("django.db", files) == []


def test_only_conversations_speaks_to_whatsapp() -> None:
    others = [path for room in ROOMS if room != "conversations" for path in sources(room)]

    assert importers_of("conversations.whatsapp", others) == []


def test_nothing_imports_the_sandbox_but_its_command() -> None:
    files = [path for room in ROOMS for path in sources(room) if "sandbox" not in path.relative_to(ROOT).parts]

    assert set(importers_of("conversations.sandbox", files)) <= {"conversations/management/commands/sandbox.py"}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [str(path) for room in ROOMS for path in sources(room) if path.name in FORBIDDEN_NAMES] == []


def test_env_example_lists_every_setting() -> None:
    read = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text())
    explained = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert sorted(read) == sorted(explained)  # lists, so that a second reading of one variable shows too


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_names_versions_and_hashes_and_no_place(name: str) -> None:
    lines = [line.strip().rstrip(" \\") for line in (ROOT / name).read_text().splitlines()]
    wanted = re.compile(r"|#.*|--hash=sha256:[0-9a-f]{64}|[a-z0-9.-]+==[\w.]+( ; .*)?")

    assert [line for line in lines if not wanted.fullmatch(line) or "://" in line] == []


def test_the_environment_is_read_in_the_settings_only() -> None:
    reading = re.compile(r"os\.getenv|os\.environ(\[[^]]*\](?!\s*=[^=])|\.get\b)")
    files = [path for room in ROOMS for path in sources(room)]
    files.remove(ROOT / "config/demo_environment.py")  # it fills the environment before the settings are read

    assert [str(path) for path in files if reading.search(path.read_text())] == []


def test_acceptance_names_only_what_exists() -> None:
    named = re.findall(r"`([^`]+)`", (ROOT / "docs/acceptance.md").read_text())
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(get_commands())

    def exists(reference: str) -> bool:
        if reference.startswith("make "):
            return reference.split()[1] in targets
        if reference.startswith("manage.py "):
            return reference.split()[1] in commands
        file, _, name = reference.partition("::")
        path = ROOT / file
        return path.is_file() and (not name or bool(re.search(rf"^\s*def {re.escape(name)}\(", path.read_text(), re.M)))

    references = [name for name in named if name.startswith(("tests/", "make ", "manage.py "))]
    assert references
    assert [reference for reference in references if not exists(reference)] == []
