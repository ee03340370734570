"""What the simulator knows about a data set."""

import hashlib

import pytest

from harness.errors import HarnessError
from harness.records import Call, Example, Message
from harness.simulator.knowledge import NO_ANSWER, Known, build, index, prompt_key
from harness.workload import nonce


def case(id_: str, expected: object = None, reference: str | None = None) -> tuple[Example, Call]:
    call = Call(example=id_, messages=(Message("system", "Decide."), Message("user", f"Claim {id_}")))
    return Example(id=id_, inputs={}, expected=expected, reference=reference), call


def examples(*cases: tuple[Example, Call]) -> dict[str, tuple[Example, Call]]:
    return {example.id: (example, call) for example, call in cases}


def test_prompt_key_is_the_documented_hash() -> None:
    """SHA-256 over role, NUL, content, SOH of each message, as UTF-8."""
    expected = hashlib.sha256(b"system\x00Be brief.\x01user\x00Gr\xc3\xbc\xc3\x9fe\x01").hexdigest()
    assert expected == prompt_key([Message("system", "Be brief."), Message("user", "Grüße")])


def test_a_nonce_before_a_prompt_is_no_part_of_it() -> None:
    """With any nonce the same answer is known; another word before it is another prompt."""
    call = Call("e", (Message("system", "Be brief."), Message("user", "Is it?")))
    keys = {prompt_key(nonce.before(call, nonce.word(each), once=True).messages) for each in ("x", "y")}
    assert {prompt_key(call.messages)} == keys
    assert prompt_key(call.messages) != prompt_key(nonce.before(call, "Hello", once=True).messages)


def test_moving_text_between_messages_changes_the_key() -> None:
    """Boundaries are part of the hash."""
    assert prompt_key([Message("user", "ab")]) != prompt_key([Message("user", "a"), Message("user", "b")])


def test_the_last_turn_of_a_conversation_is_known_whatever_was_answered() -> None:
    """By all that its user says; the turns before it are not that prompt."""
    call = Call(example="a", messages=(Message("user", "one"),), later=("two",))
    key = build({"a": (Example("a", {}, "yes", turns=("one", "two")), call)}, seed=1)[0].prompt_sha256
    said = [[Message("user", "one"), Message("assistant", said), Message("user", "two")] for said in ("x", "y")]
    assert [key, key] == [prompt_key(each) for each in said]
    assert key not in {prompt_key(said[0][:1]), prompt_key([Message("user", "two")])}


def test_right_is_the_reference_else_the_expected_value() -> None:
    """A string is spoken as it is, anything else as JSON, and an example without either is left out."""
    known = build(
        examples(case("a", "yes", "Yes, it is."), case("b", "no"), case("c", {"sum": 3}), case("d", 4.5), case("e")), seed=1
    )
    assert [("a", "Yes, it is."), ("b", "no"), ("c", '{"sum":3}'), ("d", "4.5")] == [(k.example, k.right) for k in known]
    assert known[0].prompt_sha256 == prompt_key(case("a")[1].messages)


def test_wrong_is_another_examples_right_answer() -> None:
    """It belongs to an example that expects something else, varies with the seed, and repeats with it."""
    cases = examples(*[case(str(i), "abc"[i % 3], f"text {i}") for i in range(30)])
    by_text = {f"text {i}": "abc"[i % 3] for i in range(30)}
    known = build(cases, seed=1)
    assert all(by_text[k.wrong] != by_text[k.right] for k in known)
    assert known == build(cases, seed=1)
    assert known != build(cases, seed=2)


def test_references_alone_differ_by_their_text() -> None:
    """Where nothing is expected, another reference is wrong."""
    assert ["two", "one"] == [k.wrong for k in build(examples(case("a", None, "one"), case("b", None, "two")), seed=1)]


def test_without_a_differing_answer_wrong_is_no_answer() -> None:
    """All examples expect the same: nothing among them is wrong."""
    assert [NO_ANSWER, NO_ANSWER] == [k.wrong for k in build(examples(case("a", "yes"), case("b", "yes", "Yes.")), seed=1)]


def test_one_prompt_with_two_right_answers_is_refused() -> None:
    """Then nobody could say which answer is right; the same prompt with the same answer is harmless."""
    first = Known(example="a", prompt_sha256="0" * 64, right="yes", wrong="no")
    twin = Known(example="b", prompt_sha256="0" * 64, right="yes", wrong="no")
    assert {"0" * 64: first} == index([first, twin])
    with pytest.raises(HarnessError, match="'a' and 'c' have the same prompt"):
        index([first, Known(example="c", prompt_sha256="0" * 64, right="maybe", wrong="no")])
