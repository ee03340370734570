"""Write the dashboards' JSON: `python grafana/build.py`. A dashboard is a function; its JSON is committed beside the code.

A test runs `rendered()` and compares, so the two cannot drift apart.
"""

import json
from pathlib import Path

from live_run import live_run

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = {"live_run.json": live_run}


def rendered() -> dict[Path, str]:
    """The text of every file that this script owns."""
    return {FOLDER / name: json.dumps(make(), indent=2) + "\n" for name, make in DASHBOARDS.items()}


if __name__ == "__main__":
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")
        print(path)
