"""The certificate that we show: real servers that ask for one, and every way in which its files can be wrong."""

import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from asking import ask, server_tls
from cryptography.hazmat.primitives import serialization
from scripted import END, HEAD, Peer, chunk, serving

from harness.errors import ExitCode, HarnessError
from harness.loadgen import tls
from harness.loadgen.drain import Drain
from harness.loadgen.resolver import Resolver
from harness.loadgen.transport import Transport
from harness.records import Ending
from harness.scenario import Endpoint, Tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
PASSWORD = "CANARY pass"


@pytest.fixture(scope="module")
def files(authority: tuple[trustme.CA, Path]) -> Path:
    """A folder with good and bad certificates and keys."""
    ca, file = authority
    folder = file.parent
    mine, other, stranger = ca.issue_cert("me@test"), ca.issue_cert("other@test"), trustme.CA().issue_cert("me@test")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = ca.issue_cert("me@test", not_before=yesterday - timedelta(days=1), not_after=yesterday)
    for name, cert in {"mine": mine, "stranger": stranger, "expired": expired}.items():
        cert.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
    mine.cert_chain_pems[0].write_to_path(str(folder / "mine.crt"))
    mine.private_key_pem.write_to_path(str(folder / "mine.key"))
    other.private_key_pem.write_to_path(str(folder / "other.key"))
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    form, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(PASSWORD.encode())
    (folder / "locked.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    (folder / "junk.pem").write_text("junk")
    (folder / "cut.key").write_bytes(mine.private_key_pem.bytes()[:120])
    return folder


def asked_for_a_certificate(
    drain: Drain, authority: tuple[trustme.CA, Path], shown: Tls, version: ssl.TLSVersion, password: str | None = None
) -> tuple[Ending | None, str | None, int]:
    """(ending, detail, requests that the server saw) of one request to a server that lets nobody in without a certificate."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + chunk(b"data: x\n\n") + END)

    ca, file = authority
    served = server_tls(ca, "127.0.0.1", clients=True)
    served.maximum_version = version
    trusting = tls.context(shown.model_copy(update={"ca_file": file}), file.parent, password)
    with serving(script, served) as (port, peers), Transport(drain, Resolver(), trusting) as transport:
        exchange = ask(transport, port, scheme="https", connect=2.0, headers=2.0)
    return exchange.ending, exchange.detail, sum(peer.requests for peer in peers)


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize(
    ("shown", "password"),
    [
        (Tls(client_cert=Path("mine.pem")), None),
        (Tls(client_cert=Path("mine.crt"), client_key=Path("mine.key")), None),
        (Tls(client_cert=Path("mine.crt"), client_key=Path("locked.key"), client_key_password_env="X"), PASSWORD),
    ],
    ids=["one file", "two files", "encrypted key"],
)
def test_a_server_that_asks_gets_the_certificate(
    drain: Drain, authority: tuple[trustme.CA, Path], files: Path, shown: Tls, password: str | None, version: ssl.TLSVersion
) -> None:
    """With the right certificate the answer comes as from any server."""
    assert (Ending.COMPLETE, None, 1) == asked_for_a_certificate(drain, authority, shown, version, password)


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (Tls(), ("handshake failure", "certificate required")),
        (Tls(client_cert=Path("stranger.pem")), ("unknown ca", "unknown ca")),
        (Tls(client_cert=Path("expired.pem")), ("certificate expired", "certificate expired")),
    ],
    ids=["none", "of a strange authority", "expired"],
)
def test_a_certificate_that_will_not_do_is_tls(
    drain: Drain, authority: tuple[trustme.CA, Path], files: Path, shown: Tls, words: tuple[str, str], version: ssl.TLSVersion
) -> None:
    """TLS 1.3 turns a client away only after the client's own handshake: that is `tls` all the same, in the server's words."""
    ending, detail, requests = asked_for_a_certificate(drain, authority, shown, version)
    assert (Ending.TLS, 0) == (ending, requests)
    assert words[VERSIONS.index(version)] in detail


MISTAKES = {
    "no certificate in it": (
        {"client_cert": "junk.pem"},
        "client_cert: '{}/junk.pem' holds no certificate in PEM form\n  PEM begins with -----BEGIN CERTIFICATE",
    ),
    "no key in it": (
        {"client_cert": "mine.crt"},
        "client_cert: '{}/mine.crt' holds no private key in PEM form\n  add the key to it, or name the key's file with",
    ),
    "key file without key": (
        {"client_cert": "mine.crt", "client_key": "junk.pem"},
        "client_key: '{}/junk.pem' holds no private key in PEM form\n  give the key in PEM form",
    ),
    "somebody else's key": (
        {"client_cert": "mine.crt", "client_key": "other.key"},
        "client_key: the key in '{0}/other.key' is not that of the first certificate in '{0}/mine.crt'\n  give the key that",
    ),
    "cut key": (
        {"client_cert": "mine.crt", "client_key": "cut.key"},
        "client_key: '{0}/mine.crt' and '{0}/cut.key' cannot be loaded: [SSL] PEM lib",
    ),
    "locked key": (
        {"client_cert": "mine.crt", "client_key": "locked.key"},
        "client_key: the key in '{}/locked.key' is encrypted\n  name the variable that holds its password with client_key_pass",
    ),
    "wrong password": (
        {"client_cert": "mine.crt", "client_key": "locked.key", "client_key_password_env": "KEY_PASSWORD"},
        "client_key: the key in '{}/locked.key' does not open with the password in KEY_PASSWORD\n  is it the password of",
    ),
    "not there": (
        {"client_cert": "none.pem"},
        "client_cert: '{}/none.pem' cannot be read: No such file or directory",
    ),
    "a folder": ({"client_cert": "."}, "client_cert: '{}' cannot be read: Is a directory"),
    "no authority": ({"ca_file": "junk.pem"}, "ca_file: 'junk.pem' cannot be loaded: [X509: NO_CERTIFICATE_OR_CRL_FOUND]"),
}


@pytest.mark.parametrize(("given", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_file_that_cannot_be_used_is_told(files: Path, given: dict[str, str], told: str) -> None:
    """Place, value and remedy, before anything is sent; OpenSSL does not ask the terminal, and no password is shown."""
    config = Endpoint(model="m", base_url="https://h", tls=Tls.model_validate(given))
    with pytest.raises(HarnessError) as caught:
        tls.of("far", config, "https://h", files, "CANARY wrong" if "client_key_password_env" in given else None)
    assert ExitCode.USAGE is caught.value.exit_code
    assert f"endpoints.far.tls.{told.format(files)}" in str(caught.value)
    assert "CANARY" not in str(caught.value)
