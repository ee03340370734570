"""A calibration of this machine that says what a test wants."""

from typing import Any

import harness
from harness.calibration import CALIBRATION_VERSION, Calibration, Ceiling, ErrorFigures, KnownLoad, LevelCalibration
from harness.loadgen import prepare

_ERROR = ErrorFigures(n=500, p50_s=0.2, p50_error_s=0.0, p99_s=0.4, p99_error_s=0.0)
_CEILING = Ceiling(users=64, per_s=100_000.0, cpu_ratio=0.99, limited_by="client")


def calibrated(*, users: int, chunks_per_s: float, headroom: float | None) -> Calibration:
    """One level, measured by one process."""
    unknown: dict[str, Any] = dict.fromkeys(
        (
            *("read_lag_p50_s", "read_lag_p99_s", "coalesced_ratio", "cpu_ratio", "cpu_s_per_chunk"),
            *("simulator_late_p50_s", "simulator_late_p99_s"),
        )
    )
    level = LevelCalibration(
        users=users,
        attempts=500,
        unmatched=0,
        window_s=10.0,
        chunks_per_s=chunks_per_s,
        ttft=_ERROR,
        icl=_ERROR,
        tpot=_ERROR,
        e2e=_ERROR,
        headroom=headroom,
        is_measured=True,
        **unknown,
    )
    load = KnownLoad(
        users=(users,),
        processes=1,
        prompt_bytes=200,
        tokens=128,
        ttft_s=0.2,
        gap_s=0.02,
        seconds=10.0,
        stream=True,
        tls=False,
        simulator_core=0,
        client_cores=(1,),
        priority="fifo",
    )
    return Calibration(
        v=CALIBRATION_VERSION,
        signoff=harness.__version__,
        created_utc="2026-01-01T00:00:00+00:00",
        host=prepare.host(),
        versions=prepare.versions(),
        load=load,
        levels=(level,),
        tokens=_CEILING,
        requests=_CEILING,
    )
