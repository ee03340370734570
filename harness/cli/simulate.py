"""`signoff simulate SCENARIO`: serve the scenario's simulated endpoints until Ctrl-C, for trying things out and for tests."""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from harness import assembly, scenario_file
from harness.errors import ExitCode, HarnessError

if TYPE_CHECKING:
    from harness.simulator.authority import Authority
    from harness.simulator.config import Config


def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario's folder or file, or a bundled name.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="First port; each candidate has one. 0: any free ones.")] = 8100,
    host: Annotated[str, typer.Option(help="Address to listen on, open to whoever reaches it.")] = "127.0.0.1",
    truth: Annotated[Path | None, typer.Option(help="File for what was really sent, one JSON line a request.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Serve HTTPS, with an authority made for this time.")] = False,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY.PATH=VALUE over the file's; repeatable.")] = None,
) -> ExitCode:
    """Serve the scenario's simulated endpoints; prints their addresses."""
    loaded = scenario_file.load(scenario, overrides or ())
    config = assembly.simulator_config(loaded, truth, port)
    if config is None:
        remedy = "give an endpoint a `simulated:` section instead of base_url"
        raise HarnessError("no endpoint is simulated", where=str(loaded.path), remedy=remedy)
    config = msgspec.structs.replace(config, host=host)
    _check_free(config)
    with tempfile.TemporaryDirectory(prefix="signoff-") as name:
        folder = Path(name)
        authority = _authority(folder) if tls else None
        if authority is not None:
            config = msgspec.structs.replace(config, tls=authority.tls)
        simulator = assembly.Simulator(config, folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            print(msgspec.json.encode(simulator.urls).decode(), flush=True)
            if authority is not None:
                print(
                    f"authority, as long as this serves: {authority.ca_file}\ntls: {{ca_file: {authority.ca_file}}}", flush=True
                )
            print("serving; Ctrl-C ends it", file=sys.stderr)
            simulator.wait()
        except KeyboardInterrupt:
            return ExitCode.OK
        finally:
            simulator.stop()
    return ExitCode.OK


def _check_free(config: "Config") -> None:
    """All ports, before anything is started: the simulator itself could only say that one of them is not to be had."""
    for port in range(config.port, config.port + len(config.candidates)) if config.port else ():
        try:
            socket.create_server((config.host, port)).close()
        except (OSError, OverflowError) as taken:
            number = getattr(taken, "errno", None)  # Subtle: of create_server, strerror has the address in it as well
            what = f"port {port} of {config.host} cannot be had: {os.strerror(number) if number else taken}"
            count = f"the first of {len(config.candidates)} free ones" if len(config.candidates) > 1 else "another one"
            remedy = f"end what listens there (another `signoff simulate`?), give {count}, or `--port 0` for any"
            raise HarnessError(what, where="--port", remedy=remedy) from taken


def _authority(folder: Path) -> "Authority":
    from harness.simulator import authority  # noqa: PLC0415 - loads cryptography, which nothing else here needs

    return authority.make(folder)
