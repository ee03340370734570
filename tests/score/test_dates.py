"""Calendar days in their common spellings, and those that are two days or none."""

from datetime import date

import pytest

from harness.score.dates import day


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-31",
        "2024/05/31",
        "2024-5-31",
        "2024-05-31T10:00:00Z",
        "2024-05-31 10:00:00 +02:00",
        "31 May 2024",
        "31-May-2024",
        "31st of May 2024",
        "Friday, 31 May 2024",
        "May 31, 2024",
        "MAY 31ST 2024",
        "  May  31,  2024 ",
        "31/05/2024",
        "05/31/2024",
        "31.05.2024",
    ],
)
def test_common_spellings_of_one_day(text: str) -> None:
    """Each of these is the last day of May 2024 and cannot be another."""
    assert date(2024, 5, 31) == day(text)


@pytest.mark.parametrize(("day_first", "expected"), [(None, None), (True, date(2024, 6, 5)), (False, date(2024, 5, 6))])
def test_two_readings_are_no_day_until_the_order_is_said(day_first: bool | None, expected: date | None) -> None:
    """05/06/2024 is read only when the user says whether the day comes first."""
    assert expected == day("05/06/2024", day_first)


def test_two_readings_of_one_day_are_that_day() -> None:
    """The fifth of May is the same in either order."""
    assert date(2024, 5, 5) == day("05/05/2024")


@pytest.mark.parametrize(
    "text",
    ["", "2024-13-01", "2023-02-29", "31 Mayday 2024", "5/6/24", "2024-05", "May 2024", "tomorrow", "0000-01-01", "1" * 10**6],
)
def test_what_is_no_day(text: str) -> None:
    """Days that do not exist, days without a full year and other text are none."""
    assert day(text) is None
