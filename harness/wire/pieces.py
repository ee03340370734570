"""A long text by pieces, so that no step of work on it is long. The rule: joined, they are what the whole would be."""

from collections.abc import Iterable, Iterator

PIECE_CHARS = 16_384  # to be hashed and written, with all that belongs to it: 0.1 to 0.3 ms


def cut(texts: Iterable[str], size: int = PIECE_CHARS) -> Iterator[str]:
    """Short texts joined and long ones cut: pieces of `size` and less than twice `size` characters, the last one shorter."""
    waiting: list[str] = []
    chars = 0
    for text in texts:
        for begin in range(0, len(text), size):
            part = text[begin : begin + size]
            waiting.append(part)
            chars += len(part)
            if chars >= size:
                yield "".join(waiting)
                waiting, chars = [], 0
    if waiting:
        yield "".join(waiting)


def mended(pieces: Iterable[str]) -> Iterator[str]:
    """Halves of one character (surrogates) that came apart are put together; a half alone, which no file holds, is U+FFFD."""
    half = ""
    for piece in pieces:
        text, half = half + piece, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, half = text[:-1], text[-1]
        if text:
            yield _whole(text)
    if half:
        yield "\ufffd"


def replaced(pieces: Iterable[str], old: str, new: str) -> Iterator[str]:
    """`str.replace` of the whole text, so also where `old` lies across pieces."""
    held = ""
    for piece in pieces:
        *before, held = (held + piece).split(old)
        settled = max(len(held) - len(old) + 1, 0)  # no `old` begins before it: there was room to see one
        text, held = new.join((*before, held[:settled])), held[settled:]
        if text:
            yield text
    if held:
        yield held


def _whole(text: str) -> str:
    """Looked for first: hardly any text has halves, and the way through UTF-16 costs twice as much as the look."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
