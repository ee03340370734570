"""The grammar of a scenario: defaults, and what its validators refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.load import ClosedLoad, OpenLoad
from harness.scenario import Endpoint, Grading, Price, Prompts, Scenario
from harness.section import MISTAKE

SMALLEST = {
    "name": "s",
    "endpoints": {"fast": {"model": "m", "simulated": {}}, "real": {"model": "m", "base_url": "https://api.example.com/v1/"}},
    "prompts": {"dataset": "d.jsonl"},
    "load": {"levels": [1]},
}


def _told(section: Any, **values: Any) -> list[tuple[tuple[int | str, ...], str]]:
    """(key path, what) of every mistake in these values."""
    with pytest.raises(ValidationError) as caught:
        section.model_validate(values)
    return [
        (error["loc"], error["ctx"]["what"] if error["type"] == MISTAKE else error["type"]) for error in caught.value.errors()
    ]


def test_the_smallest_scenario_has_every_default() -> None:
    """Two endpoints, one of them simulated, a data set and a level are enough; a trailing slash is not part of an address."""
    scenario = Scenario.model_validate(SMALLEST)
    fast, real = scenario.endpoints["fast"], scenario.endpoints["real"]
    assert ("openai_chat", True, None) == (fast.dialect, fast.stream, fast.price)
    assert "https://api.example.com/v1" == real.base_url
    assert ("closed", "interleaved", 1, 60.0) == (
        scenario.load.kind,
        scenario.load.design,
        scenario.load.repetitions,
        scenario.load.measure_s,
    )
    assert (None, (), None) == (scenario.grading, scenario.slo, scenario.business.monthly_volume)


def test_a_scenario_survives_being_written_down() -> None:
    """What the manifest keeps, every default written out, is read back as the same scenario."""
    scenario = Scenario.model_validate({**SMALLEST, "slo": ["ttft.p99 <= 800 ms"], "grading": {"scorer": "exact"}})
    assert scenario == Scenario.model_validate(scenario.model_dump(mode="json"))


def test_a_limit_alone_is_enough() -> None:
    """What is not declared does not hold, and a second's worth may go at once."""
    limits = Endpoint.model_validate({"model": "m", "simulated": {}, "limits": {"output_tokens_per_minute": 8_000}}).limits
    assert (None, None, None, 8_000, 1.0) == tuple(limits.model_dump().values())


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"model": "m"}, [((), "neither base_url nor simulated")]),
        ({"model": "m", "base_url": "https://h", "simulated": {}}, [((), "both base_url and simulated")]),
        ({"model": "", "simulated": {}}, [(("model",), "string_too_short")]),
        ({"model": "m", "simulated": {}, "dialect": "opanai_chat"}, [(("dialect",), "unknown dialect 'opanai_chat'")]),
        ({"model": "m", "simulated": {"accuracy": 1.5}}, [(("simulated", "accuracy"), "less_than_equal")]),
        ({"model": "m", "simulated": {}, "deadlines": {"idle": 0}}, [(("deadlines", "idle"), "greater_than")]),
        ({"model": "m", "simulated": {}, "deadlines": {"idle": "inf"}}, [(("deadlines", "idle"), "finite_number")]),
        ({"model": "m", "simulated": {}, "limits": {}}, [(("limits",), "limits without a limit")]),
        ({"model": "m", "simulated": {}, "limits": {"burst_s": 2}}, [(("limits",), "limits without a limit")]),
        (
            {"model": "m", "simulated": {}, "limits": {"requests_per_minute": 0, "burst_s": 61}},
            [(("limits", "requests_per_minute"), "greater_than_equal"), (("limits", "burst_s"), "less_than_equal")],
        ),
        (
            {"model": "m", "simulated": {}, "api_key_env": "sk-1"},
            [(("api_key_env",), "not the name of an environment variable")],
        ),
    ],
)
def test_an_endpoint_is_somewhere_and_speaks_something(values: dict[str, Any], mistakes: Any) -> None:
    """Exactly one of address and simulation, a known dialect, positive deadlines and limits, a variable's name for the key."""
    assert mistakes == _told(Endpoint, **values)


