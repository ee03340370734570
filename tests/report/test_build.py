"""The report stage as a whole: files in, files out."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from fabricated import Candidate, rates, write
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from harness import results
from harness.errors import HarnessError, InvalidRunError
from harness.measure.histogram import DIGITS, HIGHEST_NS, LOWEST_NS
from harness.report.build import Built, build

MADE = ("summary.json", "scorecard.csv", "joined.csv", "histograms.hlog", "report.html")


def test_the_same_run_gives_the_same_bytes(fresh: Callable[[str], Path]) -> None:
    """Built twice in place and once from a copy elsewhere, every file is identical."""
    first, copy = fresh("run"), fresh("copy/run")
    build(first)
    once = [(first / name).read_bytes() for name in MADE]
    build(first)
    build(copy)
    assert once == [(first / name).read_bytes() for name in MADE] == [(copy / name).read_bytes() for name in MADE]


def test_the_order_of_hash_tables_does_not_show(fresh: Callable[[str], Path]) -> None:
    """Another process with another hash seed writes the same bytes."""
    import subprocess
    import sys

    run = fresh("run")
    build(run)
    here = [(run / name).read_bytes() for name in MADE]
    code = "import sys; from pathlib import Path; from harness.report.build import build; build(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(run)], check=True, env={"PYTHONHASHSEED": "4711"})
    assert here == [(run / name).read_bytes() for name in MADE]


def test_histograms_open_in_the_librarys_reader(troubled: Built) -> None:
    """Every tag comes back with the n and the median of the summary."""
    reader = HistogramLogReader(str(troubled.path / "histograms.hlog"), HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS))
    seen = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        seen[histogram.get_tag()] = histogram
    reader.close()
    ttft = troubled.summary.endpoints["alpha"].levels["16"].service.ttft_s
    assert ttft.n == seen["alpha/16/ttft"].get_total_count()
    assert ttft.p50 == pytest.approx(seen["alpha/16/ttft"].get_value_at_percentile(50) / 1e9, rel=2e-3)
    assert not [tag for tag in seen if tag.startswith("gamma/")]


def test_other_prices_change_money_and_nothing_else(fresh: Callable[[str], Path]) -> None:
    """Ten times the price is ten times the spend; the attempts, their times and their success stay."""
    run = fresh("run")
    before = build(run).summary.endpoints["alpha"].levels["16"]
    after = build(run, reprice={"alpha": rates("25", "100")}).summary.endpoints["alpha"].levels["16"]
    assert before.usd.total is not None
    assert before.usd.total * 10 == after.usd.total
    same = {"usd": before.usd, "slo": before.slo}
    assert before == msgspec.structs.replace(after, **same)


def test_a_price_for_nobody_is_refused(fresh: Callable[[str], Path]) -> None:
    """The message has the nearest endpoint."""
    with pytest.raises(HarnessError, match="alpa") as refused:
        build(fresh("run"), reprice={"alpa": rates("1", "1")})
    assert "did you mean 'alpha'" in str(refused.value)


def test_a_run_without_scores_is_reported_as_ungraded(fresh: Callable[[str], Path]) -> None:
    """Before `signoff score` there are latencies, but no success."""
    run = fresh("run")
    (run / "scores.jsonl").unlink()
    level = build(run).summary.endpoints["alpha"].levels["16"]
    assert (None, True) == (level.success.ratio, level.service.e2e_s.p50 is not None)


def test_torn_lines_are_counted_and_cost_only_themselves(fresh: Callable[[str], Path]) -> None:
    """A journal cut in its last line: one line torn, its attempt lost with its worker, every other one there."""
    run = fresh("run")
    whole = build(run)
    journal = run / "journal-0.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ends = [index for index, line in enumerate(lines) if b'"t":"end"' in line]
    lines[ends[-1]] = lines[ends[-1]][:-20] + b"\n"
    journal.write_bytes(b"".join(lines))
    torn = build(run)
    assert (1, len(whole.frame)) == (torn.summary.torn_lines, len(torn.frame))
    assert 1 == (torn.frame["kind"] == "lost_worker").sum()


def test_a_run_that_measured_nothing_is_reported(tmp_path: Path) -> None:
    """No journal at all, as after a crash at the start: a report without figures, and no traceback."""
    run = write(tmp_path / "run", [Candidate("a"), Candidate("b")])
    for journal in run.glob("journal-*.jsonl"):
        journal.unlink()
    level = build(run).summary.endpoints["a"].levels["16"]
    assert (0, None, None) == (level.attempts.offered, level.window_s, level.success.ratio)
    assert (run / "report.html").exists()


def test_a_plan_without_a_measure_phase_has_no_report(tmp_path: Path) -> None:
    """There is nothing to say, and the error says so."""
    run = write(tmp_path / "run", [Candidate("a")])
    for journal in run.glob("journal-*.jsonl"):
        journal.unlink()
    manifest = results.read_manifest(run)
    results.write_manifest(run, msgspec.structs.replace(manifest, plan=manifest.plan[:1]))
    with pytest.raises(InvalidRunError, match="no measure phase"):
        build(run)
