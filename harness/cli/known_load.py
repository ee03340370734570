"""A load whose truth is known: the bundled simulator on one core, and `signoff run`'s own load process on another.

The rule: nothing here is quicker or slower than in a run; what differs is that the server writes down what it sends.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from harness import assembly, results, scenario_file
from harness.cli.run import load
from harness.errors import ExitCode, InvalidRunError
from harness.records import Message
from harness.results import Run
from harness.simulator import knowledge, tokens
from harness.simulator.candidate import Candidate
from harness.simulator.config import Config
from harness.simulator.knowledge import Known
from harness.simulator.truth import Delivery

if TYPE_CHECKING:
    from harness.simulator.authority import Authority

Priority = Literal["fifo", "nice", "none"]
MODEL = "null-server"
_NICE = -10
_TEXT = "The quick brown fox jumps over the lazy dog. "
_LEAST_EXAMPLES, _PROMPTS_BYTES = 100, 64 << 20  # a load process keeps as much of built requests


class Cores(NamedTuple):
    """Where simulator and load processes are kept; none where there is one core only, or the system cannot do it."""

    simulator: int | None
    client: tuple[int, ...]


class Part(NamedTuple):
    """One endpoint: how it behaves, and whether it is asked for streams. An accuracy of 0 has it answer one token."""

    candidate: Candidate
    stream: bool


class Steps(NamedTuple):
    """What is measured at every part, one number of users after another.

    prompt_bytes  of each prompt, or as many as its number takes
    examples      different prompts, as far as memory allows; of those that are asked again, time says which answer is whose
    paced         the simulator has a schedule to keep, so it goes before all else on its core. Where it is to send all it can,
                  it must not: the kernel stops a real-time process for a twentieth of each second
    """

    users: Sequence[int]
    tokens: int
    prompt_bytes: int
    warmup_s: float
    measure_s: float
    drain_s: float
    examples: int
    paced: bool = True
    processes: int = 1


@dataclass(frozen=True)
class Outcome:
    """The run as its journals tell it, what was sent meanwhile, and how the simulator was preferred."""

    run: Run
    truth: list[Delivery]
    priority: Priority


def cores(processes: int) -> Cores:
    """The first core for the simulator, and of the others one for each load process, as far as they go."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return Cores(usable[0], tuple(usable[1:][-processes:])) if len(usable) > 1 else Cores(None, ())


def measure(parts: Sequence[Part], steps: Steps, folder: Path, *, tls: bool, quiet: bool) -> Outcome:
    """Play the parts in `folder`, load them, and read both sides back. `KeyboardInterrupt` when that was stopped.

    Raises InvalidRunError when the load did not come to its end.
    """
    folder.mkdir()
    authority = _authority(folder) if tls else None
    at = cores(steps.processes)
    with _pinned(() if at.simulator is None else (at.simulator,)):
        simulator = assembly.Simulator(_config(parts, steps, folder, authority), folder)
    try:
        priority: Priority = _prefer(simulator.pid) if steps.paced and at.simulator is not None else "none"
        run = _load(parts, steps, folder, simulator.urls, authority, at, quiet=quiet)
    finally:
        simulator.stop()
    return Outcome(results.read_run(run), _truth(folder), priority)


def _load(
    parts: Sequence[Part],
    steps: Steps,
    folder: Path,
    urls: dict[str, str],
    authority: "Authority | None",
    at: Cores,
    *,
    quiet: bool,
) -> Path:
    (folder / scenario_file.FILE).write_bytes(msgspec.json.encode(_scenario(parts, steps, urls, authority)))
    rows = (
        msgspec.json.encode({"id": example, "prompt": _prompt(example, steps.prompt_bytes)}) for example in _examples(steps)
    )
    (folder / "examples.jsonl").write_bytes(b"\n".join(rows))
    loaded = scenario_file.load(folder)
    opened = assembly.open_run(loaded, folder / "runs", datetime.now(UTC))
    with _pinned(at.client):
        code = load(opened.run, loaded.scenario, results.read_manifest(opened.run), steps.processes, "", quiet=quiet)
    if code is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code is not ExitCode.OK:
        said = results.read_manifest(opened.run).findings
        what = "; ".join(finding.what for finding in said) or f"the load process ended with code {code}"
        raise InvalidRunError(what, where="signoff calibrate", remedy="try fewer users; `signoff doctor` checks the machine")
    return opened.run


def _scenario(parts: Sequence[Part], steps: Steps, urls: dict[str, str], authority: "Authority | None") -> dict[str, Any]:
    tls = {} if authority is None else {"ca_file": str(authority.ca_file)}
    return {
        "name": "calibration",
        "endpoints": {
            part.candidate.name: {
                "base_url": urls[part.candidate.name],
                "model": MODEL,
                "stream": part.stream,
                "tls": tls,
                "deadlines": {"total": 60 + steps.drain_s},
            }
            for part in parts
        },
        "prompts": {"dataset": "examples.jsonl"},
        "load": {
            "levels": list(steps.users),
            "warmup_s": steps.warmup_s,
            "measure_s": steps.measure_s,
            "drain_s": steps.drain_s,
            "design": "sequential",
        },
    }


def _config(parts: Sequence[Part], steps: Steps, folder: Path, authority: "Authority | None") -> Config:
    """Right is the answer in full, wrong one token of it: a part that is always wrong answers shortly."""
    said = tokens.filler(steps.tokens, "calibration")
    whole, short = "".join(said), said[0]
    known = (
        Known(
            example=each,
            prompt_sha256=_key(_prompt(each, steps.prompt_bytes)),
            right=whole,
            wrong=short if len(said) > 1 else "no",
        )
        for each in _examples(steps)
    )
    return Config(
        candidates=tuple(part.candidate for part in parts),
        truth=str(folder / assembly.TRUTH),
        tls=None if authority is None else authority.tls,
        knowledge=tuple(known),
        until_stdin_closes=True,
    )


def _examples(steps: Steps) -> Iterator[str]:
    kept = max(_LEAST_EXAMPLES, _PROMPTS_BYTES // steps.prompt_bytes)
    return (f"q{number}" for number in range(min(steps.examples, kept)))


def _prompt(example: str, size: int) -> str:
    head = f"This is ticket {example}. "
    return head + (_TEXT * (size // len(_TEXT) + 1))[: max(0, size - len(head))]


def _key(prompt: str) -> str:
    return knowledge.prompt_key([Message(role="user", content=prompt)])


def _truth(folder: Path) -> list[Delivery]:
    decode = msgspec.json.Decoder(Delivery).decode
    with (folder / assembly.TRUTH).open("rb") as lines:
        return [decode(line) for line in lines]


@contextmanager
def _pinned(cores: Collection[int]) -> Iterator[None]:
    """Processes that are started in the body stay on these cores; none are all."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _prefer(pid: int) -> Priority:
    """Before everything else on its core, as far as we may: a simulator that is kept waiting sends late."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
        return "fifo"
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        return "nice"
    return "none"


def _authority(folder: Path) -> "Authority":
    from harness.simulator import authority  # noqa: PLC0415 - loads cryptography, which nothing else here needs

    return authority.make(folder)
