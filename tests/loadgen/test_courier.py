"""A worker's journal on its way to the master: whatever the wire does, the master ends up with the same bytes."""

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from harness.loadgen import courier, intake
from harness.loadgen.courier import Courier, Due, Outbox
from harness.loadgen.intake import Intake
from harness.loadgen.messages import Kept, Piece
from harness.worker_host import files_of

JOURNAL, ANSWERS = files_of(1)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(worker's, master's), with pieces of at most 100 bytes."""
    monkeypatch.setattr(courier, "PIECE_BYTES", 100)
    for name in ("worker", "master"):
        (tmp_path / name).mkdir()
    for name in (JOURNAL, ANSWERS):
        (tmp_path / "worker" / name).touch()
    return tmp_path / "worker", tmp_path / "master"


def expecting(folder: Path) -> Intake:
    made = Intake(folder)
    made.expect(1)
    return made


def piece(data: bytes, offset: int, file: str = JOURNAL) -> Piece:
    return Piece(1, file, offset, data, zlib.crc32(data))


def test_pieces_go_out_in_order_and_few_at_a_time() -> None:
    """Four are under way at most; an answer lets the next one go; a file that has grown goes on where it ended."""
    outbox = Outbox((JOURNAL, ANSWERS))
    sizes = {JOURNAL: 2 * courier.PIECE_BYTES + 7, ANSWERS: 3 * courier.PIECE_BYTES}
    for expected in (
        Due(JOURNAL, 0, courier.PIECE_BYTES),
        Due(JOURNAL, courier.PIECE_BYTES, courier.PIECE_BYTES),
        Due(JOURNAL, 2 * courier.PIECE_BYTES, 7),
        Due(ANSWERS, 0, courier.PIECE_BYTES),
    ):
        assert expected == outbox.due(sizes)
        outbox.sent(expected)
    assert outbox.due(sizes) is None
    assert outbox.kept(JOURNAL, courier.PIECE_BYTES)
    assert Due(ANSWERS, courier.PIECE_BYTES, courier.PIECE_BYTES) == outbox.due(sizes)
    assert outbox.kept(JOURNAL, sizes[JOURNAL])
    assert Due(JOURNAL, sizes[JOURNAL], 1) == outbox.due({**sizes, JOURNAL: sizes[JOURNAL] + 1})


def test_old_answers_change_nothing() -> None:
    """An answer that was overtaken says less than is known."""
    outbox = Outbox((JOURNAL,))
    outbox.sent(Due(JOURNAL, 0, 100))
    assert outbox.kept(JOURNAL, 100)
    assert not outbox.kept(JOURNAL, 40)
    assert outbox.is_whole({JOURNAL: 100})


def test_only_what_fits_is_appended(folders: tuple[Path, Path]) -> None:
    """Pieces that are early, late, doubled, torn or altered leave the file as it is, and the answer says where it ends."""
    _, folder = folders
    taken = expecting(folder)
    said = [
        taken.append(each).offset
        for each in (
            piece(b"early", 3),
            piece(b"abc", 0),
            piece(b"abc", 0),
            piece(b"bcd", 1),
            Piece(1, JOURNAL, 3, b"dxf", zlib.crc32(b"def")),
            Piece(1, JOURNAL, 3, b"de", zlib.crc32(b"def")),
            piece(b"def", 3),
        )
    ]
    assert [0, 3, 3, 3, 3, 3, 6] == said
    assert b"abcdef" == (folder / JOURNAL).read_bytes()


@pytest.mark.parametrize(
    "stranger", [piece(b"x", 0, "../manifest.json"), piece(b"x", 0, "manifest.json"), Piece(2, files_of(2)[0], 0, b"x", 0)]
)
def test_nobody_else_is_taken_from(stranger: Piece, folders: tuple[Path, Path]) -> None:
    """Only the two files of a worker that is expected: no name that a message brings is ever a path."""
    assert expecting(folders[1]).append(stranger).refused
    assert [] == list(folders[1].parent.glob("**/manifest.json")) + list(folders[1].iterdir())


def test_a_full_disk_is_refused_and_said(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is told to stop sending, and the master knows why."""

    def full(_: Path, __: bytes) -> None:
        raise OSError(28, "No space left on device")

    taken = expecting(folders[1])
    monkeypatch.setattr(intake, "_append", full)
    assert Kept(1, JOURNAL, 0, refused=True) == taken.append(piece(b"abc", 0))
    assert "No space left" in str(taken.full)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_wire_does(seed: int, folders: tuple[Path, Path]) -> None:
    """Messages are lost, doubled, altered and overtaken, files grow, the master begins anew: the bytes are the same."""
    worker, master = folders
    draw, outbox, taken = random.Random(seed), Outbox((JOURNAL, ANSWERS)), expecting(master)
    left = {JOURNAL: 4_000, ANSWERS: 1_500}
    pieces: list[Piece] = []
    answers: list[Kept] = []
    for _ in range(100_000):
        sizes = {name: (worker / name).stat().st_size for name in left}
        if not any(left.values()) and outbox.is_whole(sizes):
            break
        _grow(worker, left, draw)
        if (due := outbox.due(sizes)) is not None:
            data = (worker / due.file).read_bytes()[due.offset : due.offset + due.length]
            outbox.sent(due)
            pieces.append(piece(data, due.offset, due.file))
        answers += [taken.append(each) for each in _arriving(pieces, draw)]
        for kept in _arriving(answers, draw):
            outbox.kept(kept.file, kept.offset)
        if draw.random() < 0.02:
            taken = expecting(master)
        if not pieces and not answers and outbox.is_waiting:
            outbox.again()
        assert len(outbox._flying) <= courier.WINDOW
    assert [(worker / name).read_bytes() for name in left] == [(master / name).read_bytes() for name in left]
    assert [4_000, 1_500] == [(master / name).stat().st_size for name in left]


