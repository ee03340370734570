"""From file to scenario: places, overrides, several mistakes at once."""

from pathlib import Path

import pytest

from harness import bundled, scenario_file
from harness.errors import ExitCode, HarnessError

GOOD = """\
name: small
endpoints:
  fast:
    model: m
    simulated: {}
  gpt-4.1:
    model: gpt-4.1
    base_url: https://api.example.com/v1
    price: {input: 1, output: 2}
prompts:
  dataset: d.jsonl
load:
  levels: [1, 4]
slo:
  - ttft.p99 <= 800 ms
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d.jsonl").write_text('{"id":"a","prompt":"x","expected":"y"}\n')
    (tmp_path / "scenario.yaml").write_text(GOOD)
    return tmp_path


def _refused(folder: Path, text: str, *overrides: str) -> str:
    (folder / "scenario.yaml").write_text(text)
    with pytest.raises(HarnessError) as caught:
        scenario_file.load(folder, overrides)
    assert ExitCode.USAGE == caught.value.exit_code
    return str(caught.value)


def test_a_file_and_its_folder_are_the_same(folder: Path) -> None:
    """A scenario is named by its file or by the folder that holds it; the data set stands relative to it."""
    by_file, by_folder = scenario_file.load(folder / "scenario.yaml"), scenario_file.load(str(folder))
    assert by_file == by_folder
    assert (folder, folder / "d.jsonl") == (by_file.folder, by_file.dataset)
    assert "small" == by_file.scenario.name


def test_a_bundled_scenario_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no file is one of the bundled scenarios, or the error lists them."""
    monkeypatch.setattr(bundled, "folder", lambda kind: folder.parent)
    assert "small" == scenario_file.load(folder.name).scenario.name
    with pytest.raises(HarnessError, match=f"no bundled scenario 'claims_triaje'\n.*{folder.name}"):
        scenario_file.load("claims_triaje")


@pytest.mark.parametrize("path", ["none/at/all", "none.yaml", "./none"])
def test_a_path_that_is_not_there_is_told(path: str) -> None:
    """What looks like a path is not searched among the bundled scenarios."""
    with pytest.raises(HarnessError, match="no such scenario file"):
        scenario_file.load(path)


