"""The address of an endpoint: what is accepted as one, so that a key never travels to a wrong or eavesdropped place.

A message quotes an address without user name, password and query: they may be secrets.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from harness.errors import HarnessError

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?")
_SECRETS = re.compile(r"(?<=//).*(?=@)|[?#].*", re.DOTALL)
_NUMBER = re.compile(r"[0-9.]+|0[xX][0-9A-Fa-f.xX]+")
_OPERATION = re.compile(r"/(chat/completions|completions|responses|messages)$")
_METADATA_HOSTS = {"metadata", "metadata.google.internal", "fd00:ec2::254", "100.100.100.200"}
_EXAMPLE = "write it as the provider's SDK takes it, for example https://api.example.com/v1"
_PROXY = "write it as http://proxy.example.com:3128; the connection inside it is TLS wherever base_url is https"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def checked(url: str, *, allow_http: bool = False) -> str:
    """The URL without its trailing slash; `HarnessError` when it is not a plain http(s) base, or is no place for a key.

    http is for loopback hosts unless `allow_http`. Link-local and cloud metadata addresses are refused.
    """
    try:
        _check(url, allow_http)
    except HarnessError as wrong:
        raise HarnessError(f"{_SECRETS.sub('***', url)!r}: {wrong.what}", remedy=wrong.remedy) from wrong
    return url.rstrip("/")


def checked_proxy(url: str) -> str:
    """The address of a proxy, `http://host:port`; `HarnessError` when it is anything else."""
    try:
        parts = _split(url, _PROXY)
        if "@" in parts.netloc:
            raise HarnessError("carries a user name or password", remedy="name the variable with both by proxy_auth_env")
        _host(parts, _PROXY)
        if parts.scheme != "http" or parts.port is None or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise HarnessError("is not the plain address of a proxy with its port", remedy=_PROXY)
    except HarnessError as wrong:
        raise HarnessError(f"{_SECRETS.sub('***', url)!r}: {wrong.what}", remedy=wrong.remedy) from wrong
    return url.rstrip("/")


def is_local(url: str) -> bool:
    """Whether a checked URL is of this very machine."""
    host = (urlsplit(url).hostname or "").lower()
    return _is_loopback(host, _address(host))


def _check(url: str, allow_http: bool) -> None:
    parts = _split(url, _EXAMPLE)
    _refuse_decoration(parts)
    host, address = _host(parts, _EXAMPLE)
    if parts.scheme == "http" and not allow_http and not _is_loopback(host, address):
        remedy = "use https, or set `allow_http: true` for a network that you trust"
        raise HarnessError("plain http to another host would send prompts and the key unencrypted", remedy=remedy)


def _host(parts: SplitResult, example: str) -> tuple[str, _Address | None]:
    """Host in small letters, and its address where it is written as one."""
    host = (parts.hostname or "").lower()
    address = _address(host)
    if address is None and (not _HOST.fullmatch(host) or _NUMBER.fullmatch(host)):
        raise HarnessError("the host is neither a name nor an IP address", remedy=example)
    if host.rstrip(".") in _METADATA_HOSTS or (address is not None and address.is_link_local):
        remedy = "nobody serves a model there: give the endpoint's own address"
        raise HarnessError("is a link-local or cloud metadata address, where credentials live", remedy=remedy)
    return host, address


def _split(url: str, example: str) -> SplitResult:
    if not _VISIBLE.fullmatch(url):
        raise HarnessError("contains a blank, a control character or a letter that is not ASCII", remedy=example)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as broken:
        raise HarnessError("cannot be read as a URL: brackets or port are wrong", remedy=example) from broken
    if parts.scheme not in ("http", "https"):
        raise HarnessError("must begin with https:// or http://", remedy=example)
    if port == 0:
        raise HarnessError("port 0 is nobody's", remedy=example)
    return parts


def _refuse_decoration(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise HarnessError("carries a user name or password", remedy="name the key's variable with api_key_env")
    if parts.query or parts.fragment:
        raise HarnessError("has a query or fragment", remedy="drop what follows `?` or `#`; a key goes in api_key_env")
    operation = _OPERATION.search(parts.path)
    if operation:
        remedy = f"drop {operation.group()!r}: the dialect adds it"
        raise HarnessError("is the address of one operation, not the API's base", remedy=remedy)


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_loopback(host: str, address: _Address | None) -> bool:
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")
