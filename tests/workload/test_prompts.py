"""Templates over an example's inputs."""

import pytest

from harness.errors import HarnessError
from harness.records import Call, Example, Message
from harness.workload import prompts

EXAMPLE = Example("e1", {"prompt": "2 < 3 & 4?", "premium": 12, "Claim text": "wet", "lines": ["a", "b"]})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ prompt }}", "2 < 3 & 4?"),
        ("Pay {{ premium * 2 }}.\n", "Pay 24.\n"),
        ("{{ inputs['Claim text'] }} {{ inputs.premium }}", "wet 12"),
        ("{% for line in lines %}- {{ line }}\n{% endfor %}", "- a\n- b\n"),
        ("{% if premium > 10 %}high{% endif %}", "high"),
        ("{{ lines | tojson }}", '["a", "b"]'),
    ],
)
def test_a_template_sees_the_inputs(template: str, text: str) -> None:
    """Inputs are there by name and as `inputs`, nothing is escaped, and a last line end is kept."""
    assert Call("e1", (Message("user", text),)) == prompts.call(EXAMPLE, template)


def test_the_system_prompt_comes_first() -> None:
    """A system prompt is a template too, and the first message."""
    made = prompts.call(EXAMPLE, "{{ prompt }}", "You price {{ premium }}.")
    assert (Message("system", "You price 12."), Message("user", "2 < 3 & 4?")) == made.messages


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (
            "{{ premuim }}",
            "'premuim' is undefined, in example 'e1'\n  allowed: Claim text, lines, premium, prompt (did you mean 'premium'?)",
        ),
        ("{{ inputs.promt }}", "(did you mean 'prompt'?)"),
        ("{{ prompt", "in its line 1"),
        ("a\n{% for %}", "in its line 2"),
        ("{{ premium / 0 }}", "cannot be rendered for example 'e1': division by zero"),
        ("{{ prompt + 1 }}", "cannot be rendered for example 'e1'"),
        ("{{ ''.__class__.__mro__ }}", "cannot be rendered for example 'e1'"),
        ("{{ range(10 ** 9) }}", "cannot be rendered for example 'e1'"),
        ("{{ lines.append('c') }}", "cannot be rendered for example 'e1'"),
        ("{{ lines | random }}", "No filter named 'random'"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        (" \n", "the prompt of example 'e1' is blank"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str, what: str) -> None:
    """A missing input, broken syntax, unsafe or random expressions and blank prompts are errors that name the example."""
    with pytest.raises(HarnessError) as caught:
        prompts.call(EXAMPLE, template)
    assert what in str(caught.value)
    assert "prompts.template" == caught.value.where


def test_a_broken_system_prompt_says_so() -> None:
    """The error tells which of the two templates is wrong."""
    with pytest.raises(HarnessError) as caught:
        prompts.call(EXAMPLE, "{{ prompt }}", "{{ nothing }}")
    assert "prompts.system" == caught.value.where
