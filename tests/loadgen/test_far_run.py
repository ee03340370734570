"""A whole run whose endpoints lie behind a proxy, one of them wanting our certificate: what is measured, and what is hidden."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from asking import server_tls
from cryptography.hazmat.primitives import serialization
from scripted import Peer, serving
from small_proxy import proxying

from harness import results

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
USER, PASSWORD = "me:CANARY-proxy", "CANARY-key"
SECRETS = ("CANARY", base64.b64encode(USER.encode()).decode())
EVENTS = (
    b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "!"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}}\n\n',
    b"data: [DONE]\n\n",
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n%b\r\n" % (len(b"".join(EVENTS)), b"%b")
SCENARIO = """\
name: far
endpoints:
  inside:
    model: m
    base_url: https://far.invalid:{https}/v1
    proxy: {proxy}
    proxy_auth_env: PROXY_AUTH
    tls: {{ca_file: ca.pem, client_cert: me.crt, client_key: me.key, client_key_password_env: KEY_PASSWORD}}
  plain:
    model: m
    base_url: http://far.invalid:{http}/v1
    allow_http: true
    proxy: {proxy}
    proxy_auth_env: PROXY_AUTH
prompts: {{dataset: d.jsonl}}
load: {{levels: [3], warmup_s: 0.5, measure_s: 1.5, drain_s: 5}}
"""


def answering(peer: Peer, keep: bool = True) -> None:
    while True:
        peer.request()
        peer.send(HEAD % (b"" if keep else b"Connection: close\r\n"))
        for event in EVENTS:
            peer.send(event)
        if not keep:
            return


def write_scenario(folder: Path, authority: tuple[trustme.CA, Path], **places: object) -> None:
    ca, _ = authority
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    mine = ca.issue_cert("me@test")
    mine.cert_chain_pems[0].write_to_path(str(folder / "me.crt"))
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    form, lock = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(PASSWORD.encode())
    (folder / "me.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))
    (folder / "d.jsonl").write_text('{"id":"a","prompt":"x","expected":"y"}\n')
    (folder / "scenario.yaml").write_text(SCENARIO.format(**places))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, authority: tuple[trustme.CA, Path]) -> tuple[Path, str, list[bytes]]:
    """(run directory, all that the command printed, requests as the proxy saw them)."""
    folder = tmp_path_factory.mktemp("far")
    ca, _ = authority
    served = server_tls(ca, "far.invalid", clients=True)
    with (
        proxying(USER) as (url, proxy),
        serving(answering, served) as (https, _),
        serving(lambda peer: answering(peer, keep=False)) as (http, _),
    ):
        write_scenario(folder, authority, proxy=url.replace("127.0.0.1", "localhost"), https=https, http=http)
        words = ["run", str(folder), "--out", str(folder / "runs"), "--metrics", ""]
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli.app", *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PROXY_AUTH": USER, "KEY_PASSWORD": PASSWORD},
        )
    assert done.returncode in (0, 4), done.stderr  # 4: answers at once keep the load process's core busy, as it says itself
    return (folder / "runs" / "latest").resolve(), done.stdout + done.stderr, proxy.heads


@pytest.fixture(scope="module")
def networks(made: tuple[Path, str, list[bytes]]) -> dict[str, Any]:
    endpoints = json.loads((made[0] / "summary.json").read_bytes())["endpoints"]
    return {name: endpoint["levels"]["3"]["network"] for name, endpoint in endpoints.items()}


def test_every_attempt_came_through(made: tuple[Path, str, list[bytes]]) -> None:
    """Answers are whole at both endpoints, in warm-up and after, and each way was asked of the proxy as it should be."""
    run = results.read_run(made[0])
    assert {"inside": {"ok"}, "plain": {"ok"}} == {
        name: {each.end.kind for each in run.attempts if each.start.endpoint == name} for name in ("inside", "plain")
    }
    assert {b"CONNECT", b"POST"} == {head.split()[0] for head in made[2]}


def test_the_steps_are_timed_apart(networks: dict[str, Any]) -> None:
    """Behind a tunnel each connection has its connect, proxy and TLS; asked itself, the proxy is not a step.

    Both endpoints are behind one proxy, and its name is looked up once.
    """
    inside, plain = networks["inside"], networks["plain"]
    steps = ("connect_s", "proxy_s", "tls_s")
    assert 1 == inside["dns_s"]["n"] + plain["dns_s"]["n"]
    assert [inside["opened"]] * 3 == [inside[step]["n"] for step in steps]
    assert [plain["opened"], 0, 0] == [plain[step]["n"] for step in steps]
    assert inside["opened"] >= 3
    assert {"127.0.0.1": inside["opened"]} == inside["addresses"]
    assert 0 < inside["min_rtt_s"]["p50"] <= inside["rtt_s"]["p50"]


def test_only_the_proxys_name_is_looked_up(made: tuple[Path, str, list[bytes]]) -> None:
    """The journal has the addresses of the proxy; what lies behind it is the proxy's to know."""
    run = results.read_run(made[0])
    [(worker, found)] = run.resolved
    assert (0, "localhost", True) == (worker, found.host, "127.0.0.1" in found.addresses)
    [name] = json.loads((made[0] / "summary.json").read_bytes())["names"]
    assert ("localhost", list(found.addresses), 1) == (name["host"], name["addresses"], name["n"])


def test_no_secret_is_anywhere(made: tuple[Path, str, list[bytes]]) -> None:
    """Neither user nor passwords are in the run directory or in what was printed; the proxy, which must have them, had them."""
    run, printed, heads = made
    assert any(SECRETS[1].encode() in head for head in heads)
    texts = {str(path): path.read_bytes().decode("utf-8", "replace") for path in run.rglob("*") if path.is_file()}
    found = [(place, secret) for place, text in {**texts, "printed": printed}.items() for secret in SECRETS if secret in text]
    assert [] == found


def test_a_probe_shows_certificate_and_network(tmp_path: Path, authority: tuple[trustme.CA, Path]) -> None:
    """`signoff probe --client-cert` gets in where a certificate is wanted, and prints what opening and the way took."""
    ca, file = authority
    mine = tmp_path / "me.pem"
    ca.issue_cert("me@test").private_key_and_cert_chain_pem.write_to_path(str(mine))
    with serving(answering, server_tls(ca, "127.0.0.1", clients=True)) as (port, _):
        words = ["probe", f"https://127.0.0.1:{port}/v1", "--model", "m", "--n", "2", "--ca-file", str(file)]
        command = [sys.executable, "-m", "harness.cli.app", *words, "--client-cert", str(mine), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (0, "ok", "ok") == (done.returncode, first["kind"], second["kind"]), done.stderr
    assert ("127.0.0.1", None) == (first["address"], second["address"])
    assert min(first["dns_s"], first["connect_s"], first["tls_s"], first["rtt_s"], first["min_rtt_s"]) > 0
    assert (None, 0, 0, True) == (first["proxy_s"], first["retransmits"], first["out_of_order"], second["reused"])
