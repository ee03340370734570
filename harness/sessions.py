"""The sessions of a run: one, or several where it was interrupted and gone on with.

The rule: the first session has the plain names, so a run that was never interrupted says nothing of sessions. Load processes
are counted through: those of a later session are other workers, with clocks of their own.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Session(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One of several of a run, from 0.

    first_block  where it was to begin
    workers      its load processes
    state        of the run as this session left it; None while it is the last one
    seconds      how long its load processes were there, by their journals
    why          what was found against the run as it ended, as `code: what`
    """

    number: int
    began_utc: str
    first_block: int
    workers: int
    state: str | None = None
    seconds: float = 0.0
    why: tuple[str, ...] = ()


def current(sessions: Sequence[Session]) -> int:
    """The number of the one that goes on, or was the last."""
    return sessions[-1].number if sessions else 0


def first_worker(sessions: Sequence[Session], number: int) -> int:
    """What the first load process of this session is called among all of the run."""
    return sum(each.workers for each in sessions if each.number < number)


def of_worker(sessions: Sequence[Session], worker: int) -> int:
    """The session of a load process that is counted through."""
    return max((each.number for each in sessions if first_worker(sessions, each.number) <= worker), default=0)


def file_name(kind: str, session: int, index: int) -> str:
    """`journal-000.jsonl` of the first session, `journal-1-000.jsonl` of the next."""
    return f"{kind}-{session}-{index:03d}.jsonl" if session else f"{kind}-{index:03d}.jsonl"


def journals(run: Path, session: int) -> list[Path]:
    """Those of this session that are there."""
    if session:
        return sorted(run.glob(f"journal-{session}-*.jsonl"))
    return sorted(each for each in run.glob("journal-*.jsonl") if each.stem.count("-") == 1)


def attempt_id(session: int, index: int, number: int) -> str:
    """Of the worker's attempt of that number; no two of a run are the same."""
    return f"{session}.{index}-{number}" if session else f"{index}-{number}"
