"""The vocabulary: every value that crosses a file. Immutable, typed, and the same words everywhere.

Stamps end in `_ns` and are on the monotonic clock of one host; seconds, US dollars and ratios are named so. Missing is None:
nothing here has a default that could be mistaken for a measurement.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from harness.health import Health
from harness.last_word import LastWord
from harness.loss import Loss
from harness.quota import Quota
from harness.rates import Rates
from harness.resolved import Resolved
from harness.searched import Searched
from harness.sessions import Session
from harness.trial import Trial
from harness.worker_host import WorkerHost

SCHEMA_VERSION = 1


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what is written to files: fields at their default are left out. The garbage collector need not walk it."""


class Message(Frozen, frozen=True):
    role: str
    content: str


class Example(Frozen, frozen=True):
    """One row of the team's data set: what production asked, and what a right answer is.

    inputs     the values that the prompt template names
    expected   what the scorer compares with; None where a judge decides alone
    reference  a full answer that is right, in the form a good model would give it; the simulator answers with it
    cluster    rows that share a document, patient or contract are not independent: statistics use this
    turns      what the user says in a conversation, in order: all of it, or where there are inputs what follows the template's
    """

    id: str
    inputs: dict[str, Any]
    expected: Any = None
    reference: str | None = None
    cluster: str | None = None
    released_at: str | None = None
    turns: tuple[str, ...] = ()


class Call(Frozen, frozen=True):
    """One prompt as an endpoint gets it, before any dialect has spelled it.

    max_tokens  of the answer, where the load says how long it is to be; `once`: it will not be asked again
    nonce       what stands before the prompt of its example, in `messages` already; None for nothing
    later       of a conversation: what its user says to each answer that comes; None for any other call
    """

    example: str
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    once: bool = False
    nonce: str | None = None
    later: tuple[str, ...] | None = None


class Target(Frozen, frozen=True):
    """Where a call goes and how it is asked; everything a dialect needs but the key."""

    base_url: str
    model: str
    stream: bool = True
    parameters: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    extra_body: Mapping[str, Any] = {}


class WireRequest(Frozen, frozen=True):
    """A request as bytes. `headers` may hold the key: never logged, never written."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Usage(Frozen, frozen=True):
    """Tokens of one attempt in one shape: `input_tokens` includes cached reads and writes, `output_tokens` reasoning."""

    input_tokens: int | None = None
    cached_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None  # the server's own sum, to check it by
    source: Literal["server", "tokenizer"] = "server"


class Ending(enum.StrEnum):
    """How the exchange ended on the wire, before anybody looks at what was said."""

    COMPLETE = "complete"  # the message is whole by its own framing (length, last chunk, or close where that is the framing)
    EOF = "eof"  # closed inside the message
    RESET = "reset"  # reset inside the message
    NO_RESPONSE = "no_response"  # closed, reset or garbage before a status line
    PROTOCOL = "protocol"  # not HTTP, or HTTP that breaks its own framing
    OVERSIZE = "oversize"
    DNS = "dns"
    REFUSED = "refused"
    TLS = "tls"
    CONNECT = "connect"  # any other failure to connect
    PROXY = "proxy"  # the proxy on the way did not let us through
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_HEADERS = "timeout_headers"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"  # noqa: S105
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    CANCELLED = "cancelled"  # the run ended first
    UNSENT = "unsent"  # it was not sent in time: our own share of the declared quota did not let it go


class Deadlines(Frozen, frozen=True):
    """Absolute limits of one attempt, in seconds, each from `sent` (connect: of what we wait for others before it).

    idle runs from the last token, not from the last byte: keep-alive comments and drips reset none of these.
    """

    connect: float = 10.0
    headers: float = 60.0
    first_token: float = 120.0
    idle: float = 60.0
    total: float = 600.0


class Phase(enum.StrEnum):
    WARMUP = "warmup"
    MEASURE = "measure"
    DRAIN = "drain"


def load_in_words(concurrency: int, rate: float | None) -> str:
    return f"{concurrency} users" if rate is None else f"{rate:.4g} requests/s"


class Block(Frozen, frozen=True):
    """One step of the plan: a load on one endpoint for so long (0: till all is asked). Those of one `cell` do not stop between.

    concurrency  most requests in flight; in a closed loop always so many
    rate         arrivals a second in an open loop, on average; `speed` of a trace, as a multiple of its own
    step         blocks of the same step run at once, each with users of its own; None: it runs alone
    requests     it ends when its users have made so many together; None: when its time is over
    """

    id: int
    cell: int
    endpoint: str
    level: str
    concurrency: int
    phase: Phase
    seconds: float
    repetition: int = 0
    rate: float | None = None
    speed: float | None = None
    step: int | None = None
    requests: int | None = None

    @property
    def words(self) -> str:
        return load_in_words(self.concurrency, self.rate)


class JournalHead(Frozen, frozen=True, tag_field="t", tag="head"):
    """First line of a worker's journal: who wrote it, and the anchor that ties its clock to the wall."""

    v: int
    run: str
    worker: int
    pid: int
    host: str
    monotonic_ns: int
    wall_ns: int
    session: int = 0


