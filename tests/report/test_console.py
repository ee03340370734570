"""The scorecard on a terminal."""

import io

import msgspec
import pytest
from rich.console import Console

from harness.records import Finding
from harness.report import console
from harness.report.build import Built
from harness.report.figures import Summary


def shown(summary: Summary, width: int = 100, *, colour: bool = False) -> str:
    out = io.StringIO()
    console.show(summary, Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None))
    return out.getvalue()


def test_it_fits_a_hundred_columns(troubled: Built) -> None:
    """No line is wider, and nothing was cut to make it so."""
    text = shown(troubled.summary, width=200)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text


def test_long_names_fold_and_stay_whole(troubled: Built) -> None:
    """An endpoint with eighty letters keeps them all and the table keeps its width."""
    name = "x" * 80
    only = {name: troubled.summary.endpoints["alpha"]}
    text = shown(msgspec.structs.replace(troubled.summary, endpoints=only, comparison=None))
    assert max(len(line) for line in text.splitlines()) <= 100
    table = text.partition("TTFT, e2e, ITL:")[0]
    assert 2 * 80 == table.count("x")


def test_every_row_and_the_verdict_are_there(troubled: Built) -> None:
    """Two rows an endpoint, then valid or not, the objectives, who is best, and the findings with their remedy."""
    text = " ".join(shown(troubled.summary).split())
    for words in (
        "alpha 4",
        "delta 16",
        "VALID with 3 findings",
        "ttft.p99 <= 800 ms: met by alpha",
        "At 16 users:",
        "Load processes, at worst: CPU 30.0 %",
        "Not calibrated: run `signoff calibrate`.",
        "run chronyd",
    ):
        assert words in text


@pytest.mark.parametrize("colour", [False, True])
def test_nothing_from_outside_reaches_the_terminal_raw(troubled: Built, colour: bool) -> None:
    """The finding's red text and right-to-left override are printed without their control characters, markup as it stands."""
    finding = msgspec.structs.replace(troubled.summary.findings[0], why="[bold]not markup[/bold]")
    text = shown(msgspec.structs.replace(troubled.summary, findings=(finding,)), colour=colour)
    assert "\x1b[31mred" not in text
    assert "\u202e" not in text
    assert "[bold]not markup[/bold]" in text


def test_what_makes_a_run_invalid_is_said_once(troubled: Built) -> None:
    """In the verdict; beside its code at the end stand only why that matters and what to do."""
    finding = Finding(code="lost", what="a worker was lost", why="its requests are gone", remedy="run it again", invalid=True)
    text = " ".join(shown(msgspec.structs.replace(troubled.summary, valid=False, findings=(finding,))).split())
    assert 1 == text.count("a worker was lost")
    assert text.endswith("lost: its requests are gone. run it again.")


@pytest.mark.parametrize("scorer", [None, "exact"])
def test_an_ungraded_run_says_what_success_is(troubled: Built, scorer: str | None) -> None:
    """One line where there is no scorer, and none where there is."""
    text = shown(msgspec.structs.replace(troubled.summary, scorer=scorer))
    assert (scorer is None) is ("No scorer is set: `success` says that an answer came whole" in text)
