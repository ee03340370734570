"""The histogram keeps every value, agrees with the library bucket by bucket, and reads quantiles at the nearest rank."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.measure.histogram import DIGITS, HIGHEST_NS, LOWEST_NS, Histogram, bucket_counts, nearest_rank

DURATIONS_NS = st.lists(st.integers(LOWEST_NS, HIGHEST_NS), min_size=1, max_size=300)
QUANTILES = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999, 1.0])


def histogram_of(values_ns: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record(values_ns)
    return histogram


def library_of(values_ns: list[int]) -> HdrHistogram:
    library = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for value in values_ns:
        assert library.record_value(value)
    return library


@given(DURATIONS_NS)
def test_counts_are_the_librarys(values_ns: list[int]) -> None:
    """Recording in bulk fills the buckets that the library fills one value at a time."""
    library = library_of(values_ns)
    expected = tuple((index, count) for index, count in enumerate(library.counts) if count)
    assert expected == histogram_of(values_ns).sparse()
    assert expected == bucket_counts(values_ns)


@given(DURATIONS_NS, QUANTILES)
def test_quantiles_agree_with_exact_order_statistics(values_ns: list[int], q: float) -> None:
    """A quantile is the top of the bucket of the exact nearest rank: never below it, and above it by less than 0.1 %."""
    exact_ns = sorted(values_ns)[nearest_rank(q, len(values_ns)) - 1]
    told_ns = histogram_of(values_ns).value_at(q)
    assert told_ns is not None
    assert library_of(values_ns).get_highest_equivalent_value(exact_ns) == told_ns
    assert exact_ns <= told_ns <= max(exact_ns * 1.001, exact_ns + 512)


def test_rank_is_the_ceiling_where_the_library_rounds() -> None:
    """p99 of 160 values is the 159th; the library's own percentile gives the 158th."""
    values_ns = [index * 1_000_000 for index in range(1, 161)]
    library = library_of(values_ns)
    assert library.get_highest_equivalent_value(158_000_000) == library.get_value_at_percentile(99)
    assert library.get_highest_equivalent_value(159_000_000) == histogram_of(values_ns).value_at(0.99)


@pytest.mark.parametrize(
    ("q", "n", "rank"),
    [(0.99, 160, 159), (0.99, 100, 99), (0.99, 101, 100), (0.07, 100, 7), (0.0, 5, 1), (1.0, 5, 5), (0.5, 1, 1)],
)
def test_nearest_rank(q: float, n: int, rank: int) -> None:
    """The rank is ceil(q * n) of the decimal q, at least 1: binary rounding does not move it."""
    assert rank == nearest_rank(q, n)


@given(DURATIONS_NS, DURATIONS_NS)
def test_adding_is_recording_both(left_ns: list[int], right_ns: list[int]) -> None:
    """Merged as histograms or as sparse counts with their exact figures, two samples equal one recording of both."""
    whole, added, sparse = histogram_of(left_ns + right_ns), histogram_of(left_ns), histogram_of(left_ns)
    added.add(histogram_of(right_ns))
    sparse.add_sparse(bucket_counts(right_ns), (min(right_ns), max(right_ns)), sum(right_ns))
    expected = (whole.sparse(), whole.n, whole.min_ns, whole.max_ns, whole.sum_ns)
    assert expected == (added.sparse(), added.n, added.min_ns, added.max_ns, added.sum_ns)
    assert expected == (sparse.sparse(), sparse.n, sparse.min_ns, sparse.max_ns, sparse.sum_ns)
    assert (len(left_ns + right_ns), min(left_ns + right_ns), max(left_ns + right_ns), sum(left_ns + right_ns)) == expected[1:]


@given(DURATIONS_NS)
def test_sparse_counts_alone_give_figures_within_a_bucket(values_ns: list[int]) -> None:
    """Without exact figures beside the counts, min, max and sum come from the buckets: within 0.1 % or half a microsecond."""
    histogram = Histogram()
    histogram.add_sparse(bucket_counts(values_ns))
    assert histogram.min_ns == pytest.approx(min(values_ns), rel=1e-3, abs=512)
    assert histogram.max_ns == pytest.approx(max(values_ns), rel=1e-3, abs=512)
    assert histogram.sum_ns == pytest.approx(sum(values_ns), rel=1e-3, abs=512 * len(values_ns))


def test_values_past_the_ends_are_counted() -> None:
    """What the library drops without a word stands in the end buckets, and min, max and sum stay exact."""
    histogram = histogram_of([-5, 0, 10_000_000, 3 * HIGHEST_NS])
    assert (4, 1) == (histogram.n, histogram.overflow)
    assert (-5, 3 * HIGHEST_NS, 10_000_000 - 5 + 3 * HIGHEST_NS) == (histogram.min_ns, histogram.max_ns, histogram.sum_ns)
    assert 4 == sum(count for _, count in histogram.sparse())
    assert 1 == Histogram.decode(histogram.encode()).overflow


def test_an_empty_histogram_has_no_quantile() -> None:
    """Nothing recorded, nothing told; adding nothing keeps it so."""
    histogram = Histogram()
    histogram.record([])
    histogram.add(Histogram())
    histogram.add_sparse(())
    assert (0, None, ()) == (histogram.n, histogram.value_at(0.5), histogram.sparse())
    with pytest.raises(AssertionError, match="no maximum"):
        _ = histogram.max_ns


@given(DURATIONS_NS)
def test_the_blob_is_the_librarys(values_ns: list[int]) -> None:
    """The library reads our blob as the histogram that it would have made, and we read it back."""
    blob = histogram_of(values_ns).encode()
    assert library_of(values_ns).encode().decode() == blob
    assert histogram_of(values_ns).sparse() == Histogram.decode(blob).sparse()


def test_a_blob_of_another_shape_is_refused() -> None:
    """Buckets of another width cannot be added to ours."""
    with pytest.raises(HarnessError, match=r"shape \(1, 3600, 2\)"):
        Histogram.decode(HdrHistogram(1, 3600, 2).encode().decode())


def test_numpy_arrays_record_like_lists() -> None:
    """The report records arrays, a worker lists."""
    values_ns = [1_500, 2_000_000, 2_000_001]
    histogram = Histogram()
    histogram.record(np.array(values_ns))
    assert histogram_of(values_ns).sparse() == histogram.sparse()
