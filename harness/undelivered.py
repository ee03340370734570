"""What workers elsewhere wrote and this run directory does not have: told from the files that are here, whoever reads them.

The rule: the manifest holds what such a worker told of and whether it said its last word, and no opinion; bring its files, and
the doubt is gone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.journal_reader import Attempt
from harness.records import Finding, Manifest
from harness.worker_host import WorkerHost, files_of


def doubts(run: Path, manifest: Manifest, here: Sequence[Attempt]) -> Iterator[Finding]:
    """`here` are the attempts in the journals that are here."""
    started = Counter(each.worker for each in here)
    sent = Counter(each.worker for each in here if each.start.dispatched_ns is not None)
    for each in manifest.hosts:
        lacking = _lacking_bytes(run, each)
        attempts = max(0, each.started - started[each.worker])
        is_over = manifest.state not in ("planned", "running")  # else more was told than is written here
        most = max(0, each.most - sent[each.worker]) if is_over and each.most else None
        if each.own and (lacking or not (each.whole or each.collected)):
            yield Finding(
                code="journal_undelivered",
                what=f"worker {each.worker} on {each.host or 'another host'} kept a journal of its own, of which "
                f"{_told(lacking, attempts)}{'' if most is None else f'; at most {most:,} that were sent are missing'}",
                why="what is not here is missing from every figure: attempts, their ends, and answers to grade",
                remedy=f"`signoff report RUN --collect FOLDER`, with that worker's folder: {manifest.run_id} in its --out, "
                "or in `runs` if it named none",
                invalid=True,
            )


def _lacking_bytes(run: Path, of: WorkerHost) -> int:
    """That it told of. Answers may have been purged since they had all come, or been brought."""
    names = files_of(of.worker)[:1] if of.whole or of.collected else files_of(of.worker)
    return sum(max(0, of.told.get(name, 0) - _size(run / name)) for name in names)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _told(lacking: int, attempts: int) -> str:
    if not lacking:
        return "its last word has not come: what it last told of is here, what it wrote then is not"
    begun = f", with {attempts:,} attempts," if attempts else ""
    return f"at least {lacking:,} bytes{begun} are not here"
