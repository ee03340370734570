"""Spelling of figures."""

from decimal import Decimal

import pytest

from harness.report import wording


@pytest.mark.parametrize(
    ("value_s", "expected"),
    [
        (None, wording.MISSING),
        (0.0, "0 s"),
        (0.00085, "850 µs"),
        (0.0123, "12.3 ms"),
        (0.9999, "1,000 ms"),
        (1.234, "1.23 s"),
        (123.4, "123 s"),
    ],
)
def test_durations(value_s: float | None, expected: str) -> None:
    """Three digits in the unit that fits."""
    assert expected == wording.seconds(value_s)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(None, wording.MISSING), (0.0, "0 %"), (1.0, "100 %"), (0.931, "93.1 %"), (0.0001, "< 0.1 %"), (0.99999, "> 99.9 %")],
)
def test_shares(ratio: float | None, expected: str) -> None:
    """Only none is 0 % and only all is 100 %."""
    assert expected == wording.percent(ratio)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (None, wording.MISSING),
        (Decimal(0), "0.00"),
        (Decimal("1234.5"), "1,234.50"),
        (Decimal("0.0123456"), "0.0123"),
        (Decimal("1E-7"), "0.000000100"),
    ],
)
def test_money(amount: Decimal | None, expected: str) -> None:
    """Cents from a dollar on, three digits below, never an exponent."""
    assert expected == wording.usd(amount)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (1234.6, "1,230"), (12.34, "12.3"), (0.012345, "0.0123"), (999.9, "1,000")]
)
def test_three_digits(value: float, expected: str) -> None:
    """Never an exponent."""
    assert expected == wording.digits(value)


def test_hostile_text_is_disarmed() -> None:
    """ANSI colours, terminal titles, right-to-left overrides and line breaks are gone; letters of any script stay."""
    assert "[31mred ]0;title größe 東京 x" == wording.plain("\x1b[31mred\n\x1b]0;title\x07 größe\u202e 東京\u200b\t x\x9b")


@pytest.mark.parametrize(("words", "expected"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_enumeration(words: list[str], expected: str) -> None:
    """As one says it."""
    assert expected == wording.joined(words)
