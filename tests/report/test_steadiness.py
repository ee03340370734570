"""What the report says of a window whose beginning is unlike the rest."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from harness.records import Block, BlockMark, Phase
from harness.report import steadiness

BLOCK = Block(id=1, endpoint="one", level="c20", concurrency=20, phase=Phase.MEASURE, seconds=500.0, cell=0)
OPENED_S = 1_000.0


def told(stays_s: np.ndarray, load: dict[str, object] | None = None) -> steadiness.Steady:
    """Of requests that come four a second, each stays so long and has its first token at half of it."""
    begun_s = OPENED_S + np.arange(len(stays_s)) / 4
    rows = pd.DataFrame(
        {
            "block": 1,
            "worker": 0,
            "kind": "ok",
            "dispatched_ns": pd.array((begun_s * 1e9).astype("int64"), dtype="Int64"),
            "done_ns": pd.array(((begun_s + stays_s) * 1e9).astype("int64"), dtype="Int64"),
            "e2e_s": stays_s,
            "ttft_s": stays_s / 2,
        }
    )
    marks = [
        (0, BlockMark(block=1, edge="open", at_ns=int(OPENED_S * 1e9), users=20)),
        (0, BlockMark(block=1, edge="close", at_ns=int((OPENED_S + 500) * 1e9), users=20)),
    ]
    run = SimpleNamespace(manifest=SimpleNamespace(plan=[BLOCK], scenario={"load": load or {}}), marks=marks)
    (found,) = steadiness.figures(run, rows, [BLOCK])  # type: ignore[arg-type]
    return found


def around(mean_s: float, count: int) -> np.ndarray:
    return mean_s * np.random.default_rng(7).lognormal(0, 0.3, count)


def test_a_steady_window_has_no_part() -> None:
    """All of it is used, and nothing is said beside it."""
    found = told(around(2.0, 2_000))
    assert (True, None, "window used: all 500.0 s, steady") == (found.steady, found.part, found.words)


def test_figures_of_the_steady_part_stand_beside_those_of_the_window() -> None:
    """The first 200 of 2,000 take 6 s and not 2 s: p50 and p99 of the part are of the others, and its rate is four a second."""
    found = told(np.concatenate((around(6.0, 200), around(2.0, 1_800))))
    part = found.part
    assert part is not None
    assert 45 <= part.from_s <= 75
    assert 1_700 <= part.n <= 1_810
    assert pytest.approx(2.0, rel=0.03) == part.e2e_p50_s
    assert pytest.approx(2.0 * math.exp(0.3 * 2.326), rel=0.05) == part.e2e_p99_s
    assert (part.e2e_p50_s / 2, part.e2e_p99_s / 2) == (part.ttft_p50_s, part.ttft_p99_s)
    assert pytest.approx(4.0, rel=0.02) == part.answers_per_s
    assert f"window used: all 500.0 s, steady from {part.from_s:.1f} s on: " in found.words
    assert "; from there on TTFT p50 " in found.words
    assert found.words.endswith(f", 4.0 answers/s (n = {part.n:,})")


def test_a_window_of_nothing_but_a_tail_has_no_absurd_percent() -> None:
    """Where nothing is in flight at the end, how far the beginning lies above it is no share of anything."""
    assert "e+" not in (said := told(np.concatenate((around(10.0, 200), around(2.0, 150)))).words)
    assert max(len(word) for word in said.split()) < 12


@pytest.mark.parametrize(
    ("load", "plan"),
    [
        ({"kind": "open", "arrivals": {"shape": {"kind": "ramp"}}}, "ramp"),
        ({"kind": "open", "arrivals": {"shape": {"kind": "diurnal"}}}, "diurnal"),
        ({"kind": "replay"}, "replay"),
    ],
)
def test_a_load_that_changes_by_plan_is_not_asked_to_be_steady(load: dict[str, object], plan: str) -> None:
    """Neither steady nor not, whatever grew, and Little's law is told all the same; nobody is scolded for it."""
    growing = told(np.linspace(1.0, 60.0, 1_500), load)
    assert (None, True, None) == (growing.steady, growing.planned, growing.part)
    assert growing.words.endswith(f"the load changes by plan ({plan}): a steady state is not looked for")
    assert growing.in_flight > 10
    assert [] == list(steadiness.findings({"one at 4/s": [growing]}))


@pytest.mark.parametrize("shape", ["flat", "soak"])
def test_a_load_of_one_rate_is_asked(shape: str) -> None:
    """What grows in it from beginning to end is not steady."""
    assert told(np.linspace(1.0, 60.0, 1_500), {"kind": "open", "arrivals": {"shape": {"kind": shape}}}).steady is False


ENDPOINT = "what grows to the end is more than the endpoint can hold"
QUOTA = "requests waited for the declared quota"


@pytest.mark.parametrize(
    ("limited", "said", "unsaid"),
    [((), [ENDPOINT], [QUOTA]), (["a", "b"], [f"{QUOTA}: offer less"], [ENDPOINT]), (["b"], [ENDPOINT, f"{QUOTA} at b: "], [])],
)
def test_the_remedy_names_the_quota_where_it_held_requests_back(limited: list[str], said: list[str], unsaid: list[str]) -> None:
    """The endpoint is blamed only for what it was sent."""
    growing = told(np.linspace(1.0, 60.0, 1_500))
    (finding,) = steadiness.findings({"a": [growing], "b": [growing]}, limited)
    assert all(words in finding.remedy for words in said)
    assert not any(words in finding.remedy for words in unsaid)
