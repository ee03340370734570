"""What became of each attempt of an evaluation: whether it was tried again, or what its answer came to.

The rule: the last attempt at an answer decides. One that might have been tried again and was not, because the run was cut,
tells nothing of the endpoint, and neither does one that we cut ourselves.
"""

from collections.abc import Iterable
from typing import Any

from harness.journal_reader import Attempt
from harness.records import Manifest
from harness.trial import TRANSIENT

RETRIED, ANSWER, GIVEN_UP, CUT = "retried", "answer", "given_up", "cut"
ANSWERED = frozenset({"ok", "refused", "blocked_input", "blocked_output"})
COLUMNS = {"trial": "Int64", "first_trial": "object", "trial_wait_s": "float64", "answer_s": "float64", "fate": "object"}


def attempts_most(manifest: Manifest) -> int | None:
    """At one answer; None where the run was no evaluation."""
    load = manifest.scenario.get("load", {})
    return int(load["attempts_most"]) if load.get("kind") == "evaluation" else None


class Fates:
    """Of all attempts of a run."""

    def __init__(self, attempts: Iterable[Attempt], most: int) -> None:
        self._most = most
        self._last: dict[str, Attempt] = {}
        self._begun_ns: dict[str, int | None] = {}
        for each in attempts:
            trial = each.start.trial
            if trial is None or trial.first is None:
                continue
            if trial.number == 0:
                self._begun_ns[trial.first] = each.start.dispatched_ns
            last = self._last.get(trial.first)
            if last is None or last.start.trial is None or last.start.trial.number < trial.number:
                self._last[trial.first] = each

    def of(self, attempt: Attempt) -> str:
        trial, end = attempt.start.trial, attempt.end
        assert trial is not None, "every attempt of an evaluation is some trial"
        if self._last[trial.first or attempt.start.id] is not attempt:
            return RETRIED
        if end is None or end.kind in ("cancelled", "dropped"):
            return CUT
        if end.kind in ANSWERED:
            return ANSWER
        return CUT if end.kind in TRANSIENT and trial.number + 1 < self._most else GIVEN_UP

    def columns(self, attempt: Attempt) -> dict[str, Any]:
        """What `joined.csv` says of it; answer_s is from the first dispatch to the last token of a whole answer."""
        trial, end = attempt.start.trial, attempt.end
        assert trial is not None, "every attempt of an evaluation is some trial"
        begun_ns = self._begun_ns.get(trial.first or attempt.start.id)
        done_ns = end.last_token_ns or end.done_ns if end is not None and end.kind == "ok" else None
        return {
            "trial": trial.number,
            "first_trial": trial.first or attempt.start.id,
            "trial_wait_s": trial.waited_ns / 1e9,
            "answer_s": None if begun_ns is None or done_ns is None else (done_ns - begun_ns) / 1e9,
            "fate": self.of(attempt),
        }