FAR = {"model": "m", "base_url": "https://h"}
NEAR = {"model": "m", "base_url": "http://127.0.0.1:1"}
PROXY = {"proxy": "http://10.0.0.1:3128"}
UNENCRYPTED = "a proxy on another host, http://10.0.0.1:3128, would get prompts and the key unencrypted"


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({**FAR, "tls": {"client_key": "k"}}, [(("tls",), "client_key without client_cert")]),
        ({**FAR, "tls": {"client_key_password_env": "P"}}, [(("tls",), "client_key_password_env without client_cert")]),
        (
            {**FAR, "tls": {"client_cert": "c", "client_key_password_env": "hunter2!"}},
            [(("tls", "client_key_password_env"), "not the name of an environment variable")],
        ),
        ({**NEAR, "tls": {"client_cert": "c"}}, [((), "a client certificate, and no TLS to show it in")]),
        ({**FAR, "proxy_auth_env": "P"}, [((), "proxy_auth_env without a proxy")]),
        ({**FAR, **PROXY, "proxy_auth_env": "me:x"}, [(("proxy_auth_env",), "not the name of an environment variable")]),
        ({**NEAR, **PROXY}, [((), UNENCRYPTED)]),
        ({"model": "m", "simulated": {}, **PROXY}, [((), UNENCRYPTED)]),
    ],
)
def test_certificate_and_proxy_fit_the_way(values: dict[str, Any], mistakes: Any) -> None:
    """A key belongs to a certificate, a certificate to TLS, credentials to a proxy; plain prompts do not leave the machine."""
    assert mistakes == _told(Endpoint, **values)


@pytest.mark.parametrize(
    "values",
    [
        {**FAR, **PROXY, "proxy_auth_env": "P"},
        {**NEAR, "proxy": "http://localhost:3128/"},
        {**NEAR, **PROXY, "allow_http": True},
        {**FAR, "tls": {"client_cert": "c", "client_key": "k", "client_key_password_env": "P"}},
    ],
)
def test_ways_that_fit(values: dict[str, Any]) -> None:
    """TLS goes through any proxy; plain http through one on this machine, or where the user said so."""
    assert "m" == Endpoint.model_validate(values).model


def test_plain_http_needs_permission() -> None:
    """`allow_http` opens plain http to other hosts; loopback needs none."""
    assert "http://127.0.0.1:1/v1" == Endpoint(model="m", base_url="http://127.0.0.1:1/v1").base_url
    assert "http://10.0.0.1/v1" == Endpoint(model="m", base_url="http://10.0.0.1/v1", allow_http=True).base_url
    [(where, what)] = _told(Endpoint, model="m", base_url="http://10.0.0.1/v1")
    assert ("base_url",) == where
    assert what.startswith("'http://10.0.0.1/v1': plain http to another host")


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Proxy-Authorization", "X-API-Key", "api_key", "x-goog-api-key", "Cookie",
     "X-Auth-Token", "Ocp-Apim-Subscription-Key", "x-client-secret"],
)  # fmt: skip
@pytest.mark.parametrize("section", ["headers", "parameters", "extra_body"])
def test_keys_are_not_written_into_a_scenario(name: str, section: str) -> None:
    """Headers and body fields that carry secrets are refused by their name."""
    mistakes = _told(Endpoint, model="m", simulated={}, **{section: {name: "x"}})
    assert [((section, name, "[key]"), f"{name!r} would hold a secret in plain sight")] == mistakes


@pytest.mark.parametrize("value", ["Bearer abc", "basic abc", "sk-abcdefghijklmnop1234", "a\r\nHost: b", "caf\u00e9"])
def test_header_values_are_harmless(value: str) -> None:
    """A value that looks like a key or cannot be a header's value is refused."""
    [(where, _)] = _told(Endpoint, model="m", simulated={}, headers={"X-Team": value})
    assert ("headers", "X-Team") == where


def test_ordinary_fields_are_not_taken_for_secrets() -> None:
    """`max_tokens`, cache keys and routing headers are free."""
    endpoint = Endpoint(
        model="m",
        simulated={},
        headers={"X-Team": "claims", "OpenAI-Organization": "org-1"},
        parameters={"max_tokens": 5, "temperature": 0, "prompt_cache_key": "a", "response_format": {"type": "json_object"}},
    )
    assert 5 == endpoint.parameters["max_tokens"]


