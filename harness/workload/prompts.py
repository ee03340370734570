"""An example to the messages that are sent: a sandboxed Jinja template over the example's inputs, the same every time.

Random filters are taken out, so a prompt depends on nothing but the scenario and the data set.
"""

import re
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.errors import HarnessError, nearest
from harness.records import Call, Example, Message

_QUOTED = re.compile(r"'([^']*)'")

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
del _environment.filters["random"], _environment.globals["lipsum"]


def call(example: Example, template: str, system: str | None = None) -> Call:
    """The call of one example. Templates see each input by name, and all of them as `inputs`.

    A conversation begins with the template where it has inputs, else with the first of its turns.

    Raises `HarnessError` for a broken template, an input that the example lacks, and a prompt that comes out blank.
    """
    later = example.turns if example.inputs else example.turns[1:]
    prompt = _rendered(example, template, "prompts.template") if example.inputs else example.turns[0]
    if not prompt.strip():
        what = f"the prompt of example {example.id!r} is blank"
        raise HarnessError(what, where="prompts.template", remedy="are its inputs empty?")
    before = () if system is None else (Message("system", _rendered(example, system, "prompts.system")),)
    return Call(example.id, (*before, Message("user", prompt)), later=later if example.turns else None)


def _rendered(example: Example, source: str, where: str) -> str:
    try:
        return _compiled(source, where).render({"inputs": example.inputs, **example.inputs})
    except UndefinedError as missing:
        what = f"{missing.message}, in example {example.id!r}"
        raise HarnessError(what, where=where, remedy=nearest(_missing_name(missing), example.inputs)) from missing
    except (TemplateError, TypeError, ArithmeticError, LookupError, ValueError, AttributeError) as broken:
        what = f"cannot be rendered for example {example.id!r}: {broken}"
        raise HarnessError(what, where=where, remedy="try the expression on that example's inputs") from broken


@lru_cache(maxsize=16)
def _compiled(source: str, where: str) -> Template:
    try:
        return _environment.from_string(source)
    except TemplateSyntaxError as broken:
        remedy = "Jinja: {{ name }} inserts an input, {% if ... %} chooses; write {{ '{{' }} for braces"
        raise HarnessError(f"{broken.message} in its line {broken.lineno}", where=where, remedy=remedy) from broken


def _missing_name(missing: UndefinedError) -> str:
    """Jinja tells the name only in its sentence: `'premuim' is undefined`, `'dict object' has no attribute 'premuim'`."""
    quoted: list[str] = _QUOTED.findall(missing.message or "")
    return quoted[-1] if quoted else ""
