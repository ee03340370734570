"""A certificate authority for one run, so that the simulator can serve HTTPS to clients that verify. Loads cryptography.

Its keys are made anew and stay in the folder that they are made in: trust its `ca_file` for the run, and never beyond.
"""

from pathlib import Path
from typing import NamedTuple

import trustme

from harness.simulator.tls import Tls

HOSTS = ("127.0.0.1", "localhost")


class Authority(NamedTuple):
    """`ca_file` is what clients trust; the client's files are what `tls` demands of them where it demands any."""

    tls: Tls
    ca_file: Path
    client_certificate: Path
    client_key: Path


def make(folder: Path, *, demand_client: bool = False) -> Authority:
    """PEM files in `folder`, which exists: an authority, the server's certificate for `HOSTS`, and one for a client."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    certificate, key = _issued(authority.issue_cert(*HOSTS), folder, "server")
    client_certificate, client_key = _issued(authority.issue_cert("client@signoff.test"), folder, "client")
    tls = Tls(str(certificate), str(key), str(ca_file) if demand_client else None)
    return Authority(tls, ca_file, client_certificate, client_key)


def _issued(leaf: trustme.LeafCert, folder: Path, name: str) -> tuple[Path, Path]:
    """The certificate with its chain, and the key, which only its owner may read."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    for number, part in enumerate(leaf.cert_chain_pems):
        part.write_to_path(str(certificate), append=number > 0)
    key.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(str(key))
    return certificate, key
