"""Queues and series whose truth is known, for tests of the steady state. One row of each array is one simulated window."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def served(start_s: Floats, service_s: Floats, servers: int) -> Floats:
    """When each request ends at this many servers, first come first served."""
    free_s = np.zeros((len(start_s), servers))
    row, end_s = np.arange(len(start_s)), np.empty_like(start_s)
    for number in range(start_s.shape[1]):
        server = free_s.argmin(axis=1)
        began_s = np.maximum(start_s[:, number], free_s[row, server])
        end_s[:, number] = free_s[row, server] = began_s + service_s[:, number]
    return end_s


def mmc(load: float, servers: int, n: int, rows: int, seed: int) -> tuple[Floats, Floats]:
    """Arrivals and ends of M/M/c from empty, mean service 1 s."""
    rng = np.random.default_rng(seed)
    start_s = np.cumsum(rng.exponential(1 / (load * servers), (rows, n)), axis=1)
    return start_s, served(start_s, rng.exponential(1.0, (rows, n)), servers)


def ar1(phi: float, n: int, rows: int, seed: int) -> Floats:
    """Stationary series of mean 20 in which each value keeps phi of the one before."""
    noise = np.random.default_rng(seed).normal(size=(rows, n))
    noise[:, 0] /= np.sqrt(1 - phi**2)
    for number in range(1, n):
        noise[:, number] += phi * noise[:, number - 1]
    return 20 + noise