def _grow(folder: Path, left: dict[str, int], draw: random.Random) -> None:
    name = draw.choice(list(left))
    with (folder / name).open("ab") as file:
        left[name] -= file.write(draw.randbytes(min(left[name], draw.randrange(60))))


def _arriving(wire: list, draw: random.Random) -> Iterator:
    """Some of what is on it, in any order; what arrives is whole, doubled or, where it has data, altered; some is lost."""
    while wire and draw.random() < 0.6:
        each = wire.pop(draw.randrange(len(wire)))
        fate = draw.random()
        if fate < 0.1:
            continue
        if fate < 0.2:
            wire.append(each)
        if fate > 0.9 and isinstance(each, Piece):
            each = Piece(each.index, each.file, each.offset, each.data[:-1] + b"?", each.crc)
        yield each


def test_a_courier_delivers_what_is_there_and_what_comes(folders: tuple[Path, Path]) -> None:
    """All that the files hold when it is asked is kept when it says so."""
    worker, master = folders
    taken = expecting(master)
    sender = Courier(1, {name: worker / name for name in (JOURNAL, ANSWERS)}, lambda said: sender.on_kept(taken.append(said)))
    running = gevent.spawn(sender.run)
    for text in (b"a" * 1_050, b"b" * 30):
        with (worker / JOURNAL).open("ab") as file:
            file.write(text)
        assert sender.deliver()
    running.kill()
    assert b"a" * 1_050 + b"b" * 30 == (master / JOURNAL).read_bytes()
    assert {JOURNAL: 1_080, ANSWERS: 0} == sender.sizes()


def test_a_courier_that_is_refused_says_so(folders: tuple[Path, Path]) -> None:
    """It sends no more, and does not wait for what will not come."""
    worker, _ = folders
    (worker / JOURNAL).write_bytes(b"a" * 1_000)
    said: list[Piece] = []

    def refuse(each: Piece) -> None:
        said.append(each)
        sender.on_kept(Kept(1, JOURNAL, 0, refused=True))

    sender = Courier(1, {JOURNAL: worker / JOURNAL}, refuse)
    running = gevent.spawn(sender.run)
    assert not sender.deliver()
    running.join()
    assert 1 == len(said)
