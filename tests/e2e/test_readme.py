"""The READMEs against the program: README.md is followed from top to bottom, and what any of them names must be there.

Commands run as they stand, in order, in a folder that looks like a fresh checkout, but for what `typed` changes: it looks
`make` and `docker` up instead of running them, and only validates a run that would take as long as its scenario says. The
made-up endpoint of the README is played by `signoff simulate`.
"""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from documents import ROOT, Block, blocks, commands, complaints, locust_options

from harness.errors import ExitCode
from harness.measure import slo, stats
from harness.report.figures import PERCENTILES

README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    path.relative_to(ROOT)
    for pattern in ("*.md", "*/README.md", "*/*/README.md", "scenarios/*/card.md")
    for path in sorted(ROOT.glob(pattern))
    if not path.relative_to(ROOT).parts[0].startswith(".")
]
ENDPOINT, MODEL = "https://api.example.com/v1", "the-model-name"
PLAYED = "steady"  # by this candidate of claims_triage
UNPROVEN = {"run", "report"}  # the README says of its short run: exit code 98
_SECTION = re.compile(r"^(\w+):.*?(?=^\w+:|\Z)", re.MULTILINE | re.DOTALL)


class Typed(NamedTuple):
    command: str
    code: int
    out: str


class Simulated(NamedTuple):
    """Where the README's endpoint really is, and what its model is called there."""

    url: str
    model: str

    def played(self, text: str) -> str:
        return text.replace(ENDPOINT, self.url).replace(MODEL, self.model)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Simulated]:
    """The README's endpoint, played by the simulator; slower, so that a busy machine does not spoil the short run."""
    words = [sys.executable, "-m", "harness.cli.app", "simulate", "claims_triage", "--port", "0"]
    words += ["--set", f"endpoints.{PLAYED}.simulated.itl.median_s=0.02"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        yield Simulated(json.loads(child.stdout.readline())[PLAYED], f"{PLAYED}-1")
        child.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout in which nothing has been run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "harness", "locustfiles", "scenarios", "grafana", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()  # a folder of its own: whatever clears it, ours is only linked from there
    (folder / ".venv" / "bin").symlink_to(Path(sys.prefix) / "bin")
    return folder


@pytest.fixture(scope="module")
def followed(checkout: Path, endpoint: Simulated) -> list[Typed]:
    """README.md from top to bottom: its commands typed, its sections of YAML put into the scenario that it is about."""
    done = []
    for block in blocks(README):
        if block.language == "console":
            done += follow(block, checkout, endpoint)
        elif block.language == "yaml":
            edit(checkout / "my_triage" / "scenario.yaml", endpoint.played(block.text))
    return done


def follow(block: Block, folder: Path, endpoint: Simulated) -> list[Typed]:
    """Type the commands of one block into one shell."""
    lines = commands(block)
    script = "".join(f"{typed(endpoint.played(line))}\nprintf '\\n<exit %d>\\n' $?\n" for line in lines)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    outs = re.split(r"\n<exit (\d+)>\n", shell.stdout)
    return [Typed(line, int(code), out) for line, out, code in zip(lines, outs[::2], outs[1::2], strict=False)]


def typed(command: str) -> str:
    """What is typed for a line of a README."""
    match shlex.split(command):
        case ["make", *_]:
            return command.replace("make", "make --dry-run", 1)
        case ["docker", *words]:
            return f"test -f {words[words.index('-f') + 1]}"
        case ["signoff", "run", *words] if not any(word.startswith("load.measure_s=") for word in words):
            return command.replace("run", "validate", 1)
        case ["signoff", "run", *_]:
            return f"{command} --metrics ''"  # another run on this machine may have the port
    return command


def edit(scenario: Path, sections: str) -> None:
    """Put sections of YAML in place of the scenario's own."""
    new = {found[1]: found[0] for found in _SECTION.finditer(sections)}
    old = scenario.read_text()
    assert new.keys() <= {found[1] for found in _SECTION.finditer(old)}
    scenario.write_text(_SECTION.sub(lambda found: new.get(found[1], found[0]), old))


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of README.md, without its head."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_commands_end_as_the_readme_says(followed: list[Typed]) -> None:
    """Every command of README.md works as it is written; its short run proves nothing, as it says."""
    assert len([line for block in blocks(README) for line in commands(block)]) == len(followed)
    unproven = [each.command for each in followed if each.code == ExitCode.NOT_PROVEN]
    assert UNPROVEN == {command.split()[1] for command in unproven}
    assert [] == [each for each in followed if each.code and each.command not in unproven]


def test_make_demo_is_the_main_job(followed: list[Typed]) -> None:
    """The first command of the README runs the bundled scenario, and the second one the tests."""
    assert ["make demo", "make test"] == [each.command for each in followed[:2]]
    assert "signoff run scenarios/claims_triage" in followed[0].out
    assert "pytest" in followed[1].out


def test_shown_scorecard_has_the_shape_of_a_real_one(followed: list[Typed]) -> None:
    """Head and legend of the scorecard in the README are those that a run prints."""
    printed = next(each.out for each in followed if each.command.startswith("signoff report"))
    shown = next(block.text for block in blocks(README) if block.language == "text")
    assert _frame(printed) == _frame(shown)


def test_shown_verdict_is_about_the_objectives_that_are_run() -> None:
    """The demo's output in the README speaks of the objectives that stand in the demo's scenario."""
    objectives = yaml.safe_load((ROOT / "scenarios" / "claims_triage" / "scenario.yaml").read_text())["slo"]
    shown = next(block.text for block in blocks(README) if block.language == "text")
    assert objectives == re.findall(r"^(\S+ [<>]= .*?):", shown, re.MULTILINE)


def _frame(scorecard: str) -> list[list[str]]:
    """The words of the table's head, and of the two lines of legend under it."""
    lines = [line.split() for line in scorecard.strip("\n").splitlines() if line.strip()]
    head = next(index for index, words in enumerate(lines) if words[0].startswith("─"))
    legend = next(index for index, words in enumerate(lines) if words[0] == "TTFT,")
    return lines[:head] + lines[legend : legend + 2]


def test_run_directory_is_as_described(followed: list[Typed], checkout: Path) -> None:
    """Every file of a run is in the README's table, and every file of the table that any run has is there."""
    patterns = {name: row[1] for row in table("The run directory") for name in re.findall(r"`([^`]+)`", row[0])}
    real = {name for name, what in patterns.items() if "only w" not in what}  # with simulated endpoints, where calibrated
    names = {path.name for path in (checkout / "runs" / "latest").iterdir()}
    assert real == {pattern for pattern in patterns for name in names if fnmatch(name, pattern)}
    assert set() == {name for name in names if not any(fnmatch(name, pattern) for pattern in real)}


def test_own_prompts_validate(followed: list[Typed], checkout: Path) -> None:
    """The README's section on a data set of one's own fits a table with the columns that it names."""
    scenario = checkout / "my_triage" / "scenario.yaml"
    prompts = yaml.safe_load(scenario.read_text())["prompts"]
    with (scenario.parent / prompts["dataset"]).open("w", newline="") as file:
        csv.writer(file).writerows([list(prompts["columns"].values()), ["t-1", "Where is my refund?", "billing"]])
    words = [sys.executable, "-m", "harness.cli.app", "validate", str(scenario)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert 0 == done.returncode, done.stderr
    assert "Where is my refund?" in done.stdout


def test_exit_codes() -> None:
    """README.md lists the exit codes that there are."""
    assert [str(int(code)) for code in ExitCode] == [row[0] for row in table("Exit codes")]


def test_objectives() -> None:
    """The objectives that README.md quotes can be read."""
    quoted = re.findall(r"`([^`\n]+ [<>]= [^`\n]+)`", README)
    assert quoted == [slo.parse(text).text for text in quoted] != []


def test_sample_floors() -> None:
    """README.md gives the number of values from which a percentile is printed."""
    floors = README.partition("| values needed |")[2].partition("\n")[0]
    assert [stats.sample_floor(q) for q in PERCENTILES.values()] == [
        int(n.replace(",", "")) for n in re.findall(r"[\d,]+", floors)
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_what_a_document_names_is_there(path: Path) -> None:
    """Verbs, options, make targets, files and links of every Markdown file exist."""
    strange = locust_options() if path.parts[0] == "locustfiles" else frozenset()
    assert [] == complaints((ROOT / path).read_text(), (ROOT / path).parent, strange)


@pytest.mark.parametrize(
    ("planted", "wrong"),
    [
        ("`signoff vaildate claims_triage`", "no verb vaildate"),
        ("`signoff init --all`", "no option --all in signoff init --all"),
        ("`--yaml`", "no option --yaml in --yaml"),
        ("```console\n$ signoff probe URL --key K\n```\n", "no option --key in signoff probe URL --key K"),
        ("`make conformity`", "no make target conformity"),
        ("[live](grafana/READYOU.md)", "no place grafana/READYOU.md"),
        ("[above](#the-directory)", "no place #the-directory"),
        ("`harness/wire/see.py`", "no file harness/wire/see.py"),
        ("`joint.csv`", "no file joint.csv"),
    ],
)
def test_a_planted_mistake_is_found(planted: str, wrong: str) -> None:
    """A wrong verb, option, target, file or link in a copy of README.md is reported, and nothing else is."""
    assert [wrong] == complaints(f"{README}\n{planted}\n", ROOT)


def test_a_planted_command_fails(checkout: Path) -> None:
    """A command that does not work is seen to fail when it is followed, and does not hide those after it."""
    planted = Block("console", "$ signoff vaildate claims_triage\n$ make demmo\n$ docker compose -f none.yml up\nout\n$ true\n")
    assert [2, 2, 1, 0] == [each.code for each in follow(planted, checkout, Simulated(ENDPOINT, MODEL))]


def test_every_block_is_checked() -> None:
    """README.md has no block of a language that the tests above pass over, and no command outside of a console block."""
    assert {"console", "yaml", "text"} == {block.language for block in blocks(README)}
    shown = [line for block in blocks(README) if block.language != "console" for line in block.text.splitlines()]
    assert [] == [line for line in shown if line.startswith(("$", "signoff", "make"))]
