"""Hosts on one machine: each has a network, a host name and folders of its own, and a cable to a switch that can be pulled.

    with hosts.network("one", "two") as net:
        net.start("two", [...], cwd=net["two"].folder)
        net.cut("two")

A host is a process in namespaces of its own. It sees the folders of no other host: over each lies an empty file system. All is
gone with the processes: namespaces have no names, devices live in them.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_NET = "10.77.0"
_SWITCH = "switch0"


def lacking() -> str | None:
    """Why this machine cannot have such hosts; None where it can."""
    missing = [program for program in ("ip", "unshare", "nsenter", "mount") if shutil.which(program) is None]
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making a network device needs root"
    if missing:
        return f"there is no program {missing[0]!r} (Debian: iproute2, util-linux, mount)"
    words = ["unshare", "--net", "--mount", "--uts", "sh", "-c", "ip link add name s0 type bridge && ip link add type veth"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"no namespace with a bridge can be made: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True)
class Host:
    """`pid` is of the process that holds its namespaces."""

    name: str
    number: int
    pid: int
    folder: Path

    @property
    def address(self) -> str:
        return f"{_NET}.{self.number}"


class Network:
    """Its hosts by name; `folder` holds one folder for each."""

    def __init__(self, folder: Path, names: Sequence[str], undo: ExitStack) -> None:
        self._undo = undo
        self._switch = self._holder("--net")
        self._inside(self._switch, "ip", "link", "add", "name", _SWITCH, "type", "bridge")
        self._inside(self._switch, "ip", "link", "set", _SWITCH, "up")
        folders = {name: folder / name for name in names}
        for each in folders.values():
            each.mkdir()
        self._hosts = {name: self._host(name, number, folders) for number, name in enumerate(names, 1)}

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def start(self, name: str, words: Sequence[object], log: IO[bytes], **environ: str) -> "Child":
        """A program on that host, in its folder; it is killed at the end where it goes on until then."""
        host = self[name]
        command = [*_enter(host.pid), f"--wd={host.folder}", *map(str, words)]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environ},
            start_new_session=True,
        )  # fmt: skip
        self._undo.callback(_end, child)
        return child

    def cut(self, name: str) -> None:
        """Pull its cable: what is on its way is lost, and nobody hears of it."""
        self._inside(self._switch, "ip", "link", "set", f"port{self[name].number}", "down")

    def _host(self, name: str, number: int, folders: Mapping[str, Path]) -> Host:
        host = Host(name, number, self._holder("--net", "--mount", "--uts"), folders[name])
        port = f"port{number}"
        self._inside(self._switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
        self._inside(self._switch, "ip", "link", "set", port, "master", _SWITCH, "up")
        addressed = ["addr", "add", f"{host.address}/24", "dev", "eth0"]
        for words in (addressed, ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            self._inside(host.pid, "ip", *words)
        self._inside(host.pid, "hostname", name)
        for other, folder in folders.items():
            if other != name:
                self._inside(host.pid, "mount", "-t", "tmpfs", "none", str(folder))
        return host

    def _holder(self, *spaces: str) -> int:
        """A process that does nothing in namespaces of its own; it says so when it is in there."""
        words = ["unshare", *spaces, "sh", "-c", "echo there; exec sleep infinity"]
        holder = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        self._undo.callback(_end, holder)
        assert holder.stdout is not None
        assert b"there\n" == holder.stdout.readline()
        holder.stdout.close()
        return holder.pid

    @staticmethod
    def _inside(pid: int, *words: str) -> None:
        subprocess.run([*_enter(pid), *words], check=True, capture_output=True)


Child = subprocess.Popen[bytes]


def _enter(pid: int) -> list[str]:
    return ["nsenter", "--target", str(pid), "--net", "--mount", "--uts"]


def _end(child: Child) -> None:
    """With all that it started in its session."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextmanager
def network(folder: Path, *names: str) -> Iterator[Network]:
    """Hosts of these names on one switch, with nothing left of them afterwards but what they wrote into their folders."""
    with ExitStack() as undo:
        yield Network(folder, names, undo)
