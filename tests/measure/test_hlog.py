"""The log opens in the library's own reader, with tags, times and every count."""

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from harness.measure import hlog
from harness.measure.histogram import DIGITS, HIGHEST_NS, LOWEST_NS, Histogram
from harness.measure.hlog import TaggedHistogram

START_S = 1_800_000_000.25


def histogram_of(*values_ns: int) -> Histogram:
    histogram = Histogram()
    histogram.record(values_ns)
    return histogram


def read(text: str, folder: Path) -> list[HdrHistogram]:
    path = folder / "histograms.hlog"
    path.write_text(text)
    reader = HistogramLogReader(str(path), HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS))
    found = list(iter(reader.get_next_interval_histogram, None))
    assert START_S == reader.get_start_time_sec()
    reader.close()
    return found


def test_the_librarys_reader_gets_everything_back(tmp_path: Path) -> None:
    """Tags, absolute times and counts survive: two cells, one of them with a second interval."""
    first, second = histogram_of(1_000_000, 2_000_000), histogram_of(7_000_000)
    entries = [TaggedHistogram("fast/4/ttft", 0.0, 60.0, first), TaggedHistogram("slow/4/ttft", 60.5, 1.0, second)]
    found = read(hlog.write(entries, START_S), tmp_path)
    assert ["fast/4/ttft", "slow/4/ttft"] == [each.get_tag() for each in found]
    assert [first.encode(), second.encode()] == [each.encode().decode() for each in found]
    assert [START_S * 1000, (START_S + 60.5) * 1000] == [each.get_start_time_stamp() for each in found]
    assert [(START_S + 60) * 1000, (START_S + 61.5) * 1000] == [each.get_end_time_stamp() for each in found]


def test_lines_are_those_of_version_1_3() -> None:
    """Version, start, base and legend, then one tagged line with the maximum in milliseconds."""
    histogram = histogram_of(2_500_000)
    lines = hlog.write([TaggedHistogram("a", 1.5, 2.0, histogram)], START_S).splitlines()
    assert "#[Histogram log format version 1.3]" == lines[0]
    assert lines[1].startswith("#[StartTime: 1800000000.250 (seconds since epoch)")
    assert "#[BaseTime: 1800000000.250 (seconds since epoch)]" == lines[2]
    assert f"Tag=a,1.500,2.000,2.500,{histogram.encode()}" == lines[4]


def test_an_empty_histogram_is_a_line_too(tmp_path: Path) -> None:
    """A cell without a value keeps its place in the log."""
    (found,) = read(hlog.write([TaggedHistogram("a", 0.0, 1.0, Histogram())], START_S), tmp_path)
    assert ("a", 0) == (found.get_tag(), found.get_total_count())


@pytest.mark.parametrize("tag", ["a,b", "a b", "a\nb", ""])
def test_a_tag_that_would_break_the_line_is_refused(tag: str) -> None:
    """The format has no quoting, so a comma or a blank in a tag would shift every field after it."""
    with pytest.raises(ValueError, match="tag"):
        hlog.write([TaggedHistogram(tag, 0.0, 1.0, histogram_of(1_000))], START_S)
