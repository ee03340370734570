"""Several runs of one scenario, hours or days apart, as one campaign: what each figure is over runs.

The rule: the run is the unit, and nothing is pooled silently. Runs of anything else than this very scenario and data set are
refused, and a run whose measurement is INVALID is listed and left out.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from harness import results
from harness.errors import HarnessError, InvalidRunError
from harness.measure import campaign
from harness.rates import Rates
from harness.records import Manifest
from harness.report import build, repeated
from harness.report.build import Built
from harness.report.circumstances import Repeated

CAMPAIGN_VERSION = 1
JSON, HTML = "campaign.json", "campaign.html"
_WHOLE = {"complete", "degraded", "failed_storage"}  # the last two are INVALID by their findings
_MOST_DIFFERENCES = 5
_MOST_CHARACTERS, _BEFORE = 30, 10  # of a value
_LACKING = object()


class CampaignRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run that was given. `used` is False for one that is INVALID."""

    run_id: str
    created_utc: str
    signoff: str
    verdict: str
    used: bool


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that met an objective, missed it, and could not tell."""

    met: int
    missed: int
    unknown: int


class CampaignLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint at one level: every figure over the runs, and how many runs met and missed each objective."""

    words: str
    figures: dict[str, Repeated]
    slo: dict[str, Held]


class CampaignEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    peak: str
    levels: dict[str, CampaignLevel]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """campaign.json. `runs` are all that were given, in the order in which they began; values are of those that are used.

    coverage  how far apart they began, and at how many hours of the day and days (UTC)
    differs   what was not the same in all used runs, though the scenario was
    """

    v: int = CAMPAIGN_VERSION
    scenario: str
    scenario_sha256: str
    dataset_sha256: str
    runs: tuple[CampaignRun, ...]
    span_s: float
    hours_of_day: int
    days: int
    coverage: str
    differs: tuple[str, ...]
    endpoints: dict[str, CampaignEndpoint]


def measure(paths: Sequence[Path], *, reprice: Mapping[str, Rates] | None = None) -> Campaign:
    """The campaign of these run directories; nothing is written.

    Raises HarnessError where they are not runs of one scenario that came to their end, InvalidRunError where fewer than two
    of them can be used.
    """
    manifests = [results.read_manifest(path) for path in paths]
    _check(paths, manifests)
    built = [build.measure(path, reprice=reprice) for path in paths]
    built.sort(key=lambda each: (_began_s(each.run.manifest), each.summary.run_id))
    used = [each for each in built if each.summary.valid]
    if len(used) < 2:
        said = "; ".join(f"{each.summary.run_id} is {each.summary.verdict}" for each in built if not each.summary.valid)
        remedy = "run again what is INVALID, or report each run by itself"
        raise InvalidRunError(f"a campaign takes two runs that are VALID, and {said}", remedy=remedy)
    covered = campaign.coverage([_began_s(each.run.manifest) for each in used])
    first = used[0].run.manifest
    return Campaign(
        scenario=str(first.scenario["name"]),
        scenario_sha256=first.scenario_sha256,
        dataset_sha256=first.dataset["sha256"],
        runs=tuple(_run(each) for each in built),
        span_s=covered.span_s,
        hours_of_day=covered.hours_of_day,
        days=covered.days,
        coverage=covered.words(),
        differs=tuple(_differs([each.run.manifest for each in used], is_repriced=bool(reprice))),
        endpoints=_endpoints(used),
    )


def default_folder(paths: Sequence[Path]) -> Path:
    """Beside the newest run, and named after it; `runs/*_NAME` finds runs of a scenario, and not this."""
    manifest, path = max(((results.read_manifest(path), path) for path in paths), key=lambda each: _began_s(each[0]))
    return path.parent / f"campaign_{manifest.scenario['name']}_{manifest.run_id.partition('_')[0]}"


def encode(found: Campaign) -> bytes:
    """Same runs, same bytes, in whichever order they were given."""
    return json.dumps(msgspec.to_builtins(found), indent=1, allow_nan=False).encode() + b"\n"


def _run(each: Built) -> CampaignRun:
    summary = each.summary
    return CampaignRun(
        run_id=summary.run_id,
        created_utc=summary.created_utc,
        signoff=summary.signoff,
        verdict=summary.verdict,
        used=summary.valid,
    )


def _endpoints(used: Sequence[Built]) -> dict[str, CampaignEndpoint]:
    return {
        name: CampaignEndpoint(peak=endpoint.peak, levels={level: _level(used, name, level) for level in endpoint.levels})
        for name, endpoint in used[0].summary.endpoints.items()
    }


