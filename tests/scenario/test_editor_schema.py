"""The JSON Schema tells an editor what a key means."""

import pytest

from harness import editor_schema, scenario_file


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Of a section.\n\na  one\nb, c   two of them\n     and more\n\nThe end.", {"a": "one", "b": "two of them and more"}),
        ("Nothing is listed here: a  b", {}),
        ("a is no list", {}),
        ("a  one\nnot a list", {"a": "one"}),
    ],
)
def test_a_list_of_keys_in_a_docstring_is_read(docstring: str, expected: dict[str, str]) -> None:
    """A line for a key or several, with the lines that go on; prose is left alone."""
    section = {"description": docstring, "properties": {"a": {}, "b": {}}}
    properties = editor_schema.described({"$defs": {"S": section}})["$defs"]["S"]["properties"]
    assert expected == {key: each["description"] for key, each in properties.items() if each}


def test_the_keys_of_scenarios_are_described() -> None:
    """As their docstrings say it, kinds of load included."""
    sections = scenario_file.schema()["$defs"]
    assert sections["Budget"]["properties"]["errors"]["description"].startswith("share of the requests at one endpoint")
    assert sections["Prompts"]["properties"]["reuse_share"]["description"].startswith("the share of requests")
    assert sections["ClosedLoad"]["properties"]["warmup_s"]["description"].startswith("seconds at each level before")
    window = "the window of the trace that is replayed, in seconds from its earliest request"
    assert all(sections["ReplayLoad"]["properties"][key]["description"].startswith(window) for key in ("from_s", "to_s"))
