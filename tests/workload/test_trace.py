"""A trace as load: order, window, speed, prompts that share as the originals did, and every refusal."""

import bz2
import contextlib
import gzip
import lzma
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import plugins
from harness.errors import HarnessError
from harness.workload import filler, trace
from harness.workload.trace_row import Traced

DATA = Path(__file__).parents[2] / "../shared/data/traces"
AZURE, MOONCAKE = DATA / "AzureLLMInferenceTrace_conv_first5000.csv", DATA / "mooncake_conversation_first1000.jsonl"
NEEDS_DATA = pytest.mark.skipif(not (AZURE.is_file() and MOONCAKE.is_file()), reason="needs ../shared/data/traces")
HEADER = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
LISTED = "allowed: azure_llm, burstgpt, mooncake, signoff"


def _burst(folder: Path, *seconds: float) -> Path:
    """A trace whose n-th row in the file asks n tokens."""
    rows = [f"{at},GPT-4,{number},1,2,API log\n" for number, at in enumerate(seconds, 1)]
    (folder / "t.csv").write_text(HEADER + "".join(rows))
    return folder / "t.csv"


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items are the same from the left."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def test_a_file_out_of_order_is_sorted(tmp_path: Path) -> None:
    """Requests come by time from the earliest, those of one moment in file order, and `number` is the place in the file."""
    expected = (
        Traced(0.0, 2, 1, number=2),
        Traced(0.0, 4, 1, number=4),
        Traced(7.5, 1, 1, number=1),
        Traced(8.0, 3, 1, number=3),
    )
    assert expected == trace.load(_burst(tmp_path, 17.5, 10, 18, 10), "burstgpt")


def test_a_window_begins_at_zero(tmp_path: Path) -> None:
    """from_s is in and becomes 0 s, to_s is out; numbers are those of the whole file."""
    path = _burst(tmp_path, 100, 101, 102.25, 103, 104)
    expected = (Traced(0.0, 2, 1, number=2), Traced(1.25, 3, 1, number=3), Traced(2.0, 4, 1, number=4))
    assert expected == trace.load(path, "burstgpt", from_s=1, to_s=4)


def test_a_window_that_begins_between_requests_keeps_its_pause(tmp_path: Path) -> None:
    """0 s is where the window begins, not its first request."""
    assert (0.5,) == tuple(each.at_s for each in trace.load(_burst(tmp_path, 0, 10), "burstgpt", from_s=9.5))


def test_times_are_rounded_to_the_nanosecond(tmp_path: Path) -> None:
    """1.1 s after 3.3 s is not 1.1000000000000005."""
    assert (0.0, 1.1) == tuple(each.at_s for each in trace.load(_burst(tmp_path, 3.3, 4.4), "burstgpt"))


times = st.lists(st.integers(0, 10_000).map(lambda tenths: tenths / 10), min_size=1, max_size=40)


@settings(max_examples=60)
@given(seconds=times, edges=st.tuples(st.integers(0, 1_000), st.integers(1, 1_000)))
def test_a_window_holds_what_falls_into_it(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[float], edges: tuple[int, int]
) -> None:
    """For any times and edges: sorted, within the window, each request once, as many as fall between the edges."""
    path = _burst(tmp_path_factory.mktemp("window"), *seconds)
    begin, end = edges[0], edges[0] + edges[1]
    expected = sorted((round(at - min(seconds), 9), number) for number, at in enumerate(seconds, 1))
    expected = [(round(at - begin, 9), number) for at, number in expected if begin <= at < end]
    found: tuple[Traced, ...] = ()
    with contextlib.suppress(HarnessError):
        found = trace.load(path, "burstgpt", begin, end)
    assert expected == [(each.at_s, each.number) for each in found]


@given(at=st.lists(st.floats(0, 1e6), max_size=20).map(sorted), speed=st.floats(1e-3, 1e3))
def test_a_replay_keeps_the_order_and_divides_the_time(at: list[float], speed: float) -> None:
    """At any speed times rise as the trace's do, and times speed they are the trace's."""
    found = list(trace.replayed([Traced(each, 1, 1) for each in at], speed))
    assert sorted(found) == found
    assert pytest.approx(at) == [each * speed for each in found]


