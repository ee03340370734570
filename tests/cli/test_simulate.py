"""`signoff simulate`, as a process: what it prints is enough to reach what it serves."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml


def test_with_tls_it_prints_what_a_client_must_trust(scenario: Path) -> None:
    """Addresses, the authority's file, and a line for scenario.yaml; who verifies by that file is served."""
    words = [sys.executable, "-m", "harness.cli.app", "simulate", str(scenario), "--port", "0", "--tls"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        urls, authority, line = (child.stdout.readline() for _ in range(3))
        ca_file = yaml.safe_load(line)["tls"]["ca_file"]
        handler = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(f"{json.loads(urls)['fast']}/models", timeout=10) as answer:
            served = json.load(answer)
        child.send_signal(signal.SIGINT)
    assert (0, ["m"]) == (child.returncode, [model["id"] for model in served["data"]])
    assert authority.strip().endswith(ca_file)
    assert not Path(ca_file).exists(), "the authority outlived the simulator"


def test_a_scenario_tells_its_simulator_how_to_behave_under_load(scenario: Path, tmp_path: Path) -> None:
    """Rate limits that stand under `simulated` are those of the responses, and the truth has the queue's reckoning."""
    truth = tmp_path / "truth.jsonl"
    told = "endpoints.fast.simulated={limits: {requests_per_minute: 120}, servers: 1, service: {mean_s: 0.01, kind: fixed}}"
    words = [sys.executable, "-m", "harness.cli.app", "simulate", str(scenario), "--port", "0", "--truth", str(truth)]
    with subprocess.Popen([*words, "--set", told], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["fast"]
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/chat/completions", body, timeout=10) as answer:
            limit = answer.headers["x-ratelimit-limit-requests"]
        child.send_signal(signal.SIGINT)
    line = json.loads(truth.read_text())
    assert (0, "120", 10_000_000, 119.0) == (child.returncode, limit, line["service_ns"], line["limits"]["requests"])


def test_what_cannot_be_meant_is_one_clear_error(scenario: Path) -> None:
    """Exit 2, with the place, the values and a remedy."""
    told = "endpoints.fast.simulated={freeze: {every_s: 1, for_s: 2}}"
    words = [sys.executable, "-m", "harness.cli.app", "simulate", str(scenario), "--set", told]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert "endpoints.fast.simulated.freeze: a freeze of 2 s every 1 s never ends" in done.stderr
    assert "let for_s be less than every_s" in done.stderr


def test_a_port_that_is_taken_is_named(scenario: Path) -> None:
    """With what to do, and before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [sys.executable, "-m", "harness.cli.app", "simulate", str(scenario), "--port", str(port)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert f"--port: port {port} of 127.0.0.1 cannot be had: Address already in use\n  end what listens there" in done.stderr
    assert "simulator.json" not in done.stderr
