"""The garbage collector of a process that makes load: a collection stops all reading."""

import gc

COLLECT_AFTER = 5_000  # container objects: a pause of 2 ms; requests that begin together make thousands and leave none behind


def calm() -> None:
    """It would take 40 ms to walk Locust, prompts and users: it shall not walk them again."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    gc.freeze()
