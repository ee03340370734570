"""The command line as a process: what is imported, what is printed where, and the exit code of each ending."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from harness import __version__
from harness.cli import app
from harness.errors import ExitCode, HarnessError, StorageError

HEAVY = ("locust", "gevent", "httpx", "pandas", "scipy", "numpy", "genai_prices", "prometheus_client", "pydantic", "jinja2")


def _signoff(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.app", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def _ended(verb: Callable[[], ExitCode]) -> int:
    with pytest.raises(typer.Exit) as caught:
        app._ending(verb)()
    return caught.value.exit_code


def _failing(problem: BaseException) -> Callable[[], ExitCode]:
    def verb() -> ExitCode:
        raise problem

    return verb


def test_help_lists_every_verb_in_half_a_second() -> None:
    """`signoff --help` names each verb with its line and is there at once (the best of three, on a shared machine)."""
    taken_s = []
    for _ in range(3):
        begun = time.perf_counter()
        done = _signoff("--help")
        taken_s.append(time.perf_counter() - begun)
    assert 0 == done.returncode
    for verb, (_, line) in app.VERBS.items():
        assert f"  {verb}" in done.stdout
        assert line in done.stdout
    assert min(taken_s) < 0.5


def test_help_imports_nothing_heavy() -> None:
    """What the verbs need is not loaded before one of them is asked for."""
    code = f"import sys; from harness.cli import app; app.command_line([]); print([m for m in {HEAVY} if m in sys.modules])"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("verb", ["init", "validate", "list", "doctor"])
def test_a_verb_explains_itself(verb: str) -> None:
    """`signoff VERB --help` prints the verb's own words and exits 0."""
    done = _signoff(verb, "--help")
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith(f"Usage: signoff {verb}")


def test_the_version_is_printed() -> None:
    """`--version` needs no verb."""
    assert f"signoff {__version__}\n" == _signoff("--version").stdout


@pytest.mark.parametrize(("arguments", "hint"), [(["valdate"], "'valdate'"), (["validate", "--jsn"], "--json"), ([], "Usage")])
def test_a_misspelt_command_line_is_usage(arguments: list[str], hint: str) -> None:
    """An unknown verb or option, or none, exits 2 with a hint on stderr and nothing on stdout."""
    done = _signoff(*arguments)
    assert ExitCode.USAGE == done.returncode
    assert hint in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_users_error_is_one_screen() -> None:
    """A `HarnessError` goes to stderr without a traceback, and its exit code is the process's."""
    done = _signoff("validate", "no/such/file.yaml")
    assert (ExitCode.USAGE, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("signoff: no/such/file.yaml: no such scenario file\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("problem", "code"),
    [(HarnessError("x"), ExitCode.USAGE), (StorageError("x"), ExitCode.STORAGE), (KeyboardInterrupt(), ExitCode.INTERRUPTED)],
)
def test_an_ending_has_its_code(problem: BaseException, code: ExitCode) -> None:
    """Each kind of bad news, and Ctrl-C, has its own exit code."""
    assert code == _ended(_failing(problem))


def test_a_verbs_own_code_is_kept() -> None:
    """A verb that returns a code exits with it."""
    assert ExitCode.SLO_FAILED == _ended(lambda: ExitCode.SLO_FAILED)


def test_a_bug_is_a_traceback() -> None:
    """Anything else is passed on, so that Python prints it and exits 1."""
    with pytest.raises(ZeroDivisionError):
        app._ending(_failing(ZeroDivisionError()))()


def test_a_reader_that_leaves_is_no_error() -> None:
    """`signoff list | head -1` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.app", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert (0, "") == (done.returncode, done.stderr)


def test_every_verb_has_its_file() -> None:
    """The table of verbs and the folder agree: each file exists and is named like its function."""
    folder = Path(app.__file__).parent
    for module, _ in app.VERBS.values():
        assert f"def {module}(" in (folder / f"{module}.py").read_text()
