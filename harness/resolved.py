"""What a load process found when it looked a name up: a line of its journal."""

import msgspec


class Resolved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag_field="t", tag="resolved"):
    """A worker looked a name up, once for the run: its addresses in the resolver's order, and how long that took."""

    host: str
    port: int
    addresses: tuple[str, ...]
    took_ns: int
