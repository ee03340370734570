"""One large made-up run, built once: it has every kind of trouble that a report must survive."""

from collections.abc import Callable
from pathlib import Path

import fabricated
import pytest

from harness.records import Finding
from harness.report.build import Built, build

SLO = (
    "ttft.p99 <= 800 ms",
    "scheduled.e2e.p95 <= 1 s",
    "success >= 92 %",
    "usd_per_success <= 0.001 USD",
    "errors <= 1 %",
    "itl.p99 <= 30 ms",
)
HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m \u202egnp.exe"


def write_troubled(path: Path) -> Path:
    """alpha is good and dear; beta cheap, slow and often failing; gamma never answers; delta has one attempt and no price."""
    return fabricated.write(
        path,
        [
            fabricated.Candidate("alpha", ttft_s=0.18, itl_s=0.012, accuracy=0.95, rates=fabricated.rates("2.50", "10.00")),
            fabricated.Candidate(
                "beta",
                ttft_s=0.35,
                accuracy=0.8,
                rates=fabricated.rates("0.15", "0.60"),
                kinds={"http_rate_limited": 0.03, "stream_truncated": 0.02, "refused": 0.02, "timeout_first_token": 0.01},
                without_usage=0.05,
                coalesced=0.1,
            ),
            fabricated.Candidate("gamma", ttft_s=0.5, kinds={"http_server_error": 1.0}, rates=fabricated.rates("1", "2")),
            fabricated.Candidate("delta", most=1),
        ],
        slo=SLO,
        findings=(Finding(code="clock_step", what=f"the clock stepped {HOSTILE}", why="stamps moved", remedy="run chronyd"),),
        error=HOSTILE,
    )


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(write_troubled(tmp_path_factory.mktemp("report") / "run"))


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[str], Path]:
    """Write the same run again under another name."""
    return lambda name: write_troubled(tmp_path / name)
