"""Server-sent events from bytes, by the HTML specification's section on interpreting an event stream.

Each decoder call takes bytes cut anywhere and returns the events that are whole. The rule: lines end at CR, LF or CRLF and at
nothing else, so U+2028 inside JSON stays inside; text is never decoded here.
"""

from harness.wire.limits import EVENT_BYTES, STRAY_BYTES, OversizeError

BOM = b"\xef\xbb\xbf"
LF, CR = 10, 13

# (name, data): `data` joined with LF as the specification says; `name` is the event field, empty when absent. A bare tuple,
# since one is made for each token.
Event = tuple[bytes, bytes]


def plain_events(body: bytes) -> tuple[bytes, int] | None:
    """How many whole events of one line each this is, and their data with commas between; None for any other body.

    For a decoder at rest. Every line end must be one of the two behind each event, so that replacing is all there is to do: an
    object for each event would cost as much as its decoding.
    """
    if not (body.startswith(b"data: ") and body.endswith(b"\n\n")) or b"\r" in body or len(body) > EVENT_BYTES:
        return None
    data = body[6:-2].replace(b"\n\ndata: ", b",")
    number = (len(body) - 8 - len(data)) // 7 + 1  # by what replacing has taken away
    return (data, number) if body.count(b"\n") == 2 * number else None


class SseDecoder:
    """Feed it bytes; `stray` keeps the first lines that are no field at all, such as a JSON error outside any event.

    `at_rest` says that nothing is unfinished: what comes next may then go to `plain_events` instead of `feed`.
    """

    __slots__ = ("_after_cr", "_data", "_first", "_held", "_limit", "_name", "_pieces", "at_rest", "comments", "stray")

    def __init__(self, event_limit: int = EVENT_BYTES) -> None:
        self.comments = 0
        self.at_rest = False  # before the first line there may be a byte order mark
        self.stray = bytearray()
        self._limit = event_limit
        self._pieces: list[bytes] = []  # the unfinished line; joined once, so a long line costs its length, not its square
        self._data: list[bytes] = []
        self._name = b""
        self._held = 0
        self._after_cr = False
        self._first = True

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes; `OversizeError` when one event grows past the limit."""
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if not data:
            return []
        lines = data.splitlines()
        last = data[-1]
        self._after_cr = last == CR
        rest = lines.pop() if last not in (LF, CR) else b""
        if lines and self._pieces:
            lines[0] = b"".join([*self._pieces, lines[0]])
            self._pieces.clear()
        events = self._take(lines)
        if rest:
            self._pieces.append(rest)
            self._hold(len(rest))
        self.at_rest = not (self._pieces or self._data or self._name or self._after_cr)
        return events

    def finish(self) -> list[Event]:
        """The stream is over: a last event without its blank line is examined still, as every provider's client does."""
        lines = [b"".join(self._pieces), b""] if self._pieces else [b""]
        self._pieces.clear()
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b" ", 5) else line[5:]
                self._data.append(value)
                self._hold(len(value))
            elif not line:
                if self._data:
                    events.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data.clear()
                self._name, self._held = b"", 0
            else:
                events += self._other(line)
            self._first = False
        return events

    def _other(self, line: bytes) -> list[Event]:
        """Everything but a data line and a blank one: rare, so kept off the straight path."""
        if self._first and line.startswith(BOM):
            self._first = False
            return self._take([line[len(BOM) :]])
        field, _, value = line.partition(b":")
        if not field:
            self.comments += 1
        elif field == b"event":
            self._name = value.removeprefix(b" ")
        elif field == b"data":
            self._data.append(b"")
        elif field not in (b"id", b"retry") and len(self.stray) + len(line) < STRAY_BYTES:
            self.stray += line + b"\n"
        return []

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._limit:
            raise OversizeError(f"one event is larger than {self._limit} bytes")
