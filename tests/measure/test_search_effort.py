"""What each `effort` is worth, by the settings that a scenario's search comes to, against queues whose capacity is known."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from erlang import QUEUES, Queue, capacity, open_loop

from harness.effort import EFFORTS
from harness.load import OpenLoad
from harness.loadgen.searching import settings_of
from harness.measure.search import search
from harness.measure.slo import parse

ONE_SERVER = QUEUES[:2]  # simulated without a loop, so many times faster


def of_capacity(queues: list[Queue], seeds: Iterable[int], apart: tuple[float, float] = (2, 6), **said: Any) -> list[float]:
    """What was found as a share of what is true; seed n takes queue n modulo their number.

    It also draws where the search begins, from a sixth to a half of the truth, so that no step falls on it by design.
    """
    found = []
    for seed in seeds:
        queue = queues[seed % len(queues)]
        true = capacity(queue)
        begin = true / np.random.default_rng(10_000 + seed).uniform(*apart)
        asked = {"begin": begin, "most": 10 * true, "minutes": 1e9, **said}  # virtual time costs nothing
        load = OpenLoad.model_validate({"kind": "open", "search": asked})
        measure = open_loop(queue[0], [parse(f"e2e.{queue[2]} <= {queue[1]} s")], seed)
        found.append((search(measure, settings_of(load)).load or 0) / true)
    return found


def near(found: list[float]) -> int:
    return sum(0.90 <= each <= 1.00 for each in found)


def above(found: list[float]) -> int:
    return sum(each > 1.00 for each in found)


def test_a_full_search_of_one_server_is_near_its_capacity() -> None:
    """Of 20, 19 end in 0.90 to 1.00 of it, and one above it at most."""
    found = of_capacity(ONE_SERVER, range(20), effort="full")
    assert near(found) >= 19, found
    assert above(found) <= 1, found


@pytest.mark.slow
def test_a_full_search_of_any_number_of_servers_is_near_their_capacity() -> None:
    """Of 200 searches of 1 to 16 servers, 190 end in 0.90 to 1.00 of it, and ten above it at most."""
    found = of_capacity(QUEUES, range(200), effort="full")
    assert near(found) >= 190, found
    assert above(found) <= 10, found


@pytest.mark.slow
@pytest.mark.parametrize("apart", [(2, 6), (15, 30)])
def test_a_quick_search_is_as_near_as_it_says(apart: tuple[float, float]) -> None:
    """Wherever it begins, nine in ten end in what is said, less two standard deviations of 200; ten at most above the truth."""
    found = of_capacity(QUEUES, range(200), apart)
    said = EFFORTS["quick"]
    assert sum(said.low <= each <= said.high for each in found) >= 180 - 8, found
    assert above(found) <= 10, found


def test_a_quick_search_of_one_server_is_seldom_above_its_capacity() -> None:
    """Of 60, three at most."""
    assert above(of_capacity(ONE_SERVER, range(60))) <= 3
