"""`signoff VERB ...`: finds the verb's file, runs its function, and turns how it ended into an exit code.

A verb's file has one function of its own name that returns an `ExitCode`. Only the verb that is asked for is imported: `--help`
must not pay for the others.
"""

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from harness import __version__
from harness.errors import ExitCode, HarnessError

# verb: file of this folder, and its line in --help, in the order in which a user meets them
VERBS = {
    "init": ("init", "Copy a bundled scenario to start from."),
    "validate": ("validate", "Check a scenario and its data, and print what would run."),
    "doctor": ("doctor", "Check whether this machine can measure."),
    "calibrate": ("calibrate", "Find out what this machine can measure, and how exactly."),
    "probe": ("probe", "Send a few requests to one endpoint and print each attempt."),
    "estimate": ("estimate", "Say what a run would take: requests, tokens, USD, minutes."),
    "run": ("run", "Load the endpoints with the prompts; grade, price and report."),
    "score": ("score", "Grade a run's answers again."),
    "report": ("report", "Make a run's scorecard and report again."),
    "simulate": ("simulate", "Serve the scenario's simulated endpoints."),
    "list": ("listing", "List dialects, scorers, data set formats and bundled scenarios."),
}


def main() -> None:
    """The console script. A scheduler's SIGTERM ends every verb as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        command_line(sys.argv[1:])(prog_name="signoff")
    except KeyboardInterrupt:  # while the verb's own imports were going on
        sys.exit(ExitCode.INTERRUPTED)


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """The application with one real verb, the one that `arguments` name; the others are there for `--help`."""
    app = typer.Typer(
        help="Load-test candidate LLM endpoints with your own prompts; join speed, correctness and cost.",
        epilog="Exit codes: 0 ok, 1 bug, 2 usage, 3 unreachable, 4 measurement invalid, 5 guard, 6 storage, 98/99 SLO.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_options)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for verb, (module, line) in VERBS.items():
        run = _ending(getattr(importlib.import_module(f"harness.cli.{module}"), module)) if verb == asked else _not_asked
        app.command(verb, help=None if verb == asked else line, short_help=line)(run)
    return app


def _options(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"signoff {__version__}")
        raise typer.Exit


def _not_asked() -> None:
    raise AssertionError("a verb that was not on the command line was run")


def _ending(verb: Callable[..., ExitCode]) -> Callable[..., None]:
    """The verb, ending in its exit code: bad news for the user on one screen, a bug as a traceback."""

    @functools.wraps(verb)
    def run(*args: Any, **options: Any) -> None:
        try:
            code = verb(*args, **options)
            sys.stdout.flush()
        except HarnessError as wrong:
            print(f"signoff: {wrong}", file=sys.stderr)
            code = wrong.exit_code
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:  # the reader of our output has seen enough; Python would complain once more at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.OK
        raise typer.Exit(code)

    return run


if __name__ == "__main__":
    main()
