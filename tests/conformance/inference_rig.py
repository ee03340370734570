"""signoff -> witness -> `transformers serve`: every attempt is held against what an independent relay saw pass."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness.records import AttemptEnd
from harness.results import Run
from tests.conformance import commands
from tests.conformance.figures import spread_ms, table, whole
from tests.conformance.transformers_serve import MODEL, inference_server
from tests.conformance.witness import Testimony, Witness

SCENARIO = "nonsense.yaml"
EARLY_NS, LATE_NS = 1_000_000, 50_000_000  # signoff's stamp against the relay's; late is a busy machine, early cannot be
NO_TEXT = hashlib.sha256(b"").hexdigest()

REFUSALS = [  # model, what comes after the port, and the kind that signoff must give the answer
    ("nobody", "/v1", "http_bad_request"),
    (MODEL, "/v2", "http_not_found"),
]


def check(rigs: Path) -> list[str]:
    """Runs the rig; says what it saw, and returns what is wrong."""
    with inference_server(rigs / "transformers", rigs) as url:
        port = urlsplit(url).port
        assert port is not None, "our own URL has one"
        witness = Witness(port)
        with witness.watching():
            base = f"endpoints.tiny.base_url=http://127.0.0.1:{witness.port}/v1"
            run = commands.run(SCENARIO, [base], rigs / "runs", {})
        wrong = list(_refusals(url.removesuffix("/v1")))
    print(table(run))
    return [*wrong, *_compare(run, witness.testimonies())]


def _refusals(root: str) -> Iterator[str]:
    for model, path, expected in REFUSALS:
        attempt = commands.probe(root + path, model, {})
        print(f"{model} at {path}: HTTP {attempt['http_status']}, {attempt['kind']}: {attempt['error']}")
        if attempt["kind"] != expected:
            yield f"{model} at {path} is {attempt['kind']}, not {expected}"


def _compare(run: Run, seen: list[Testimony]) -> Iterator[str]:
    """Every attempt was seen to pass, with the same text, chunks and tokens, at the same time, and is of the right kind."""
    late, passed = [], []
    for _, end in whole(run):
        testimony = _own(end, seen)
        if testimony is None:
            yield f"attempt {end.id} ({end.kind}) was not seen to pass"
            continue
        passed.append(testimony)
        yield from _differences(end, testimony)
        late += _late_ns(end, testimony)
    chunks = sum(each.chunks for each in passed)
    tokens = sum(each.output_tokens for each in passed if each.output_tokens is not None)
    print(f"{len(passed)} of {len(run.attempts)} attempts were seen to pass; our stamps are later by {spread_ms(late)}")
    print(f"{tokens} tokens came in {chunks} chunks; {sum(each.done_marker for each in seen)} streams ended with [DONE]")
    if len(passed) != len(run.attempts) or run.torn or any(not -EARLY_NS <= each <= LATE_NS for each in late):
        yield f"not every attempt was seen to pass, or {run.torn} lines are torn, or stamps are early or late"
    if any(each.done_marker for each in seen) or tokens <= chunks:
        yield "the server is not the one that was wanted: it ends with [DONE], or sends one token a chunk"


def _own(end: AttemptEnd, seen: list[Testimony]) -> Testimony | None:
    """The testimony of the same text whose request passed while the attempt was under way."""
    if end.sent_ns is None or end.done_ns is None:
        return None
    text = end.answer_sha256 or NO_TEXT
    passed = [each for each in seen if each.answer_sha256 == text and end.sent_ns <= each.request_ns <= end.done_ns]
    return min(passed, key=lambda each: each.request_ns, default=None)


def _late_ns(end: AttemptEnd, seen: Testimony) -> list[int]:
    """How much later than the relay signoff stamped the first and the last chunk with text."""
    pairs = ((end.first_token_ns, seen.first_token_ns), (end.last_token_ns, seen.last_token_ns))
    return [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]


def _differences(end: AttemptEnd, seen: Testimony) -> Iterator[str]:
    if end.kind != ("ok" if seen.chunks else "empty_output"):
        yield f"attempt {end.id} is {end.kind}, but {seen.chunks} chunks passed"
    counted = None if end.usage is None else end.usage.output_tokens
    if (end.chunks, counted) != (seen.chunks, seen.output_tokens):
        yield f"attempt {end.id}: {end.chunks} chunks and {counted} tokens, but {seen.chunks} and {seen.output_tokens} passed"
    if end.itl is not None:
        yield f"attempt {end.id} claims gaps between tokens, though nobody told how many a chunk has"
