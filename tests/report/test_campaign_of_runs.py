"""Several runs as one campaign: what goes together, what is refused, and figures over runs with known answers."""

import io
import json
from pathlib import Path
from typing import Any

import fabricated
import msgspec
import pytest
from rich.console import Console

from harness import results
from harness.errors import HarnessError, InvalidRunError
from harness.records import Finding
from harness.report import campaign, campaign_page
from harness.report.build import measure
from harness.report.campaign import Campaign

DAYS = ("2026-01-02T03:04:05+00:00", "2026-01-02T15:04:05+00:00", "2026-01-03T09:04:05+00:00")
SPEEDS = (0.2, 0.25, 0.3)  # of the median TTFT, in seconds


def write(path: Path, began: str, ttft_s: float = 0.2, seed: int = 7, **options: Any) -> Path:
    made = fabricated.write(
        path,
        [
            fabricated.Candidate("alpha", ttft_s=ttft_s, rates=fabricated.rates("1", "2")),
            fabricated.Candidate("beta", ttft_s=0.4, kinds={"refused": 0.02}),
        ],
        levels=(8,),
        slo=("ttft.p50 <= 260 ms",),
        seed=seed,
        **options,
    )
    return alter(made, created_utc=began, run_id=path.name)


def alter(run: Path, **fields: Any) -> Path:
    results.write_manifest(run, msgspec.structs.replace(results.read_manifest(run), **fields))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of one scenario on two days; `alpha` is slower each time, `beta` is always the same."""
    folder = tmp_path_factory.mktemp("campaign")
    return [
        write(folder / f"run{n}", began, ttft_s, seed=n + 1) for n, (began, ttft_s) in enumerate(zip(DAYS, SPEEDS, strict=True))
    ]


@pytest.fixture(scope="module")
def found(runs: list[Path]) -> Campaign:
    return campaign.measure(runs)


def test_a_provider_that_varies_is_seen_to(found: Campaign) -> None:
    """TTFT p50 of alpha is 200, 250 and 300 ms in the three runs: its variance lies between them, beta's not."""
    alpha, beta = (found.endpoints[name].levels["8"].figures["ttft_p50_s"] for name in ("alpha", "beta"))
    assert alpha.mean == pytest.approx(0.25, rel=0.05)
    assert alpha.interval is not None
    assert alpha.interval[0] < SPEEDS[0]
    assert alpha.interval[1] > SPEEDS[-1]
    assert alpha.between_ratio is not None
    assert beta.between_ratio is not None
    assert beta.between_ratio < 0.9 < alpha.between_ratio


def test_each_value_is_the_runs_own(found: Campaign, runs: list[Path]) -> None:
    """What a run's own report says, in the order in which the runs began."""
    own = [measure(run).summary.endpoints["alpha"].levels["8"] for run in runs]
    figures = found.endpoints["alpha"].levels["8"].figures
    assert tuple(each.service.e2e_s.p99 for each in own) == figures["e2e_p99_s"].values
    assert tuple(each.success.ratio for each in own) == figures["success_ratio"].values


def test_objectives_are_counted_over_runs(found: Campaign) -> None:
    """A p50 of at most 260 ms: alpha met it twice and missed it once."""
    assert campaign.Held(met=2, missed=1, unknown=0) == found.endpoints["alpha"].levels["8"].slo["ttft.p50 <= 260 ms"]


def test_it_says_what_it_covers(found: Campaign) -> None:
    """Two days, at three hours of the day."""
    assert (2, 3, "the 3 runs began on 2 days, at 3 different hours of the day (UTC)") == (
        found.days,
        found.hours_of_day,
        found.coverage,
    )


def test_the_order_of_the_runs_does_not_matter(found: Campaign, runs: list[Path]) -> None:
    """The same bytes, however the runs were named."""
    again = campaign.measure(runs[::-1])
    assert campaign.encode(found) == campaign.encode(again)
    assert campaign_page.render(found) == campaign_page.render(again)


def test_every_missing_figure_says_why(found: Campaign) -> None:
    """beta has no price: no USD per success, and the reason."""
    figure = json.loads(campaign.encode(found))["endpoints"]["beta"]["levels"]["8"]["figures"]["usd_per_success"]
    assert (0, 3, None, "no price is given for this endpoint") == (
        figure["n"],
        figure["missing"],
        figure["mean"],
        figure["reason"]["mean"],
    )