def test_a_validation_error_does_not_print_what_was_written() -> None:
    """Where pydantic's own message reaches a log, no header value is in it."""
    with pytest.raises(ValidationError) as caught:
        Endpoint.model_validate({"model": "m", "simulated": {}, "headers": {"Authorization": "Bearer CANARY"}})
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"input": "x", "output": 1}, [(("input",), "'x' is not an amount of US dollars")]),
        ({"input": -1, "output": "NaN"}, [(("input",), "'-1' is not a price"), (("output",), "'NaN' is not a price")]),
        ({"input": 1}, [((), "no price")]),
        ({"catalog": "openai/gpt", "input": 1, "output": 1}, [((), "both a contract price and a catalog entry")]),
        ({"catalog": "gpt"}, [(("catalog",), "string_pattern_mismatch")]),
        ({"input": 1, "output": 1, "dated": "1.11.2026"}, [(("dated",), "'1.11.2026' is not a date")]),
    ],
)
def test_a_price_is_an_amount_from_one_source(values: dict[str, Any], mistakes: Any) -> None:
    """Amounts are zero or more, both directions are priced, and contract and catalog exclude each other."""
    assert mistakes == _told(Price, **values)


def test_a_price_keeps_its_digits() -> None:
    """Numbers become text as they are printed, so that money never is a binary fraction."""
    price = Price.model_validate({"input": 0.15, "output": "0.60", "dated": "2026-11-01"})
    assert ("0.15", "0.60", "0") == (price.input, price.output, price.per_request)


@pytest.mark.parametrize("levels", [[2, 1], [1, 1], [1, 4, 4, 8]])
def test_levels_increase(levels: list[int]) -> None:
    """A level stands once, and the next one is higher."""
    assert [(("levels",), f"{levels}: levels must increase")] == _told(ClosedLoad, levels=levels)


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"levels": []}, [(("levels",), "no levels")]),
        ({"levels": [0]}, [(("levels", 0), "greater_than_equal")]),
        ({"levels": [1], "measure_s": 0}, [(("measure_s",), "greater_than")]),
        ({"levels": [1], "design": "random"}, [(("design",), "literal_error")]),
        ({"levels": [1], "kind": "open"}, [(("kind",), "literal_error")]),
        ({"levels": [1], "lvels": 1}, [(("lvels",), "extra_forbidden")]),
    ],
)
def test_load_is_bounded(values: dict[str, Any], mistakes: Any) -> None:
    """Levels, durations and names outside of the grammar are refused."""
    assert mistakes == _told(ClosedLoad, **values)


@pytest.mark.parametrize("from_s", [5, 10, 100])
def test_a_spike_begins_in_the_window(from_s: float) -> None:
    """One that would begin at its end or after it never comes; a moment before the end is allowed, and cut there."""
    shape = {"kind": "spike", "from_s": from_s, "for_s": 100}
    asked = {"kind": "open", "levels": [10], "measure_s": 5}
    expected = [((), f"a spike from {from_s} s on, in a measure window of 5 s")]
    assert expected == _told(OpenLoad, **asked, arrivals={"shape": shape})
    assert OpenLoad.model_validate(asked | {"arrivals": {"shape": shape | {"from_s": 4.9}}})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, 2.5),
        ({"warmup_s": 8}, 4.0),
        ({"warmup_s": 0}, 1.0),
        ({"warmup_s": 0, "measure_s": 4}, 0.4),
        ({"warmup_s": 0, "start_over_s": 0}, 0.0),
        ({"start_over_s": 3}, 3.0),
    ],
)
def test_users_never_begin_in_step_unless_asked_to(said: dict[str, float], expected: float) -> None:
    """Half of the warm-up; without one a second, or a tenth of a window that is shorter than ten."""
    assert expected == ClosedLoad.model_validate({"levels": [16], **said}).starts_s


def test_scorer_options_are_checked_by_its_signature() -> None:
    """An unknown scorer, an unknown or missing option and a senseless value are found before the run, not after it."""
    assert "choice" == Grading(scorer="choice", options={"labels": ["a", "b"]}).scorer
    assert [(("scorer",), "unknown scorer 'choise'")] == _told(Grading, scorer="choise")
    assert [((), "scorer 'choice': unknown option 'lables'")] == _told(Grading, scorer="choice", options={"lables": ["a", "b"]})
    assert [((), "scorer 'choice': option 'labels' is required")] == _told(Grading, scorer="choice")
    [(where, what)] = _told(Grading, scorer="choice", options={"labels": []})
    assert () == where
    assert what.startswith("scorer 'choice': ")


