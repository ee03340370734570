"""A search in place of levels: what it needs, and what makes no sense beside it."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.load import ClosedLoad, OpenLoad, SearchFor, search_of
from harness.scenario import Scenario

SEARCH = {"begin": 1, "most": 64}
SLO = ["ttft.p99 <= 800 ms", "usd_per_success <= 0.02 USD"]


def scenario(load: dict[str, Any], slo: list[str] = SLO) -> Scenario:
    endpoints = {"a": {"model": "m", "simulated": {}}}
    return Scenario.model_validate(
        {"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl"}, "load": load, "slo": slo}
    )


def told(load: dict[str, Any], slo: list[str] = SLO) -> str:
    with pytest.raises(ValidationError) as caught:
        scenario(load, slo)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors())


@pytest.mark.parametrize(("kind", "of"), [("closed", ClosedLoad), ("open", OpenLoad)])
def test_a_search_stands_in_place_of_levels(kind: str, of: type) -> None:
    """Of users or of rates; also when every default is written out."""
    load = scenario({"kind": kind, "search": SEARCH}).load
    assert isinstance(load, of)
    assert load == scenario(load.model_dump(mode="json")).load
    search = search_of(load)
    assert search is not None
    assert (1, 64, 1_500, 20_000) == (search.begin, search.most, search.requests, search.budget)


def test_levels_have_no_search() -> None:
    """And a replay neither."""
    assert None is search_of(scenario({"levels": [1]}).load) is search_of(scenario({"kind": "replay", "trace": "t"}).load)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"search": SEARCH, "levels": [1]}, "load.closed.levels: both levels and search"),
        ({"search": {"begin": 8, "most": 4}}, "a search from 8 to 4"),
        ({"search": {"begin": 1.5, "most": 4}}, "a search from 1.5 to 4 users"),
        ({"search": {"most": 4}}, "load.closed.search.begin: Field required"),
        ({"search": {**SEARCH, "ratio": 1}}, "load.closed.search.ratio"),
        ({"search": {**SEARCH, "requests": 5_000}}, "requests 5,000, requests_most 4,500, budget 20,000"),
        ({"search": SEARCH, "measure_s": 5}, "measure_s of a search"),
        ({"search": SEARCH, "repetitions": 2}, "repetitions of a search"),
        ({"kind": "open", "search": SEARCH, "arrivals": {"shape": "sine"}}, "a search with the shape 'sine'"),
    ],
)
def test_what_makes_no_sense(load: dict[str, Any], message: str) -> None:
    """Each mistake says what is wrong with it."""
    assert message in told(load)


@pytest.mark.parametrize("slo", [[], ["usd_per_success <= 0.02 USD"], ["e2e.mean <= 2 s"]])
def test_a_search_is_for_objectives(slo: list[str]) -> None:
    """Of which at least one must be a share of requests: a mean or a price cannot be searched for."""
    assert "a search for the largest load that holds" in told({"search": SEARCH}, slo)


def found(**fields: Any) -> SearchFor:
    search = search_of(scenario({"search": {**SEARCH, **fields}}).load)
    assert search is not None
    return search


def test_an_effort_names_what_is_not_said() -> None:
    """And what is said goes before it, also when every default is written out."""
    full = found(effort="full", budget=100_000)
    assert (250, 80_000, 100_000, 600) == (full.looks, full.requests_most, full.budget, full.minutes)
    assert found() == found(effort="quick")
    assert full == SearchFor.model_validate(full.model_dump(mode="json"))
    assert "load.closed.search.effort" in told({"search": {**SEARCH, "effort": "fast"}})


def test_what_an_answer_is_worth_is_said_of_what_was_simulated_only() -> None:
    """Of the efforts as they are, wherever they begin and with any larger budget; a setting of one's own has no such words."""
    assert "about 0.62 to 0.98 of the true limit" in found(begin=2, budget=30_000).worth
    assert "about 0.93 to 0.99 of the true limit" in found(effort="full").worth
    assert ["of unknown worth"] * 2 == [each.worth.partition(":")[0] for each in (found(looks=10), found(budget=5_000))]


FIRST = {"begin": 5, "most": 60, "requests": 400}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({**FIRST, "minutes": 1}, "may take 115 s, and search.minutes is 1"),
        ({**FIRST, "requests_most": 400, "budget": 420}, "is 425 requests, and search.budget 420"),
    ],
)
def test_a_search_that_cannot_make_one_step_is_refused(search: dict[str, Any], said: str) -> None:
    """80 s of requests, 5 s of warm-up, 30 s of drain; 400 requests and 25 of the warm-up. With a little more it is taken."""
    assert said in told({"kind": "open", "search": search})
    scenario({"kind": "open", "search": {**FIRST, "minutes": 2, "requests_most": 400, "budget": 425}})
