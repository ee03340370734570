"""What a worker with files of its own must have in common with the master: versions, scenario, prompts, trace.

The rule: files, addresses and keys are this host's own. The master's manifest says what they must hold, never where they are.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

import harness
from harness import base_url
from harness.errors import HarnessError
from harness.load import ReplayLoad
from harness.loadgen import prepare
from harness.records import SCHEMA_VERSION, Manifest
from harness.scenario_file import Loaded
from harness.workload import trace

_TOLD = 6  # keys that fit a line


class _Versions(msgspec.Struct):
    v: int
    signoff: str
    versions: dict[str, str]


def decoded(data: bytes) -> Manifest:
    """The master's manifest; `HarnessError` where another signoff or another Locust wrote it, which it may not even fit."""
    try:
        theirs = msgspec.json.decode(data, type=_Versions)
        differing = list(_other_versions(theirs))
        if differing:
            raise _refusal(differing, "install the same versions on every host of a run")
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as broken:
        raise HarnessError(f"the master's manifest cannot be read: {broken}") from broken


def own(manifest: Manifest, loaded: Loaded) -> Manifest:
    """The same run with this host's files and addresses; `HarnessError` names all that differs."""
    differing = [*_other_scenario(manifest, loaded), *_other_files(manifest, loaded)]
    if differing:
        raise _refusal(differing, "copy the master's scenario folder to this host, as it is")
    _refuse_unreachable(manifest, loaded)
    endpoints = loaded.scenario.endpoints.items()
    return msgspec.structs.replace(
        manifest,
        dataset={**manifest.dataset, "path": str(loaded.dataset.resolve()), "folder": str(loaded.folder.resolve())},
        urls={name: endpoint.base_url or manifest.urls[name] for name, endpoint in endpoints},
    )


def _refusal(differing: list[str], remedy: str) -> HarnessError:
    return HarnessError(f"this worker would not make the master's run: {'; '.join(differing)}", remedy=remedy)


def _other_versions(theirs: _Versions) -> Iterator[str]:
    here = prepare.versions()["locust"]
    if theirs.signoff != harness.__version__ or theirs.v != SCHEMA_VERSION:
        yield f"signoff is {theirs.signoff} there and {harness.__version__} here"
    if theirs.versions.get("locust") != here:
        yield f"locust is {theirs.versions.get('locust')} there and {here} here"


def _other_scenario(manifest: Manifest, loaded: Loaded) -> Iterator[str]:
    """Keys and no values: an address may hold a secret."""
    if loaded.sha256 != manifest.scenario_sha256:
        keys = list(_differing(manifest.scenario, loaded.resolved))
        more = f" and {len(keys) - _TOLD} more" if len(keys) > _TOLD else ""
        yield f"the scenario differs in {', '.join(keys[:_TOLD]) or 'its hash'}{more}"


def _differing(there: Any, here: Any, path: str = "") -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            yield from _differing(there.get(key), here.get(key), f"{path}.{key}" if path else str(key))
    elif there != here:
        yield path


def _other_files(manifest: Manifest, loaded: Loaded) -> Iterator[str]:
    load = loaded.scenario.load
    if hashlib.sha256(loaded.dataset.read_bytes()).hexdigest() != manifest.dataset["sha256"]:
        yield f"the data set {loaded.dataset} is another one"
    if isinstance(load, ReplayLoad) and trace.sha256(loaded.folder / load.trace) != manifest.trace_sha256:
        yield f"the trace {loaded.folder / load.trace} is another one"


def _refuse_unreachable(manifest: Manifest, loaded: Loaded) -> None:
    """A simulator on the master's own loopback is no place that this host can ask."""
    for name, endpoint in loaded.scenario.endpoints.items():
        if endpoint.base_url is None and base_url.is_local(manifest.urls[name]):
            what = f"endpoint {name!r} is simulated on the master's own machine, at {manifest.urls[name]}"
            remedy = "serve it with `signoff simulate --host ADDRESS` and give the endpoint that base_url"
            raise HarnessError(what, where=f"endpoints.{name}", remedy=remedy)
