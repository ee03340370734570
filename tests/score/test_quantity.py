"""Numbers and units in running text: what is read, what is refused, and what means the same."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.score.quantity import Unit, alone, converted, find, find_joined


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("1,234,567.89", "1234567.89"),
        ("1'234'567", "1234567"),
        ("1\u00a0234", "1234"),
        ("1\u202f234,5", None),
        (".5", "0.5"),
        ("-5", "-5"),
        ("\u22125", "-5"),
        ("+5", "5"),
        ("-$1,250.50", "-1250.50"),
        ("$-5", "-5"),
        ("3.0e-4", "0.00030"),
        ("1.5 x 10^6", "1500000"),
        ("1.5 \\times 10^{-3}", "0.0015"),
        ("1.2 million", "1200000"),
        ("$1.2bn", "1200000000"),
        ("$5M", "5000000"),
        ("5k", "5000"),
        ("1,2,3", None),
        ("130,00", None),
        ("10:30", None),
        ("1.2.3", None),
        ("1 000", None),
        ("2024-05-01", None),
        ("5'10", None),
        ("9" * 28, "9" * 28),
        ("9" * 29, None),
        ("1e99999", None),
    ],
)
def test_spellings_of_one_number(text: str, number: str | None) -> None:
    """A number is read whole, and digits that could be more than one number have none."""
    assert [None if number is None else Decimal(number)] == [found.number for found in find(text)]


@pytest.mark.parametrize("text", ["B12", "GPT-4", "COVID-19", "3rd", "12th", "x2", "v1.2", "e5", "no digits"])
def test_digits_inside_a_word_are_no_number(text: str) -> None:
    """Names and ordinals are not quantities."""
    assert [] == list(find(text))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("16 - 3 = 13", [16, 3, 13]),
        ("5-10", [5, 10]),
        ("9*$2=$18", [9, 2, 18]),
        ("<<9*2=18>>18.", [9, 2, 18, 18]),
        ("120/80 mmHg", [120, 80]),
        ("(5)", [5]),
        ("1, 2, 3", [1, 2, 3]),
    ],
)
def test_several_numbers_in_order(text: str, numbers: list[int]) -> None:
    """A hyphen between numbers is no sign, and punctuation ends a number."""
    assert numbers == [found.number for found in find(text)]


def test_decimal_comma_is_an_option() -> None:
    """1.234,56 is one number for those who say that the comma is decimal, and none for others."""
    assert [Decimal("1234.56")] == [found.number for found in find("1.234,56", decimal=",")]
    assert [None] == [found.number for found in find("1.234,56")]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("5 mg", Unit("mass", Decimal("0.001"))),
        ("5mg", Unit("mass", Decimal("0.001"))),
        ("5-mg", Unit("mass", Decimal("0.001"))),
        ("5 MG", Unit("mass", Decimal("0.001"))),
        ("5 \u00b5g", Unit("mass", Decimal("0.000001"))),
        ("5 \u03bcg", Unit("mass", Decimal("0.000001"))),
        ("38.5 \u00b0C", Unit("celsius")),
        ("38.5\u2103", Unit("celsius")),
        ("5 mm Hg", Unit("mmHg")),
        ("8 per cent", Unit("percent")),
        ("$5", Unit("USD")),
        ("5 dollars", Unit("USD")),
        ("5 mg/kg", Unit("mass/mass", Decimal("0.001"), Decimal(1000))),
        ("$5 per month", Unit("USD/months")),
        ("5 in", None),
        ("5 mgs", None),
        ("5 apples", None),
    ],
)
def test_known_units(text: str, unit: Unit | None) -> None:
    """Units are known by their usual spellings; another word after a number is no unit."""
    assert [unit] == [found.unit for found in find(text)]


@pytest.mark.parametrize(
    ("text", "into", "number"),
    [
        ("0.005 g", "1 mg", 5),
        ("90 min", "1 h", Decimal("1.5")),
        ("100 mg/dL", "1 g/L", 1),
        ("5 mg/min", "1 mg/h", 300),
        ("24 months", "1 year", 2),
        ("5", "1 mg", 5),
        ("5 mg", "1", 5),
        ("5 mg", "1 ml", None),
        ("5 mg", "1 mg/kg", None),
    ],
)
def test_conversion_within_a_dimension(text: str, into: str, number: Decimal | None) -> None:
    """A number is converted exactly within its dimension, left alone without a unit, and never put into another dimension."""
    found, target = next(find(text)), next(find(into))
    assert found.number is not None
    assert number == converted(found.number, found.unit, target.unit)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3/4", [Decimal("0.75")]),
        ("2 1/2", [2, None]),
        ("05/01/2024", [None]),
        ("1/0", [None]),
        ("1/2 and 3", [Decimal("0.5"), 3]),
    ],
)
def test_fractions(text: str, numbers: list[Decimal | None]) -> None:
    """Two numbers with a slash are one; a mixed number, a longer chain and a division by zero are not read."""
    assert numbers == [found.number for found in find_joined(text)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("**5**", 5),
        (" 5. ", 5),
        ("(1,234)", -1234),
        ("($12.50)", Decimal("-12.50")),
        ("(-5)", -5),
        ("5 mg", 5),
        ("about 5", None),
        ("", None),
    ],
)
def test_a_quantity_alone(text: str, number: Decimal | None) -> None:
    """A text that is one quantity but for markup; in parentheses it is negative."""
    found = alone(text)
    assert number == (None if found is None else found.number)


def test_a_quantity_says_where_it_stands() -> None:
    """The span of the whole and the span of the number alone are positions in the text."""
    text = "gave US$ 1.5 million per year."
    found = next(find(text))
    assert "US$ 1.5 million per year" == text[found.start : found.end]
    assert "1.5 million" == text[found.number_start : found.number_end]


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=3))
def test_what_python_writes_is_read_back(number: Decimal) -> None:
    """A number with thousands separators is read back as it is, wherever it stands."""
    assert [number] == [found.number for found in find(f"so it is {number:,f}, I think")]


@given(st.text(alphabet="0123456789.,:'/-+$%eEkx^* mg()\u00a0", max_size=40))
def test_any_text_is_survived_and_spans_do_not_overlap(text: str) -> None:
    """Whatever the text, quantities come from left to right, inside it, and a number stands inside its quantity."""
    end = 0
    for found in find(text):
        assert end <= found.start <= found.number_start < found.number_end <= found.end <= len(text)
        end = found.end
