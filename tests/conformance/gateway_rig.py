"""signoff -> LiteLLM -> simulator, on 68 real tickets: every attempt is held against what the simulator really sent."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.journal_reader import Attempt
from harness.measure import timing
from harness.records import AttemptEnd
from harness.results import Run
from harness.simulator.truth import Delivery
from tests.conformance import commands
from tests.conformance.figures import spread_ms, table, whole
from tests.conformance.litellm_proxy import KEY_VARIABLE, gateway

SCENARIO = "tickets.yaml"
TICKETS = commands.HERE.parents[2] / "shared" / "data" / "domain" / "insurance_tickets" / "test.tsv"
LABELLED = 68
EARLY_NS = 1_000_000  # both sides stamp on one clock; what is later in truth may be stamped this much earlier

WITH_KEY = ("--api-key-env", KEY_VARIABLE)
# model, options of the probe, and the kind that signoff must give the answer
REFUSALS: list[tuple[str, tuple[str, ...], str]] = [
    ("nobody", WITH_KEY, "http_bad_request"),  # a name that the gateway does not know
    ("down", WITH_KEY, "http_server_error"),  # its server does not run
    ("steady", (), "http_server_error"),  # no key: without a data base LiteLLM fails where it should refuse
]


def check(rigs: Path) -> list[str]:
    """Runs the rig; says what it saw, and returns what is wrong."""
    if not TICKETS.exists():
        print(f"the gateway rig is left out: its tickets are not there ({TICKETS.name})")
        return []
    key = "sk-" + secrets.token_hex(8)
    truth = rigs / "truth.jsonl"
    with commands.simulating(SCENARIO, truth) as urls:
        upstreams = {**urls, "down": "http://127.0.0.1:9/v1"}
        with gateway(rigs / "litellm", upstreams, key) as url:
            run = commands.run(SCENARIO, _through(url, urls), rigs / "runs", {KEY_VARIABLE: key})
            wrong = list(_refusals(url, key))
    delivered = [msgspec.json.decode(line, type=Delivery) for line in truth.read_bytes().splitlines()]
    print(table(run))
    return [*wrong, *_compare(run, delivered)]


def _through(url: str, candidates: dict[str, str]) -> list[str]:
    """The overrides that send each candidate's calls to the gateway."""
    texts = ("simulated=null", f"base_url={url}", f"api_key_env={KEY_VARIABLE}")
    return [f"endpoints.{name}.{text}" for name in candidates for text in texts]


def _refusals(url: str, key: str) -> Iterator[str]:
    for model, options, expected in REFUSALS:
        attempt = commands.probe(url, model, {KEY_VARIABLE: key}, *options)
        print(f"{model} {' '.join(options)}: HTTP {attempt['http_status']}, {attempt['kind']}: {attempt['error']}")
        if attempt["kind"] != expected:
            yield f"{model} {' '.join(options)} is {attempt['kind']}, not {expected}"


def _compare(run: Run, delivered: list[Delivery]) -> Iterator[str]:
    """Every attempt has a delivery of its own: the same tokens, an order that causality allows, and the grade it deserves."""
    added = []
    pairs = _pairs(run, delivered)
    for attempt, end, truth in pairs:
        yield from _differences(run, attempt, end, truth)
        ttft_ns = timing.ttft_ns(end)
        if ttft_ns is not None:
            added.append(ttft_ns - (truth.sent_ns[0] - truth.received_ns))
    print(f"{len(pairs)} of {len(run.attempts)} attempts stand in the truth; the gateway adds {spread_ms(added)} to TTFT")
    seen = {attempt.start.example for attempt in run.attempts}
    if len(seen) != LABELLED or len(pairs) != len(run.attempts) or run.torn:
        yield f"{len(seen)} tickets were asked, {len(pairs)} of {len(run.attempts)} attempts matched, {run.torn} lines torn"


def _pairs(run: Run, delivered: list[Delivery]) -> list[tuple[Attempt, AttemptEnd, Delivery]]:
    """Attempts with their deliveries. Where two of one ticket overlap, the attempt that has less choice goes first."""
    possible = [(attempt, end, [each for each in delivered if _caused(each, attempt, end)]) for attempt, end in whole(run)]
    pairs, taken = [], set()
    for attempt, end, choice in sorted(possible, key=lambda row: len(row[2])):
        truth = next((each for each in choice if (each.candidate, each.n) not in taken), None)
        if truth is not None:
            taken.add((truth.candidate, truth.n))
            pairs.append((attempt, end, truth))
    return pairs


def _caused(delivery: Delivery, attempt: Attempt, end: AttemptEnd) -> bool:
    """Whether the delivery can be the attempt's: the same ticket, received after it was sent, spoken before it was heard."""
    if (delivery.candidate, delivery.example) != (attempt.start.endpoint, attempt.start.example):
        return False
    if end.sent_ns is None or end.last_token_ns is None or not delivery.sent_ns:
        return False
    first_ns = end.last_token_ns if end.first_token_ns is None else end.first_token_ns  # None: all came in one read
    in_order = end.sent_ns <= delivery.received_ns + EARLY_NS and delivery.sent_ns[0] <= first_ns + EARLY_NS
    return in_order and delivery.sent_ns[-1] <= end.last_token_ns + EARLY_NS


def _differences(run: Run, attempt: Attempt, end: AttemptEnd, truth: Delivery) -> Iterator[str]:
    if end.kind != "ok":
        yield f"attempt {end.id} is {end.kind}: {end.error}"
        return
    usage = end.usage
    counted = None if usage is None else (usage.output_tokens, usage.input_tokens)
    if counted != (truth.completion_tokens, truth.prompt_tokens):
        yield f"attempt {end.id}: {counted} output and input tokens, in truth {truth.completion_tokens}, {truth.prompt_tokens}"
    assert end.answer_sha256 is not None, "an attempt that is ok has an answer"
    row = run.grades.get((attempt.start.example, end.answer_sha256))
    if row is None or row.grade.passed != truth.right:
        yield f"attempt {end.id}: graded {row and row.grade.passed}, in truth {truth.right}"
