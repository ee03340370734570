"""Closed loop: every simulated user has one request in flight and sends the next when the answer is complete.

    locust -f locustfiles/closed_loop.py --scenario scenarios/claims_triage
    locust -f locustfiles/closed_loop.py --scenario S --processes 2

`signoff run` starts this very file; grade and report afterwards with `signoff score RUN` and `signoff report RUN`.
"""

from typing import Any

from locust import events

from harness.loadgen import cluster
from harness.loadgen.cluster import PopulationShape
from harness.loadgen.user import ReplayUser
from harness.session import add_options, begin, find_run


class ClosedLoopUser(ReplayUser):
    """One user of the population."""


class Population(PopulationShape):
    """All users at once, parked; the plan of the run wakes them."""


@events.init_command_line_parser.add_listener
def options(parser: Any) -> None:
    add_options(parser)


@events.init.add_listener
def join(environment: Any, runner: Any, **_: Any) -> None:
    cluster.join(environment, runner, find_run, begin)
