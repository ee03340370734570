"""`signoff validate`: what would run, without sending anything."""

import json
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from small_scenario import ROWS, SCENARIO, Invoke


def test_a_valid_scenario_is_described(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints, data, a rendered prompt, the plan's size and the objectives fit one screen."""
    monkeypatch.delenv("SIGNOFF_TEST_KEY", raising=False)
    assert 0 == signoff("validate", str(scenario))
    out = capsys.readouterr().out
    assert "fast: m by openai_chat at simulated, no key, priced\n" in out
    assert (
        "real: gpt by openai_chat at https://api.example.com/v1, key in SIGNOFF_TEST_KEY (not in the environment), no price\n"
        in out
    )
    assert "2 of 2 examples" in out
    assert "  system: Be brief.\n  user: Say x\n" in out
    assert "8 cells = 2 endpoints x 2 levels (1, 4 users) x 2 repetitions, interleaved: 1.6 to 2 minutes" in out
    assert "objective  ttft.p99 <= 1 s\n" in out
    assert f"valid; next: signoff run {scenario / 'scenario.yaml'}\n" in out
    assert len(out.splitlines()) < 24


EVALUATION = "{kind: evaluation, users: 3, attempts_most: 4, repetitions: 2}"


def test_one_of_each_is_not_spoken_of_as_several(scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell is one endpoint, one level and one repetition."""
    changes = ("--set", "endpoints={only: {model: m, simulated: {}}}", "--set", "load={levels: [2]}")
    assert 0 == signoff("validate", str(scenario), *changes)
    assert "1 cell = 1 endpoint x 1 level (2 users) x 1 repetition, interleaved: " in capsys.readouterr().out


def test_an_evaluation_says_how_much_it_asks(scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """Examples, endpoints and repetitions; how long it takes nobody knows beforehand."""
    assert 0 == signoff("validate", str(scenario), "--set", f"load={EVALUATION}")
    said = "evaluation: 2 examples once x 2 endpoints x 2 repetitions, interleaved, 3 at once, up to 4 attempts each;"
    assert said in capsys.readouterr().out
    assert 0 == signoff("validate", str(scenario), "--json", "--set", "load={kind: evaluation}")
    planned = json.loads(capsys.readouterr().out)["plan"]
    assert {"examples": 2, "attempts_most": 5} == planned["evaluation"]
    assert 0 == signoff("validate", str(scenario), "--json")
    assert "evaluation" not in json.loads(capsys.readouterr().out)["plan"]


def test_levels_that_end_by_requests_say_so(scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """They take as long as their warm-ups at least, and as long as their time at most."""
    assert 0 == signoff("validate", str(scenario), "--set", "load.requests=2500")
    said = "x 2 repetitions, each until 2,500 requests are made, interleaved: "
    assert said in (out := capsys.readouterr().out), out
    assert 2 == signoff("validate", str(scenario), "--set", "load.requests=3")
    assert "3 requests at a level of 4 users" in capsys.readouterr().err


def test_more_processes_than_users_of_an_open_loop(scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """Some of them would have arrivals that nobody sends; a closed loop does without them."""
    load = "load={kind: open, levels: [5], users: 2}"
    assert 0 == signoff("validate", str(scenario), "--set", load, "--processes", "2")
    assert 2 == signoff("validate", str(scenario), "--set", load, "--processes", "3")
    assert "load.users: 2 users of an open loop at 3 processes" in capsys.readouterr().err
    assert 0 == signoff("validate", str(scenario), "--processes", "30")


def test_the_description_as_json(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` has the same facts, with hashes whole and times in seconds; a key's value is not among them."""
    monkeypatch.setenv("SIGNOFF_TEST_KEY", "CANARY")
    assert 0 == signoff("validate", str(scenario), "--json", "--set", "prompts.sample.n=1")
    out = capsys.readouterr().out
    found = json.loads(out)
    assert (2, 1) == (found["dataset"]["n"], found["dataset"]["used"])
    assert (64, 64) == (len(found["sha256"]), len(found["dataset"]["sha256"]))
    assert (8, 96.0, 120.0) == (found["plan"]["cells"], found["plan"]["min_s"], found["plan"]["max_s"])
    assert found["endpoints"]["real"]["api_key_in_environment"] is True
    assert "CANARY" not in out


def test_the_schema_needs_no_scenario(signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """`--schema` prints JSON Schema for editors."""
    assert 0 == signoff("validate", "--schema")
    assert "Scenario" == json.loads(capsys.readouterr().out)["title"]


def test_a_bundled_name_will_do(shipped: Path, signoff: Invoke) -> None:
    """A bundled scenario is checked where it is."""
    assert 0 == signoff("validate", "small")


@pytest.mark.parametrize(
    ("scenario_text", "rows", "message"),
    [
        (SCENARIO.replace("levels: [1, 4]", "levels: x"), ROWS, "scenario.yaml:7 load.levels: 'x' should be a valid list"),
        (SCENARIO, "", "has no examples"),
        (SCENARIO, ROWS + ROWS, "d.jsonl:3: id 'a' is here a second time; the first is on line 1"),
        (SCENARIO, ROWS + "{oops\n", "d.jsonl:3: JSON is malformed"),
        (SCENARIO.replace("{{ prompt }}", "{{ promt }}"), ROWS, "'promt' is undefined, in example 'a'"),
        (SCENARIO, ROWS + '{"id":"c","other":1}\n', "'prompt' is undefined, in example 'c'"),
        (SCENARIO.replace("d.jsonl,", "d.jsonl, sample: {n: 3},"), ROWS, "prompts.sample.n: a sample of 3 from 2 examples"),
    ],
)
def test_a_fault_is_told_and_exits_2(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], scenario_text: str, rows: str, message: str
) -> None:
    """Scenario, data set and template are all checked: the message is on stderr, and nothing on stdout."""
    (scenario / "scenario.yaml").write_text(scenario_text)
    (scenario / "d.jsonl").write_text(rows)
    assert 2 == signoff("validate", str(scenario))
    printed = capsys.readouterr()
    assert message in printed.err
    assert "" == printed.out


def test_a_prompt_cannot_steer_the_terminal(scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of the data are not printed, and a long prompt is cut with its length."""
    (scenario / "d.jsonl").write_text(json.dumps({"prompt": "\x1b[2J\x9b" + "x" * 5000, "expected": "y"}) + "\n")
    assert 0 == signoff("validate", str(scenario))
    out = capsys.readouterr().out
    assert "Say ?[2J?xxx" in out
    assert " ... (5009 characters)\n" in out


def test_a_scenario_is_needed(signoff: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one the error says what may be given."""
    assert 2 == signoff("validate")
    assert "which scenario?" in capsys.readouterr().err


FAR = """\
name: far
endpoints:
  far:
    model: m
    base_url: https://api.example.com/v1
    proxy: http://proxy.test:3128
    proxy_auth_env: PROXY_AUTH
    tls: {client_cert: me.crt, client_key: me.key}
prompts: {dataset: d.jsonl}
load: {levels: [1]}
"""


def _certificate(folder: Path, *, password: bytes | None = None) -> None:
    cert = trustme.CA().issue_cert("me@test")
    cert.cert_chain_pems[0].write_to_path(str(folder / "me.crt"))
    key = serialization.load_pem_private_key(cert.private_key_pem.bytes(), None)
    lock = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    form = serialization.PrivateFormat.PKCS8
    (folder / "me.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))


def test_the_way_to_an_endpoint_is_told(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy and certificate are in the endpoint's line, with the variables that a run would miss; no value is."""
    (scenario / "scenario.yaml").write_text(FAR)
    _certificate(scenario)
    monkeypatch.delenv("PROXY_AUTH", raising=False)
    assert 0 == signoff("validate", str(scenario))
    way = "through http://proxy.test:3128, showing me.crt (PROXY_AUTH is not in the environment), no key, no price\n"
    assert way in capsys.readouterr().out
    monkeypatch.setenv("PROXY_AUTH", "me:CANARY")
    assert 0 == signoff("validate", str(scenario), "--json")
    out = capsys.readouterr().out
    far = json.loads(out)["endpoints"]["far"]
    assert ("http://proxy.test:3128", "me.crt", []) == (far["proxy"], far["client_cert"], far["secrets_not_in_environment"])
    assert "CANARY" not in out


@pytest.mark.parametrize(
    ("password", "said", "told"),
    [
        (None, None, "is encrypted\n  name the variable that holds its password with client_key_password_env"),
        ("CANARY wrong", "KEY_PASSWORD", "does not open with the password in KEY_PASSWORD\n"),
    ],
)
def test_a_key_that_does_not_open_is_told(
    scenario: Path,
    signoff: Invoke,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    password: str | None,
    said: str | None,
    told: str,
) -> None:
    """Certificates are loaded when a scenario is checked: a run would be too late, and a question on the terminal hidden."""
    named = "" if said is None else f", client_key_password_env: {said}"
    (scenario / "scenario.yaml").write_text(FAR.replace("me.key}", f"me.key{named}}}"))
    _certificate(scenario, password=b"right")
    monkeypatch.setenv("KEY_PASSWORD", password or "")
    assert 2 == signoff("validate", str(scenario))
    complaint = capsys.readouterr().err
    assert f"endpoints.far.tls.client_key: the key in '{scenario / 'me.key'}' {told}" in complaint
    assert "CANARY" not in complaint


def test_a_key_whose_password_is_elsewhere_is_left_for_the_run(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with API keys: where a scenario is written and checked, its secrets need not be."""
    (scenario / "scenario.yaml").write_text(FAR.replace("me.key}", "me.key, client_key_password_env: KEY_PASSWORD}"))
    _certificate(scenario, password=b"right")
    monkeypatch.delenv("KEY_PASSWORD", raising=False)
    assert 0 == signoff("validate", str(scenario))
    assert "(KEY_PASSWORD is not in the environment)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("levels: [0.01, 5], measure_s: 60", ["at 0.01 requests/s a measure window of 60 s has 0.6 arrivals on average"]),
        (
            "levels: [5], measure_s: 60, arrivals: {shape: {kind: steps, shares: [0, 0]}}",
            ["at 5 requests/s a measure window of 60 s has 0 arrivals on average"],
        ),
        ("levels: [0.01], measure_s: 100", []),
        ("levels: [0.01], measure_s: 60, arrivals: {process: constant}", []),  # the first comes at once
    ],
)
def test_windows_without_arrivals_are_warned_of(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], load: str, expected: list[str]
) -> None:
    """A measure window that expects fewer than one; the scenario is valid all the same."""
    old = "load: {levels: [1, 4], warmup_s: 2, measure_s: 10, drain_s: 3, repetitions: 2}"
    (scenario / "scenario.yaml").write_text(SCENARIO.replace(old, f"load: {{kind: open, {load}}}"))
    assert 0 == signoff("validate", str(scenario), "--json")
    assert expected == [each.partition(", and one")[0] for each in json.loads(capsys.readouterr().out)["warnings"]]
    assert 0 == signoff("validate", str(scenario))
    assert len(expected) == capsys.readouterr().out.count("\nwarning    ")


REPLAY = SCENARIO.replace(
    "load: {levels: [1, 4], warmup_s: 2, measure_s: 10, drain_s: 3, repetitions: 2}",
    "load: {kind: replay, trace: t.csv, prompts: trace}",
).replace("grading: {scorer: exact}\n", "")


@pytest.mark.parametrize("verb", ["validate", "estimate"])
def test_what_a_trace_had_without_an_answer_is_counted(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """One of three rows failed there; with `prompts: examples` its time is replayed like the others."""
    rows = "0,G,10,5,15,L\n1,G,10,0,10,L\n3,G,10,5,15,L\n"
    (scenario / "t.csv").write_text("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n" + rows)
    (scenario / "scenario.yaml").write_text(REPLAY)
    said = "1 of 3 requests of the trace got no answer there, and are left out\n"
    assert 0 == signoff(verb, str(scenario))
    assert said in capsys.readouterr().out
    assert 0 == signoff(verb, str(scenario), "--set", "load.prompts=examples")
    assert said not in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["validate", "estimate"])
def test_a_trace_of_unknown_lengths_makes_no_prompts(
    scenario: Path, signoff: Invoke, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """A run of ours whose attempts told no usage is replayed with examples alone, and that is said before anything is sent."""
    head = '{"t":"head","v":1,"run":"r","worker":0,"pid":1,"host":"h","monotonic_ns":0,"wall_ns":0}\n'
    start = '{"t":"start","id":"0-1","endpoint":"a","level":"1","phase":"measure","block":1,"example":"e","user":0,'
    (scenario / "t.csv").write_text(head + start + '"dispatched_ns":9}\n')
    (scenario / "scenario.yaml").write_text(REPLAY)
    assert 2 == signoff(verb, str(scenario))
    told = capsys.readouterr().err
    assert "t.csv: 1 of 1 requests have no input_tokens or no output_tokens, which `prompts: trace` needs" in told
    assert "write `prompts: examples`" in told
    assert 0 == signoff(verb, str(scenario), "--set", "load.prompts=examples")
