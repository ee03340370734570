"""The wheel works alone: built offline, installed where there is no checkout, it has the verbs and everything they bundle.

Installing the dependencies anew takes a minute, so they are lent: the new environment sees the packages of this one through a
path, on which nothing leads back to the checkout (Python follows no .pth file of a path that a .pth file added, and that is
how the editable install is found). `make wheel-check` runs the same tests in an environment with packages of its own.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCAL = ("__pycache__", ".mypy_cache", ".ruff_cache", "runs", ".env")  # what work in a checkout leaves beside the sources
SOURCES = ("harness", "scenarios", "locustfiles", "grafana", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, started with none of our environment but PATH."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_in(folder: str) -> set[str]:
    """The files of one folder of the checkout that belong to the project, by their path from the root."""
    files = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path) for path in files if not set(path.parts) & set(LOCAL)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, in which a scenario has been run and has a key beside it."""
    copy, dist = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    ignore = shutil.ignore_patterns(*LOCAL)
    for name in SOURCES:
        source = ROOT / name
        shutil.copytree(source, copy / name, ignore=ignore) if source.is_dir() else shutil.copy(source, copy / name)
    used = copy / "scenarios" / "claims_triage"
    (used / "runs").mkdir(parents=True)
    (used / "runs" / "journal-0.jsonl").write_text("{}\n")
    (used / ".env").write_text("KEY=secret\n")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=copy)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of executables of an environment where the wheel, and nothing else of ours, is installed."""
    prepared = os.environ.get("SIGNOFF_WHEEL_ENV")
    home = ROOT / prepared if prepared else tmp_path_factory.mktemp("environment")
    if not prepared:
        venv.create(home, symlinks=True)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
        (site / "lent_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    executables = home / "bin"
    install = ("install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    run(sys.executable, "-m", "pip", "--python", executables / "python", *install, cwd=home)
    return executables


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working directory that has nothing to do with the project."""
    return tmp_path


def test_wheel_holds_the_package_and_what_it_bundles(wheel: Path) -> None:
    """Code, scenarios, locustfiles and dashboards are in the wheel, and neither tests nor anything that git ignores."""
    names = zipfile.ZipFile(wheel).namelist()
    expected = files_in("harness") | {
        f"harness/bundled/{name}" for folder in ("scenarios", "locustfiles", "grafana") for name in files_in(folder)
    }
    assert expected == {name for name in names if not name.startswith("signoff-")}


def test_installed_package_is_not_the_checkout(scripts: Path, elsewhere: Path) -> None:
    """What is imported below comes from the wheel, so the checkout can hide nothing that is missing in it."""
    place = Path(run(scripts / "python", "-c", "import harness; print(harness.__file__)", cwd=elsewhere).strip())
    assert place.is_relative_to(scripts.parent.resolve())


@pytest.mark.parametrize("words", [["--help"], ["init", "--list"], ["list"]])
def test_verbs_answer_from_anywhere(scripts: Path, elsewhere: Path, words: list[str]) -> None:
    """The command is on the path of the environment and works outside any checkout."""
    assert run(scripts / "signoff", *words, cwd=elsewhere).strip()


def test_every_bundled_scenario_is_offered(scripts: Path, elsewhere: Path) -> None:
    """`signoff init --list` names the scenarios that stand in the checkout."""
    offered = run(scripts / "signoff", "init", "--list", cwd=elsewhere)
    expected = {path.parent.name for path in (ROOT / "scenarios").glob("*/scenario.yaml")}
    assert expected == {name for name in expected if name in offered} != set()


def test_init_gives_a_scenario_that_validates(scripts: Path, elsewhere: Path) -> None:
    """A bundled scenario is copied whole, and the copy is valid as it stands."""
    run(scripts / "signoff", "init", "claims_triage", "mine", cwd=elsewhere)
    copied = {str(path.relative_to(elsewhere / "mine")) for path in (elsewhere / "mine").rglob("*") if path.is_file()}
    folder = Path("scenarios", "claims_triage")
    assert {str(Path(name).relative_to(folder)) for name in files_in(str(folder))} == copied
    run(scripts / "signoff", "validate", "mine", cwd=elsewhere)


def test_locust_finds_the_bundled_locustfile(scripts: Path, elsewhere: Path) -> None:
    """The locustfiles of the wheel import what they need outside any checkout."""
    code = "from harness import bundled; print(bundled.folder('locustfiles') / 'closed_loop.py')"
    locustfile = Path(run(scripts / "python", "-c", code, cwd=elsewhere).strip())
    assert "ClosedLoopUser" in run(scripts / "python", "-m", "locust", "-f", locustfile, "--list", cwd=elsewhere)
