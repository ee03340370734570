"""Rules of the house style that a machine can check, over the files that git knows or would take."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES = 400, 60
NAMELESS = {"util", "utils", "common", "core", "helper", "helpers", "manager", "base", "factory", "misc"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|farm|root|home)/[a-z.]")
# Brackets around one character, so that this line does not find itself.
INDEX_ADDRESS = re.compile(r"index[-]url|find[-]links|file:[/]//opt|pypi[.]org|pythonhosted[.]org")

Rule = Callable[[str, str], list[str]]


def oversized(path: str, source: str) -> list[str]:
    """Files and functions that are too long to hold one idea."""
    lines = len(source.splitlines())
    found = [f"{path}: {lines} lines"] if lines > FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            found += [f"{path}: {node.name}() has {length} lines"] if length > FUNCTION_LINES else []
    return found


def undocumented(path: str, source: str) -> list[str]:
    """Modules that do not say what they are."""
    return [] if ast.get_docstring(ast.parse(source)) else [f"{path}: no module docstring"]


def nameless(path: str, source: str) -> list[str]:
    """Files and folders whose name tells nothing."""
    return [f"{path}: {part}" for part in Path(path).with_suffix("").parts if part in NAMELESS]


def leaked(path: str, source: str) -> list[str]:
    """Lines that name a place of one machine or an address of a package index."""
    lines = enumerate(source.splitlines(), start=1)
    return [f"{path}:{number}" for number, line in lines if MACHINE_PATH.search(line) or INDEX_ADDRESS.search(line)]


def tracked() -> Iterator[tuple[str, str]]:
    """(path, text) of every text file that is committed or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so nothing says which files belong to the project")
    for name in filter(None, listed.split("\0")):
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):  # deleted but not yet committed; binary
            continue


@pytest.mark.parametrize("rule", [oversized, undocumented, nameless])
def test_python_files_keep_the_style(rule: Rule) -> None:
    """No Python file of the project breaks the rule."""
    assert [] == [wrong for path, source in tracked() if path.endswith(".py") for wrong in rule(path, source)]


def test_nothing_names_this_machine_or_a_package_index() -> None:
    """A clone builds anywhere: no committed text points to a folder of ours or chooses the reader's package index."""
    assert [] == [wrong for path, source in tracked() for wrong in leaked(path, source)]


@pytest.mark.parametrize(
    ("rule", "path", "source", "wrong"),
    [
        (oversized, "harness/a.py", "x = 1\n" * 401, ["harness/a.py: 401 lines"]),
        (oversized, "harness/a.py", "def f():\n" + "    x = 1\n" * 60, ["harness/a.py: f() has 61 lines"]),
        (oversized, "harness/a.py", "class A:\n  async def f():\n" + "    x = 1\n" * 60, ["harness/a.py: f() has 61 lines"]),
        (undocumented, "harness/a.py", "x = 1\n", ["harness/a.py: no module docstring"]),
        (nameless, "harness/utils.py", "", ["harness/utils.py: utils"]),
        (nameless, "harness/core/a.py", "", ["harness/core/a.py: core"]),
        (leaked, "README.md", "see\n/" + "home/me/run", ["README.md:2"]),
        (leaked, "Makefile", "pip install --extra-index" + "-url x", ["Makefile:1"]),
    ],
)
def test_a_planted_breach_is_found(rule: Rule, path: str, source: str, wrong: list[str]) -> None:
    """Each rule reports what it forbids, with its place."""
    assert wrong == rule(path, source)
