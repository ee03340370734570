"""`signoff simulate`, as a process: what it prints is enough to reach what it serves."""

import json
import signal
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
