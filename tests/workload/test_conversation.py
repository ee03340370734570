"""Conversations before any load: what is asked next, and after how long."""

import statistics

import pytest

from harness.errors import HarnessError
from harness.records import Call, Example, Message
from harness.workload import conversation, prompts

SYSTEM = Message("system", "Be brief.")


def test_a_turn_carries_all_that_was_said() -> None:
    """System, user, the endpoint's answer, user, ... and such a call is made once."""
    first = Call("c", (SYSTEM, Message("user", "one")), later=("two", "three"))
    second = conversation.continued(first, "answer 1", "two")
    third = conversation.continued(second, "answer 2", "three")
    said = [("user", "one"), ("assistant", "answer 1"), ("user", "two"), ("assistant", "answer 2"), ("user", "three")]
    assert (SYSTEM, *(Message(*each) for each in said)) == third.messages
    assert (False, True) == (first.once, third.once)


@pytest.mark.parametrize(
    ("inputs", "first", "later"), [({}, "one", ("two", "three")), ({"prompt": "zero"}, "zero", ("one", "two", "three"))]
)
def test_a_conversation_begins_with_the_template_where_there_are_inputs(
    inputs: dict[str, str], first: str, later: tuple[str, ...]
) -> None:
    """Else with the first of its turns; the system prompt comes before either."""
    call = prompts.call(Example("c", inputs, turns=("one", "two", "three")), "{{ prompt }}", "Be brief.")
    assert (SYSTEM, Message("user", first)) == call.messages
    assert later == call.later


def test_other_examples_are_no_conversations() -> None:
    """A conversation of one turn is one, and has nothing to say later."""
    assert prompts.call(Example("a", {"prompt": "x"}), "{{ prompt }}").later is None
    assert () == prompts.call(Example("a", {}, turns=("x",)), "{{ prompt }}").later


def test_a_system_prompt_that_needs_inputs_says_so() -> None:
    """A conversation without inputs has nothing to put in."""
    with pytest.raises(HarnessError, match="'tone' is undefined, in example 'c'"):
        prompts.call(Example("c", {}, turns=("x",)), "{{ prompt }}", "Be {{ tone }}.")


def test_thinking_is_constant_without_sigma_and_else_lognormal() -> None:
    """The median of many draws is the median, half of the log's spread lies within 0.6745 sigma, and a seed repeats itself."""
    assert {1.5} == {conversation.think_s(1.5, 0.0, str(n)) for n in range(5)}
    draws = sorted(conversation.think_s(2.0, 0.5, str(n)) for n in range(4_000))
    assert 2.0 == pytest.approx(statistics.median(draws), rel=0.03)
    assert 1.4012 == pytest.approx(draws[3_000] / 2.0, rel=0.03)  # exp(0.6745 x 0.5)
    assert conversation.think_s(2.0, 0.5, "x") == conversation.think_s(2.0, 0.5, "x")
