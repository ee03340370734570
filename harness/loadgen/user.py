"""The Locust user: replays the team's prompts, one at a time, whenever the worker has a turn for it."""

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
        """Work while there is a turn for this seat, else stay parked. Locust ends it by GreenletExit."""
        worker, seat = self.worker, self.seat
        assert worker is not None, "users are spawned after the worker is ready"
        try:
            while True:
                worker.wait_for_room()
                turn = seat.turns.turn(seat.number)
                if turn is None:
                    seat.turns.wait(seat.number)
                    continue
                pause = worker.attempt(seat, turn)
                while worker.drain.backlog > CROWDED:  # decoding is behind: more answers would wait, and fill the memory
                    gevent.sleep(CROWDED_S)
                if pause:
                    gevent.sleep(pause)
        finally:
            worker.leave(seat)
