"""What stands before prompts: its form, that it can be made again, and how much repeats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Call, Message
from harness.workload import nonce

ASKED = Call("e1", (Message("system", "Be brief."), Message("user", "Is it covered?")))
POSITIONS = 10_000


def test_a_key_gives_its_nonce_on_every_machine() -> None:
    """Known: another process, another day and a report give the same."""
    assert "petamanogafalolipiti" == nonce.word("20260101T000000Z_demo/cell 3/17")


@given(one=st.text(max_size=12), other=st.text(max_size=12))
def test_each_nonce_is_as_long_and_another(one: str, other: str) -> None:
    """Twenty lower-case letters, so about as many tokens; two keys differ."""
    words = [nonce.word(one), nonce.word(other)]
    assert [20, 20] == [len(word) for word in words]
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert (one == other) == (words[0] == words[1])


@pytest.mark.parametrize("messages", [ASKED.messages, ASKED.messages[1:]])
def test_it_stands_at_the_very_beginning(messages: tuple[Message, ...]) -> None:
    """Before the system prompt where there is one, else before the user's; the rest is as it was, and so is the example."""
    made = nonce.before(Call("e1", messages), "bababababababababaka", once=True)
    assert f"bababababababababaka\n\n{messages[0].content}" == made.messages[0].content
    assert (messages[1:], "e1", "bababababababababaka", True) == (made.messages[1:], made.example, made.nonce, made.once)


@given(key=st.text(max_size=6), content=st.text(max_size=30))
def test_what_is_asked_is_found_behind_any_nonce(key: str, content: str) -> None:
    """Taken off, what was put on leaves nothing behind; only one is taken."""
    call = Call("e1", (Message("user", f"{nonce.word('x')}\n\n{content}"),))
    assert call.messages == nonce.without(nonce.before(call, nonce.word(key), once=False).messages)


@pytest.mark.parametrize(
    "content", ["", "Is it covered?", "bababababababababaka", "bababababababababaka is it?", "Bababa\n\nx"]
)
def test_what_is_no_nonce_stays(content: str) -> None:
    """A prompt loses nothing that does not have the form to its end."""
    assert (Message("user", content),) == nonce.without([Message("user", content)])


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("stride", [1, 50])
def test_so_many_repeat_as_were_asked_for(share: float, stride: int) -> None:
    """Of 10,000 positions that can, within four standard errors of a binomial; the first ones have nothing to repeat."""
    sources = [nonce.source("1/8/0", position, stride, share) for position in range(stride + POSITIONS)]
    assert list(range(stride)) == sources[:stride]
    repeated = sum(source != position for position, source in enumerate(sources))
    assert abs(repeated - share * POSITIONS) < 4 * (share * (1 - share) * POSITIONS) ** 0.5


def test_none_and_all_are_exact() -> None:
    """A share of 0 repeats nothing; of 1 each user's first request all the time."""
    assert list(range(100)) == [nonce.source("s", position, 3, 0.0) for position in range(100)]
    assert [position % 3 for position in range(100)] == [nonce.source("s", position, 3, 1.0) for position in range(100)]


@given(position=st.integers(0, 5_000), stride=st.integers(1, 60), share=st.floats(0, 1))
def test_what_repeats_is_an_earlier_one_of_the_same_user_that_was_fresh(position: int, stride: int, share: float) -> None:
    """Less by a multiple of the stride, so ended before in a closed loop; and its nonce was made for it."""
    source = nonce.source("s", position, stride, share)
    assert source <= position
    assert 0 == (position - source) % stride
    assert source == nonce.source("s", source, stride, share)
