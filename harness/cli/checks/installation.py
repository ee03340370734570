"""What has to be installed, and what may be."""

import platform
import re
import shutil
import socket
from importlib import metadata

from harness.cli.checks.check import Check, warn_if


def python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.release()}"
    why = "Linux is the platform of record: epoll and kernel stamps are there"
    remedy = "measure on Linux; elsewhere stamps are taken after the read"
    return warn_if(platform.system() != "Linux", "python", found, why, remedy)


def packages() -> Check:
    why = "a missing package stops a run half way"
    needed = [line for line in metadata.requires("signoff") or () if "extra ==" not in line]
    versions, missing = [], []
    for name in (re.split(r"[^\w.-]", line)[0] for line in needed):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", why, f"pip install {' '.join(missing)}")
    return Check("packages", "ok", ", ".join(versions), why)


def exporter_port() -> Check:
    from harness.loadgen.exporter import DEFAULT_PORT  # noqa: PLC0415 - brings gevent

    why = "`signoff run` serves its live metrics for Prometheus there"
    try:
        socket.create_server(("127.0.0.1", DEFAULT_PORT)).close()
    except OSError as failed:
        remedy = f"end what listens there (`ss -ltnp 'sport = :{DEFAULT_PORT}'`), or choose another port"
        return Check("exporter port", "warn", f"127.0.0.1:{DEFAULT_PORT} is not free: {failed.strerror}", why, remedy)
    return Check("exporter port", "ok", f"127.0.0.1:{DEFAULT_PORT} is free", why)


def sandbox() -> Check:
    return _program("bwrap", "bubblewrap", "code that models write is graded only inside its sandbox")


def prometheus() -> Check:
    return _program("prometheus", "prometheus", "live metrics need a server that scrapes and keeps them")


def _program(name: str, package: str, why: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, "warn", "not found", why, f"install it (Debian: apt-get install {package}), or do without")
    return Check(name, "ok", path, why)
