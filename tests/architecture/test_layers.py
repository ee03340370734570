"""The import rule of the architecture, checked against the code's own import statements.

A layer is a folder of harness/ or one of the files beside them. Every layer may import itself, errors and records; what
else it may import stands in `ALLOWED`, and nothing is inferred from what the code happens to do today.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = {  # files that stand beside the layers and belong to one of them
    "scenario_file": "scenario",
    "marked_yaml": "scenario",
    "remedies": "scenario",
    "editor_schema": "scenario",
    "bundled": "scenario",
    "base_url": "scenario",
    "credentials": "scenario",
    "section": "scenario",
    "load": "scenario",
    "search_for": "scenario",
    "simulated": "scenario",
    "calibration": "records",
    "rates": "records",
    "health": "records",
    "last_word": "records",
    "loss": "records",
    "resolved": "records",
    "sessions": "records",
    "quota": "records",
    "searched": "records",
    "journal_log": "results",
    "journal_reader": "results",
    "kept": "results",
    "reopening": "assembly",
    "claim": "results",
    "reserve": "results",
    "worker_host": "records",
    "undelivered": "results",
    "collected": "results",
    "trial": "records",
    "effort": "records",
}
STAGES = ("wire", "workload", "measure", "price", "score", "scenario", "results", "loadgen", "simulator", "plugins")
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "records": (),
    "plugins": (),
    "kernel_clock": (),
    "wire": ("plugins",),
    "workload": ("plugins",),
    "measure": ("plugins",),
    "price": ("plugins",),
    "score": ("plugins",),
    "scenario": ("measure.slo", "plugins"),
    "results": (),
    "loadgen": ("scenario", "wire", "workload", "measure", "results", "kernel_clock"),
    "report": ("scenario", "measure", "price", "results", "plugins"),
    "simulator": ("wire", "workload", "kernel_clock"),
    "assembly": STAGES,
    "session": (*STAGES, "assembly"),  # runs inside Locust, so the command line may not import it
    "locustfiles": (*STAGES, "assembly", "session"),
    "cli": (*STAGES, "assembly", "report", "kernel_clock"),
}
PURE = {"wire", "workload", "measure", "price", "score"}
LOAD_MAKERS = {"loadgen", "session", "locustfiles"}
HOMES = {
    "locust": LOAD_MAKERS,
    "gevent": LOAD_MAKERS,
    "httpx": LOAD_MAKERS,
    "prometheus_client": LOAD_MAKERS,
    "pandas": {"report"},
}
WORKERS_LOAD = {"timing", "histogram", "recorder", "slo", "spread"}  # of measure/: a worker imports no scipy
IMPURE = {"print", "os.getenv", "os.environ", "os.putenv"}


def layer_of(path: str) -> str:
    """`harness/wire/sse.py` -> wire, `harness/scenario_file.py` -> scenario, `locustfiles/x.py` -> locustfiles."""
    parts = Path(path).with_suffix("").parts
    name = parts[1] if parts[0] == "harness" else parts[0]
    return LAYERS.get(name, name)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; a relative one keeps its leading dots."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                prefix = "." * level + (f"{module}." if module else "")
                yield from ((node.lineno, prefix + alias.name) for alias in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if ast.unparse(function).rpartition(".")[2] in {"import_module", "__import__"}:
                    yield node.lineno, name


def used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of every plain name and dotted name that the code mentions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, ast.unparse(node)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def ours(layer: str, name: str) -> str | None:
    """What is wrong with importing our own module `name` (without `harness.`) from `layer`."""
    package = name.partition(".")[0]
    target, allowed = LAYERS.get(package, package), ALLOWED.get(layer, ())
    if target in {layer, "errors", "records", "__version__", *allowed} or any(within(name, part) for part in allowed):
        return None
    return f"{layer} may not import {name}"


def foreign(path: str, layer: str, name: str) -> str | None:
    """What is wrong with importing somebody else's module `name` from this file."""
    package = name.partition(".")[0]
    if layer not in HOMES.get(package, {layer}):
        return f"{layer} may not import {package}"
    if layer in PURE and (package == "time" or name in IMPURE):
        return f"{name} in a pure module"
    if layer == "measure" and Path(path).stem in WORKERS_LOAD and package == "scipy":
        return "workers load this module, and it would load scipy"
    return None


def complaint(path: str, name: str) -> str | None:
    layer = layer_of(path)
    if name.startswith("."):
        return "relative import"
    if within(name, "harness"):
        return ours(layer, name.removeprefix("harness").removeprefix(".") or "__version__")
    return foreign(path, layer, name)


def violations(files: Mapping[str, str]) -> list[str]:
    """`path:line: what` for each breach of the rule in these sources, which are given by their path in the repository."""
    found = []
    for path, source in files.items():
        tree = ast.parse(source, path)
        found += [f"{path}:{line}: {wrong}" for line, name in imported(tree) if (wrong := complaint(path, name))]
        if layer_of(path) in PURE:
            found += [f"{path}:{line}: {name} in a pure module" for line, name in used(tree) if name in IMPURE]
    return found


