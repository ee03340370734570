"""What the report makes of a search: its answer in words, every load that was tried, and where an endpoint is judged."""

import io
import json
from pathlib import Path
from typing import Any

import fabricated
import msgspec
import pytest
from rich.console import Console

from harness import results
from harness.cli.report import verdict_code
from harness.errors import ExitCode
from harness.report import console, frontier, frontier_chart
from harness.report.build import Built, build
from harness.searched import Judged, Searched

LEVELS = (2, 4, 8, 16)


def judged(users: int, verdict: Any, reason: str = "every share is under what is allowed", **fields: Any) -> Judged:
    told = {"runs": 1, "requests": 500, "offered_per_s": 10.0 * users, "achieved_per_s": 10.0 * users, **fields}
    return Judged(level=str(users), load=users, verdict=verdict, reason=reason, offered_tokens_per_s=300.0 * users, **told)


FOUND = Searched(
    endpoint="alpha",
    unit="users",
    end="resolved",
    load=4,
    above=8,
    requests=2_345,
    seconds=90,
    worth="about half of the truth",
    judged=(
        judged(2, "pass"),
        judged(4, "pass"),
        judged(8, "unclear", "the queue was seen 47 times, and 50 are needed", runs=2),
        judged(16, "fail", "the queue grows without bound", cut_short=True),
    ),
)


def built(path: Path, found: Searched, seconds: float = 20) -> Built:
    """A run of four levels of which the manifest says that a search chose them."""
    run = fabricated.write(
        path, [fabricated.Candidate("alpha")], levels=LEVELS, seconds=seconds, slo=("ttft.p90 <= 2 s",), graded=False
    )
    results.write_manifest(run, msgspec.structs.replace(results.read_manifest(run), searches=(found,)))
    return build(run)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(tmp_path_factory.mktemp("found") / "run", FOUND, seconds=70)


def test_the_answer_is_said_with_what_lies_above_it(found: Built) -> None:
    """Why not more, what it took, and what was cut short."""
    assert [
        (
            "alpha: the largest load that was shown to hold the objectives is 4 users; 8 users stayed unclear: "
            "the queue was seen 47 times, and 50 are needed."
        ),
        "alpha: at these settings an answer is about half of the truth.",
        (
            "alpha: What stayed unclear counts as not held, but may hold: more requests tell, with `load.search.effort: full`, "
            "or a larger requests_most and budget."
        ),
        "alpha: 4 loads tried in 1.5 minutes with 2,345 requests; cut short as hopeless: 16 users.",
    ] == frontier.sentences(found.summary)[:4]


def test_the_answer_is_where_objectives_are_judged(found: Built) -> None:
    """Not at the highest level, which nobody claims to hold."""
    assert ("4", "4") == (found.summary.endpoints["alpha"].peak, found.summary.peak)
    assert ExitCode.OK == verdict_code(found.summary)


def test_the_frontier_is_kept(found: Built) -> None:
    """In summary.json, with the figures of the levels."""
    summary = json.loads((found.path / results.SUMMARY).read_bytes())["endpoints"]["alpha"]
    kept = summary["search"]["frontier"]
    assert [2, 4, 8, 16] == [each["load"] for each in kept]
    assert ["pass", "pass", "unclear", "fail"] == [each["verdict"] for each in kept]
    for each in kept:
        level = summary["levels"][each["level"]]
        assert (level["service"]["ttft_s"]["p99"], level["goodput_per_s"]) == (each["ttft_p99_s"], each["goodput_per_s"])
        assert level["service"]["itl_s"]["p99"] == each["itl_p99_s"]


def test_terminal_and_page_show_it(found: Built) -> None:
    """A row a load with its reason; three charts, in which what holds and what does not are apart."""
    out = io.StringIO()
    console.show(found.summary, Console(file=out, width=100))
    said = " ".join(out.getvalue().split())
    page = (found.path / "report.html").read_text()
    for text in (said, page):
        assert "the largest load that was shown to hold the objectives is 4 users" in text
        assert "the queue grows without bound" in text
    assert max(len(line) for line in out.getvalue().splitlines()) <= 100
    assert 3 == len([chart for chart in frontier_chart.charts(found.summary) if chart.picture is not None])
    assert "alpha not held" in page


@pytest.mark.parametrize(
    ("fields", "words", "code"),
    [
        ({"load": 16, "above": None, "end": "most", "at_least": True}, "is at least 16 users, the largest", ExitCode.OK),
        ({"load": 16, "above": None, "end": "budget"}, "The budget of requests ended the search", ExitCode.OK),
        ({"load": 4, "end": "time"}, "The time limit ended the search", ExitCode.OK),
        ({"load": None, "above": 2, "end": "none", "judged": (judged(2, "fail", "slow"),)}, "2 users failed: slow", 99),
        ({"load": None, "above": 2, "end": "none", "judged": (judged(2, "unclear", "few"),)}, "stayed unclear: few", 98),
        ({"load": None, "above": None, "end": "stopped", "judged": ()}, "no load was judged", 98),
    ],
)
def test_every_end_has_its_words_and_its_exit_code(tmp_path: Path, fields: dict[str, Any], words: str, code: int) -> None:
    """A load that fails at once is a miss; what stayed open is not proven."""
    made = built(tmp_path / "run", msgspec.structs.replace(FOUND, **fields))
    assert words in " ".join(frontier.sentences(made.summary))
    assert code == verdict_code(made.summary)


def test_a_search_that_judged_nothing_is_a_finding(tmp_path: Path) -> None:
    """Its endpoint is in no figure, and that is said."""
    none = Searched(endpoint="alpha", unit="users", end="time")
    assert "not_searched" in [each.code for each in built(tmp_path / "run", none).summary.findings]


def test_the_looks_of_a_search_are_no_repetitions(tmp_path: Path) -> None:
    """Three runs of one load have no interval over them: each was as long as it needed."""
    run = fabricated.write(
        tmp_path / "run", [fabricated.Candidate("alpha")], levels=(4,), seconds=10, repetitions=3, graded=False
    )
    found = msgspec.structs.replace(FOUND, judged=(judged(4, "pass", runs=3),), above=None)
    results.write_manifest(run, msgspec.structs.replace(results.read_manifest(run), searches=(found,)))
    made = build(run)
    assert {} == made.summary.endpoints["alpha"].levels["4"].repetitions
    assert 'id="repetitions"' not in (made.path / "report.html").read_text()
