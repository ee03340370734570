"""The seal on every message between master and workers, Locust's own and ours: who has not the run's token is not heard.

A frame is HMAC-SHA256 (32 bytes), a number (8 bytes) and the message. The seal is over the direction, the worker's identity,
the number and the message; numbers rise per worker and direction, so that nothing can be said twice. What a worker says is
sealed for one master's session, too, which it asks for by a knock: a token that is used again does not bring back the words of
an earlier run. The rule: nothing of a frame is read before its seal has been checked. It authenticates and does not encrypt.
"""

import enum
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping

from harness.errors import HarnessError
from harness.records import Finding

TOKEN = "SIGNOFF_TOKEN"  # noqa: S105 - the variable's name; the token itself is in the environment and nowhere else
SHORTEST = 32
MAKE_ONE = f"""export {TOKEN}=$(python -c 'import secrets; print(secrets.token_hex(32))')"""
_TAG_BYTES, _NUMBER_BYTES, _SESSION_BYTES = 32, 8, 16


class Way(enum.Enum):
    """Who speaks. What one end said is never taken for the other's words."""

    TO_MASTER = b"w"
    TO_WORKER = b"m"
    KNOCK = b"k"


class Refusal(enum.StrEnum):
    """Why a message was not heard."""

    BAD_SEAL = "bad seal"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"


class Seal:
    """One end's. It outlives its sockets: numbers go on where a connection is made anew.

    session  the master's own, or what a worker was told by it; empty until then
    refused  how many messages were not heard, by reason
    """

    def __init__(self, token: str) -> None:
        self.session = b""
        self.refused: Counter[Refusal] = Counter()
        self._key = token.encode()
        self._sent = 0
        self._heard: dict[tuple[Way, bytes], int] = {}

    def close(self, way: Way, worker: bytes, message: bytes) -> bytes:
        """The frame that carries this message to or from the worker of this identity. To be sent before any later one."""
        self._sent += 1
        number = self._sent.to_bytes(_NUMBER_BYTES)
        return self._tag(way, worker, number + message) + number + message

    def open(self, way: Way, worker: bytes, frame: bytes) -> bytes | None:
        """The message; None for one that is not heard, which is counted."""
        tag, rest = frame[:_TAG_BYTES], frame[_TAG_BYTES:]
        if len(rest) < _NUMBER_BYTES or not hmac.compare_digest(tag, self._tag(way, worker, rest)):
            self.refuse(Refusal.BAD_SEAL)
            return None
        number = int.from_bytes(rest[:_NUMBER_BYTES])
        if number <= self._heard.get((way, worker), 0):
            self.refuse(Refusal.REPLAYED)
            return None
        self._heard[way, worker] = number
        return rest[_NUMBER_BYTES:]

    def refuse(self, reason: Refusal) -> None:
        """Count a message that is not heard."""
        self.refused[reason] += 1

    def _tag(self, way: Way, worker: bytes, rest: bytes) -> bytes:
        """Subtle: with its length before it, no part of an identity can pass for the beginning of a number."""
        session = self.session if way is Way.TO_MASTER else b""
        return hmac.digest(self._key, way.value + session + len(worker).to_bytes(2) + worker + rest, "sha256")


def new_session() -> bytes:
    return secrets.token_bytes(_SESSION_BYTES)


def is_knock(frame: bytes) -> bool:
    """A knock is empty, which no message is."""
    return len(frame) == _TAG_BYTES + _NUMBER_BYTES


def check(token: str) -> str:
    """A token that somebody gave. One that can be guessed keeps nobody out."""
    if len(token) < SHORTEST:
        raise HarnessError(f"{len(token)} characters are too few, {SHORTEST} are needed", where=TOKEN, remedy=MAKE_ONE)
    return token


def finding(refused: Mapping[Refusal, int], who: str) -> list[Finding]:
    """What `who` (the master, a worker) did not hear. The numbers stay right, so it makes no run invalid."""
    total = sum(refused.values())
    if not total:
        return []
    parts = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    return [
        Finding(
            code="stranger_refused",
            what=f"{who} refused {total} message{'s' if total > 1 else ''}: {parts}",
            why="somebody without this run's token spoke to it, or said again what had been said; nothing of it was counted",
            remedy=f"let nobody else reach the master's port, or look for a worker with another {TOKEN} that was meant for it",
            invalid=False,
        )
    ]
