"""An A/A test: two arms that are the same, and what it says when they are not."""

from pathlib import Path
from typing import Any

import fabricated
import msgspec
import pytest

from harness import results
from harness.measure.campaign import noise_floor
from harness.report import join, verdict
from harness.report.build import Built, build
from harness.report.noise import sentences


def made(path: Path, again_ttft_s: float) -> Built:
    """`a` asked as two at eight users; its second arm has this median TTFT, its first one 0.2 s."""
    rates = fabricated.rates("1", "2")
    arms = [fabricated.Candidate("a", rates=rates), fabricated.Candidate("a-again", ttft_s=again_ttft_s, rates=rates)]
    run = fabricated.write(path, arms, levels=(8,), examples=100)
    manifest = results.read_manifest(run)
    scenario: dict[str, Any] = manifest.scenario | {
        "endpoints": {"a": manifest.scenario["endpoints"]["a"]},
        "load": {"levels": [8], "aa": "a"},
    }
    results.write_manifest(run, msgspec.structs.replace(manifest, scenario=scenario))
    return build(run)


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return made(tmp_path_factory.mktemp("alike") / "run", 0.2)


def test_arms_that_are_alike_pass(alike: Built) -> None:
    """Every interval holds 0, and its half width is the floor; that of e2e is the one of the examples' means, by cluster."""
    assert alike.summary.noise is not None
    found = alike.summary.noise.levels["8"]
    assert [True] * 5 == [of.passes for of in found.values()]
    assert [of.half_width for of in found.values()] == [of.floor for of in found.values()]
    one, other = (
        join.judged(cell.measured).query("kind == 'ok'").groupby(["cluster", "example"])["e2e_s"].mean() for cell in alike.cells
    )
    both = one.index.intersection(other.index)
    known = noise_floor(one[both], other[both], both.get_level_values(0), alike.summary.noise.confidence)
    assert pytest.approx((known.difference, known.half_width)) == (found["e2e_s"].difference, found["e2e_s"].half_width)
    assert alike.summary.noise.confidence == pytest.approx(0.99)


def test_the_floor_is_told(alike: Built) -> None:
    """Each figure by its name, with what it means; on the page, too."""
    said = list(sentences(alike.summary))
    assert 1 == len(said)
    assert all(name in said[0] for name in ("mean TTFT", "mean TPOT", "mean e2e", "success", "USD/task", "mean nothing"))
    assert said[0] in (alike.path / "report.html").read_text()


def test_nobody_wins_against_itself(alike: Built) -> None:
    """An A/A test ranks nobody, whatever chance made of the arms."""
    assert alike.summary.comparison is None
    assert "Nothing to compare: a-again is a itself." == verdict.sentence(alike.summary)


def test_arms_that_differ_are_told(tmp_path: Path) -> None:
    """A second arm that is 100 ms slower fails, and the floor is no smaller than that."""
    built = made(tmp_path / "run", 0.3)
    assert built.summary.noise is not None
    found = built.summary.noise.levels["8"]["ttft_s"]
    assert found.passes is False
    assert found.floor is not None
    assert found.floor > 0.1
    assert "differ in mean TTFT by 1" in list(sentences(built.summary))[1]


def test_other_runs_have_no_noise_floor(troubled: Built) -> None:
    """Nobody was asked as two."""
    assert (None, []) == (troubled.summary.noise, list(sentences(troubled.summary)))
