"""Our own journals as traces: which attempts, which times, several workers, and lines that cannot be read."""

from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.journal_log import LineLog
from harness.records import AttemptEnd, AttemptStart, BlockMark, JournalHead, Phase, Usage
from harness.workload.trace_row import Traced
from harness.workload.traces import signoff

S = 1_000_000_000


def _head(worker: int, host: str = "h", wall_ns: int = 0, monotonic_ns: int = 0) -> JournalHead:
    return JournalHead(v=1, run="r", worker=worker, pid=1, host=host, monotonic_ns=monotonic_ns, wall_ns=wall_ns)


def _start(name: str, at_ns: int, phase: Phase = Phase.MEASURE, scheduled_ns: int | None = None) -> AttemptStart:
    return AttemptStart(name, "a", "1", phase, 1, "e1", 0, at_ns, scheduled_ns)


def _end(name: str, *tokens: int | None) -> AttemptEnd:
    return AttemptEnd(name, "ok", usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]) if tokens else None)


def _journal(folder: Path, number: int, *lines: Any) -> Path:
    path = folder / f"journal-{number}.jsonl"
    log = LineLog(path)
    for line in lines:
        log.write(line)
    log.close()
    return path


def test_attempts_of_measure_phases_are_requests(tmp_path: Path) -> None:
    """Warm-up and drain are left out; what was lost or told no usage has no tokens; marks are passed over."""
    path = _journal(
        tmp_path,
        0,
        _head(0),
        _start("0-1", 1 * S, Phase.WARMUP),
        BlockMark(1, "open", 2 * S, 1),
        _start("0-2", 2 * S),
        _end("0-1", 9, 9),
        _start("0-3", 3 * S),
        _end("0-3", 30, None),
        _end("0-2", 20, 5),
        _start("0-4", 4 * S + 1),
        _end("0-4"),
        _start("0-5", 5 * S),
        _start("0-6", 6 * S, Phase.DRAIN),
    )
    expected = [Traced(0.0, 20, 5), Traced(1.0, 30, None), Traced(2.000000001, None, None), Traced(3.0, None, None)]
    assert expected == list(signoff.read(path))


def test_a_usage_that_no_request_has_is_refused(tmp_path: Path) -> None:
    """What an endpoint told is no reason to fill a worker's memory: the journal, the attempt and the value are named."""
    path = _journal(
        tmp_path, 0, _head(0), _start("0-1", S), _end("0-1", 20, 10_000_000), _start("0-2", S), _end("0-2", 10**12, 5)
    )
    with pytest.raises(HarnessError, match=r"journal-0\.jsonl: input_tokens of attempt 0-2 is 1,000,000,000,000"):
        list(signoff.read(path))


def test_the_intended_arrival_wins(tmp_path: Path) -> None:
    """An open loop's attempt counts from when it was scheduled, not from when a late client dispatched it."""
    path = _journal(tmp_path, 0, _head(0), _start("0-1", 5 * S, scheduled_ns=2 * S), _start("0-2", 5 * S, scheduled_ns=3 * S))
    assert [0.0, 1.0] == [each.at_s for each in signoff.read(path)]


def test_journals_of_one_host_share_its_monotonic_clock(tmp_path: Path) -> None:
    """Two workers of a host are merged by their stamps as they stand, though the wall clock was set between their heads."""
    _journal(tmp_path, 0, _head(0, wall_ns=100 * S), _start("0-1", 10 * S))
    _journal(tmp_path, 1, _head(1, wall_ns=900 * S), _start("1-1", 12 * S))
    assert [0.0, 2.0] == [each.at_s for each in signoff.read(tmp_path)]


def test_journals_of_several_hosts_meet_on_the_wall_clock(tmp_path: Path) -> None:
    """Each host's monotonic clock began at its own time, and its head says when."""
    _journal(tmp_path, 0, _head(0, "x", wall_ns=1000 * S, monotonic_ns=10 * S), _start("0-1", 12 * S))
    _journal(tmp_path, 1, _head(1, "y", wall_ns=1000 * S, monotonic_ns=500 * S), _start("1-1", 501 * S))
    assert [0.0, -1.0] == [each.at_s for each in signoff.read(tmp_path)]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, cut: int) -> None:
    """A worker that was killed leaves a part of its last line, and all before it counts."""
    path = _journal(tmp_path, 0, _head(0), _start("0-1", 1 * S))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[1][:cut])
    assert [Traced(0.0, None, None)] == list(signoff.read(path))


def test_a_run_without_measured_attempts_is_empty(tmp_path: Path) -> None:
    """A run that ended in its warm-up has no requests."""
    assert [] == list(signoff.read(_journal(tmp_path, 0, _head(0), _start("0-1", 1 * S, Phase.WARMUP))))


def test_a_torn_line_amid_others_is_refused(tmp_path: Path) -> None:
    """What a line in the middle said is missing, and a trace with a hole is not the load that was."""
    path = _journal(tmp_path, 0, _head(0), _start("0-1", 1 * S))
    path.write_bytes(path.read_bytes() + b'{"t":"start","id\n')
    _journal(tmp_path, 0, _start("0-2", 2 * S))
    with pytest.raises(HarnessError) as caught:
        list(signoff.read(path))
    what = 'JSON is malformed: invalid character (byte 16), in \'{"t":"start","id\\n\''
    assert f"journal-0.jsonl:3: {what}\n  is it a journal of a run? then take an untouched copy" == str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "journal-0.jsonl:1: Input data was truncated, in ''\n  is it a journal of a run? then take an untouched copy"),
        (b"a,b\n", "journal-0.jsonl:1: JSON is malformed"),
        (
            b'{"t":"block","block":0,"edge":"open","at_ns":1,"users":2}\n',
            'journal-0.jsonl:1: not the first line of a journal: \'{"t":"b',
        ),
    ],
)
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """A journal begins with its head: who wrote it, and on what clock."""
    (tmp_path / "journal-0.jsonl").write_bytes(data)
    with pytest.raises(HarnessError) as caught:
        list(signoff.read(tmp_path))
    assert str(caught.value).startswith(message)


def test_a_run_of_several_sessions_is_refused(tmp_path: Path) -> None:
    """Its journals hold what was set aside, too; one of them alone is a trace."""
    first = _journal(tmp_path, 0, _head(0))
    (tmp_path / "journal-1-000.jsonl").write_bytes(first.read_bytes())
    with pytest.raises(HarnessError, match="interrupted and gone on with"):
        list(signoff.read(tmp_path))
    assert [] == list(signoff.read(first))


def test_a_folder_without_journals_is_refused(tmp_path: Path) -> None:
    """A folder that is no run directory is named, with what to give instead."""
    with pytest.raises(HarnessError) as caught:
        list(signoff.read(tmp_path))
    remedy = "give the folder that `signoff run` printed, or one of its journals"
    assert f"{tmp_path}: no journal-*.jsonl: not a run directory\n  {remedy}" == str(caught.value)
