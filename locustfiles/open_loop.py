"""Open loop: requests are sent on a schedule, however slow the endpoint is; users are the hands that send them.

    locust -f locustfiles/open_loop.py --scenario S
    locust -f locustfiles/open_loop.py --scenario S --processes 2

`signoff run` starts this very file for a scenario whose `load.kind` is `open`.
"""

from typing import Any

from locust import events

from harness.loadgen import cluster
from harness.loadgen.cluster import PopulationShape
from harness.loadgen.user import ReplayUser
from harness.session import add_options, begin, find_run


class OpenLoopUser(ReplayUser):
    """One pair of hands: parked until an arrival is due."""


class Population(PopulationShape):
    """All users at once, parked."""


@events.init_command_line_parser.add_listener
def options(parser: Any) -> None:
    add_options(parser)


@events.init.add_listener
def join(environment: Any, runner: Any, **_: Any) -> None:
    cluster.join(environment, runner, find_run, begin)