def test_a_replay_at_double_speed_takes_half_the_time() -> None:
    """Speed 2: half the seconds; speed 0.5: twice."""
    traced = [Traced(0.0, 1, 1), Traced(3.0, 1, 1)]
    assert [0.0, 1.5] == list(trace.replayed(traced, 2))
    assert [0.0, 6.0] == list(trace.replayed(traced, 0.5))


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused_at_once(speed: float) -> None:
    """The error comes from the call, not from the first request."""
    with pytest.raises(HarnessError) as caught:
        trace.replayed([], speed)
    assert f"speed: a speed of {speed!r}\n  above 0 and finite: 1 is as it happened, 2 twice as fast" == str(caught.value)


def test_requests_that_no_token_answered_are_counted() -> None:
    """0 output tokens are counted, unknown ones are not."""
    assert 1 == trace.unanswered([Traced(0.0, 1, 0), Traced(0.0, 1, None), Traced(0.0, 1, 2)])


@pytest.mark.parametrize(
    ("text", "name", "form"),
    [
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00,7,1\n", "x.csv", "azure_llm"),
        (HEADER + "5,GPT-4,7,1,8,API log\n", "x.txt", "burstgpt"),
        ('{"timestamp": 5, "input_length": 7, "output_length": 1, "hash_ids": []}\n', "x", "mooncake"),
    ],
)
def test_the_first_line_says_the_format(tmp_path: Path, text: str, name: str, form: str) -> None:
    """Without a format the header decides, whatever the file is called and with a byte order mark too."""
    (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    expected = (Traced(0.0, 7, 1, number=1),)
    assert expected == trace.load(tmp_path / name) == trace.load(tmp_path / name, form)


MOONCAKE_ROW = '{"timestamp": 5, "input_length": 7, "output_length": 1, "hash_ids": []}\n'


@pytest.mark.parametrize(
    "text",
    [
        "\n" + MOONCAKE_ROW,
        "\ufeff\n  \n" + MOONCAKE_ROW,
        " " + MOONCAKE_ROW,
        "TIMESTAMP, ContextTokens , GeneratedTokens\n2024-05-10 00:00:00+0000, 7 , 1\n",
        '"TIMESTAMP", "ContextTokens", "GeneratedTokens"\n"2024-05-10 00:00:00+00", "7", "1"\n',
        "\n\nTimestamp, Request tokens, Response tokens\n5, 7, 1\n",
    ],
)
def test_what_is_recognised_is_read(tmp_path: Path, text: str) -> None:
    """Blank lines before the first row, and blanks round names and values, change nothing."""
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert (Traced(0.0, 7, 1, number=1),) == trace.load(tmp_path / "x")


def test_two_names_that_differ_in_blanks_are_refused(tmp_path: Path) -> None:
    """Neither can be told to be the one that is meant."""
    (tmp_path / "x").write_text("TIMESTAMP,ContextTokens, ContextTokens,GeneratedTokens\n2024-05-10 00:00:00,7,8,1\n")
    with pytest.raises(HarnessError, match="x: two columns have the same name but for blanks: 'TIMESTAMP', 'ContextTokens', "):
        trace.load(tmp_path / "x")


PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zip": lambda _: b"PK\x03\x04\x14"}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("form", [None, "mooncake"])
def test_a_compressed_trace_is_called_so(tmp_path: Path, kind: str, form: str | None) -> None:
    """By its first bytes, whatever its name and whether or not a format is said; nothing unreadable is printed."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(PACKERS[kind](MOONCAKE_ROW.encode()))
    with pytest.raises(HarnessError) as caught:
        trace.load(path, form)
    assert f"{path}: is compressed ({kind})\n  unpack it first, and name the file that comes out" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER + "5,G,1000000000000,1,2,L\n", "x:2: Request tokens is 1,000,000,000,000"),
        (HEADER + "5,G,10000000,10000001,2,L\n", "x:2: Response tokens is 10,000,001"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00,1e12,1\n", "x:2: ContextTokens is 1,000,000,000,000"),
        (MOONCAKE_ROW + MOONCAKE_ROW.replace("7", "10000001"), "x:2: input_length is 10,000,001"),
    ],
)
def test_more_tokens_than_any_request_has_are_refused(tmp_path: Path, text: str, told: str) -> None:
    """Ten million are allowed; more would be made in a worker's memory, and are refused with their place and value."""
    (tmp_path / "x").write_text(text)
    with pytest.raises(HarnessError) as caught:
        trace.load(tmp_path / "x")
    assert f"{told}\n  at most 10,000,000 tokens: mend the row, or leave it out" == str(caught.value)


def test_what_failed_there_is_left_out_and_what_is_unknown_refused() -> None:
    """0 output tokens are a failure of the trace; an unknown length is refused, and so is a trace of failures."""
    path, good, failed = Path("t"), Traced(0.0, 1, 2, number=1), Traced(1.0, 1, 0, number=2)
    assert (good,) == trace.answered([good, failed], path)
    for unknown in (Traced(2.0, None, 3), Traced(2.0, 3, None)):
        with pytest.raises(HarnessError, match=r"t: 1 of 3 requests have no input_tokens or no output_tokens, (?s:.*)examples"):
            trace.answered([good, failed, unknown], path)
    with pytest.raises(HarnessError, match="t: not one of 1 requests was answered there"):
        trace.answered([failed], path)


def test_a_run_directory_and_a_journal_are_known(tmp_path: Path) -> None:
    """A folder with journals, and one of them, are runs of ours."""
    head = '{"t":"head","v":1,"run":"r","worker":0,"pid":1,"host":"h","monotonic_ns":0,"wall_ns":0}\n'
    start = '{"t":"start","id":"0-1","endpoint":"a","level":"1","phase":"measure","block":1,"example":"e","user":0,'
    start += '"dispatched_ns":9}\n'
    (tmp_path / "journal-0.jsonl").write_text(head + start)
    expected = (Traced(0.0, None, None, number=1),)
    assert expected == trace.load(tmp_path) == trace.load(tmp_path / "journal-0.jsonl")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b\n1,2\n", "its first line is that of no trace format: 'a,b'"),
        ("", "its first line is that of no trace format: ''"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens,Timestamp,Request tokens,Response tokens\n",
            "its first line is that of azure_llm and burstgpt: 'TIMESTAMP,ContextTokens,GeneratedTokens,Timestamp,Request to'",
        ),
    ],
)
def test_a_format_that_is_not_plain_must_be_said(tmp_path: Path, text: str, what: str) -> None:
    """No format or two that fit: the error shows the line and lists the names."""
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(HarnessError) as caught:
        trace.load(tmp_path / "x.csv")
    assert f"{tmp_path / 'x.csv'}: {what}\n  say which format it is; {LISTED}" == str(caught.value)


