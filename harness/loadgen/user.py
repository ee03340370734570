"""The Locust user: replays the team's prompts, one at a time, in the blocks that the conductor opens."""

from typing import Any, ClassVar

import gevent
from locust import User, task

from harness.loadgen.worker import Worker

CROWDED = 1_000
CROWDED_S = 0.005


class ReplayUser(User):
    """Abstract: a locustfile derives its user class from it. `worker` is set when this process has its run directory."""

    abstract = True
    worker: ClassVar[Worker | None] = None

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        assert self.worker is not None, "users are spawned after the worker is ready"
        self.seat = self.worker.seat()

    @task
    def replay(self) -> None:
        """Work while this seat is admitted, else stay parked. Locust ends it by GreenletExit."""
        worker, seat = self.worker, self.seat
        assert worker is not None, "users are spawned after the worker is ready"
        try:
            while True:
                block = worker.gate.admitted(seat.number)
                if block is None:
                    worker.gate.wait(seat.number)
                    continue
                pause = worker.attempt(seat, block)
                while worker.drain.backlog > CROWDED:  # decoding is behind: more answers would wait, and fill the memory
                    gevent.sleep(CROWDED_S)
                if pause:
                    gevent.sleep(pause)
        finally:
            worker.leave(seat)
