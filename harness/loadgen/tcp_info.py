"""What the kernel knows of a connection's network (TCP_INFO, Linux): round trips, and what was lost on the way.

Asked once per attempt, when it is over: a microsecond or two. It is of the TCP connection alone, so of the way to the proxy or
load balancer that ends it, and not of what lies behind.
"""

import _socket
import socket
import struct
import sys
from typing import NamedTuple

# struct tcp_info of linux/tcp.h: offsets never change, new fields come at the end, and older kernels give fewer bytes.
_TCP_INFO = 11
_RTT, _RETRANSMITS, _MIN_RTT, _DATA_SEGMENTS, _OUT_OF_ORDER = 68, 100, 148, 152, 224
_BYTES = _OUT_OF_ORDER + 4
_unpack = struct.Struct(
    f"@{_RTT}xI{_RETRANSMITS - _RTT - 4}xI{_MIN_RTT - _RETRANSMITS - 4}xII{_OUT_OF_ORDER - _DATA_SEGMENTS - 4}xI"
).unpack
_one = struct.Struct("@I").unpack_from
_NO_SAMPLE_US = 0xFFFFFFFF


class TcpInfo(NamedTuple):
    """rtt_ns is smoothed, min_rtt_ns the least of the last five minutes. The counts are of the connection so far.

    retransmits   segments that we sent again, those of the handshake included
    out_of_order  segments that came before one that was sent earlier: in this direction, what loss and reordering look like
    data_segments segments with data in them that have come, as they were on the wire
    None: the kernel does not say, or has no sample yet.
    """

    rtt_ns: int | None = None
    min_rtt_ns: int | None = None
    retransmits: int | None = None
    out_of_order: int | None = None
    data_segments: int | None = None


UNKNOWN = TcpInfo()
FRESH = TcpInfo(retransmits=0, out_of_order=0)  # before anything was sent


def read(sock: _socket.socket) -> TcpInfo:
    """Of a connected socket, or of one that has just broken; never raises."""
    if sys.platform != "linux":
        return UNKNOWN
    try:
        return decoded(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES))
    except OSError:
        return UNKNOWN


def out_of_order(sock: _socket.socket) -> int | None:
    """The count of that name, None where the kernel does not say."""
    return _asked(sock, _OUT_OF_ORDER)


def data_segments(sock: _socket.socket) -> int | None:
    """The count of that name, None where the kernel does not say."""
    return _asked(sock, _DATA_SEGMENTS)


def _asked(sock: _socket.socket, offset: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return _at(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, offset + 4), offset)
    except OSError:
        return None


def decoded(info: bytes) -> TcpInfo:
    """From the bytes of a `struct tcp_info`, however long the kernel's is."""
    if len(info) == _BYTES:
        rtt_us, retransmits, min_rtt_us, data_segments, out_of_order = _unpack(info)
        return TcpInfo(_ns(rtt_us), _ns(min_rtt_us), retransmits, out_of_order, data_segments)
    counts = (_at(info, offset) for offset in (_RETRANSMITS, _OUT_OF_ORDER, _DATA_SEGMENTS))
    return TcpInfo(_ns(_at(info, _RTT)), _ns(_at(info, _MIN_RTT)), *counts)


def _at(info: bytes, offset: int) -> int | None:
    return int(_one(info, offset)[0]) if len(info) >= offset + 4 else None


def _ns(microseconds: int | None) -> int | None:
    return None if microseconds in (None, 0, _NO_SAMPLE_US) else microseconds * 1000
