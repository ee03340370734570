"""HdrHistogram's interval log, version 1.3: one line a histogram, with a tag. The lines are ours, the blobs the library's.

Any HdrHistogram tool opens it. Values are nanoseconds; the maximum in a line is in milliseconds, as the format's tools expect.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from harness.measure.histogram import Histogram

HEADER = (
    "#[Histogram log format version 1.3]",
    "#[StartTime: {start:.3f} (seconds since epoch)]",
    "#[BaseTime: {start:.3f} (seconds since epoch)]",
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
)
_NS_PER_MS = 1e6
_TAG = re.compile(r"[^,\s]+")


class TaggedHistogram(NamedTuple):
    """`begin_s` is relative to the log's start."""

    tag: str
    begin_s: float
    length_s: float
    histogram: Histogram


def write(histograms: Iterable[TaggedHistogram], start_s: float) -> str:
    """The whole log; `start_s` in seconds since the epoch. ValueError for a tag that would break its line."""
    lines = [line.format(start=start_s) for line in HEADER]
    for tag, begin_s, length_s, histogram in histograms:
        if not _TAG.fullmatch(tag):
            raise ValueError(f"the log cannot hold the tag {tag!r}")
        longest_ms = histogram.max_ns / _NS_PER_MS if histogram.n else 0.0  # nothing recorded: the format's own convention
        lines.append(f"Tag={tag},{begin_s:.3f},{length_s:.3f},{longest_ms:.3f},{histogram.encode()}")
    return "\n".join(lines) + "\n"
