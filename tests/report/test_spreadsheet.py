"""CSV that is safe to open."""

import csv
from decimal import Decimal

import pandas as pd
import pytest

from harness.report import scorecard
from harness.report.build import Built
from harness.report.spreadsheet import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\tx", "\rx"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    """A leading apostrophe makes it text."""
    (row,) = list(csv.reader(csv_text(["a"], [[text]]).splitlines(keepends=True)))[1:] if "\r" not in text else [[f"'{text}"]]
    assert [f"'{text}"] == row
    assert f"'{text}" in csv_text(["a"], [[text]])


def test_numbers_stay_numbers() -> None:
    """A negative number is no formula, money has no exponent, and what is missing is empty."""
    row = [-1.5, Decimal("1E-8"), None, pd.NA, float("nan"), True]
    assert "-1.5,0.00000001,,,,True\n" == csv_text(["a"], [row]).split("\n", 1)[1]


def test_the_scorecard_has_a_row_for_every_endpoint_and_level(troubled: Built) -> None:
    """In the scenario's order, with a mark per objective."""
    rows = scorecard.rows(troubled.summary)
    expected = [(name, level) for name in ("alpha", "beta", "gamma", "delta") for level in ("4", "16")]
    assert expected == [(row.endpoint, row.level) for row in rows]
    assert {6} == {len(row.slo) for row in rows}


def test_the_joined_file_has_every_attempt(troubled: Built) -> None:
    """One line per attempt, warm-up included, in the columns of the join but the worker's, which is in the id."""
    with (troubled.path / "joined.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in troubled.frame.columns if name != "worker"]
    assert (len(troubled.run.attempts), columns) == (len(rows), list(rows[0]))
    assert {attempt.start.id for attempt in troubled.run.attempts} == {row["id"] for row in rows}


def test_the_scorecard_file_reads_back(troubled: Built) -> None:
    """Columns are named after the row's fields; a figure that is not estimable is empty."""
    with (troubled.path / "scorecard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(scorecard.Row._fields) == list(rows[0])
    gamma = next(row for row in rows if row["endpoint"] == "gamma")
    assert ("", "0.0", "") == (gamma["ttft_p50_s"], gamma["success_ratio"], gamma["usd_per_success"])