def test_a_folder_without_journals_is_of_no_format(tmp_path: Path) -> None:
    """A folder has no first line, and only a run directory is a trace."""
    with pytest.raises(HarnessError, match=r"its first line is that of no trace format: ''"):
        trace.load(tmp_path)


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    """A format that is no plugin is refused with the nearest name."""
    with pytest.raises(HarnessError) as caught:
        trace.load(_burst(tmp_path, 1), "burst_gpt")
    assert f"unknown trace format 'burst_gpt'\n  {LISTED} (did you mean 'burstgpt'?)" == str(caught.value)


@pytest.mark.parametrize("form", [None, "burstgpt", "mooncake", "signoff"])
def test_a_missing_file_is_the_users_error(tmp_path: Path, form: str | None) -> None:
    """A path that is not there is a message, not a traceback."""
    with pytest.raises(HarnessError) as caught:
        trace.load(tmp_path / "none", form)
    assert f"{tmp_path / 'none'}: cannot be read: No such file or directory" == str(caught.value)


@pytest.mark.parametrize(("text", "form"), [("", "azure_llm"), (HEADER, "burstgpt"), (HEADER, None), ("\n", "mooncake")])
def test_a_trace_without_requests_is_refused(tmp_path: Path, text: str, form: str | None) -> None:
    """An empty file and a header alone are no trace."""
    (tmp_path / "x").write_text(text)
    with pytest.raises(HarnessError) as caught:
        trace.load(tmp_path / "x", form)
    assert f"{tmp_path / 'x'}: the trace has no requests\n  is it the right file, and is it whole?" == str(caught.value)


