"""The TLS context of an endpoint: whom we trust, and the certificate that we show. Made once, shared by all its users.

Whatever is wrong with a file is found here, before anything is sent. A password is never in a message.
"""

import ssl
from pathlib import Path

from harness.errors import HarnessError
from harness.scenario import Endpoint, Tls

_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


def of(name: str, config: Endpoint, url: str, folder: Path, password: str | None) -> ssl.SSLContext | None:
    """The context of endpoint `name`, None where its `url` is plain http. Relative files stand relative to `folder`."""
    if not url.startswith("https:"):
        return None
    return context(config.tls, folder, password, f"endpoints.{name}.tls")


def context(config: Tls, folder: Path = Path(), password: str | None = None, where: str = "tls") -> ssl.SSLContext:
    """With `ca_file` only that authority is trusted; with `client_cert` it is shown to a server that asks.

    password  of the client's key, where that is encrypted
    Raises `HarnessError` at `where` for files that cannot be used.
    """
    made = _trusting(config, folder, where)
    if config.client_cert is not None:
        _show(made, folder / config.client_cert, config, folder, password, where)
    return made


def _trusting(config: Tls, folder: Path, where: str) -> ssl.SSLContext:
    authority = None if config.ca_file is None else folder / config.ca_file
    try:
        made = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as broken:
        remedy = "give a PEM file with the certificates of the authority"
        what = f"{str(config.ca_file)!r} cannot be loaded: {broken}"
        raise HarnessError(what, where=f"{where}.ca_file", remedy=remedy) from broken
    if not config.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


class _LockedError(Exception):
    """The key is encrypted and nobody named its password."""


def _locked() -> str:
    """Subtle: without a callback OpenSSL would ask the terminal for the password."""
    raise _LockedError


def _show(made: ssl.SSLContext, cert: Path, config: Tls, folder: Path, password: str | None, where: str) -> None:
    """Load certificate and key; the key may stand in the certificate's file."""
    key = cert if config.client_key is None else folder / config.client_key
    key_place = f"{where}.client_cert" if config.client_key is None else f"{where}.client_key"
    _expect(cert, _CERTIFICATE, "no certificate in PEM form", f"{where}.client_cert", "PEM begins with -----BEGIN CERTIFICATE")
    remedy = "add the key to it, or name the key's file with client_key" if key == cert else "give the key in PEM form"
    _expect(key, _KEY, "no private key in PEM form", key_place, remedy)
    try:
        made.load_cert_chain(cert, key, _locked if password is None else lambda: password)
    except _LockedError as locked:
        remedy = "name the variable that holds its password with client_key_password_env"
        raise HarnessError(f"the key in {str(key)!r} is encrypted", where=key_place, remedy=remedy) from locked
    except (OSError, ValueError) as broken:  # ValueError: a password that is longer than OpenSSL takes
        what, remedy = _told(broken, cert, key, config.client_key_password_env)
        raise HarnessError(what, where=key_place, remedy=remedy) from broken


def _expect(file: Path, marker: bytes, lacking: str, where: str, remedy: str) -> None:
    try:
        held = marker in file.read_bytes()
    except OSError as broken:
        raise HarnessError(f"{str(file)!r} cannot be read: {broken.strerror}", where=where, remedy="a PEM file") from broken
    if not held:
        raise HarnessError(f"{str(file)!r} holds {lacking}", where=where, remedy=remedy)


def _told(broken: Exception, cert: Path, key: Path, variable: str | None) -> tuple[str, str]:
    """OpenSSL says little: what can be wrong with files that hold a certificate and a key."""
    if getattr(broken, "reason", None) == "KEY_VALUES_MISMATCH":
        what = f"the key in {str(key)!r} is not that of the first certificate in {str(cert)!r}"
        return what, "give the key that the certificate was made for; the client's own certificate comes first in its file"
    if variable is not None and b"ENCRYPTED" in key.read_bytes():
        return f"the key in {str(key)!r} does not open with the password in {variable}", "is it the password of this key?"
    return f"{str(cert)!r} and {str(key)!r} cannot be loaded: {broken}", "is each of them whole?"