def test_a_dataset_format_is_known() -> None:
    """A format that is no plugin is refused."""
    assert [(("format",), "unknown dataset format 'xls'")] == _told(Prompts, dataset="d", format="xls")


@pytest.mark.parametrize("nonce", ["none", "run"])
def test_only_nonces_of_each_attempt_can_be_reused(nonce: str) -> None:
    """A share with nothing that it could be of is refused; so is one beyond 1."""
    assert 0.3 == Prompts(dataset="d", nonce="attempt", reuse_share=0.3).reuse_share
    assert [((), f"a reuse_share of 0.3 with `nonce: {nonce}`")] == _told(Prompts, dataset="d", nonce=nonce, reuse_share=0.3)
    assert [(("reuse_share",), "less_than_equal")] == _told(Prompts, dataset="d", nonce="attempt", reuse_share=1.3)


def test_a_nonce_each_would_undo_what_a_trace_shares() -> None:
    """Filler of a trace shares prefixes: a nonce of the run keeps them, one of each attempt is refused."""
    replay = {"load": {"kind": "replay", "trace": "t.csv", "prompts": "trace"}}
    own = {"prompts": {"dataset": "d.jsonl", "nonce": "run"}}
    assert "run" == Scenario.model_validate(SMALLEST | replay | own).prompts.nonce
    [(where, what)] = _told(Scenario, **SMALLEST | replay | {"prompts": {"dataset": "d.jsonl", "nonce": "attempt"}})
    assert ((), "prompts.nonce attempt, and prompts that share what the trace says was shared") == (where, what)


def test_an_objective_is_readable() -> None:
    """Objectives are read when the scenario is, and the mistake names which one."""
    [(where, what)] = _told(Scenario, **SMALLEST, slo=["success >= 92 %", "ttft.p42 <= 1 s"])
    assert ("slo", 1) == where
    assert "ttft.p42" in what


def test_an_endpoint_asked_as_two() -> None:
    """`load.aa` keeps one endpoint, under two names; read back from what it resolves to, it stays so."""
    endpoints = {name: {"model": name, "simulated": {}} for name in ("a", "b")}
    whole = {"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl"}, "load": {"levels": [1], "aa": "a"}}
    scenario = Scenario.model_validate(whole)
    assert ["a", "a-again"] == list(scenario.endpoints)
    assert scenario == Scenario.model_validate(scenario.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"load": {"levels": [1], "aa": "c"}}, "no endpoint 'c'"),
        ({"load": {"levels": [1], "aa": "a", "design": "sequential"}}, "A/A in the sequential design"),
        ({"endpoints": {"a": {"model": "a", "simulated": {}}, "a-again": {"model": "x", "simulated": {}}}}, "of its own"),
    ],
)
def test_what_cannot_be_asked_as_two(changed: dict[str, object], words: str) -> None:
    """An endpoint that is not there, a design that tells the arms apart, and a second name that is taken."""
    endpoints = {"a": {"model": "a", "simulated": {}}}
    whole = {"name": "t", "endpoints": endpoints, "prompts": {"dataset": "d.jsonl"}, "load": {"levels": [1], "aa": "a"}}
    with pytest.raises(ValidationError, match=words):
        Scenario.model_validate(whole | changed)


def test_endpoints_at_once_are_distinct() -> None:
    """In the parallel design one model at one address under two names would be its own load; in turns it may stand twice."""
    endpoint = {"model": "m", "base_url": "https://api.example.com/v1"}
    twice = SMALLEST | {"endpoints": {"a": endpoint, "b": endpoint}, "load": {"levels": [1], "design": "parallel"}}
    with pytest.raises(ValidationError, match="a and b are the same model at the same address"):
        Scenario.model_validate(twice)
    Scenario.model_validate(twice | {"load": {"levels": [1]}})
    Scenario.model_validate(twice | {"endpoints": {"a": endpoint, "b": {**endpoint, "model": "other"}}})
