"""Every bundled data set: complete, varied, with keys that its own scorer takes and other answers that it does not."""

import math
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from bundled_sets import NAMES, read, text
from overlap import overlaps, shingles

from harness import bundled
from harness.simulator import tokens

WORDS = {"claims_triage": (80, 220), "clinical_notes": (200, 450), "procurement_contracts": (250, 600)}
every_set = pytest.mark.parametrize("name", NAMES)


def test_these_are_the_bundled_scenarios() -> None:
    """What is tested here is what is shipped."""
    assert list(NAMES) == bundled.scenarios()


@every_set
def test_a_set_is_complete(name: str) -> None:
    """At least 240 examples, each with a key, a reference and a cluster, beside a card and a generator."""
    known = read(name)
    assert len(known.examples) >= 240
    assert [] == [each.id for each in known.examples if each.expected is None or not each.reference or not each.cluster]
    assert (known.folder / "card.md").is_file()


@every_set
def test_clusters_are_many_and_uneven(name: str) -> None:
    """At least 60 clusters of 1 to 8 examples, small and large ones."""
    sizes = Counter(Counter(each.cluster for each in read(name).examples).values())
    assert sizes.total() >= 60
    assert (1, 8) == (min(sizes), max(sizes))


@every_set
def test_inputs_have_a_realistic_length(name: str) -> None:
    """Words of each input lie in the range of its kind of text."""
    shortest, longest = WORDS[name]
    lengths = {each.id: len(text(each).split()) for each in read(name).examples}
    assert {} == {id_: words for id_, words in lengths.items() if not shortest <= words <= longest}


def test_notes_are_as_long_as_the_prompt_asks() -> None:
    """The reference notes have 60 to 120 words."""
    references = [each.reference or "" for each in read("clinical_notes").examples]
    assert [] == [note for note in references if not 60 <= len(note.split()) <= 120]


@every_set
def test_no_two_inputs_are_near_duplicates(name: str) -> None:
    """Five-word shingles of every pair of inputs have a Jaccard index under 0.5."""
    examples = read(name).examples
    found = overlaps([text(each) for each in examples])
    assert [] == [(examples[i].id, examples[j].id) for index, i, j in found if index >= 0.5]


def test_overlap_is_the_jaccard_index_of_shingles() -> None:
    """Texts of seven words that share the first six: two shingles of four in all; a third text shares none."""
    assert frozenset({("a", "b", "c", "d", "e")}) == shingles("A b, c d. E")
    assert [(2 / 4, 0, 1)] == list(overlaps(["a b c d e f g", "a b c d e f h", "a b c d x y z"]))


@every_set
def test_every_reference_is_right(name: str) -> None:
    """The scorer of the scenario gives full marks to each example's own reference."""
    known = read(name)
    graded = {each.id: known.scorer(each.reference or "", each) for each in known.examples}
    assert {} == {id_: grade.detail for id_, grade in graded.items() if not grade.passed or grade.score < 1}


@every_set
def test_the_answer_to_another_example_is_wrong(name: str) -> None:
    """No example's reference passes for another one: neighbors, same cluster or far away."""
    known = read(name)
    n = len(known.examples)
    pairs = [
        (example, known.examples[(place + step) % n]) for place, example in enumerate(known.examples) for step in (1, 2, 61)
    ]
    assert [] == [(here.id, there.id) for here, there in pairs if known.scorer(there.reference or "", here).passed]


@every_set
def test_the_generator_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """`python generate.py` from anywhere writes what is committed, so that the data set is what the card says."""
    folder, out = read(name).folder, tmp_path / "examples.jsonl"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, folder / "generate.py", out], cwd=tmp_path, env=environment, check=True, timeout=120)
    assert (folder / "examples.jsonl").read_bytes() == out.read_bytes()


def test_the_demo_is_long_enough_for_p99_and_short_enough_to_wait_for() -> None:
    """By the figures in the file the load takes 55 s at most, and each endpoint answers 370 requests at 16 users."""
    known = read("claims_triage")
    load = known.scenario.load
    blocks = len(known.scenario.endpoints) * len(load.levels) * load.repetitions
    assert blocks * (load.warmup_s + load.measure_s) <= 55
    lengths = [tokens.count(each.reference or "") for each in known.examples]
    gaps = sum(lengths) / len(lengths) - 1
    answered = {}
    for name, endpoint in known.scenario.endpoints.items():
        assert endpoint.simulated is not None
        ttft, itl = endpoint.simulated.ttft, endpoint.simulated.itl
        mean_s = ttft.median_s * math.exp(ttft.sigma**2 / 2) + gaps * itl.median_s * math.exp(itl.sigma**2 / 2)
        answered[name] = max(load.levels) * load.measure_s / mean_s
    assert {} == {name: requests for name, requests in answered.items() if requests < 370}


@every_set
def test_the_candidates_tell_the_story(name: str) -> None:
    """Against `steady`, `frugal` is 15 % less accurate, 60 % cheaper and 40 % faster; `swift` is between them."""
    endpoints = read(name).scenario.endpoints
    played = {candidate: endpoint.simulated for candidate, endpoint in endpoints.items() if endpoint.simulated}
    prices = {candidate: endpoint.price for candidate, endpoint in endpoints.items() if endpoint.price}
    steady, swift, frugal = played["steady"], played["swift"], played["frugal"]
    assert pytest.approx(0.85) == frugal.accuracy / steady.accuracy
    assert pytest.approx(0.60) == frugal.ttft.median_s / steady.ttft.median_s
    assert pytest.approx(0.60) == frugal.itl.median_s / steady.itl.median_s
    assert frugal.accuracy < swift.accuracy < steady.accuracy
    assert frugal.itl.median_s < swift.itl.median_s < steady.itl.median_s
    for token_class in ("input", "output", "cached_read"):
        dear, middle, cheap = (Decimal(getattr(prices[each], token_class)) for each in ("steady", "swift", "frugal"))
        assert Decimal("0.4") == cheap / dear
        assert cheap < middle < dear
