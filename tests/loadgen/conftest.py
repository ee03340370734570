"""A drain that leaves nothing behind, a transport on it, and an authority that signs certificates."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from harness.loadgen.drain import Drain
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport


@pytest.fixture
def drain() -> Iterator[Drain]:
    drain = Drain()
    yield drain
    assert [] == drain.bugs
    assert set() == drain.exchanges
    drain.close()


@pytest.fixture
def transport(drain: Drain) -> Iterator[Transport]:
    with Transport(drain, Resolver()) as transport:
        yield transport
    assert {} == drain._sockets


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return authority, file