@pytest.mark.parametrize(
    ("from_s", "to_s", "message"),
    [
        (-1, None, "from_s: from_s is -1\n  seconds from the first request, 0 or more and finite"),
        (float("nan"), None, "from_s: from_s is nan\n  seconds from the first request, 0 or more and finite"),
        (None, float("inf"), "to_s: to_s is inf\n  seconds from the first request, 0 or more and finite"),
        (None, 0, "to_s: to_s is 0, and from_s 0\n  a window ends after it begins"),
        (5, 5, "to_s: to_s is 5, and from_s 5\n  a window ends after it begins"),
    ],
)
def test_a_window_that_is_none_is_refused(tmp_path: Path, from_s: float | None, to_s: float | None, message: str) -> None:
    """Edges are finite, not negative, and in their order."""
    with pytest.raises(HarnessError) as caught:
        trace.load(_burst(tmp_path, 0, 1), "burstgpt", from_s, to_s)
    assert message == str(caught.value)


@pytest.mark.parametrize(("from_s", "to_s", "what"), [(3, 9, "from 3 s to 9 s"), (9.5, None, "from 9.5 s to the end")])
def test_an_empty_window_says_what_there_is(tmp_path: Path, from_s: float, to_s: float | None, what: str) -> None:
    """A window in which nothing came is refused with the span of the trace."""
    path = _burst(tmp_path, 10, 12, 19)
    with pytest.raises(HarnessError) as caught:
        trace.load(path, "burstgpt", from_s, to_s)
    assert f"{path}: no request {what}\n  the trace has 3, from 0 s to 9 s" == str(caught.value)


