"""What one frame of a response says, in one shape for every dialect: the seam between a dialect and the transcript."""

from typing import Protocol

import msgspec

from harness import plugins
from harness.records import Call, Target, Usage, WireRequest

# Finish reasons in our words. A dialect maps its own onto these; what it does not know it passes on, and that is no success.
STOP, LENGTH, TOOL_CALLS, CONTENT_FILTER, REFUSAL = "stop", "length", "tool_calls", "content_filter", "refusal"
ALLOWED_FINISH = frozenset({STOP, LENGTH, TOOL_CALLS})


class ProviderError(msgspec.Struct, frozen=True):
    """An error that the provider reports itself, in the stream or as a status: its own code and words."""

    message: str
    code: str | None = None


class Reading(msgspec.Struct, gc=False):
    """One frame. Any of content, reasoning, refusal, tool makes it a token-carrying chunk; `end` is the terminal marker."""

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool: str = ""
    finish: str | None = None
    usage: Usage | None = None
    error: ProviderError | None = None
    model: str | None = None
    end: bool = False


class HttpError(msgspec.Struct, frozen=True):
    """An error status in words: `kind` where the dialect's code tells more than the status, else None."""

    message: str
    code: str | None = None
    kind: str | None = None


def dialect(name: str) -> "Dialect":
    """The dialect of that name; `HarnessError` with the nearest names where there is none."""
    return plugins.load("dialect", name)


class Dialect(Protocol):
    """A module of `wire/dialects`. `read*` raise `msgspec.DecodeError` on a frame that is not what the dialect sends.

    It may also have `plain(events)`: the texts of many events, whose data come with commas between, and the model they name, or
    None if one of them is anything but visible text. It makes the common stream cheap, and must say what `read` says.
    """

    FRAMING: str
    PARAMETERS: str

    def request(self, call: Call, target: Target, key: str | None) -> WireRequest: ...

    def read(self, name: bytes, data: bytes) -> Reading: ...

    def read_whole(self, body: bytes) -> Reading: ...

    def read_error(self, body: bytes) -> HttpError: ...
