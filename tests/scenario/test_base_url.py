"""Which addresses are accepted as an endpoint's base."""

import pytest

from harness.base_url import checked, checked_proxy, is_local
from harness.errors import HarnessError


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com", "https://api.example.com"),
        ("https://10.1.2.3:8443/a/b", "https://10.1.2.3:8443/a/b"),
        ("https://[2001:db8::1]:8443/v1", "https://[2001:db8::1]:8443/v1"),
        ("https://my_gateway.internal./v1", "https://my_gateway.internal./v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://127.8.9.1:8000", "http://127.8.9.1:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[::ffff:127.0.0.1]/v1", "http://[::ffff:127.0.0.1]/v1"),
        ("http://llm.localhost/v1", "http://llm.localhost/v1"),
    ],
)
def test_a_base_is_kept_without_its_trailing_slash(url: str, kept: str) -> None:
    """https anywhere and http on loopback are endpoints."""
    assert kept == checked(url)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "blank"),
        ("api.example.com/v1", "must begin with https"),
        ("ftp://api.example.com", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("https://", "host is neither"),
        ("https:///v1", "host is neither"),
        ("https://api.example.com:port/v1", "port"),
        ("https://api.example.com:99999/v1", "port"),
        ("https://api.example.com:0/v1", "port 0"),
        ("https://[::1/v1", "brackets"),
        ("https://api.example.com/v1 ", "blank"),
        ("https://api.example.com/v1\n", "blank"),
        ("https://api.example.com/v1\x00", "control character"),
        ("https://b\u00fccher.example/v1", "ASCII"),
        ("https://api.example.com/v1?key=abc", "query"),
        ("https://api.example.com/v1#x", "fragment"),
        ("https://-api-.example.com-/v1", "host is neither"),
        ("https://api.example.com/v1/chat/completions", "one operation"),
        ("https://api.example.com/v1/messages", "one operation"),
    ],
)
def test_what_is_no_base_is_refused(url: str, what: str) -> None:
    """Anything but scheme, host, port and path of an API is refused, and the message says which part is wrong."""
    with pytest.raises(HarnessError, match=what):
        checked(url)


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "http://192.168.0.7:8000", "http://localhost.evil.example/v1"])
def test_plain_http_to_another_host_needs_permission(url: str) -> None:
    """A key does not cross a network unencrypted unless the scenario says `allow_http`."""
    with pytest.raises(HarnessError, match="plain http"):
        checked(url)
    assert url == checked(url, allow_http=True)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "metadata.google.internal",
        "METADATA.google.internal.",
    ],
)
def test_metadata_and_link_local_addresses_are_refused(host: str) -> None:
    """The addresses where clouds hand out credentials are never endpoints, whatever the scheme and permission."""
    with pytest.raises(HarnessError, match="link-local"):
        checked(f"https://{host}/v1", allow_http=True)


@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "169.254.43518", "0xa9.0xfe.0xa9.0xfe", "1.2.3"])
def test_an_address_in_disguise_is_refused(host: str) -> None:
    """Numbers that resolvers read as IPv4 addresses, but are not written as one, do not pass as host names."""
    with pytest.raises(HarnessError, match="neither a name nor an IP address"):
        checked(f"http://{host}/v1", allow_http=True)


@pytest.mark.parametrize(
    "url", ["https://me:pa/ss@api.example.com/v1", "https://api.example.com/v1?key=pa/ss", "x://me:pa/ss@h"]
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    """The message quotes the address without user name, password and query."""
    with pytest.raises(HarnessError) as caught:
        checked(url)
    assert "pa/ss" not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize("url", ["http://proxy.test:3128", "http://10.0.0.1:80", "http://[::1]:3128", "http://localhost:1"])
def test_a_proxy_is_a_host_and_a_port(url: str) -> None:
    """A trailing slash is not part of it."""
    assert (url, url) == (checked_proxy(url), checked_proxy(f"{url}/"))


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("proxy.test:3128", "must begin with"),
        ("https://proxy.test:3128", "is not the plain address of a proxy with its port"),
        ("socks5://proxy.test:1080", "must begin with"),
        ("http://proxy.test", "is not the plain address of a proxy with its port"),
        ("http://proxy.test:0", "port 0"),
        ("http://proxy.test:3128/path", "is not the plain address"),
        ("http://proxy.test:3128?CANARY", "is not the plain address"),
        (
            "http://me:CANARY@proxy.test:3128",
            "a user name or password\n  name the variable with both by proxy_auth_env",
        ),
        ("http://169.254.169.254:80", "metadata address"),
        ("http://-x-:80", "neither a name nor an IP address"),
    ],
)
def test_what_is_no_proxy_is_refused(url: str, what: str) -> None:
    """Anything but http, host and port is refused, and credentials are not shown."""
    with pytest.raises(HarnessError) as caught:
        checked_proxy(url)
    assert what in str(caught.value)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://localhost:1", True), ("http://127.9.9.9:1", True), ("http://[::1]:1", True), ("http://10.0.0.1:1", False)],
)
def test_what_is_on_this_machine(url: str, local: bool) -> None:
    """Loopback by name or by address."""
    assert local is is_local(url)
