"""Run directories with known contents: a seeded closed loop that writes real journals without sending anything."""

import hashlib
import random
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness import results
from harness.health import Health
from harness.journal_log import LineLog
from harness.last_word import LastWord
from harness.measure.histogram import bucket_counts
from harness.rates import Rates
from harness.records import (
    AttemptEnd,
    AttemptStart,
    Block,
    BlockMark,
    Finding,
    Grade,
    GradeRow,
    JournalHead,
    Manifest,
    Phase,
    Usage,
)

SECOND = 1_000_000_000
WORKERS = 2
HTTP = {"http_rate_limited": 429, "http_server_error": 500}
WITH_TOKENS = {"ok", "refused", "stream_truncated", "cancelled"}


@dataclass(frozen=True)
class Candidate:
    """How one endpoint behaves. `kinds` are shares of outcomes that are not ok; `most` bounds the attempts of each block."""

    name: str
    ttft_s: float = 0.2
    itl_s: float = 0.02
    tokens: int = 24
    accuracy: float = 0.9
    kinds: dict[str, float] = field(default_factory=dict)
    rates: Rates | None = None
    without_usage: float = 0.0
    coalesced: float = 0.0
    most: int | None = None


def write(
    path: Path,
    candidates: list[Candidate],
    *,
    levels: tuple[int, ...] = (4, 16),
    seconds: float = 30,
    examples: int = 60,
    slo: tuple[str, ...] = (),
    graded: bool = True,
    findings: tuple[Finding, ...] = (),
    error: str = "it failed",
    seed: int = 7,
    repetitions: int = 1,
) -> Path:
    """A whole run directory: manifest, one journal a worker, scores."""
    path.mkdir(parents=True)
    plan = _plan(candidates, levels, seconds, repetitions)
    manifest = _manifest(path, candidates, plan, examples, slo, graded=graded, findings=findings)
    results.write_manifest(path, manifest)
    grades: dict[tuple[str, str], GradeRow] = {}
    for worker in range(WORKERS):
        loop = _Loop(worker, path, random.Random(seed * 1000 + worker), examples, grades, error)
        loop.run(plan, {candidate.name: candidate for candidate in candidates})
    if graded:
        results.append_grades(path, grades.values())
    return path


def rates(input_usd: str, output_usd: str, source: str = "contract of the test") -> Rates:
    return Rates(source=source, input=Decimal(input_usd), output=Decimal(output_usd))


def _plan(candidates: list[Candidate], levels: tuple[int, ...], seconds: float, repetitions: int) -> tuple[Block, ...]:
    blocks: list[Block] = []
    cells = [(again, candidate, users) for again in range(repetitions) for users in levels for candidate in candidates]
    for cell, (repetition, candidate, users) in enumerate(cells):
        for phase, length_s in ((Phase.WARMUP, 2.0), (Phase.MEASURE, seconds)):
            blocks.append(
                Block(
                    id=len(blocks),
                    cell=cell,
                    endpoint=candidate.name,
                    level=str(users),
                    concurrency=users,
                    phase=phase,
                    seconds=length_s,
                    repetition=repetition,
                )
            )
    return tuple(blocks)


def _manifest(
    path: Path,
    candidates: list[Candidate],
    plan: tuple[Block, ...],
    examples: int,
    slo: tuple[str, ...],
    *,
    graded: bool,
    findings: tuple[Finding, ...],
) -> Manifest:
    scenario: dict[str, Any] = {
        "name": "fabricated",
        "endpoints": {
            candidate.name: {"model": f"{candidate.name}-1", "base_url": "http://127.0.0.1:9/v1"} for candidate in candidates
        },
        "prompts": {"dataset": "examples.jsonl"},
        "load": {
            "levels": sorted({block.concurrency for block in plan}),
            "repetitions": 1 + max(block.repetition for block in plan),
        },
        "slo": list(slo),
    }
    if graded:
        scenario["grading"] = {"scorer": "exact"}
    return Manifest(
        v=1,
        run_id=path.name,
        signoff="0.0",
        created_utc="2026-01-02T03:04:05+00:00",
        state="complete",
        scenario=scenario,
        scenario_sha256="0" * 64,
        dataset={"n": examples, "sha256": "1" * 64},
        clusters={f"e{number}": f"c{number // 2}" for number in range(examples)},
        seed=1,
        plan=plan,
        rates={candidate.name: candidate.rates for candidate in candidates},
        urls={candidate.name: "http://127.0.0.1:9/v1" for candidate in candidates},
        host={"system": "test"},
        versions={},
        findings=findings,
        workers=WORKERS,
    )


