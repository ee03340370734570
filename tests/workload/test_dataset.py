"""A data set's file to examples: what each row means, and what is refused with its line."""

import hashlib
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.records import Example
from harness.workload import dataset

TICKETS = Path(__file__).parents[2] / "../shared/data/domain/insurance_tickets/test.tsv"


def _written(folder: Path, text: str, name: str = "d.jsonl") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_native_row_is_an_example(tmp_path: Path) -> None:
    """Every key of ours lands in the example's field of that name."""
    row = (
        '{"id":"a.1","inputs":{"q":"why?","n":2},"expected":{"x":[1]},"reference":"because","cluster":"doc-7",'
        '"released_at":"2026-01-02"}'
    )
    expected = Example("a.1", {"q": "why?", "n": 2}, {"x": [1]}, "because", "doc-7", "2026-01-02")
    assert (expected,) == dataset.load(_written(tmp_path, row)).examples


def test_a_flat_row_has_its_other_fields_as_inputs(tmp_path: Path) -> None:
    """The shorthand `id, prompt, expected` needs no `inputs`."""
    row = '{"id":"a","prompt":"2+2?","expected":4}\n'
    assert (Example("a", {"prompt": "2+2?"}, 4),) == dataset.load(_written(tmp_path, row)).examples


@pytest.mark.parametrize(("more", "inputs"), [("", {}), (',"prompt":"x"', {"prompt": "x"}), (',"inputs":{"p":1}', {"p": 1})])
def test_a_row_with_turns_is_a_conversation(tmp_path: Path, more: str, inputs: dict[str, object]) -> None:
    """It may have inputs, of which the template makes what is said first."""
    row = '{"id":"a","turns":["one","two"],"expected":"x"' + more + "}"
    assert (Example("a", inputs, "x", turns=("one", "two")),) == dataset.load(_written(tmp_path, row)).examples


def test_columns_rename_and_choose(tmp_path: Path) -> None:
    """With `columns` only what it names is read, under our names; rows without an id are named by their number."""
    text = "text,label,noise\nhello,greeting,x\nbye,parting,y\n"
    found = dataset.load(_written(tmp_path, text, "d.csv"), columns={"input": "text", "expected": "label"})
    expected = (Example("row-0001", {"input": "hello"}, "greeting"), Example("row-0002", {"input": "bye"}, "parting"))
    assert expected == found.examples


def test_numbers_as_ids_are_text(tmp_path: Path) -> None:
    """An id or cluster that the file holds as a number is the same name as text."""
    row = '{"id":7,"prompt":"x","cluster":12}'
    assert (Example("7", {"prompt": "x"}, cluster="12"),) == dataset.load(_written(tmp_path, row)).examples


def test_an_empty_cell_of_ours_is_missing(tmp_path: Path) -> None:
    """Empty cells mean None for our fields, but an empty input is an input."""
    text = "id,prompt,hint,expected,cluster\na,x,,,\n"
    assert (Example("a", {"prompt": "x", "hint": ""}),) == dataset.load(_written(tmp_path, text, "d.csv")).examples


def test_the_hash_is_of_the_file_as_it_stands(tmp_path: Path) -> None:
    """sha256 covers the bytes, so that any change is seen."""
    path = _written(tmp_path, '{"prompt":"x"}\n')
    found = dataset.load(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.sha256
    assert 1 == found.n


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no examples"),
        ("\n \n", "has no examples"),
        (
            '{"id":"a","prompt":"x"}\n\n{"id":"a","prompt":"y"}\n',
            "d.jsonl:3: id 'a' is here a second time; the first is on line 1",
        ),
        ('{"id":"row-0002","prompt":"x"}\n{"prompt":"y"}\n', "d.jsonl:2: id 'row-0002' is here a second time"),
        ('{"id":"a b","prompt":"x"}', "d.jsonl:1: id 'a b' cannot name an example"),
        ('{"id":"../x","prompt":"x"}', "cannot name an example"),
        ('{"id":"%s","prompt":"x"}' % ("a" * 81), "cannot name an example"),
        ('{"id":"a\\n","prompt":"x"}', "cannot name an example"),
        ('{"id":true,"prompt":"x"}', "d.jsonl:1: id is True"),
        ('{"id":"a","prompt":"x","cluster":["c"]}', "cluster is ['c']"),
        ('{"id":"a","inputs":"x"}', "inputs is 'x'"),
        ('{"id":"a","inputs":{}}', "the row has no inputs"),
        ('{"id":"a","expected":"x"}', "the row has no inputs"),
        ('{"id":"a","turns":"Hello"}', "d.jsonl:1: turns is 'Hello'\n"),
        ('{"id":"a","turns":[]}', "turns is []\n  a list of what the user says"),
        ('{"id":"a","turns":["Hello",7]}', "d.jsonl:1: turn 2 of `turns` is 7"),
        ('{"id":"a","turns":[" "]}', "turn 1 of `turns` is ' '"),
        ('{"id":"a","inputs":{"p":1},"expcted":"x"}', "unknown key 'expcted' beside `inputs`\n  allowed: cluster, expected"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Each fault is refused with file, line and the offending value."""
    with pytest.raises(HarnessError) as caught:
        dataset.load(_written(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_column_is_told_with_the_nearest(tmp_path: Path) -> None:
    """A column that `columns` names and the file lacks: the error lists what is there."""
    with pytest.raises(HarnessError, match=r"no column 'lable'\n  allowed: label, text \(did you mean 'label'\?\)"):
        dataset.load(_written(tmp_path, "text,label\na,b\n", "d.csv"), columns={"input": "text", "expected": "lable"})


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    """A file ending that is no plugin is refused with the nearest format."""
    with pytest.raises(HarnessError, match=r"unknown dataset format 'json'\n.*did you mean 'jsonl'"):
        dataset.load(_written(tmp_path, "{}", "d.json"))


def test_a_format_may_be_said(tmp_path: Path) -> None:
    """`format` wins over the file's ending."""
    assert 1 == dataset.load(_written(tmp_path, '{"prompt":"x"}', "d.txt"), "jsonl").n


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    """A path that is not there is a message, not a traceback."""
    with pytest.raises(HarnessError, match="cannot be read: No such file or directory"):
        dataset.load(tmp_path / "none.jsonl")


@pytest.mark.skipif(not TICKETS.is_file(), reason="the shared data folder is not beside this checkout")
def test_real_tickets_are_read_whole() -> None:
    """A real TSV of a team: 68 tickets under 10 labels, and not one row lost."""
    found = dataset.load(TICKETS, columns={"input": "text", "expected": "label"})
    assert (68, 10) == (found.n, len({example.expected for example in found.examples}))
    assert all(example.inputs["input"].strip() for example in found.examples)
