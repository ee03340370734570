"""calibration.json: what `signoff calibrate` found out about one machine, against a server whose truth is known.

The rule: it speaks for the machine, the versions and the load that stand in it, and for no other. Errors are ours minus the
truth, in seconds; what could not be measured is None.
"""

from typing import Any, Literal

from harness.records import Finding, Frozen

CALIBRATION_VERSION = 1


class KnownLoad(Frozen, frozen=True, kw_only=True):
    """The load that it was made for: so many users, one after another, with answers of so many tokens, one a chunk.

    users           over all load processes, as everywhere here
    stream          whether answers came token by token; where not, each is one chunk
    seconds         of each measured step
    simulator_core  that the simulator was kept on, and client_cores the load processes; none where they were not
    priority        how the simulator was preferred: `fifo`, `nice`, or `none` where that is not permitted
    """

    users: tuple[int, ...]
    processes: int
    prompt_bytes: int
    tokens: int
    ttft_s: float
    gap_s: float
    seconds: float
    stream: bool
    tls: bool
    simulator_core: int | None
    client_cores: tuple[int, ...]
    priority: Literal["fifo", "nice", "none"]

    def of_one(self, users: int) -> int:
        """The most of so many users that one load process has."""
        return -(-users // self.processes)


class ErrorFigures(Frozen, frozen=True, kw_only=True):
    """One metric over n values: the truth's p50 and p99, and how much ours were above them (negative: below)."""

    n: int
    p50_s: float | None
    p50_error_s: float | None
    p99_s: float | None
    p99_error_s: float | None


class LevelCalibration(Frozen, frozen=True, kw_only=True):
    """One number of users.

    attempts     whole answers of the measure phase that were found in the truth; `unmatched` were not
    chunks_per_s that arrived inside the window: the rate that this level needs
    cpu_ratio    of one core, by each load process that had users, in the mean; cpu_s_per_chunk over all of them
    headroom     how often the machine could do that: the lesser of ceiling / needed rate and of a whole core / the part used;
                 None where this was not measured, which says that it could not be done once
    simulator_*  how late the simulator was in sending, by its own schedule
    is_measured  whether every error is within tolerance and the client was fast enough; `findings` say what was not
    """

    users: int
    attempts: int
    unmatched: int
    window_s: float
    chunks_per_s: float
    ttft: ErrorFigures
    icl: ErrorFigures
    tpot: ErrorFigures
    e2e: ErrorFigures
    read_lag_p50_s: float | None
    read_lag_p99_s: float | None
    coalesced_ratio: float | None
    cpu_ratio: float | None
    cpu_s_per_chunk: float | None
    headroom: float | None
    simulator_late_p50_s: float | None
    simulator_late_p99_s: float | None
    is_measured: bool
    findings: tuple[Finding, ...] = ()


class Ceiling(Frozen, frozen=True, kw_only=True):
    """The most that one load process did in a second with `users` users and nothing to wait for.

    limited_by  `client`: its core was full of its work, so this is its ceiling. It is higher where the `simulator` was the
                limit, and the core had slack, or `others`, who used the core for more than a tenth of the time; and may be
                where that is `unknown`
    """

    users: int
    per_s: float
    cpu_ratio: float | None
    limited_by: Literal["client", "simulator", "others", "unknown"]


class Calibration(Frozen, frozen=True, kw_only=True):
    """The whole file. `host` and `versions` are as in a run's manifest."""

    v: int
    signoff: str
    created_utc: str
    host: dict[str, Any]
    versions: dict[str, str]
    load: KnownLoad
    levels: tuple[LevelCalibration, ...]
    tokens: Ceiling
    requests: Ceiling

    @property
    def ceiling(self) -> Ceiling:
        """Of answers like those that it was made for, in chunks."""
        return self.tokens if self.load.stream else self.requests