class _Loop:
    """One worker: its users call one after the other, from block to block, and it writes what came of it."""

    def __init__(
        self, worker: int, path: Path, draw: random.Random, examples: int, grades: dict[Any, GradeRow], error: str
    ) -> None:
        self.worker, self.draw, self.examples, self.grades, self.error = worker, draw, examples, grades, error
        self.run_id = path.name
        self.journal = LineLog(path / f"journal-{worker}.jsonl")
        self.serial = 0

    def run(self, plan: tuple[Block, ...], candidates: dict[str, Candidate]) -> None:
        head = JournalHead(v=1, run=self.run_id, worker=self.worker, pid=1, host="h", monotonic_ns=0, wall_ns=0)
        self.journal.write(head)
        opened = 100 * SECOND
        for block in plan:
            closed = opened + int(block.seconds * SECOND)
            users = [user for user in range(block.concurrency) if user % WORKERS == self.worker]
            self.journal.write(BlockMark(block=block.id, edge="open", at_ns=opened, users=len(users)))
            window = (opened, closed) if block.phase is Phase.MEASURE else (closed, closed + plan_measure(plan, block))
            for user in users:
                self.user(block, candidates[block.endpoint], user, (opened, closed), window)
            for second in range(int(block.seconds)):
                self.journal.write(self.health(opened + (second + 1) * SECOND))
            self.journal.write(BlockMark(block=block.id, edge="close", at_ns=closed, users=len(users)))
            opened = closed
        self.journal.write(LastWord(self.serial, self.serial))
        self.journal.close()

    def health(self, at_ns: int) -> Health:
        """A second in which this worker did well: a look every millisecond, 30 % of a core, reads after half a millisecond."""
        return Health(
            at_ns=at_ns,
            interval_ns=SECOND,
            cpu_ratio=0.3,
            wait_ratio=0.01,
            gaps=((1_000_000, 1_000),),
            gap_max_ns=1_000_000,
            reads=((500_000, 99), (960_000, 1)),
            read_n=100,
            read_max_ns=960_000,
        )

    def user(self, block: Block, who: Candidate, user: int, span: tuple[int, int], window: tuple[int, int]) -> None:
        now, calls = span[0] + int(self.draw.random() * 0.2 * SECOND), 0
        while now < span[1] and (who.most is None or (user == 0 and calls < who.most)):
            self.serial += 1
            calls += 1
            start = AttemptStart(
                id=f"{self.worker}-{self.serial}",
                endpoint=who.name,
                level=block.level,
                phase=block.phase,
                block=block.id,
                example=f"e{self.draw.randrange(self.examples)}",
                user=user,
                dispatched_ns=now,
            )
            self.journal.write(start)
            end = self.attempt(start, who, window)
            self.journal.write(end)
            now = (end.done_ns or now) + 1_000_000

    def attempt(self, start: AttemptStart, who: Candidate, window: tuple[int, int]) -> AttemptEnd:
        kind = self.draw.choices(["ok", *who.kinds], [max(0.0, 1 - sum(who.kinds.values())), *who.kinds.values()])[0]
        sent = start.dispatched_ns + 200_000
        if kind not in WITH_TOKENS:
            done = sent + int(who.ttft_s * 2 * SECOND)
            return AttemptEnd(id=start.id, kind=kind, http_status=HTTP.get(kind), sent_ns=sent, done_ns=done, error=self.error)
        return self.streamed(start, who, kind, sent, window)

    def streamed(self, start: AttemptStart, who: Candidate, kind: str, sent: int, window: tuple[int, int]) -> AttemptEnd:
        first = sent + int(who.ttft_s * self.draw.lognormvariate(0, 0.4) * SECOND)
        count = max(1, round(self.draw.gauss(who.tokens, 4)))
        gaps = [int(who.itl_s * self.draw.lognormvariate(0, 0.3) * SECOND) for _ in range(count - 1)]
        stamps = [first + sum(gaps[:index]) for index in range(count)]
        told = kind in {"ok", "refused"} and self.draw.random() >= who.without_usage
        answer = f"{start.example} {'right' if self.draw.random() < who.accuracy else 'wrong'}"
        sha256 = hashlib.sha256(answer.encode()).hexdigest()
        if kind == "ok":
            passed = answer.endswith("right")
            grade = Grade(score=float(passed), passed=passed)
            self.grades[start.example, sha256] = GradeRow(
                example=start.example, answer_sha256=sha256, scorer="exact", grade=grade
            )
        return AttemptEnd(
            id=start.id,
            kind=kind,
            flags=() if told else ("no_usage",),
            http_status=200,
            sent_ns=sent,
            first_byte_ns=first,
            first_token_ns=first,
            first_output_ns=first,
            last_token_ns=stamps[-1],
            done_ns=stamps[-1] + 100_000,
            chunks=count,
            coalesced=int(self.draw.random() < who.coalesced),
            window_chunks=sum(window[0] <= stamp < window[1] for stamp in stamps),
            icl=bucket_counts(gaps),
            icl_max_ns=max(gaps, default=None),
            usage=Usage(input_tokens=300, cached_read_tokens=100, output_tokens=count) if told else None,
            finish="stop" if kind == "ok" else None,
            answer_sha256=sha256,
            answer_chars=len(answer),
        )


def plan_measure(plan: tuple[Block, ...], warmup: Block) -> int:
    """Length in ns of the measure block that follows a warm-up block."""
    return int(plan[warmup.id + 1].seconds * SECOND)
