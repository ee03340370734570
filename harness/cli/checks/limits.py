"""What the system lets a process have."""

import math
import resource

from harness.cli.checks.check import Check, Planned, counted

RESERVED = 100  # files of a load process, beside its connections
USERS = 1_000  # where nothing is planned
LOCUST_WANTS = 10_000  # a load process raises its soft limit to that where the hard one allows it, and else not at all


def open_files(planned: Planned) -> Check:
    """Held against what is planned. Where that is nothing it is only a warning."""
    soft, hard = (math.inf if each == resource.RLIM_INFINITY else each for each in resource.getrlimit(resource.RLIMIT_NOFILE))
    limit = max(soft, LOCUST_WANTS) if hard >= LOCUST_WANTS else soft
    users = planned.users or USERS
    need = math.ceil(users / planned.processes) * planned.endpoints + RESERVED
    load = f"{counted(users, 'user')} x {counted(planned.endpoints, 'endpoint')} / {counted(planned.processes, 'process')}"
    found = f"limit {_words(limit)} (soft {_words(soft)}, hard {_words(hard)}), and {load} need {need:,}"
    why = "a load process keeps a connection open for each of its users at each endpoint"
    if need <= limit:
        return Check("open files", "ok", found, why)
    remedy = f"`ulimit -n {need}` before a run"
    if need > hard:
        remedy = f"have the hard limit raised to {need:,} (limits.conf, LimitNOFILE, docker --ulimit)"
    users_of_one = max(0, int(limit) - RESERVED) // planned.endpoints
    if users_of_one:
        remedy += f", or {counted(math.ceil(users / users_of_one), 'process')} (--processes)"
    return Check("open files", "warn" if planned.users is None else "fail", found, why, remedy)


def _words(limit: float) -> str:
    return "none" if limit == math.inf else f"{limit:,}"
