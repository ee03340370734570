"""The sentences of the report claim what the figures hold, and no more."""

import msgspec
import pytest

from harness.records import Finding
from harness.report import verdict
from harness.report.build import Built
from harness.report.figures import Comparison, Difference, Ranking, Summary


def ranked(troubled: Built, *differences: Difference, figure: str = "success", best: str | None = "alpha") -> Summary:
    ranking = Ranking(figure=figure, best=best, differences=differences)
    return msgspec.structs.replace(troubled.summary, comparison=Comparison(level="16", confidence=0.99, rankings=(ranking,)))


def test_a_valid_run_with_a_finding_says_both(troubled: Built) -> None:
    """Valid, and there is something to read: the clock, and a load that was made up too crudely to be steady."""
    assert "VALID with 3 findings to read." == verdict.validity(troubled.summary)


def test_an_invalid_run_says_why(troubled: Built) -> None:
    """The finding is in the line, and so is that the run was cut short."""
    finding = Finding(code="lost", what="a worker was lost", why="w", remedy="r", invalid=True)
    broken = msgspec.structs.replace(troubled.summary, valid=False, findings=(finding,), state="interrupted")
    assert "INVALID(lost): a worker was lost. The run is interrupted: these are partial results." == verdict.validity(broken)


def test_the_codes_are_in_the_word() -> None:
    """VALID while no finding discards the run; else the codes of those that do, once each."""
    made = [Finding(code=code, what="", why="", remedy="", invalid=code != "note") for code in ("b", "note", "a", "b")]
    assert ("VALID", "INVALID(b, a)") == (verdict.word(made[1:2]), verdict.word(made))


def test_the_client_is_told_at_its_worst(troubled: Built) -> None:
    """The busiest level's share, and a dash where nobody knows."""
    known = "Load processes, at worst: CPU 30.0 % (busiest second 30.0 %), hub lag p99 990 µs, read lag p99 500 µs, 0 % of "
    assert f"{known}chunks read together late." == verdict.client(troubled.summary)
    levels = {
        level: msgspec.structs.replace(figures, client=msgspec.structs.replace(figures.client, cpu_ratio=ratio))
        for (level, figures), ratio in zip(troubled.summary.endpoints["alpha"].levels.items(), (0.8, None), strict=True)
    }
    busy = {"alpha": msgspec.structs.replace(troubled.summary.endpoints["alpha"], levels=levels)}
    assert "CPU 80.0 % (" in verdict.client(msgspec.structs.replace(troubled.summary, endpoints=busy))


def test_a_clear_difference_is_stated_with_its_interval(troubled: Built) -> None:
    """The winner, its own figure, the difference and its bounds."""
    clear = Difference(other="beta", value=0.181, interval=(0.116, 0.245), distinguishable=True)
    (clause,) = verdict.comparison(ranked(troubled, clear))
    ratio = troubled.summary.endpoints["alpha"].levels["16"].success.ratio
    assert f"most accurate: alpha ({ratio:.1%}), 18.1 points above beta (11.6 to 24.5)".replace("%", " %", 1) == clause


def test_smaller_is_better_for_time_and_money(troubled: Built) -> None:
    """A negative difference reads as so much below."""
    faster = Difference(other="beta", value=-0.38, interval=(-0.406, -0.354), distinguishable=True)
    (clause,) = verdict.comparison(ranked(troubled, faster, figure="e2e_s"))
    assert clause.endswith("380 ms below beta (354 ms to 406 ms)")


def test_an_interval_that_includes_zero_names_no_winner(troubled: Built) -> None:
    """The best point estimate is not called best."""
    vague = Difference(other="beta", value=0.01, interval=(-0.02, 0.04), distinguishable=False)
    assert ["most accurate: alpha and beta are not distinguishable"] == verdict.comparison(ranked(troubled, vague))


def test_nothing_to_rank_is_said(troubled: Built) -> None:
    """Fewer than two endpoints with the figure give no winner."""
    (clause,) = verdict.comparison(ranked(troubled, best=None, figure="usd_per_success"))
    assert "cheapest per success: cannot be said, fewer than two endpoints have enough of USD per success" == clause


def test_objectives_are_told_apart(troubled: Built) -> None:
    """One line an objective: who meets it, who misses it, and where the sample does not tell."""
    lines = verdict.objectives(troubled.summary)
    assert len(lines) == 6
    success = lines[2]
    assert success.startswith("success >= 92 %: met by alpha (")
    assert "MISSED by beta (" in success
    assert "gamma (0 %)" in success
    assert success.endswith("not estimable at delta (needs n >= 45, has 1)")


@pytest.mark.parametrize(
    ("text", "amount", "expected"),
    [
        ("ttft.p99 <= 1 s", 0.455, "455 ms"),
        ("success >= 92 %", 0.959, "95.9 %"),
        ("usd_per_success <= 1 USD", 0.0000697, "0.0000697 USD"),
        ("requests_per_s >= 1", 33.06, "33.1 /s"),
    ],
)
def test_values_are_spelled_in_their_unit(text: str, amount: float, expected: str) -> None:
    """Each metric has its unit."""
    assert expected == verdict.value(text, amount)


def test_what_is_not_proven_is_listed(troubled: Built) -> None:
    """Missing tails, open objectives, unpriced attempts, cached input and the single run each have their line."""
    lines = verdict.unproven(troubled.summary)
    expected = [
        "gamma at 16 users: p99 of TTFT, e2e and ITL is not estimable, no answer came whole.",
        "Every level ran once: no interval here holds the difference between one run and the next.",
    ]
    assert expected == [line for line in expected if line in lines]
    assert any("beta at 16 users" in line and "could not be priced" in line for line in lines)
    assert any("read from a cache" in line for line in lines)


def test_a_played_endpoint_proves_nothing(troubled: Built) -> None:
    """The simulator's figures are not a provider's."""
    played = {name: msgspec.structs.replace(each, simulated=True) for name, each in troubled.summary.endpoints.items()}
    lines = verdict.unproven(msgspec.structs.replace(troubled.summary, endpoints=played))
    assert "alpha is played by the simulator: its figures say nothing about a real provider." in lines


def test_one_endpoint_has_nobody_to_be_better_than(troubled: Built) -> None:
    """No comparison, no clause."""
    alone = msgspec.structs.replace(troubled.summary, comparison=None)
    assert [] == verdict.comparison(alone)
    assert verdict.sentence(alone).startswith("Nothing to compare")