class BlockMark(Frozen, frozen=True, tag_field="t", tag="block"):
    """A worker entered a block (`edge` open) or left it (close) at this moment; the measure window is what lies between."""

    block: int
    edge: Literal["open", "close"]
    at_ns: int
    users: int


class AttemptStart(Frozen, frozen=True, tag_field="t", tag="start"):
    """Written at dispatch. A start without an end is an attempt lost with its worker.

    scheduled_ns   when an open loop meant to send it; None in a closed loop
    dispatched_ns  when a user began with it; None where none ever did: it was dropped
    waited_ns      how long before that all users were busy, so how much of the time from scheduled to dispatched is not ours
    nonce          what stood before the example's prompt; example and nonce are the same where the whole prompt was
    turn           its place in its conversation, from 0; `turns` is how many that is to have, and `conversation` the id of its
                   first attempt. None outside of conversations, as `trial` is outside of evaluations
    """

    id: str
    endpoint: str
    level: str
    phase: Phase
    block: int
    example: str
    user: int
    dispatched_ns: int | None
    scheduled_ns: int | None = None
    waited_ns: int = 0
    nonce: str | None = None
    turn: int | None = None
    turns: int | None = None
    conversation: str | None = None
    trial: Trial | None = None

    @property
    def is_last(self) -> bool:
        """Its answer is the one to grade: the only one, or that of the conversation's last turn."""
        return self.turn is None or self.turns is None or self.turn + 1 == self.turns


class LateJoin(Frozen, frozen=True, array_like=True):
    """Chunks that were read together in a read that came late: what is known of when they came.

    gap_ns   from the read before to this one; None for the first. `chunks`: how many but the last, whose stamp it is
    wait_ns  how long before the stamp of this read its socket had been found empty: all its chunks came within that time
    """

    gap_ns: int | None
    wait_ns: int
    chunks: int


class Apart(Frozen, frozen=True, array_like=True):
    """Chunks that were read together, in time, but came in several segments: looking may have joined them."""

    gaps: tuple[tuple[int, int], ...]  # to each such read, as (bucket index, count)
    chunks: int  # that came before the last of their read, at most
    wait_ns: int  # by how much, at most
    first_ns: int | None = None  # the same of the first token; None where it came alone or in one segment


