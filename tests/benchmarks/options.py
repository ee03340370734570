"""What a caller may choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOY = 0.02
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Options:
    """`scale` makes everything smaller and shorter: a toy shows that all works, and its figures mean nothing."""

    rounds: int = 3
    streams: Sequence[int] = (50, 500, 1000, 2000)
    c_client: Path | None = None
    scale: float = 1.0
    peers: Path = ROOT / ".peers"

    def many(self, count: int) -> int:
        return count if self.scale == 1.0 else max(4, round(count * self.scale))

    def seconds(self, duration_s: float) -> float:
        return max(1.0, duration_s * self.scale)
