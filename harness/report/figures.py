"""The shape of summary.json: every figure of a run, by endpoint and level.

The rule: a figure that cannot be given is None, and `reason` of the same record says why under the figure's name.
"""

import json
from decimal import Decimal
from typing import Any

import msgspec

from harness.rates import Rates
from harness.records import Finding, load_in_words
from harness.report import circumstances
from harness.report.tries import AnswersTried

SUMMARY_VERSION = 1
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
CONFIDENCE = 0.95

Bounds = tuple[float, float]
UsdBounds = tuple[Decimal, Decimal]


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in seconds over the whole answers (`ok`, right or wrong) of a cell.

    n         values: one an attempt, or one a gap for icl and itl
    missing   whole answers that have no value
    unsent    arrivals that were never sent: no value, and later than every other; `beyond` are the statistics that they reach
    interval  95 % distribution-free interval of each percentile that is given
    bounds    of a statistic that is not given because it is known no better: it surely lies between them
    """

    n: int
    missing: int
    unsent: int = 0
    beyond: tuple[str, ...] = ()
    min: float | None = None
    mean: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    interval: dict[str, Bounds] = {}
    bounds: dict[str, Bounds] = {}
    reason: dict[str, str] = {}


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Every metric from one origin: `sent` for service, the intended arrival for scheduled. The gaps have no origin."""

    ttft_s: Distribution
    ttfo_s: Distribution
    icl_s: Distribution
    itl_s: Distribution
    tpot_s: Distribution
    e2e_s: Distribution


class LatencyAll(msgspec.Struct, frozen=True, kw_only=True):
    """The headline e2e with every attempt that gave no good answer at +infinity; None says `not reached` or not estimable.

    In an open loop what was dropped is among them.
    """

    n: int
    failed: int
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    reason: dict[str, str] = {}


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """The three denominators. attempted leaves out what was dropped unsent; by_kind adds up to offered."""

    offered: int
    attempted: int
    successful: int | None
    by_kind: dict[str, int]


class Proportion(msgspec.Struct, frozen=True, kw_only=True):
    """k of n with its 95 % interval; for success, attempts whose clusters repeat count for less than n."""

    k: int | None
    n: int
    ratio: float | None = None
    interval: Bounds | None = None
    reason: dict[str, str] = {}


class OutputRate(msgspec.Struct, frozen=True, kw_only=True):
    """Output tokens a second.

    system         tokens of the cell that arrived inside the window, per second of window; a lower bound while `uncounted` > 0
    per_user       median of 1 / TPOT
    uncounted      attempts with chunks inside the window whose tokens are unknown
    """

    system: float | None
    per_user: float | None
    uncounted: int
    reason: dict[str, str] = {}


class Goodput(msgspec.Struct, frozen=True, kw_only=True):
    """Who counts as good. completed and good are inside the window; tpot_skipped had one token, undetermined lack a stamp."""

    completed: int
    good: int
    tpot_skipped: int
    undetermined: int


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars of all attempts of the measure phase, failures included.

    total    over the `priced` attempts; while `unpriced` > 0 it and its ratios are lower bounds
    at_most  the same if every unpriced attempt cost as much as the dearest priced one
    per_task counts a conversation once, where per_attempt counts its turns; it and per_success leave out conversations that the
             end of their block cut
    interval 95 % interval of per_success; it holds what the unpriced attempts leave open, too
    """

    total: Decimal | None = None
    total_at_most: Decimal | None = None
    per_attempt: Decimal | None = None
    per_attempt_at_most: Decimal | None = None
    per_task: Decimal | None = None
    per_success: Decimal | None = None
    per_success_at_most: Decimal | None = None
    interval: UsdBounds | None = None
    priced: int
    unpriced: int
    reason: dict[str, str] = {}


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the attempts that reported the count; None where none did. source counts attempts by who counted.

    missing       attempts that streamed something and reported no output count
    cached_ratio  cached reads / input, over the `cached_n` attempts that reported both
    """

    input: int | None
    output: int | None
    cached_read: int | None
    reasoning: int | None
    cached_ratio: float | None
    cached_n: int
    source: dict[str, int]
    missing: int


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """One service-level objective at one endpoint and level. met is None where the value is not estimable.

    reason  why there is no value; where its bounds decide all the same, these
    """

    text: str
    value: float | None
    met: bool | None
    reason: str | None = None


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel saw of the TCP connections: of the way to the proxy or load balancer that ends them.

    rtt_s, min_rtt_s  round trip at the end of each whole answer: smoothed, and the least of the last minutes
    ttft_ratio        medians of least and smoothed round trip over the median TTFT: what of it is at least, and at most,
                      one round trip; a request larger than the congestion window needs more of them
    retransmits       segments of ours that were sent again; out_of_order: segments that came before an earlier one
    disturbed         attempts with either of them
    opened            connections that were opened in any phase, and by address; dns_s to tls_s are of these, and `missing` in
                      them are those that did without the step: of dns_s, those that had the answer from an earlier look-up
    """

    rtt_s: Distribution
    min_rtt_s: Distribution
    ttft_ratio: Bounds | None
    retransmits: int | None
    out_of_order: int | None
    disturbed: int
    opened: int
    addresses: dict[str, int]
    dns_s: Distribution
    connect_s: Distribution
    proxy_s: Distribution
    tls_s: Distribution
    reason: dict[str, str] = {}


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """How an open loop's schedule was kept, over the arrivals of the measure phases: not the later turns of conversations.

    offered_per_s     arrivals that were due, a second of schedule; `sent_per_s` those of them that were sent
    dropped           never sent, for no user was free in time; `waited` found all users busy, and were sent later
    wait_s            intended arrival to dispatch; lateness_s without the wait for a free user, so what is ours
    """

    arrivals: int
    offered_per_s: float | None
    sent_per_s: float | None
    dropped: int
    waited: int
    wait_s: Distribution
    lateness_s: Distribution


class TurnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts at one turn (from 0) of conversations; `ttft_s` of whole answers and from the sending.

    cached_ratio  share of the input tokens that was read from a cache, where both are told
    """

    turn: int
    n: int
    ttft_s: Distribution
    input_tokens_mean: float | None
    cached_ratio: float | None


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    """Those of a level. `not_reached` turns were not sent, and some of these because a turn before them failed or was dropped;
    the others because their block closed.
    """

    n: int
    not_reached: int
    not_reached_after_failure: int
    turns: tuple[TurnFigures, ...]


class LevelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint at one level, over all repetitions: a cell. `rate` and `dispatch` are of open loops, else None.

    tried        of evaluations, and so answer_s: first dispatch to last token of whole answers, with retries and waits
    repetitions  every figure of `report.repeated` over the repetitions; empty where there is one
    """

    concurrency: int
    rate: float | None
    window_s: float | None
    attempts: Attempts
    service: Latency
    scheduled: Latency
    done_s: Distribution
    connect_wait_s: Distribution
    dispatch: Dispatch | None
    steady: tuple[circumstances.Steady, ...]
    network: Network
    latency_all: LatencyAll
    output_tokens_per_s: OutputRate
    requests_per_s: float | None
    goodput_per_s: float | None
    goodput: Goodput | None
    success: Proportion
    errors: Proportion
    usd: Spend
    tokens: Tokens
    client: circumstances.ClientFigures
    slo: tuple[ObjectiveResult, ...]
    conversations: Conversations | None = None
    repetitions: dict[str, circumstances.Repeated] = {}
    reason: dict[str, str] = {}
    tried: AnswersTried | msgspec.UnsetType = msgspec.UNSET
    answer_s: Distribution | msgspec.UnsetType = msgspec.UNSET

    @property
    def headline(self) -> Latency:
        """In an open loop from the intended arrival: a wait that users had is latency, wherever they waited."""
        return self.service if self.rate is None else self.scheduled

    @property
    def load(self) -> float:
        """What its level is a level of: users, or arrivals a second."""
        return self.concurrency if self.rate is None else self.rate

    @property
    def words(self) -> str:
        return load_in_words(self.concurrency, self.rate)


class EndpointFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`peak` is the level of highest load; of a search the answer, or the least load where there is none."""

    model: str
    simulated: bool
    proxy: str | None
    rates: Rates | None
    peak: str
    levels: dict[str, LevelFigures]
    search: circumstances.SearchFigures | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The best endpoint minus another one, paired by example.

    interval         of the difference; holds together with all other differences of the comparison at its confidence
    distinguishable  the interval lies wholly on the best one's side of zero; None where there is no interval
    """

    other: str
    value: float | None
    interval: Bounds | None
    distinguishable: bool | None
    reason: str | None = None


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Who is best at one figure (`success`, `e2e_s` or `usd_per_success`) and how surely.

    best      None where fewer than two endpoints can be ranked
    unranked  endpoints that lack the figure, or have it over too few clusters
    """

    figure: str
    best: str | None
    differences: tuple[Difference, ...]
    unranked: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    level: str
    confidence: float
    rankings: tuple[Ranking, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`peak` is the highest of the endpoints' own peaks.

    verdict  `VALID`, or `INVALID(...)` with the codes of the findings that say so
    quotas   what the load met of rate limits, in sentences; `reused` the same of requests that were to repeat
    hosts    those other than the master's, and how far their clocks are from its own, in sentences
    covers_s from the first measure window to the end of the last; `variation` says what that cannot show, if anything
    noise    of a run that asked one endpoint as two; `sessions` of one that was gone on with
    """

    v: int = SUMMARY_VERSION
    run_id: str
    scenario: str
    signoff: str
    created_utc: str
    state: str
    valid: bool
    verdict: str
    scorer: str | None
    seed: int
    design: str
    repetitions: int
    peak: str
    endpoints: dict[str, EndpointFigures]
    comparison: Comparison | None
    names: tuple[circumstances.LookUp, ...]
    calibration: circumstances.CalibrationFigures
    quotas: tuple[str, ...]
    reused: tuple[str, ...] = ()
    hosts: tuple[str, ...]
    covers_s: float
    variation: str | None
    noise: circumstances.Noise | None
    sessions: circumstances.Sessions | None
    findings: tuple[Finding, ...]
    torn_lines: int


def rounded(summary: Summary) -> Summary:
    """With twelve digits of each number: the last of sixteen depend on how a processor adds up, and files shall not."""
    plain = _rounded(msgspec.to_builtins(summary, builtin_types=(Decimal,)))
    return msgspec.convert(plain, Summary, builtin_types=(Decimal,))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def encode(summary: Summary) -> bytes:
    """summary.json: same summary, same bytes. Decimals are strings without an exponent; infinities and NaN are errors."""
    plain = msgspec.to_builtins(summary, builtin_types=(Decimal,))
    return json.dumps(plain, indent=1, allow_nan=False, default=_plain_decimal).encode() + b"\n"


def _plain_decimal(value: object) -> str:
    assert isinstance(value, Decimal), f"summary holds a {type(value).__name__}"
    return f"{value:f}"
