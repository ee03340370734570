"""How much of a response is believed before it is an attack or an accident; past a limit the attempt is `oversize`."""

EVENT_BYTES = 8 * 1024 * 1024
BODY_BYTES = 32 * 1024 * 1024
HEAD_BYTES = 64 * 1024
STRAY_BYTES = 64 * 1024
ERROR_CHARS = 500


class OversizeError(Exception):
    """The response passed one of the limits above; the message says which."""