def test_page_and_terminal_name_what_was_put_together(found: Campaign) -> None:
    """Every run, the coverage, and every endpoint stand on both; the page has no script."""
    out = io.StringIO()
    campaign_page.show(found, Console(width=100, file=out))
    said, page = " ".join(out.getvalue().split()), campaign_page.render(found)
    assert "Campaign of 3 runs of fabricated: the 3 runs began on 2 days" in said
    assert all(f"run{n}" in page for n in range(3))
    assert "<script" not in page
    assert "alpha met in 2, MISSED in 1 of 3 runs" in said


def test_an_invalid_run_is_listed_and_left_out(runs: list[Path], tmp_path: Path) -> None:
    """Its figures are in no mean, and both pages name it."""
    wrong = Finding(code="client_limited", what="too slow", why="late", remedy="fewer users", invalid=True)
    bad = write(tmp_path / "bad", DAYS[2], 9.0, findings=(wrong,))
    with_it, without = campaign.measure([*runs[:2], bad]), campaign.measure(runs[:2])
    assert with_it.endpoints == without.endpoints
    assert [True, True, False] == [run.used for run in with_it.runs]
    assert "Left out: bad, INVALID(client_limited)." in list(campaign_page.heading(with_it))
    with pytest.raises(InvalidRunError, match=r"bad is INVALID\(client_limited\)"):
        campaign.measure([runs[0], bad])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "running"}, "not a whole run: other is running"),
        ({"state": "interrupted"}, "not a whole run: other is interrupted"),
        ({"dataset": {"sha256": "2" * 64}}, "run0 and other asked two data sets: sha256 111111111111 and 222222222222"),
        (
            {"scenario_sha256": "2" * 64, "scenario": {"name": "fabricated", "load": {"levels": [8]}}},
            "run0 and other are of two scenarios: endpoints",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(runs: list[Path], tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    """The message names the runs and the difference."""
    other = alter(write(tmp_path / "other", DAYS[1]), **changed)
    with pytest.raises(HarnessError) as refused:
        campaign.measure([runs[0], other])
    assert words in refused.value.what


def test_differences_are_named_by_their_key() -> None:
    """Only what differs, with both values."""
    first, other = {"load": {"levels": [1], "seed": 1}}, {"load": {"levels": [2], "seed": 1}, "slo": []}
    assert ["load.levels: [1] and [2]", "slo: not given and []"] == list(campaign.differences(first, other))


def test_long_values_are_shown_where_they_part() -> None:
    """The beginning that they share says nothing; of a section that one lacks, and of a new kind of load, the keys do."""
    first = {"system": "x" * 50 + " in one word, please, and no more of it", "load": {"kind": "closed"}, "prompt": "a" * 40}
    other = {
        "system": "x" * 50 + " in two words",
        "load": {"kind": "open", "arrivals": {"shape": {"kind": "ramp"}}},
        "prompt": "b",
    }
    assert [
        'system: ...xxxxxx in one word, please, an... and ...xxxxxx in two words"',
        'load.kind: "closed" and "open"',
        "load.arrivals: not given and given (shape)",
        'prompt: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa... and "b"',
    ] == list(campaign.differences(first, other))


def test_the_same_run_twice_is_refused(runs: list[Path], tmp_path: Path) -> None:
    """Also under another name."""
    link = tmp_path / "latest"
    link.symlink_to(runs[0])
    for again in (runs[0], link):
        with pytest.raises(HarnessError, match="are the same run, run0"):
            campaign.measure([runs[0], again])


def test_what_else_was_not_the_same_is_said(runs: list[Path], tmp_path: Path) -> None:
    """Another machine and another version are no reason to refuse, and none to keep silent."""
    other = alter(write(tmp_path / "other", DAYS[1]), host={"system": "else"}, signoff="0.1")
    said = campaign.measure([runs[0], other]).differs
    assert ("the runs were made on 2 different machines or systems", "the runs were made by signoff 0.0, 0.1") == said
