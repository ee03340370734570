"""`make bench`: each client's cost and honesty as ratios within one round, medians of the rounds, as tables.

python -m tests.benchmarks [--streams 50 500] [--rounds 3] [--c-client PROGRAM] [paced short]
"""

import argparse
from pathlib import Path

from tests.benchmarks import cost, fidelity, paced, short_requests
from tests.benchmarks.table import circumstances, table

BENCHMARKS = ("paced", "short")


def main() -> None:
    options = _options()
    print(circumstances(), f"medians of {options.rounds} rounds", sep="\n", flush=True)
    if "paced" in options.names:
        levels = [[paced.measure(streams, options.c_client) for _ in range(options.rounds)] for streams in options.streams]
        for benchmark in (cost, fidelity):
            _show(benchmark.__doc__, table(benchmark.HEAD, [benchmark.row(rounds) for rounds in levels]))
    if "short" in options.names:
        rounds = [short_requests.measure() for _ in range(options.rounds)]
        _show(short_requests.__doc__, table(short_requests.HEAD, [short_requests.row(rounds)]))


def _show(what: str | None, figures: str) -> None:
    print("", what, "", figures, sep="\n", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Cost of the hot path, as ratios.")
    parser.add_argument("names", nargs="*", default=BENCHMARKS, choices=[*BENCHMARKS, BENCHMARKS], metavar="paced|short")
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 500], help="how many streams at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--c-client", type=Path, help="a program that takes --port -c -d --tokens and prints cpu_s_per_Mtok")
    return parser.parse_args()


if __name__ == "__main__":
    main()
