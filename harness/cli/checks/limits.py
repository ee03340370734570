"""What the system lets a process have."""

import resource

from harness.cli.checks.check import Check, warn_if

RESERVED = 100  # of a worker, beside one per user
USERS = 1_000


def open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    users = soft - RESERVED
    found = f"limit {soft} (hard {hard}): at most {users} users per process"
    remedy = f"`ulimit -n {min(hard, 65536)}` before a run, or more processes"
    return warn_if(users < USERS, "open files", found, "every user keeps one connection open", remedy)
