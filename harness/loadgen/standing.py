"""How a run stands: what was found, what the process will exit with, and the manifest that says so.

The rule: on a full disk the last word still fits, for room was kept for it.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness import reserve, results, sessions
from harness.errors import ExitCode, StorageError, worst
from harness.loss import Loss
from harness.records import Block, Finding, Manifest
from harness.searched import Searched
from harness.worker_host import WorkerHost

log = logging.getLogger(__name__)


class Standing:
    """`workers` are those that the run began with. `beside` tells of findings that may still change, until the end."""

    def __init__(self, run: Path, manifest: Manifest, workers: int) -> None:
        self._run, self._manifest = run, msgspec.structs.replace(manifest, workers=workers)
        self._before = manifest.losses, manifest.hosts  # of earlier sessions
        self._first = sessions.first_worker(manifest.sessions, sessions.current(manifest.sessions))
        self.beside: Callable[[], list[Finding]] = list
        self._findings = list(manifest.findings)  # of earlier sessions, where they are of what counts
        self._codes: set[ExitCode] = set()

    @property
    def plan(self) -> tuple[Block, ...]:
        return self._manifest.plan

    @property
    def exit_code(self) -> ExitCode:
        return worst(self._codes)

    def note(self, code: ExitCode, found: Finding | None = None) -> None:
        """What the process will exit with, unless something worse comes; and why."""
        if found is not None:
            log.error("%s: %s", found.code, found.what)
            self._findings.append(found)
        self._codes.add(code)

    def find(self, code: str, what: str, why: str, remedy: str) -> None:
        """Something that makes the run INVALID."""
        self.note(ExitCode.INVALID, Finding(code=code, what=what, why=why, remedy=remedy, invalid=True))

    def not_started(self, why: str) -> None:
        self.find("not_started", "the users were not spawned within a minute", why, "see the log")

    def not_ready(self, missing: int, of: int) -> None:
        what = f"{missing} of {of} load processes ended before all were ready"
        self.find("not_started", what, "nothing was measured", "look for what ended them (memory?), see the log and run again")

    def note_full_disk(self, what: str) -> None:
        """What is in flight, and the state, fit into the reserve."""
        reserve.free(self._run)
        if ExitCode.STORAGE not in self._codes:
            self.note(ExitCode.STORAGE)
            self.find("storage", what, "the run was stopped, for no more could be written down", "free space and run again")

    def extend(self, blocks: Iterable[Block]) -> bool:
        """What was not planned before the run, before it is played; False where it was."""
        more = tuple(block for block in blocks if block not in self._manifest.plan)
        self._manifest = msgspec.structs.replace(self._manifest, plan=(*self._manifest.plan, *more))
        return bool(more)

    def played(self, blocks: Iterable[Block]) -> None:
        """What a later session need not play again, whatever ends this one."""
        done = dict.fromkeys([*self._manifest.played, *(block.cell for block in blocks)])
        self._manifest = msgspec.structs.replace(self._manifest, played=tuple(done))

    def update(self, losses: Iterable[Loss], searches: tuple[Searched, ...], hosts: Iterable[WorkerHost]) -> None:
        """What is known of this session's workers by now, after what earlier ones left."""
        earlier_losses, earlier_hosts = self._before
        counted = (msgspec.structs.replace(each, worker=self._first + each.worker) for each in hosts)
        self._manifest = msgspec.structs.replace(
            self._manifest, losses=(*earlier_losses, *losses), searches=searches, hosts=(*earlier_hosts, *counted)
        )

    def write(self, *, is_running: bool, has_begun: bool) -> bool:
        """False where the disk was full; then once more, into the room that was kept for it. At the end that is given back."""
        if not is_running:
            reserve.free(self._run)
        state = "running" if is_running else self._final_state(has_begun=has_begun)
        try:
            results.write_manifest(self._run, self._as_it_is(state))
        except StorageError as full:
            self.note_full_disk(str(full))
            with suppress(StorageError):  # the exit code says it all the same
                results.write_manifest(self._run, self._as_it_is("failed_storage"))
            return False
        return True

    def _final_state(self, *, has_begun: bool) -> str:
        if not has_begun:
            return "interrupted" if self._manifest.sessions else "planned"  # it did not come to its first block
        if ExitCode.STORAGE in self._codes:
            return "failed_storage"
        if any(finding.invalid for finding in self._all()):
            return "degraded"
        if ExitCode.GUARD in self._codes:
            return "stopped_by_guard"
        return "interrupted" if ExitCode.INTERRUPTED in self._codes else "complete"

    def _as_it_is(self, state: str) -> Manifest:
        now = None if state in ("planned", "running") else datetime.now(UTC).isoformat(timespec="seconds")
        return msgspec.structs.replace(self._manifest, state=state, findings=tuple(self._all()), finished_utc=now)

    def _all(self) -> list[Finding]:
        return [*self._findings, *self.beside()]