def _level(used: Sequence[Built], name: str, level: str) -> CampaignLevel:
    figures = [each.summary.endpoints[name].levels[level] for each in used]
    cells = [next(cell for cell in each.cells if (cell.endpoint, cell.level) == (name, level)) for each in used]
    found = [repeated.looks(cell, of) for cell, of in zip(cells, figures, strict=True)]
    texts = [result.text for result in figures[0].slo]
    counts = [Counter(of.slo[at].met for of in figures) for at in range(len(texts))]
    return CampaignLevel(
        words=figures[0].words,
        figures=repeated.over(found, "run"),
        slo={
            text: Held(met=count[True], missed=count[False], unknown=count[None])
            for text, count in zip(texts, counts, strict=True)
        },
    )


# ------------------------------------------------------------------------------------------------ what does not go together


def _check(paths: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    for at, manifest in enumerate(manifests):
        if manifest in manifests[:at]:
            what = f"{paths[manifests.index(manifest)]} and {paths[at]} are the same run, {manifest.run_id}"
            raise HarnessError(what, where="RUN", remedy="give each run once: counted twice it would make intervals too narrow")
    partial = [f"{manifest.run_id} is {manifest.state}" for manifest in manifests if manifest.state not in _WHOLE]
    if partial:
        remedy = "leave it out, or wait for a run that is still going on; what there is of it: `signoff report` with it alone"
        raise HarnessError(f"not a whole run: {', '.join(partial)}", where="RUN", remedy=remedy)
    first, *others = manifests
    for other in others:
        _check_same(first, other)


def _check_same(first: Manifest, other: Manifest) -> None:
    which = f"{first.run_id} and {other.run_id}"
    if other.scenario_sha256 != first.scenario_sha256:
        apart = list(differences(first.scenario, other.scenario))
        more = f", and {len(apart) - _MOST_DIFFERENCES} more" if len(apart) > _MOST_DIFFERENCES else ""
        said = "; ".join(apart[:_MOST_DIFFERENCES]) or "another version of signoff reads it otherwise"
        remedy = "a campaign is one scenario, run again and again: run the same file without other --set"
        raise HarnessError(f"{which} are of two scenarios: {said}{more}", where="RUN", remedy=remedy)
    if other.dataset["sha256"] != first.dataset["sha256"]:
        what = f"{which} asked two data sets: sha256 {first.dataset['sha256'][:12]} and {other.dataset['sha256'][:12]}"
        raise HarnessError(what, where="RUN", remedy="bring the file back from version control, and run again")


def differences(first: Any, other: Any, path: str = "") -> Iterator[str]:
    """`load.measure_s: 8 and 60` for each key that is not the same; a section that one of them lacks is named and not shown."""
    if isinstance(first, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*first, *other]):
            yield from differences(first.get(key, _LACKING), other.get(key, _LACKING), f"{path}.{key}".removeprefix("."))
    elif first != other:
        same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(_text(first), _text(other), strict=False)))
        yield f"{path}: {_short(first, same)} and {_short(other, same)}"


def _text(value: Any) -> str:
    if value is _LACKING:
        return "not given"
    return f"given ({', '.join(value)})" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)


def _short(value: Any, same: int) -> str:
    """From a little before the place where two long values part."""
    text = _text(value)
    begin = same - _BEFORE if same > _BEFORE and len(text) > _MOST_CHARACTERS else 0
    end = begin + _MOST_CHARACTERS
    return f"{'...' if begin else ''}{text[begin:end]}{'...' if end < len(text) else ''}"


def _differs(used: Sequence[Manifest], *, is_repriced: bool) -> Iterator[str]:
    """Not part of the scenario, and may well be why runs differ."""
    hosts = {json.dumps(each.host, sort_keys=True) for each in used}
    if len(hosts) > 1:
        yield f"the runs were made on {len(hosts)} different machines or systems"
    versions = sorted({each.signoff for each in used})
    if len(versions) > 1:
        yield f"the runs were made by signoff {', '.join(versions)}"
    workers = sorted({each.workers for each in used})
    if len(workers) > 1:
        yield f"the runs had {' and '.join(map(str, workers))} load processes"
    rates = {msgspec.json.encode(each.rates) for each in used}
    if len(rates) > 1 and not is_repriced:
        yield "prices changed between the runs, and each run is priced by its own: --reprice gives all of them the same"


def _began_s(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.created_utc).timestamp()
