"""The simulator's configuration file: whom to play, what to know, where to listen."""

from pathlib import Path
from typing import Annotated

import msgspec

from harness.errors import HarnessError
from harness.simulator.candidate import Candidate
from harness.simulator.knowledge import Known
from harness.simulator.tls import Tls

LAST_PORT = 65_535
FILLER_TOKENS = 64


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each candidate has a port of its own: `port`, `port` + 1, ..., or any free ones when `port` is 0.

    truth          file that the truth is written to; None keeps none; `truth_goes_on`: after what is in it
    filler_tokens  length of the answer to an unknown prompt
    tls            serve HTTPS with these files; None serves HTTP
    until_stdin_closes   end when standard input does: a parent that was killed leaves no simulator behind
    """

    candidates: Annotated[tuple[Candidate, ...], msgspec.Meta(min_length=1)]
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=LAST_PORT)] = 0
    truth: str | None = None
    truth_goes_on: bool = False
    seed: int = 1
    filler_tokens: Annotated[int, msgspec.Meta(ge=1)] = FILLER_TOKENS
    tls: Tls | None = None
    until_stdin_closes: bool = False
    knowledge: tuple[Known, ...] = ()

    def __post_init__(self) -> None:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) < len(names):
            raise ValueError(f"candidates need different names, not {names}")
        if self.port + len(names) - 1 > LAST_PORT:
            raise ValueError(f"{len(names)} candidates from port {self.port} on need ports beyond {LAST_PORT}")


def load(path: Path) -> Config:
    """Raises `HarnessError` that quotes the file and the key path."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Config)
    except OSError as problem:
        raise HarnessError(f"cannot read the configuration: {problem.strerror}", where=str(path)) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise HarnessError(str(problem), where=str(path)) from problem
