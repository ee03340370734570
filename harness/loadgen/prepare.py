"""From a loaded scenario to a run directory with its manifest: all that happens before any load."""

import hashlib
import os
import platform
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import harness
from harness import credentials, results, sessions
from harness.credentials import Secrets
from harness.errors import HarnessError
from harness.load import Load, ReplayLoad
from harness.loadgen import plan
from harness.loadgen.schedule import Calls, Nonces
from harness.rates import Rates
from harness.records import SCHEMA_VERSION, Call, Example, Manifest
from harness.scenario import Scenario
from harness.scenario_file import Loaded
from harness.workload import dataset, prompts, trace
from harness.workload.trace_row import Traced

VERSIONS = ("locust", "gevent", "httpx", "hdrhistogram", "prometheus-client", "pandas", "numpy", "scipy", "genai-prices")


class Replayed(NamedTuple):
    """The requests that a replay sends, and how many of the window it leaves out: see `trace.answered`."""

    requests: tuple[Traced, ...] = ()
    left_out: int = 0

    @property
    def words(self) -> str:
        whole = len(self.requests) + self.left_out
        return f"{self.left_out:,} of {whole:,} requests of the trace got no answer there, and are left out"


def write(
    loaded: Loaded,
    run: Path,
    examples: tuple[Example, ...],
    rates: Mapping[str, Rates | None],
    urls: Mapping[str, str],
    now: datetime,
) -> None:
    """Write the manifest of a planned run. `urls` are the addresses of simulated endpoints; `rates` are frozen here."""
    scenario = loaded.scenario
    replayed = replayed_of(scenario.load, loaded.folder)
    manifest = Manifest(
        v=SCHEMA_VERSION,
        run_id=run.name,
        signoff=harness.__version__,
        created_utc=now.astimezone(UTC).isoformat(timespec="seconds"),
        state="planned",
        scenario=loaded.resolved,
        scenario_sha256=loaded.sha256,
        dataset=_dataset(loaded, examples),
        clusters={example.id: example.cluster or example.id for example in examples},
        seed=scenario.load.seed,
        plan=plan.build(scenario, replayed.requests),
        trace_sha256=_trace_sha256(scenario.load, loaded.folder),
        trace_unanswered=replayed.left_out,
        rates=dict(rates),
        urls={name: config.base_url or urls[name] for name, config in scenario.endpoints.items()},
        host=host(),
        versions=versions(),
    )
    results.write_manifest(run, manifest)


def sampled(loaded: Loaded) -> tuple[Example, ...]:
    """The examples of this scenario: all, or a seeded sample in the data set's order."""
    config = loaded.scenario.prompts
    examples = dataset.load(loaded.dataset, config.format, config.columns).examples
    if config.sample is None:
        return examples
    if config.sample.n > len(examples):
        what = f"a sample of {config.sample.n} from {len(examples)} examples"
        raise HarnessError(what, where="prompts.sample.n", remedy=f"at most {len(examples)}")
    chosen = random.Random(f"sample:{loaded.scenario.load.seed}").sample(range(len(examples)), config.sample.n)
    return tuple(examples[index] for index in sorted(chosen))


def calls_of(scenario: Scenario, examples: tuple[Example, ...]) -> tuple[Call, ...]:
    """The examples as prompts. `HarnessError` where one does not fit the template, or the load."""
    talk = next((example.id for example in examples if example.turns), None)
    load = scenario.load
    if isinstance(load, ReplayLoad):
        if talk is not None and load.prompts == "examples":
            what = f"a replay, and example {talk!r} is a conversation, whose later turns are in no trace"
            raise HarnessError(what, where="load.kind", remedy="write `kind: closed` or `kind: open`, or drop `turns`")
    elif load.think_s is not None and talk is None:
        remedy = "give rows `turns` (scenarios/README.md), or drop think_s"
        raise HarnessError("no example is a conversation", where="load.think_s", remedy=remedy)
    return tuple(prompts.call(example, scenario.prompts.template, scenario.prompts.system) for example in examples)


def examples_of(manifest: Manifest) -> dict[str, Example]:
    """The examples of a run, by id, read again from its data set; one that has changed since is refused."""
    source = manifest.dataset
    loaded = dataset.load(Path(source["path"]), source["format"], source["columns"])
    if loaded.sha256 != source["sha256"]:
        remedy = "the file that was sent is needed: bring it back from version control"
        raise HarnessError("the data set has changed since the run", where=source["path"], remedy=remedy)
    return {example.id: example for example in loaded.examples if example.id in manifest.clusters}


def calls(manifest: Manifest) -> Calls:
    """What workers send: the run's examples as prompts, and the trace of a replay."""
    scenario = Scenario.model_validate(manifest.scenario)
    folder = Path(manifest.dataset["folder"])
    if isinstance(scenario.load, ReplayLoad) and _trace_sha256(scenario.load, folder) != manifest.trace_sha256:
        remedy = "every host and session of a run needs the same file: bring it back, or make a new run with this one"
        raise HarnessError("the trace is not the one that was planned", where=str(scenario.load.trace), remedy=remedy)
    traced = replayed_of(scenario.load, folder).requests
    config, session = scenario.prompts, sessions.current(manifest.sessions)
    nonces = Nonces(config.nonce, manifest.run_id, config.reuse_share, session)
    return Calls(scenario.load, calls_of(scenario, tuple(examples_of(manifest).values())), traced, nonces)


def replayed_of(load: Load, folder: Path) -> Replayed:
    """Of the window of the trace, nothing for any other load. A relative file stands relative to the scenario's."""
    if not isinstance(load, ReplayLoad):
        return Replayed()
    path = folder / load.trace
    window = trace.load(path, load.format, load.from_s, load.to_s)
    return Replayed(window) if load.prompts == "examples" else Replayed(trace.answered(window, path), trace.unanswered(window))


def _trace_sha256(load: Load, folder: Path) -> str | None:
    return trace.sha256(folder / load.trace) if isinstance(load, ReplayLoad) else None


def keys(manifest: Manifest) -> dict[str, Secrets]:
    """Secrets by endpoint, from this process's environment or the `.env` beside the scenario. Never written anywhere."""
    scenario = Scenario.model_validate(manifest.scenario)
    return credentials.secrets(scenario, Path(manifest.dataset["folder"]), os.environ)


def _dataset(loaded: Loaded, examples: tuple[Example, ...]) -> dict[str, Any]:
    config = loaded.scenario.prompts
    path = loaded.dataset.resolve()
    return {
        "path": str(path),
        "folder": str(loaded.folder.resolve()),
        "format": config.format,
        "columns": dict(config.columns),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "n": len(examples),
    }


def host() -> dict[str, Any]:
    """The machine, as far as it matters to what it can measure."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in VERSIONS}


def _processor() -> str | None:
    """Its model; two machines of one cloud may differ in nothing else. None where the kernel does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
