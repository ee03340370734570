"""A queue before so many servers, first come first served, by reckoning alone: no clock, no callback.

The rule: a service time is known when its request is admitted, so when it begins is, too. A client that leaves frees no server:
what it asked for is worked off all the same.
"""

import heapq


class Servers:
    """`n` servers that are free at first."""

    def __init__(self, n: int) -> None:
        self._free_ns = [0] * n  # a heap: when each server has done what it was given so far

    def admit(self, received_ns: int, service_ns: int) -> int:
        """When the service of this request begins. Requests are served in the order of the calls.

        It is the recursion of Kiefer and Wolfowitz (1955): begun as soon as it is there and the first server is free.
        """
        began_ns = max(received_ns, self._free_ns[0])
        heapq.heapreplace(self._free_ns, began_ns + service_ns)
        return began_ns
