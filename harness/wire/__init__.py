"""Bytes to meaning. Pure: no socket, no clock; input is always (stamp, bytes), so a recording replays through the same code."""