def test_the_code_keeps_the_rule() -> None:
    """No file of the package or of locustfiles/ imports what its layer may not."""
    files = {
        str(path.relative_to(ROOT)): path.read_text()
        for folder in ("harness", "locustfiles")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != ROOT / "harness" / "__init__.py"
    }
    assert violations(files) == []


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("harness/wire/sse.py", "import harness.measure", "wire may not import measure"),
        ("harness/wire/sse.py", "from harness.measure import timing", "wire may not import measure.timing"),
        ("harness/wire/sse.py", "from harness import workload", "wire may not import workload"),
        ("harness/workload/prompts.py", "from harness.scenario import Load", "workload may not import scenario.Load"),
        ("harness/price/cost.py", "def f():\n    from harness.results import Run", "price may not import results.Run"),
        ("harness/score/runner.py", "if TYPE_CHECKING:\n    import harness.loadgen.user", "score may not import loadgen.user"),
        ("harness/measure/slo.py", "import_module('harness.report.join')", "measure may not import report.join"),
        ("harness/scenario.py", "from harness.measure import stats", "scenario may not import measure.stats"),
        ("harness/scenario_file.py", "from harness import loadgen", "scenario may not import loadgen"),
        ("harness/results.py", "from harness import scenario_file", "results may not import scenario_file"),
        ("harness/journal_reader.py", "import harness.measure", "results may not import measure"),
        ("harness/loadgen/user.py", "from harness.price.cost import cost", "loadgen may not import price.cost.cost"),
        ("harness/report/join.py", "from harness.loadgen import user", "report may not import loadgen.user"),
        ("harness/simulator/server.py", "from harness import scenario", "simulator may not import scenario"),
        ("harness/report/html.py", "from harness.cli import app", "report may not import cli.app"),
        ("locustfiles/closed_loop.py", "from harness.report import join", "locustfiles may not import report.join"),
        ("harness/loadgen/user.py", "from harness import session", "loadgen may not import session"),
        ("harness/cli/run.py", "from harness.session import begin", "cli may not import session.begin"),
        ("harness/wire/sse.py", "from . import http1", "relative import"),
        ("harness/wire/sse.py", "import locust.env", "wire may not import locust"),
        ("harness/cli/run.py", "from gevent import monkey", "cli may not import gevent"),
        ("harness/score/judge.py", "import httpx", "score may not import httpx"),
        ("harness/loadgen/user.py", "import pandas as pd", "loadgen may not import pandas"),
        ("harness/report/join.py", "import prometheus_client", "report may not import prometheus_client"),
        ("harness/measure/timing.py", "import time", "time in a pure module"),
        ("harness/price/contract.py", "from os import environ", "os.environ in a pure module"),
        ("harness/measure/recorder.py", "import scipy.stats", "workers load this module, and it would load scipy"),
        ("harness/workload/dataset.py", "import os\nx = os.environ['HOME']", "os.environ in a pure module"),
        ("harness/score/runner.py", "print('graded')", "print in a pure module"),
    ],
)  # fmt: skip
def test_a_planted_breach_is_found(path: str, source: str, wrong: str) -> None:
    """Each kind of forbidden import, wherever it is hidden, is reported with its place."""
    assert [f"{path}:{len(source.splitlines())}: {wrong}"] == violations({path: source})


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/wire/transcript.py", "from harness import plugins\nfrom harness.wire import sse\nimport harness.errors"),
        ("harness/scenario.py", "from harness.measure import slo\nfrom harness.measure.slo import parse"),
        ("harness/loadgen/user.py", "import time\nimport locust, httpx\nfrom harness.scenario_file import load\nos.environ"),
        ("harness/report/join.py", "import pandas, time\nfrom harness.price.cost import cost\nfrom harness import __version__"),
        ("harness/simulator/__main__.py", "import time\nfrom harness.workload.dataset import load"),
        ("harness/measure/stats.py", "import scipy.stats"),
        ("locustfiles/closed_loop.py", "from harness.loadgen import user\nimport gevent"),
        ("harness/cli/run.py", "from harness.report import join\nfrom harness.cli import app\nprint()"),
    ],
)  # fmt: skip
def test_what_is_allowed_passes(path: str, source: str) -> None:
    """The rule does not cry wolf over the imports that the design grants."""
    assert violations({path: source}) == []


def test_every_layer_is_known() -> None:
    """A new folder or file beside the layers needs a line in the rule, and a layer that is gone leaves it."""
    entries = (path for path in (ROOT / "harness").iterdir() if path.suffix in {"", ".py"})
    names = {layer_of(str(path.relative_to(ROOT))) for path in entries} - {"__init__", "__pycache__"}
    assert names == ALLOWED.keys() - {"locustfiles"}
