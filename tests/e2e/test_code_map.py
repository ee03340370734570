"""The modules that harness/README.md prints as examples of plugins, used by their dotted names as it says."""

import re
from pathlib import Path

import pytest
from documents import ROOT, blocks

from harness import plugins
from harness.errors import HarnessError
from harness.records import Call, Example, Message, Target
from harness.score import runner
from harness.wire import reading
from harness.workload import dataset

TEXT = (ROOT / "harness" / "README.md").read_text()


@pytest.fixture(autouse=True)
def our_team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the printed modules, on the path."""
    names = re.findall(r"[Hh]ere `our_team/(\w+)\.py`", TEXT)
    sources = [block.text for block in blocks(TEXT) if block.language == "python"]
    (tmp_path / "our_team").mkdir()
    for name, source in zip(names, sources, strict=True):
        (tmp_path / "our_team" / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("answer", "exact", "passed"),
    [
        ("The code is J45.9.", True, True),
        ("J459", True, True),
        ("J45.0", True, False),
        ("J45.0", False, True),
        ("asthma", True, False),
    ],
)
def test_scorer(answer: str, exact: bool, passed: bool) -> None:
    """The printed scorer grades, with and without its option."""
    scorer = runner.build("our_team.icd10", {"exact": exact})
    assert passed == scorer(answer, Example("a", {}, expected="J45.9")).passed


def test_scorer_refuses_an_expected_that_it_cannot_use() -> None:
    """An example without a code is the user's mistake, not a miss."""
    with pytest.raises(HarnessError, match="it must be a code"):
        runner.build("our_team.icd10", {})("J45", Example("a", {}))


def test_dataset_format(tmp_path: Path) -> None:
    """The printed format reads paragraphs, with the line on which each begins for the message about a bad one."""
    file = tmp_path / "notes.txt"
    file.write_text("One.\nStill one.\n\n\nTwo.\n")
    rows = plugins.load("dataset format", "our_team.paragraphs").read(file)
    assert [(1, {"prompt": "One.\nStill one."}), (5, {"prompt": "Two."})] == list(rows)
    assert ["One.\nStill one.", "Two."] == [
        each.inputs["prompt"] for each in dataset.load(file, "our_team.paragraphs").examples
    ]


def test_dialect() -> None:
    """The printed dialect sends the key in its own header, and no other."""
    call = Call("a", (Message("user", "Hi"),))
    asked = reading.dialect("our_team.gateway").request(call, Target("https://x/v1", "m"), "the-key")
    assert ["x-api-key"] == [name for name, value in asked.headers if "the-key" in value]
