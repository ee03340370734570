"""The order in which users take examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records import Example
from harness.workload.sampler import Order, sample


@given(st.integers(0, 2**63), st.integers(1, 300), st.integers(0, 50))
def test_each_epoch_takes_every_example_once(seed: int, n: int, epoch: int) -> None:
    """No example comes twice before all have come once."""
    order = Order(seed, n)
    assert list(range(n)) == sorted(order.index(epoch * n + place) for place in range(n))


@given(st.integers(0, 100), st.integers(1, 50), st.lists(st.integers(0, 10_000), max_size=30))
def test_a_position_alone_decides(seed: int, n: int, positions: list[int]) -> None:
    """Workers that ask in any order, and a cache that forgets, agree on every position."""
    forward, backward = Order(seed, n), Order(seed, n)
    taken = {position: forward.index(position) for position in positions}
    assert taken == {position: backward.index(position) for position in reversed(positions)}


def test_the_order_is_the_same_on_every_machine() -> None:
    """A known answer: the seed is in the manifest, so it must mean the same tomorrow."""
    order = Order(1, 5)
    assert [1, 4, 2, 3, 0, 1, 0, 2, 4, 3] == [order.index(position) for position in range(10)]


def test_epochs_and_seeds_differ() -> None:
    """Repeating the data set does not repeat its order, and another seed is another order."""
    order, other = Order(1, 100), Order(2, 100)
    first = [order.index(position) for position in range(100)]
    assert first != [order.index(100 + position) for position in range(100)]
    assert first != [other.index(position) for position in range(100)]


def test_many_users_together_take_every_example_equally_often() -> None:
    """Call k of user u takes position u + k*N: after whole epochs every example was taken equally often."""
    order, users, n, calls = Order(7, 12), 8, 12, 6
    taken = [order.index(user + call * users) for user in range(users) for call in range(calls)]
    assert dict.fromkeys(range(n), users * calls // n) == {index: taken.count(index) for index in range(n)}


def test_a_sample_keeps_the_order_of_the_file() -> None:
    """A known answer: the same seed draws the same examples, in the order in which the data set has them."""
    examples = [Example(str(number), {"prompt": "x"}) for number in range(10)]
    assert ["3", "4", "7", "9"] == [example.id for example in sample(examples, 4, seed=1)]
    assert examples == list(sample(examples, 10, seed=1))


def test_a_sample_larger_than_the_data_is_refused() -> None:
    """More than there are cannot be drawn without repeating."""
    with pytest.raises(HarnessError, match="a sample of 2 from 1 examples"):
        sample([Example("a", {"prompt": "x"})], 2, seed=1)
