"""Bounded decompression for servers that compress although we ask for `identity`: a bomb costs no more than the cap."""

import zlib

from harness.wire.limits import BODY_BYTES, OversizeError

ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class Inflater:
    """gzip or zlib-wrapped deflate; raises `OversizeError` past the limit and `zlib.error` on broken data."""

    def __init__(self, limit: int = BODY_BYTES) -> None:
        self._left = limit
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: recognise gzip or zlib by its header

    def feed(self, data: bytes) -> bytes:
        pieces = []
        while data:
            if self._stream.eof:  # a server that flushes may send one member after the other
                self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            plain = self._stream.decompress(data, self._left + 1)
            self._left -= len(plain)
            if self._left < 0:
                raise OversizeError("the decompressed body passes the limit")
            pieces.append(plain)
            data = self._stream.unused_data
        return b"".join(pieces)