def test_the_hash_is_of_the_meaning(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Comments, order of keys and the folder change nothing; a value does."""
    first = scenario_file.load(folder)
    other = tmp_path_factory.mktemp("other")
    (other / "d.jsonl").write_text("{}")
    lines = GOOD.splitlines(keepends=True)
    (other / "scenario.yaml").write_text("# moved\n" + "".join(lines[11:13] + lines[:11] + lines[13:]))
    assert first.sha256 == scenario_file.load(other).sha256
    assert first.sha256 != scenario_file.load(folder, ["load.seed=2"]).sha256
    assert 60.0 == first.resolved["load"]["measure_s"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("levels: [1, 4]", "levels: ten", "scenario.yaml:13 load.levels: 'ten' should be a valid list"),
        ("levels: [1, 4]", "levels: [1, x]", "scenario.yaml:13 load.levels.1: 'x' should be a valid integer"),
        ("levels: [1, 4]", "levels: [4, 1]", "scenario.yaml:13 load.levels: [4, 1]: levels must increase\n  write [1, 4]"),
        ("levels:", "levles:", "scenario.yaml:13 load.levles: unknown key 'levles'\n  allowed: aa, design, drain_s, kind"),
        ("levels:", "levles:", "(did you mean 'levels'?)"),
        ("levels:", "levles:", "scenario.yaml:12 load.levels: no levels\n  give at least one number of users"),
        ("input: 1", "inptu: 1", "scenario.yaml:9 endpoints.gpt-4.1.price.inptu: unknown key 'inptu'"),
        ("input: 1", "inptu: 1", "(did you mean 'input'?)"),
        ("simulated: {}", "simulated: {ttft: {medain_s: 1}}", "(did you mean 'median_s'?)"),
        ("simulated: {}", "simulated: {freeze: {every_s: 1, for_s: 2}}", "freeze: a freeze of 2 s every 1 s never ends"),
        ("simulated: {}", "simulated: {limits: {request_per_minute: 1}}", "(did you mean 'requests_per_minute'?)"),
        ("model: m", "model: 4", "scenario.yaml:4 endpoints.fast.model: 4 is not text\n  put it in quotes"),
        ("model: m", "dialect: opnai_chat\n    model: m", "yaml:4 endpoints.fast.dialect: unknown dialect 'opnai_chat'"),
        ("model: m", "dialect: opnai_chat\n    model: m", "(did you mean 'openai_chat'?)"),
        ("  fast:", "  fast!:", "scenario.yaml:3 endpoints.fast!: 'fast!' should match pattern"),
        ("load:\n", "load:\n  design: sequental\n", "yaml:13 load.design: 'sequental' is not allowed\n  allowed: inter"),
        ("load:\n", "load:\n  design: sequental\n", "(did you mean 'sequential'?)"),
        ("d.jsonl", "e.jsonl", "scenario.yaml:11 prompts.dataset: no file 'e.jsonl' in"),
        ("d.jsonl", "e.jsonl", "allowed: d.jsonl, scenario.yaml (did you mean 'd.jsonl'?)"),
        ("800 ms", "800 parsec", "scenario.yaml:15 slo.0: 'parsec' in 'ttft.p99 <= 800 parsec' is no unit of ttft"),
        ("name: small", "nmae: small", "unknown key 'nmae'\n  allowed: budget, business, description, endpoints"),
        ("model: m\n", "model: m\n    model: n\n", "scenario.yaml:5 endpoints.fast.model: key 'model' is here a second time"),
        ("simulated: {}", "simulated:", "scenario.yaml:3 endpoints.fast: neither base_url nor simulated"),
        ("https://api", "https://me:CANARY@api", "'https://***@api.example.com/v1': carries a user name or password"),
        ("com/v1", "com/v1\n    proxy: http://me:CANARY@p:1", "9 endpoints.gpt-4.1.proxy: 'http://***@p:1': carries a user"),
        ("com/v1", "com/v1\n    proxy_auth_env: me:CANARY", "9 endpoints.gpt-4.1.proxy_auth_env: not the name of an env"),
        ("com/v1", "com/v1\n    proxy_auth_env: [CANARY]", "9 endpoints.gpt-4.1.proxy_auth_env: this value should be a valid"),
        ("simulated: {}", "api_key_env: sk-CANARY\n    simulated: {}", "fast.api_key_env: not the name of an environment"),
        ("simulated: {}", "headers: {A: [CANARY]}\n    simulated: {}", "fast.headers.A: this value should be a valid"),
        ("simulated: {}", "api_key: CANARY\n    simulated: {}", "unknown key 'api_key'\n  allowed: allow_http, api_key_env"),
    ],
)  # fmt: skip
def test_a_mistake_has_line_path_value_and_remedy(folder: Path, old: str, new: str, message: str) -> None:
    """Each mistake is told at its place, with what is allowed and the nearest name, and never with a secret."""
    told = _refused(folder, GOOD.replace(old, new))
    assert message in told
    assert "CANARY" not in told


def test_several_mistakes_are_told_together(folder: Path) -> None:
    """One reading tells everything that is wrong, duplicate keys included."""
    told = _refused(
        folder, GOOD.replace("model: m", "model: 4").replace("[1, 4]", "[0]").replace("name: small", "name: a\nname: b")
    )
    assert told.startswith("scenario.yaml: 3 mistakes\n")
    assert all(f"scenario.yaml:{place}: " in told for place in ("2 name", "5 endpoints.fast.model", "14 load.levels.0"))


def test_at_most_ten_mistakes_are_spelled_out(folder: Path) -> None:
    """A screen holds ten; the others are counted."""
    told = _refused(folder, GOOD + "".join(f"key{number}: 1\n" for number in range(13)))
    assert told.startswith("scenario.yaml: 13 mistakes\n")
    assert 10 == told.count("unknown key")
    assert told.endswith("\nand 3 more")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "hello\n"])
def test_a_scenario_is_a_mapping(folder: Path, text: str) -> None:
    """An empty file, a list and a word are no scenario."""
    assert "scenario.yaml:1: a scenario is a mapping" in _refused(folder, text)


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "client_key"])
def test_a_missing_file_of_tls_is_told(folder: Path, key: str) -> None:
    """Files that the scenario names are looked for before anything runs."""
    (folder / "me.pem").write_text("")
    given = {"client_cert": "me.pem", key: "ca.pem"}
    text = GOOD.replace("com/v1", f"com/v1\n    tls: {given}".replace("'", ""))
    assert f"scenario.yaml:9 endpoints.gpt-4.1.tls.{key}: no file 'ca.pem'" in _refused(folder, text)


def test_overrides_win_in_order(folder: Path) -> None:
    """`--set` replaces any key, creates sections that the file leaves out, and reads its value as YAML."""
    overrides = [
        "load.levels=[2, 8]",
        "load.measure_s=5",
        "load.measure_s=7.5",
        "endpoints.gpt-4.1.model=gpt-4.1-mini",
        "endpoints.gpt-4.1.price.output=3",
        "endpoints.fast.parameters.max_tokens=10",
        "slo.0=e2e.p95 <= 6 s",
        "grading={scorer: exact}",
        "business.monthly_volume=1000",
        "description=",
    ]
    scenario = scenario_file.load(folder, [*overrides, "description='a = b'"]).scenario
    assert ((2, 8), 7.5) == (scenario.load.levels, scenario.load.measure_s)
    real, fast = scenario.endpoints["gpt-4.1"], scenario.endpoints["fast"]
    assert ("gpt-4.1-mini", "3", {"max_tokens": 10}) == (real.model, real.price and real.price.output, fast.parameters)
    assert (("e2e.p95 <= 6 s",), 1000, "a = b") == (scenario.slo, scenario.business.monthly_volume, scenario.description)


def test_an_endpoint_can_be_added_whole(folder: Path) -> None:
    """Setting a whole endpoint is how a third one joins."""
    loaded = scenario_file.load(folder, ["endpoints.third={model: x, simulated: {}}"])
    assert ["fast", "gpt-4.1", "third"] == list(loaded.scenario.endpoints)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("load.levles=3", "--set load.levles: unknown key 'levles'\n  allowed: aa, design"),
        ("lod.levels=[3]", "--set lod: unknown key 'lod'\n  allowed: budget"),
        (
            "endpoints.fats.model=x",
            "--set endpoints.fats.model: no endpoint 'fats'\n  allowed: fast, gpt-4.1 (did you mean 'fast'?)",
        ),
        ("load.levels=ten", "--set load.levels: 'ten' should be"),
        ("load={levels: [0]}", "--set load.levels.0: 0 should be"),
        ("slo.7=x", "--set: no item '7' in a list of 1"),
        ("slo.x=x", "--set: no item 'x'"),
        ("endpoints=[{model: CANARY}]", "--set endpoints: a list of mappings should be a valid mapping of keys to values"),
        ("endpoints.fast={tls: {verify: {a: CANARY}}}", "--set endpoints.fast.tls.verify: a mapping should be a valid boolean"),
        ("name.x.y=1", "--set name.x.y: 'name' holds no keys"),
        ("load.levels=[1", "--set load.levels:2: not YAML"),
        ("load.levels=&a 1", "--set load.levels:1: anchor"),
        ("prompts.dataset=none.csv", "--set prompts.dataset: no file 'none.csv'"),
        ("load.levels", "--set: 'load.levels' is not KEY=VALUE"),
        ("=1", "--set: '=1' is not KEY=VALUE"),
        ("a..b=1", "--set a"),
        ("endpoints.fast.headers.Authorization=Bearer CANARY", "--set endpoints.fast.headers.Authorization: "),
    ],
)
def test_an_override_that_does_not_fit_is_told_as_one(folder: Path, override: str, message: str) -> None:
    """A mistake on the command line is not blamed on a line of the file."""
    told = _refused(folder, GOOD, override)
    assert message in told
    assert "scenario.yaml:1" not in told
    assert "CANARY" not in told


def test_an_override_into_endpoints_of_a_wrong_kind_is_told(folder: Path) -> None:
    """A list where names are wanted is a mistake of the file, not a crash of the override."""
    told = _refused(folder, "endpoints: [{model: m}]\n", "endpoints.0.model=x")
    assert "endpoints: a list of mappings should be a valid mapping" in told


def test_the_schema_is_that_of_the_model() -> None:
    """The exported JSON Schema names every section, refuses unknown keys, and lets an editor take a price as a number."""
    schema = scenario_file.schema()
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert {"name", "endpoints", "prompts", "load"} == set(schema["required"])
    assert schema["additionalProperties"] is False
    assert ["number", "string"] == schema["$defs"]["Price"]["properties"]["input"]["anyOf"][0]["type"]
    assert {"Endpoint", "ClosedLoad", "OpenLoad", "Price", "Prompts"} < set(schema["$defs"])