@pytest.mark.parametrize("name", plugins.names("trace format"))
@settings(max_examples=50)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_requests_or_an_error_of_the_user(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    """Every format that is found answers arbitrary bytes with requests or a `HarnessError`, and looking raises nothing."""
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(data)
    found: tuple[Traced, ...] = ()
    with contextlib.suppress(HarnessError):
        found = trace.load(path, name)
    assert all(each.at_s >= 0 for each in found)
    assert plugins.load("trace format", name).fits(path, data.decode("utf-8", "replace")) in (False, True)


def test_equal_ids_are_equal_text() -> None:
    """Prompts agree in the blocks that both begin with, to the character, and differ from the first word after them."""
    one, other = (trace.prompt(Traced(0.0, 1536, 1, blocks), seed=1) for blocks in ((7, 8, 9), (7, 8, 10)))
    shared = " ".join((filler.text("block:1:7", 512), filler.text("block:1:8", 512), ""))
    assert shared == one[: len(shared)] == other[: len(shared)]
    assert one.removeprefix(shared).split(" ")[0] != other.removeprefix(shared).split(" ")[0]


def test_a_last_block_is_cut_where_the_prompt_ends() -> None:
    """A partial block is the beginning of its text: 100 tokens of the second block, and no third."""
    expected = f"{filler.text('block:1:7', 512)} {filler.text('block:1:8', 100)}"
    assert expected == trace.prompt(Traced(0.0, 612, 1, (7, 8)), seed=1)


@pytest.mark.parametrize("ids", [(7,), (7, 8, 9)])
def test_blocks_are_as_many_as_the_length_has(ids: tuple[int, ...]) -> None:
    """A format that gives blocks of another size is a bug, and no prompt of another length."""
    with pytest.raises(ValueError, match=r"zip\(\)"):
        trace.prompt(Traced(0.0, 612, 1, ids), seed=1)


blocks = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@settings(max_examples=60)
@given(one=blocks, other=blocks)
def test_prompts_share_just_the_prefix_of_their_ids(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """For any ids: as many whole blocks agree as ids do from the left, and no word after them."""
    texts = [trace.prompt(Traced(0.0, 512 * len(ids), 1, ids, number), 1) for number, ids in enumerate((one, other))]
    words = [text.split(" ") for text in texts]
    per_block = 512 - filler.OPENING_TOKENS + 1
    assert per_block * _common(one, other) == _common(*words)


def test_without_blocks_nothing_is_shared() -> None:
    """Requests that are alike in time and length differ from the first word on, and a request is the same again."""
    first, second = (trace.prompt(Traced(0.0, 50, 1, number=number), seed=1).split(" ") for number in (1, 2))
    assert first[0] != second[0]
    assert first == trace.prompt(Traced(9.0, 50, 2, number=1), seed=1).split(" ")


@pytest.mark.parametrize("ids", [(), (7,)])
def test_another_seed_is_another_text(ids: tuple[int, ...]) -> None:
    """Two seeds differ from the first word on, with blocks and without."""
    one, other = (trace.prompt(Traced(0.0, 50, 1, ids), seed).split(" ")[0] for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_prompt_is_never_empty(tokens: int) -> None:
    """A request of no tokens, as BurstGPT has among its failures, is sent with one word."""
    assert [filler.opening("request:1:3")] == trace.prompt(Traced(0.0, tokens, 0, number=3), 1).split(" ")


def test_a_length_that_nobody_knows_makes_no_prompt() -> None:
    """A trace of times alone has no prompts, and the error says what to do."""
    with pytest.raises(HarnessError) as caught:
        trace.prompt(Traced(2.5, None, 7, number=4), 1)
    remedy = "replay its times with prompts of your own, or a trace that knows every length"
    assert f"request 4 of the trace, at 2.5 s, has no input_tokens\n  {remedy}" == str(caught.value)


@NEEDS_DATA
def test_the_published_traces_are_loaded_whole() -> None:
    """Format by header, all rows in order, and the second minute: lines 163 to 339 of the file."""
    azure, mooncake = trace.load(AZURE), trace.load(MOONCAKE)
    assert (5000, 0.0, 1023.316984) == (len(azure), azure[0].at_s, azure[-1].at_s)
    assert (1000, 0.0, 330.0) == (len(mooncake), mooncake[0].at_s, mooncake[-1].at_s)
    assert (0, 0) == (trace.unanswered(azure), trace.unanswered(mooncake))
    minute = trace.load(MOONCAKE, from_s=60, to_s=120)
    assert tuple(range(163, 340)) == tuple(each.number for each in minute)
    assert (0.0, 57.0) == (minute[0].at_s, minute[-1].at_s)


@NEEDS_DATA
def test_prompts_of_the_published_trace_share_what_its_ids_share() -> None:
    """Neighbours of the Mooncake trace agree in just the whole blocks whose ids they both begin with."""
    traced = trace.load(MOONCAKE)[:12]
    words = [trace.prompt(each, 1).split(" ") for each in traced]
    for one, other, left, right in zip(traced, traced[1:], words, words[1:], strict=False):
        same = _common(one.blocks, other.blocks)
        assert same * (512 - filler.OPENING_TOKENS + 1) == _common(left, right)


def test_a_run_as_a_trace_is_known_by_all_its_journals(tmp_path: Path) -> None:
    """The hash of a folder is that of its journals in order; another file beside them does not matter."""
    for number, text in enumerate(("one\n", "two\n")):
        (tmp_path / f"journal-00{number}.jsonl").write_text(text)
    whole = tmp_path / "whole"
    whole.write_text("one\ntwo\n")
    assert trace.sha256(whole) == trace.sha256(tmp_path)
