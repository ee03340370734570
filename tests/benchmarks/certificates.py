"""A certificate for the simulator and the authority that a client has to trust, made for one run."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path
    key: Path

    @property
    def server(self) -> dict[str, str]:
        """The simulator's `tls`."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


def issue(folder: Path) -> Certificates:
    """For 127.0.0.1, into the folder. ECDSA, as most providers have it."""
    made = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(made.authority)
    issued.private_key_pem.write_to_path(made.key)
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(made.certificate, append=number > 0)
    return made
