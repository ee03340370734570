"""The bundled scenarios as the tests of this folder see them: read by the harness's own readers, once."""

import functools
from dataclasses import dataclass
from pathlib import Path

from harness import bundled, plugins, scenario_file
from harness.records import Example, Scorer
from harness.scenario import Scenario
from harness.workload import dataset

NAMES = ("claims_triage", "clinical_notes", "procurement_contracts")


@dataclass(frozen=True)
class BundledSet:
    """A scenario, its examples in file order, and its scorer with the scenario's options."""

    folder: Path
    scenario: Scenario
    examples: tuple[Example, ...]
    scorer: Scorer


@functools.cache
def read(name: str) -> BundledSet:
    """A bundled set by its name."""
    loaded = scenario_file.load(bundled.scenario(name))
    grading = loaded.scenario.grading
    assert grading is not None
    scorer = plugins.load("scorer", grading.scorer).scorer(**grading.options)
    return BundledSet(loaded.folder, loaded.scenario, dataset.load(loaded.dataset).examples, scorer)


def text(example: Example) -> str:
    """The one input of an example."""
    (value,) = example.inputs.values()
    return str(value)
