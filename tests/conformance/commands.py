"""signoff as a user runs it: the commands of the rigs, and the run directory read back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.results import Run, read_run
from tests.conformance.server import running

SIGNOFF = str(Path(sys.executable).with_name("signoff"))
HERE = Path(__file__).parent
ENDED = {0, 99}  # 99: an objective was missed, which is a result


def run(scenario: str, overrides: Sequence[str], out: Path, environment: Mapping[str, str]) -> Run:
    """`signoff run`, its scorecard on our terminal; the run directory is a new one in `out`."""
    words = [SIGNOFF, "run", str(HERE / scenario), "--out", str(out), "--metrics", ""]
    for override in overrides:
        words += ["--set", override]
    print("$", " ".join(words), flush=True)
    code = subprocess.run(words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, check=False).returncode
    if code not in ENDED:
        raise SystemExit(f"signoff run ended with {code}")
    return read_run((out / "latest").resolve())


def probe(url: str, model: str, environment: Mapping[str, str], *options: str) -> dict[str, Any]:
    """The one attempt of `signoff probe`, as it prints it."""
    words = [SIGNOFF, "probe", url, "--model", model, "--json", *options]
    printed = subprocess.run(words, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True).stdout
    attempt: dict[str, Any] = json.loads(printed)
    return attempt


@contextmanager
def simulating(scenario: str, truth: Path) -> Iterator[dict[str, str]]:
    """`signoff simulate`; yields the base URL of each candidate. The truth is whole when the body is done."""
    words = [SIGNOFF, "simulate", str(HERE / scenario), "--port", "0", "--truth", str(truth)]
    with running(words, environment={}, folder=HERE, stdout=subprocess.PIPE, stderr=None) as child:
        assert child.stdout is not None, "asked for above"
        yield json.loads(child.stdout.readline())
