"""What Locust is told about users: how many there are, and that a worker which was given up is none of its own any more.

The rule: Locust deals users out evenly and knows nothing of blocks. Each worker always has enough for its share of any.
"""

from typing import Any

import gevent

from harness.loadgen import plan


class Population:
    """For blocks that need up to `users` in each of so many `lanes`."""

    def __init__(self, runner: Any, users: int, lanes: int) -> None:
        self._runner, self._users, self._lanes = runner, users, lanes

    def on(self, workers: int) -> int:
        return plan.population(self._users, self._lanes, workers)

    def dismiss(self, client: str | None) -> None:
        """Subtle: Locust would count it in for another minute, and deal users out to it."""
        clients = getattr(self._runner, "clients", None)
        if clients is not None:
            clients.pop(client, None)
            self._runner._users_dispatcher = None  # noqa: SLF001 - it deals to those that it was made with

    def spawn(self, workers: int) -> None:
        """Begin to: Locust's event tells when all are there. Users that are there already stay."""
        users = self.on(workers)
        gevent.spawn(self._runner.start, users, float(users))
