"""`make bench`: what the hot path costs and whether it tells the truth, as ratios within one round, medians of the rounds.

python -m tests.benchmarks [NAME ...] [--streams 50 500] [--rounds 3] [--c-client PROGRAM] [--markdown]
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tests.benchmarks import coalesced, cost, dispatch, fidelity, large, saturated, short_requests, users, workers
from tests.benchmarks.options import TOY, Options
from tests.benchmarks.peers import contest
from tests.benchmarks.processes import StoodStillError
from tests.benchmarks.table import circumstances, table

TRIES = 3  # of a round in which everything stood still
BENCHMARKS: dict[str, ModuleType] = {
    "cost": cost,
    "saturated": saturated,
    "fidelity": fidelity,
    "short": short_requests,
    "workers": workers,
    "users": users,
    "coalesced": coalesced,
    "large": large,
    "dispatch": dispatch,
}


ALL = {**BENCHMARKS, "peers": contest}  # the last one wants other tools: `make bench-peers`


def main(arguments: Sequence[str] | None = None) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that simulators and clients are ended with us
    chosen = _parser().parse_args(arguments)
    scale = TOY if chosen.toy else 1.0
    options = Options(1 if chosen.toy else chosen.rounds, chosen.streams, chosen.c_client, scale)
    print(circumstances(), f"medians of {options.rounds} rounds", sep="\n", flush=True)
    for name in chosen.names or BENCHMARKS:
        benchmark = ALL[name]
        rows = _rows(name, benchmark, options)
        print("", benchmark.__doc__, "", table(benchmark.HEAD, rows, markdown=chosen.markdown), sep="\n", flush=True)


def _rows(name: str, benchmark: ModuleType, options: Options) -> list[list[str]]:
    """All cases once, then all again: what the machine does meanwhile falls on all of them."""
    cases = benchmark.cases(options)
    rounds: list[list[object]] = [[] for _ in cases]
    for number in range(options.rounds):
        for place, case in enumerate(cases):
            print(f"{name}: round {number + 1}, case {place + 1} of {len(cases)}", file=sys.stderr, flush=True)
            rounds[place].append(measured(benchmark, case, options))
    if hasattr(benchmark, "rows"):  # where a row stands in relation to another one
        return list(benchmark.rows(rounds))
    return [benchmark.row(each) for each in rounds]


def measured(benchmark: ModuleType, case: object, options: Options) -> object:
    """One round, and again where everything stood still meanwhile, which is said. `SystemExit` when it did so each time."""
    for number in range(TRIES):
        try:
            return benchmark.measure(case, options)
        except StoodStillError as still:
            print(f"{still}: this round is worth nothing (try {number + 1} of {TRIES})", file=sys.stderr, flush=True)
    raise SystemExit(f"everything stood still in {TRIES} tries of one round: a machine that is suspended can measure nothing")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="What the hot path costs, as ratios.")
    names = f"{', '.join(ALL)}; without a name all but peers"
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*ALL, []], help=names)
    parser.add_argument("--streams", type=int, nargs="+", default=Options.streams, help="how many at once")
    parser.add_argument("--rounds", type=int, default=Options.rounds)
    parser.add_argument("--c-client", type=Path, help="a C client to stand beside; the README says what it has to print")
    parser.add_argument("--markdown", action="store_true", help="tables ready to paste")
    parser.add_argument("--toy", action="store_true", help="one round of everything, tiny: does it run?")
    return parser


if __name__ == "__main__":
    main()
