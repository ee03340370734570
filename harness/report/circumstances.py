"""The shape of what summary.json says of the measurement itself: client, calibration, names, state of the load."""

from decimal import Decimal
from typing import Literal

import msgspec


class ClientFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The load processes themselves, in the measure windows of a cell.

    cpu, wait      shares of one core: used, and waited for while ready to run; `max` is the busiest second of any process
    hub_lag        how long what comes at any moment waits until a process looks at its sockets; max is the longest gap
    read_lag       how long the newest bytes of a read had been readable
    coalesced      chunks that were read together with the one before, of all chunks; `late_coalesced` those of them that
                   signoff may have joined by looking late, the others came together
    late_first_token  answers whose first token was read late and together with later ones, of those that were streamed
    tokens_per_chunk  tokens that arrived, by usage, over chunks
    """

    cpu_ratio: float | None
    cpu_max_ratio: float | None
    wait_ratio: float | None
    wait_max_ratio: float | None
    hub_lag_p50_s: float | None
    hub_lag_p99_s: float | None
    hub_lag_max_s: float | None
    read_lag_p50_s: float | None
    read_lag_p99_s: float | None
    read_lag_max_s: float | None
    gc_pause_max_s: float | None
    backlog_max: int | None
    coalesced_ratio: float | None
    late_coalesced_ratio: float | None
    late_first_token_ratio: float | None
    tokens_per_chunk: float | None
    reason: dict[str, str] = {}


class LookUp(msgspec.Struct, frozen=True, kw_only=True):
    """A name and the addresses that it had, in the resolver's order; n workers looked it up, once each."""

    host: str
    port: int
    addresses: tuple[str, ...]
    n: int
    longest_s: float


class CalibrationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine was known to measure, held against the run's highest level.

    state         `none`: there was no calibration; `unreadable`: a file that is none; `fresh`; `doubtful`: see `doubts`
    failed        it was not within its tolerance at the level that is quoted
    users         the level of the calibration that is quoted: the lowest that is not below the run's, else its highest
    *_error_s     ours minus the truth there
    ceiling_per_s chunks that one load process can take in a second; at_least where something else was the limit
    needed_per_s  that one load process of the run took in a second, at the busiest endpoint of the highest level
    headroom      the lesser of their ratio and of a whole core / the part that was used; None for another machine's ceiling,
                  and for a calibration that was not within its tolerance
    """

    state: Literal["none", "unreadable", "fresh", "doubtful"]
    doubts: tuple[str, ...] = ()
    failed: bool = False
    created_utc: str | None = None
    users: int | None = None
    ttft_p50_error_s: float | None = None
    ttft_p99_error_s: float | None = None
    icl_p50_error_s: float | None = None
    icl_p99_error_s: float | None = None
    e2e_p50_error_s: float | None = None
    e2e_p99_error_s: float | None = None
    ceiling_per_s: float | None = None
    ceiling_is_at_least: bool = False
    needed_per_s: float | None = None
    headroom: float | None = None


class FrontierPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One load that a search has tried; `level` is its name among the endpoint's levels, from which the percentiles are.

    verdict    of all its `runs`; only `pass` is shown to hold. `cut_short`: it was ended early, for it was hopeless
    ttft_p99_s in an open loop from the intended arrival, as e2e_mean_s is; None, as itl_p99_s, where not estimable
    """

    level: str
    load: float
    verdict: Literal["pass", "fail", "unclear"]
    reason: str
    cut_short: bool
    runs: int
    requests: int
    offered_per_s: float
    achieved_per_s: float
    offered_tokens_per_s: float | None
    ttft_p99_s: float | None
    itl_p99_s: float | None
    e2e_mean_s: float | None = None
    goodput_per_s: float | None


class SearchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The largest load that holds the objectives at one endpoint, as `harness.searched` has it.

    knee   the load of most power, goodput over mean e2e: a hint, which decides nothing
    worth  of the answer at the search's settings, in words
    """

    unit: str
    end: str
    load: float | None
    at_least: bool
    above: float | None
    requests: int
    seconds: float
    knee: float | None
    worth: str | None = None
    frontier: tuple[FrontierPoint, ...]


class SteadyPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the requests of a window come to that arrived after a beginning unlike the rest; other figures are of all of it.

    n  whole answers among them; latencies are of these, in an open loop from the intended arrival; None where nothing streamed
    """

    from_s: float
    n: int
    ttft_p50_s: float | None
    ttft_p99_s: float | None
    e2e_p50_s: float | None
    e2e_p99_s: float | None
    answers_per_s: float


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """One measure window, from the intended arrivals to the ends of their responses.

    steady       None where the window is too short to tell, and where the load changes by plan, so that nobody looked
    part         where only a part was: what comes after the beginning; None where all of it was, or none
    in_flight    L, the mean number in the system; per_s lambda, arrivals a second; stay_s W, the mean time in the system
    little_gap_ratio  |L - lambda W| / L
    latency_change_percent  of e2e, from the beginning to the end of the window
    """

    repetition: int
    steady: bool | None
    planned: bool = False
    window_s: float
    part: SteadyPart | None
    in_flight: float
    per_s: float
    stay_s: float | None
    little_gap_ratio: float | None
    latency_change_percent: float | None
    words: str


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one endpoint at one level, measured again and again: in the repetitions of a run, or in several runs.

    n, missing     looks that have the figure, and that have not; `values` are in the order of the looks, None where missing
    mean           over looks, each of which counts once, however many requests it had
    deviation      standard deviation between looks
    interval       95 % interval of the mean, Student's t over looks
    between_ratio  0..1: how much of the variance of one look's figure lies between looks and not in the requests of a look;
                   where it is near 1 a longer look does not help, more looks do
    p              the chance that looks which are all alike differ as much
    """

    n: int
    missing: int
    values: tuple[float | None, ...]
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None
    between_ratio: float | None
    p: float | None
    reason: dict[str, str] = {}


class NoiseFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of an endpoint that was asked as two, paired by example.

    n, units    examples that both arms answered, and the clusters that they come in
    difference  of the first arm's mean minus the second's
    half_width  of its interval; the intervals of one level hold together at 95 %
    passes      whether the interval holds 0: where it does not, more than chance made the arms differ
    floor       the smallest difference that means something: half_width, and |difference| more where it does not pass
    """

    n: int
    units: int
    difference: float | None
    half_width: float | None
    passes: bool | None
    floor: float | None
    reason: dict[str, str] = {}


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """An A/A test: `levels` has the figures `ttft_s`, `tpot_s`, `e2e_s`, `success` and `usd_per_task` of each level."""

    endpoint: str
    again: str
    confidence: float
    levels: dict[str, dict[str, NoiseFigure]]


class SessionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a run that was gone on with.

    first_block  where it began
    state        of the run as it left it; `why`: what was found against the run then
    seconds      how long its load processes were there; None of the last one
    """

    number: int
    began_utc: str
    first_block: int
    workers: int
    seconds: float | None
    state: str
    why: tuple[str, ...]


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """What was begun of cells that a later session played again; `unpriced` attempts are not in `usd`."""

    attempts: int
    by_kind: dict[str, int]
    usd: Decimal | None
    unpriced: int


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run that was interrupted and gone on with; `usd` is for all its requests, those that were set aside included."""

    sessions: tuple[SessionFigures, ...]
    set_aside: SetAside
    usd: Decimal | None