class AttemptEnd(Frozen, frozen=True, tag_field="t", tag="end"):
    """Written exactly once. The kind is the verdict on the attempt; stamps that never happened are None.

    dns_ns          look-up, connect, the proxy's answer to CONNECT and TLS, each where this attempt opened its connection: what
                    the others took, without our own work and wait for a turn. A look-up that several attempts share is in one
                    of them; connect is of the address that accepted, to the drain that saw it; TLS and proxy are from each
                    flight of ours to the arrival of the last bytes of the answer. `address` is what it connected to: the
                    proxy's, where there is one
    rtt_ns          round trip as the kernel has it at the end of the attempt, smoothed, and the least of the last minutes; of
                    the TCP connection, so to the proxy or load balancer that ends it
    retransmits     segments of ours that were sent again since the attempt before on this connection (or since it was opened,
                    its handshake included); out_of_order: segments that arrived before an earlier one, in the same time
    limited_ns      how long it waited for our own share of the declared quota, before it was sent; None where none is declared
    chunks          token-carrying events; `coalesced` of them were read together with the one before, so give no gap, and
                    `late_coalesced` of those in a read that came late (`late_joins`), so that it may be us who joined them
    first_read_...  chunks that came in the read with the first token, and their tokens where those are known
    clamped         reads whose kernel stamp was, or may have been, earlier than the bytes were readable; unstamped: without one
    window_chunks   how many of them arrived inside the measure window of the attempt's cell
    apart           what of `coalesced` looking once a millisecond may have joined, though it was not late; None for nothing
    icl             gaps between reads that carried tokens, as (bucket index, count) of `measure.histogram`; icl_max_ns is exact
    itl             the same per token, where the tokens of each chunk are known and it differs from icl; else None
    quota           what its headers told of rate limits; None where they told nothing
    """

    id: str
    kind: str
    flags: tuple[str, ...] = ()
    http_status: int | None = None
    sent_ns: int | None = None
    headers_ns: int | None = None
    first_byte_ns: int | None = None
    first_token_ns: int | None = None
    first_output_ns: int | None = None
    last_token_ns: int | None = None
    done_ns: int | None = None
    limited_ns: int | None = None
    dns_ns: int | None = None
    connect_ns: int | None = None
    proxy_ns: int | None = None
    tls_ns: int | None = None
    rtt_ns: int | None = None
    min_rtt_ns: int | None = None
    retransmits: int | None = None
    out_of_order: int | None = None
    address: str | None = None
    reused: bool = False
    stale_retry: bool = False
    chunks: int = 0
    first_read_chunks: int = 0
    first_read_tokens: int | None = None
    coalesced: int = 0
    late_coalesced: int = 0
    clamped: int = 0
    unstamped: int = 0
    window_chunks: int = 0
    lag_max_ns: int | None = None
    icl: tuple[tuple[int, int], ...] = ()
    icl_max_ns: int | None = None
    late_joins: tuple[LateJoin, ...] = ()
    apart: Apart | None = None
    itl: tuple[tuple[int, int], ...] | None = None
    usage: Usage | None = None
    finish: str | None = None
    model: str | None = None
    answer_sha256: str | None = None
    answer_chars: int | None = None
    error: str | None = None
    error_code: str | None = None
    quota: Quota | None = None


class Finding(Frozen, frozen=True, tag_field="t", tag="finding"):
    """A doubt about the measurement: what was seen, why it matters, what to do. `invalid` ones make the run INVALID."""

    code: str
    what: str
    why: str
    remedy: str
    invalid: bool = False


JournalLine = JournalHead | BlockMark | Resolved | AttemptStart | AttemptEnd | Health | Finding | LastWord


class Answer(Frozen, frozen=True):
    """The text of one attempt: what grading reads. Lives in answers-*.jsonl alone."""

    id: str
    example: str
    endpoint: str
    text: str


class Grade(Frozen, frozen=True):
    """What a scorer says of one answer. score is in 0..1; `parsed` False: the answer could not be read, which is a miss."""

    score: float
    passed: bool
    parsed: bool = True
    detail: str | None = None


class GradeRow(Frozen, frozen=True):
    """A line of scores.jsonl: one grade per distinct answer to an example, so a repeated answer is graded once."""

    example: str
    answer_sha256: str
    scorer: str
    grade: Grade


Scorer = Callable[[str, Example], Grade]


class Manifest(Frozen, frozen=True):
    """Written first, updated at the end: all that is needed to read the journals again on another machine.

    urls      where each endpoint was called; the scenario has no address for a simulated one
    searches  one for each endpoint where the plan is a search, which grows; `losses`: workers that left before the end
    played    the cells that were played whole and drained, or given up and planned again
    sessions  where the run was interrupted and gone on with: all of them
    """

    v: int
    run_id: str
    signoff: str
    created_utc: str
    state: Literal["planned", "running", "complete", "interrupted", "degraded", "failed_storage", "stopped_by_guard"]
    scenario: dict[str, Any]
    scenario_sha256: str
    dataset: dict[str, Any]
    clusters: dict[str, str]
    seed: int
    plan: tuple[Block, ...]
    rates: dict[str, Rates | None]
    urls: dict[str, str]
    host: dict[str, Any]
    versions: dict[str, str]
    trace_sha256: str | None = None
    trace_unanswered: int = 0  # requests of its window that are left out of the replay
    findings: tuple[Finding, ...] = ()
    workers: int = 1
    finished_utc: str | None = None
    searches: tuple[Searched, ...] = ()
    hosts: tuple[WorkerHost, ...] = ()
    losses: tuple[Loss, ...] = ()
    played: tuple[int, ...] = ()
    sessions: tuple[Session, ...] = ()
