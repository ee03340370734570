"""Runs small enough to work out by hand: every stamp is given in milliseconds, and nothing is drawn."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.journal_reader import Attempt
from harness.measure.histogram import bucket_counts
from harness.rates import Rates
from harness.records import (
    AttemptEnd,
    AttemptStart,
    Block,
    BlockMark,
    Grade,
    GradeRow,
    Manifest,
    Phase,
    Usage,
)
from harness.results import Run

MS = 1_000_000
PLAN = (
    Block(id=0, cell=0, endpoint="a", level="2", concurrency=2, phase=Phase.WARMUP, seconds=1),
    Block(id=1, cell=0, endpoint="a", level="2", concurrency=2, phase=Phase.MEASURE, seconds=10),
)
MARKS = [
    (0, BlockMark(block=1, edge="open", at_ns=1_000 * MS, users=2)),
    (0, BlockMark(block=1, edge="close", at_ns=11_000 * MS, users=2)),
]


def ok(
    number: int, *, at: int = 2_000, tokens: int | None = 5, gap: int = 10, example: str | None = None, **fields: Any
) -> Attempt:
    """A good answer dispatched at `at` ms: sent after 1 ms, first token 100 ms later, then four chunks `gap` ms apart."""
    first = (at + 101) * MS
    whole: dict[str, Any] = {
        "kind": "ok",
        "http_status": 200,
        "sent_ns": (at + 1) * MS,
        "first_token_ns": first,
        "first_output_ns": first,
        "last_token_ns": first + 4 * gap * MS,
        "done_ns": first + 4 * gap * MS + MS,
        "chunks": 5,
        "window_chunks": 5,
        "icl": bucket_counts([gap * MS] * 4),
        "icl_max_ns": gap * MS,
        "usage": None if tokens is None else Usage(input_tokens=100, output_tokens=tokens),
        "answer_sha256": f"sha-{number}",
    }
    return attempt(number, at=at, example=example, **whole | fields)


def failed(number: int, kind: str, *, at: int = 2_000, example: str | None = None, **fields: Any) -> Attempt:
    """An attempt that was sent and brought nothing."""
    return attempt(
        number, at=at, example=example, **{"kind": kind, "sent_ns": (at + 1) * MS, "done_ns": (at + 51) * MS} | fields
    )


def attempt(number: int, *, at: int, example: str | None, block: int = 1, worker: int = 0, **fields: Any) -> Attempt:
    start = AttemptStart(
        id=f"t{number}",
        endpoint="a",
        level="2",
        phase=PLAN[block].phase,
        block=block,
        example=f"e{number}" if example is None else example,
        user=0,
        dispatched_ns=at * MS,
    )
    return Attempt(start, AttemptEnd(id=start.id, **fields), worker)


def lost(number: int) -> Attempt:
    """An attempt whose worker died: it has no end."""
    return Attempt(ok(number).start, None, 0)


def run(
    attempts: Iterable[Attempt],
    *,
    passed: dict[int, bool] | None = None,
    rates: Rates | None = None,
    slo: tuple[str, ...] = (),
    clusters: dict[str, str] | None = None,
) -> Run:
    """A run of one endpoint `a` at two users, measured from 1 s to 11 s; passed grades the answers by number."""
    known = list(attempts)
    scenario: dict[str, Any] = {
        "name": "handmade",
        "endpoints": {"a": {"model": "m", "base_url": "http://127.0.0.1:9/v1"}},
        "prompts": {"dataset": "examples.jsonl"},
        "load": {"levels": [2]},
        "slo": list(slo),
    }
    if passed is not None:
        scenario["grading"] = {"scorer": "exact"}
    manifest = Manifest(
        v=1,
        run_id="r",
        signoff="0.0",
        created_utc="2026-01-02T03:04:05+00:00",
        state="complete",
        scenario=scenario,
        scenario_sha256="0" * 64,
        dataset={},
        clusters=clusters or {},
        seed=1,
        plan=PLAN,
        rates={"a": rates},
        urls={"a": "http://127.0.0.1:9/v1"},
        host={},
        versions={},
    )
    return Run(Path("r"), manifest, known, MARKS, [], _grades(known, passed or {}))


def _grades(attempts: list[Attempt], passed: dict[int, bool]) -> dict[tuple[str, str], GradeRow]:
    examples = {each.start.id: each.start.example for each in attempts}
    keys = {(examples[f"t{number}"], f"sha-{number}"): right for number, right in passed.items()}
    return {
        key: GradeRow(example=key[0], answer_sha256=key[1], scorer="exact", grade=Grade(score=float(right), passed=right))
        for key, right in keys.items()
    }
