"""When each worker really measured: the spans between the open and close marks of the measure blocks.

The rule: stamps are compared with the marks of the same worker only, because clocks of two hosts have nothing in common.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import NamedTuple

from harness.records import Block, BlockMark, Phase


class Span(NamedTuple):
    open_ns: int
    close_ns: int

    def holds(self, stamp_ns: int) -> bool:
        return self.open_ns <= stamp_ns < self.close_ns


class Windows:
    """The spans of all measure blocks. A block that a worker opened and never closed has no span there."""

    def __init__(self, plan: Iterable[Block], marks: Iterable[tuple[int, BlockMark]]) -> None:
        measured = {block.id: block for block in plan if block.phase is Phase.MEASURE}
        edges: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
        for worker, mark in marks:
            if mark.block in measured:
                edges[mark.block, worker][mark.edge] = mark.at_ns
        self._blocks = measured
        self._by_cell: dict[tuple[int, int], list[Span]] = defaultdict(list)
        self._by_block: dict[int, list[tuple[int, Span]]] = defaultdict(list)
        for (block, worker), edge in sorted(edges.items()):
            if edge.keys() == {"open", "close"}:
                span = Span(edge["open"], edge["close"])
                self._by_cell[measured[block].cell, worker].append(span)
                self._by_block[block].append((worker, span))

    def known(self, cell: int, worker: int) -> bool:
        """Whether this worker has a span for that cell of the plan."""
        return (cell, worker) in self._by_cell

    def inside(self, cell: int, worker: int, stamp_ns: int | None) -> bool:
        """Whether the stamp lies in a measure window of that cell at that worker."""
        return stamp_ns is not None and any(span.holds(stamp_ns) for span in self._by_cell.get((cell, worker), ()))

    def spans(self, endpoint: str, level: str) -> list[tuple[int, Span]]:
        """Every span of a cell, with its worker, over all repetitions."""
        blocks = [number for number, block in self._blocks.items() if (block.endpoint, block.level) == (endpoint, level)]
        return [span for number in sorted(blocks) for span in self._by_block.get(number, ())]

    def of_block(self, block: int) -> list[tuple[int, Span]]:
        """Every worker that closed this block, with its span."""
        return self._by_block.get(block, [])

    def covers_s(self) -> float:
        """From the first window's opening to the last one's end, at the worker that saw most of it."""
        by_worker: dict[int, list[Span]] = defaultdict(list)
        for spans in self._by_block.values():
            for worker, span in spans:
                by_worker[worker].append(span)
        lengths_ns = [max(each.close_ns for each in own) - min(each.open_ns for each in own) for own in by_worker.values()]
        return max(lengths_ns, default=0) / 1e9

    def seconds(self) -> Mapping[tuple[str, str], float]:
        """Total window of each (endpoint, level) in seconds: over blocks the sum, within a block the mean of its workers."""
        total: dict[tuple[str, str], float] = defaultdict(float)
        for block, spans in self._by_block.items():
            held = self._blocks[block]
            total[held.endpoint, held.level] += fmean(span.close_ns - span.open_ns for _, span in spans) / 1e9
        return dict(total)
