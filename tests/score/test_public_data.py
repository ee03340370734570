"""The scorers on real answers and real labels, where ../shared/data is at hand."""

import csv
import io
import json
from pathlib import Path

import pytest

from harness.records import Example
from harness.score.scorers import choice, numeric

DATA = Path(__file__).parents[3] / "shared" / "data"
GSM8K, MMLU, TICKETS = DATA / "public/gsm8k", DATA / "public/mmlu/test", DATA / "domain/insurance_tickets/test.tsv"
# The reference grader compares text: it rejects "$20.00" for 20 in six rows, and accepts -15 for 15 and 0.5 for 5.
REFERENCE_IS_WRONG = {
    (44, "gpt-4-1106-preview"),
    (58, "gpt-4-1106-preview"),
    (137, "gpt-4-1106-preview"),
    (151, "gpt-4-1106-preview"),
    (152, "gpt-4-1106-preview"),
    (195, "gpt-4-1106-preview"),
    (164, "mistralai/Mixtral-8x7B-Instruct-v0.1"),
    (191, "mistralai/Mixtral-8x7B-Instruct-v0.1"),
}


def _example(expected: str) -> Example:
    return Example(id="e1", inputs={}, expected=expected)


def _gsm8k_solutions() -> list[str]:
    return [json.loads(line)["answer"] for line in (GSM8K / "test_first400.jsonl").read_text().splitlines()]


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data/public/gsm8k")
def test_numeric_agrees_with_graded_gsm8k_responses() -> None:
    """On 400 graded responses of two models the verdicts are the reference's, but for eight that the reference has wrong."""
    right = [solution.rpartition("####")[2].strip() for solution in _gsm8k_solutions()]
    rows = [json.loads(line) for line in (GSM8K / "graded_responses_200.jsonl").read_text().splitlines()]
    score = numeric.scorer()
    disagreeing = {
        (row["row"], row["model"])
        for row in rows
        if score(row["response"], _example(right[row["row"]])).passed != row["correct"]
    }
    assert 400 == len(rows)
    assert disagreeing == REFERENCE_IS_WRONG


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data/public/gsm8k")
def test_numeric_finds_the_answer_of_every_gsm8k_solution() -> None:
    """The reference solutions pass by their own answers, and none of them by one more."""
    score = numeric.scorer()
    for solution in _gsm8k_solutions():
        answer = solution.rpartition("####")[2].strip().replace(",", "")
        assert score(solution, _example(answer)).passed
        assert not score(solution, _example(str(int(answer) + 1))).passed


@pytest.mark.skipif(not MMLU.exists(), reason="needs ../shared/data/public/mmlu")
@pytest.mark.parametrize(
    "frame", ["{letter}", "({letter})", "Answer: {letter}. {text}", "The answer is **{letter}**.", "{text}\n\n{letter}"]
)
def test_choice_reads_the_letter_beside_any_real_option_text(frame: str) -> None:
    """On every MMLU question at hand, the letter is read in the usual frames, whatever the option's own words are."""
    score = choice.scorer(labels=["A", "B", "C", "D"])
    rows = [row for path in sorted(MMLU.glob("*.csv")) for row in csv.reader(io.StringIO(path.read_text(), newline=""))]
    assert len(rows) > 3_000
    wrong = [
        row
        for row in rows
        if not score(frame.format(letter=row[5], text=row["ABCD".index(row[5]) + 1]), _example(row[5])).passed
    ]
    assert [] == wrong


@pytest.mark.skipif(not TICKETS.exists(), reason="needs ../shared/data/domain/insurance_tickets")
def test_choice_reads_real_labels_and_refuses_two_of_them() -> None:
    """Ten real labels, some beginning with the same word, are read after the ticket's text, and two together never are."""
    with TICKETS.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    labels = sorted({row["label"] for row in rows})
    score = choice.scorer(labels=labels)
    assert 68 == len(rows)
    for row in rows:
        other = labels[labels.index(row["label"]) - 1]
        for text in (row["label"].lower(), f"<category>{row['label']}</category>", f"{row['text']}\nCategory: {row['label']}"):
            assert score(text, _example(row["label"])).passed
        assert not score(f"Category: {row['label']} or {other}", _example(row["label"])).parsed
        assert not score(f"It is {row['label']}, maybe {other}", _example(row["label"])).parsed
