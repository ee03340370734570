"""What the Markdown files say that can be checked without following them: verbs, options, make targets, files, links.

The rule: a `console` block holds commands, each on a line that begins with `$ `, and nothing else but what they print.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.cli.app import VERBS

ROOT = Path(__file__).resolve().parents[2]
RUN_FILES = ("manifest.json", "summary.json", "scorecard.csv", "joined.csv", "report.html", "histograms.hlog", "scores.jsonl")
RUN_FILES += (
    "journal-000.jsonl",
    "answers-000.jsonl",
    "truth.jsonl",
    "simulator.json",
    "locust.log",
    ".lock",
    ".resuming.lock",
    "locust-1.log",
    "journal-1-000.jsonl",
    "calibration.json",
    "campaign.json",
    "campaign.html",
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
_SUFFIXES = (".py", ".md", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".html", ".hlog", ".log", ".txt", ".lock", ".j2", ".css")
_INVENTED = ("runs/", "our_team", "my_", "tickets.csv", "NAME")  # what a reader makes, or puts a name for


class Block(NamedTuple):
    language: str
    text: str


def blocks(document: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [Block(*found.groups()) for found in _FENCE.finditer(document)]


def commands(block: Block) -> list[str]:
    """The command lines of a console block, without their prompt; any other block has none."""
    if block.language != "console":
        return []
    return [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]


MADE_LATER = (".conformance/", "build/")  # what a make target makes, and no checkout holds


def complaints(document: str, folder: Path, strange_flags: frozenset[str] = frozenset()) -> list[str]:
    """Everything in the text of a document of `folder` that names what is not there.

    strange_flags  options of other programs that this document may speak of
    """
    prose = _FENCE.sub("", document)
    spoken = _CODE.findall(prose) + [line for block in blocks(document) for line in commands(block)]
    found = [wrong for line in spoken for wrong in _wrong_words(line.split(), strange_flags)]
    named = [code for code in spoken if _names_a_file(code, folder) and not code.startswith(MADE_LATER)]
    found += [f"no file {code}" for code in named if not _is_there(code, folder)]
    return found + [f"no place {link}" for link in _LINK.findall(prose) if not _leads_somewhere(link, document, folder)]


@cache
def options(*words: str) -> frozenset[str]:
    """The long options in a module's --help."""
    done = subprocess.run([sys.executable, "-m", *words, "--help"], capture_output=True, text=True, check=True, timeout=60)
    return frozenset(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))


def locust_options() -> frozenset[str]:
    """Locust's options and those that our locustfiles add to them, which its --help does not show."""
    ours = re.findall(r'"(--[a-z-]+)"', (ROOT / "harness" / "session.py").read_text())
    return options("locust").union(ours)


def _of_verb(verb: str) -> frozenset[str]:
    return options("harness.cli.app", verb)


def _wrong_words(words: list[str], strange_flags: frozenset[str]) -> Iterator[str]:
    """What is wrong with one command line, or with an option that is named alone."""
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    match words:
        case ["signoff", verb, *_] if not verb.startswith("-"):
            allowed = _of_verb(verb) if verb in VERBS else None
        case ["signoff", *_]:
            allowed = options("harness.cli.app")
        case ["make", *targets]:
            yield from (f"no make target {name}" for name in targets if "=" not in name and name not in _make_targets())
            return
        case [first, *_] if first.startswith("--"):
            allowed = strange_flags.union(*map(_of_verb, VERBS))
        case _:
            return
    if allowed is None:
        yield f"no verb {words[1]}"
    else:
        yield from (f"no option {flag} in {' '.join(words)}" for flag in flags if flag not in allowed)


@cache
def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _names_a_file(code: str, folder: Path) -> bool:
    if not _PATH.fullmatch(code) or any(made in code for made in _INVENTED):
        return False
    if code.startswith("../shared"):  # beside the checkout on some machines, and tests say so when they skip
        return False
    first = code.partition("/")[0]
    return code.endswith(_SUFFIXES) or ("/" in code and any((base / first).is_dir() for base in _bases(folder)))


def _is_there(path: str, folder: Path) -> bool:
    """A path from the document, the root or the package; a bare name may stand anywhere, also in a run directory."""
    if any(any(base.glob(path.rstrip("/"))) for base in _bases(folder)):
        return True
    return "/" not in path and any(fnmatch(name, path) for name in _names())


def _bases(folder: Path) -> tuple[Path, ...]:
    return folder, ROOT, ROOT / "harness"


@cache
def _names() -> frozenset[str]:
    folders = ("harness", "locustfiles", "scenarios", "grafana", "tests")
    return frozenset(RUN_FILES).union(path.name for folder in folders for path in (ROOT / folder).rglob("*.*"))


def _leads_somewhere(link: str, document: str, folder: Path) -> bool:
    place, _, anchor = link.partition("#")
    if place.startswith(("http:", "https:")):
        return True
    if not place:
        return anchor in _anchors(document)
    return (folder / place).exists()


def _anchors(document: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
