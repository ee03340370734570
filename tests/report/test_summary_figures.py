"""summary.json as a whole: its shape, its denominators, and figures that are known in advance."""

import json
from decimal import Decimal
from typing import Any

import handmade
import msgspec
import pytest

from harness.report import figures, join
from harness.report.build import Built
from harness.report.cells import cells
from harness.report.figures import Summary
from harness.report.summary import summarise
from harness.scenario import Scenario

LATENCIES = ["ttft_s", "ttfo_s", "icl_s", "itl_s", "tpot_s", "e2e_s"]
DISTRIBUTION = {"n", "min", "mean", "max", "p50", "p90", "p95", "p99", "p99_9", "interval", "reason"}


def summary(*attempts: object, **options: Any) -> Summary:
    made = handmade.run(attempts, **options)  # type: ignore[arg-type]
    scenario = Scenario.model_validate(made.manifest.scenario)
    frame = join.frame(made, made.manifest.rates, graded=scenario.grading is not None)
    return summarise(made, scenario, list(cells(made, frame)), made.manifest.rates)


def read(built: Built) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((built.path / "summary.json").read_bytes())
    return loaded


def test_the_file_has_the_shape_of_the_design(troubled: Built) -> None:
    """Version, endpoints, levels, and under each level every figure that other programs are told to expect."""
    whole = read(troubled)
    assert (1, "16", ["alpha", "beta", "gamma", "delta"]) == (whole["v"], whole["peak"], list(whole["endpoints"]))
    for endpoint in whole["endpoints"].values():
        assert ("16", ["4", "16"]) == (endpoint["peak"], list(endpoint["levels"]))
        for level in endpoint["levels"].values():
            assert {"offered", "attempted", "successful", "by_kind"} == level["attempts"].keys()
            assert LATENCIES == list(level["service"]) == list(level["scheduled"])
            assert DISTRIBUTION | {"missing", "unsent", "beyond"} == level["service"]["ttft_s"].keys()
            assert {"system", "per_user"} <= level["output_tokens_per_s"].keys()
            assert {"k", "n", "interval"} <= level["success"].keys()
            assert {"total", "per_attempt", "per_success"} <= level["usd"].keys()
            assert {"requests_per_s", "goodput_per_s"} <= level.keys()


def test_every_missing_figure_says_why(troubled: Built) -> None:
    """Wherever a record has reasons, each of its nulls has one."""
    silent = []

    def walk(node: Any, path: str) -> None:
        if not isinstance(node, dict):
            return
        for key, value in node.items():
            walk(value, f"{path}.{key}")
            if value is None and "reason" in node and key not in node["reason"]:
                silent.append(f"{path}.{key}")

    for name, endpoint in read(troubled)["endpoints"].items():
        walk(endpoint["levels"], name)
    assert [] == [path for path in silent if not path.endswith((".goodput", ".rate", ".dispatch", ".conversations"))]


def test_kinds_add_up_to_what_was_offered(troubled: Built) -> None:
    """Every attempt of a measure phase is in exactly one kind of exactly one level."""
    levels = [level for endpoint in troubled.summary.endpoints.values() for level in endpoint.levels.values()]
    for level in levels:
        assert level.attempts.offered == sum(level.attempts.by_kind.values())
    measured = sum(attempt.start.phase == "measure" for attempt in troubled.run.attempts)
    assert measured == sum(level.attempts.offered for level in levels)


def test_three_denominators() -> None:
    """Offered counts the dropped one, attempted does not, and success is judged without the one that we cancelled."""
    attempts = [handmade.ok(1), handmade.failed(2, "dropped"), handmade.failed(3, "cancelled"), handmade.lost(4)]
    level = summary(*attempts).endpoints["a"].levels["2"]
    assert (4, 3, 1, 2) == (level.attempts.offered, level.attempts.attempted, level.attempts.successful, level.success.n)


def test_token_rates_are_of_the_window() -> None:
    """Ten answers of five tokens, one of them in the window with two chunks of five only: 47 tokens in ten seconds."""
    attempts = [*(handmade.ok(number) for number in range(9)), handmade.ok(9, window_chunks=2)]
    rate = summary(*attempts).endpoints["a"].levels["2"].output_tokens_per_s
    assert (4.7, pytest.approx(100), 0) == (rate.system, rate.per_user, rate.uncounted)


def test_tokens_that_nobody_counted_are_counted_as_such() -> None:
    """An answer without usage is missing from the rate, which says so; when all are, there is no rate."""
    some = summary(handmade.ok(1), handmade.ok(2, tokens=None)).endpoints["a"].levels["2"].output_tokens_per_s
    none = summary(handmade.ok(1, tokens=None)).endpoints["a"].levels["2"].output_tokens_per_s
    assert (0.5, 1, None) == (some.system, some.uncounted, none.system)


def test_ungraded_answers_leave_success_open() -> None:
    """One answer without a grade: no share is claimed, and the reason is the command that helps."""
    level = summary(handmade.ok(1), handmade.ok(2), passed={1: True}).endpoints["a"].levels["2"]
    assert (None, None, None) == (level.success.k, level.success.ratio, level.attempts.successful)
    assert "1 answers are not graded: run `signoff score`" == level.success.reason["ratio"]


def test_what_was_put_in_comes_out(troubled: Built) -> None:
    """alpha was made with 95 % accuracy, 180 ms median TTFT and 12 ms median gaps: intervals at the peak hold all three."""
    level = troubled.summary.endpoints["alpha"].levels["16"]
    truth = [(0.95, level.success.interval), (0.18, level.service.ttft_s.interval["p50"])]
    for value, bounds in truth:
        assert bounds is not None
        assert bounds[0] <= value <= bounds[1]
    assert level.service.icl_s.p50 == pytest.approx(0.012, rel=0.02)
    assert level.requests_per_s == pytest.approx(16 / (level.done_s.mean or 0), rel=0.03)  # Little's law


def test_money_is_text_without_an_exponent() -> None:
    """A millionth of a cent is written out, and reads back as the same Decimal."""
    spent = figures.Spend(priced=1, unpriced=0, total=Decimal("1E-8"))
    assert '"0.00000001"' == figures.encode(spent).decode().split('"total": ')[1].split(",")[0]  # type: ignore[arg-type]


def test_the_file_reads_back(troubled: Built) -> None:
    """summary.json decodes to the very summary that made it."""
    assert troubled.summary == msgspec.json.decode((troubled.path / "summary.json").read_bytes(), type=Summary)
