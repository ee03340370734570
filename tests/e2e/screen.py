"""A command line that has ended, and what a screen with bad news must be."""

from dataclasses import dataclass

LINES = 24


@dataclass
class Done:
    code: int
    out: str
    err: str


def told(err: str, *pieces: str) -> None:
    """On one screen, without a traceback, with all of these pieces."""
    assert "Traceback" not in err
    assert len(err.splitlines()) < LINES, err
    assert [] == [piece for piece in pieces if piece not in err], err
