"""`signoff validate`: everything that can be checked without sending a request, and what a run would do."""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from harness import assembly, scenario_file
from harness.cli import thin_windows
from harness.errors import ExitCode, HarnessError
from harness.load import ClosedLoad, EvaluationLoad, search_of
from harness.loadgen import plan, prepare, tls
from harness.measure import slo
from harness.records import Call
from harness.scenario import Endpoint, Scenario
from harness.scenario_file import Loaded
from harness.workload import dataset

_SHOWN = 1200  # characters of a message: the answer stays on one screen
_CONTROL = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")  # a prompt must not steer the terminal


def validate(
    scenario: Annotated[str | None, typer.Argument(help="Scenario file or folder, or the name of a bundled one.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="KEY.PATH=VALUE over the file's; may be repeated.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Load-making processes that are to run it.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of scenarios and exit.")] = False,
) -> ExitCode:
    """Check a scenario and its data, and print what would run. Sends nothing."""
    if schema:
        print(_json(scenario_file.schema()))
        return ExitCode.OK
    if scenario is None:
        raise HarnessError("which scenario?", remedy="give a file, a folder or a bundled name")
    loaded = scenario_file.load(scenario, overrides or ())
    plan.check_hands(loaded.scenario.load, processes)
    found = _described(loaded)
    print(_json(found) if as_json else "\n".join(_lines(found)))
    return ExitCode.OK


def _described(loaded: Loaded) -> dict[str, Any]:
    """What would run, as `--json` prints it. Reads the data set and renders every prompt, so that a bad one is found now."""
    scenario = loaded.scenario
    for name, each in scenario.endpoints.items():
        _check_tls(name, each, loaded.folder)
    whole = dataset.load(loaded.dataset, scenario.prompts.format, scenario.prompts.columns)
    examples = prepare.sampled(loaded)
    calls = assembly.check(scenario, examples)
    replayed = prepare.replayed_of(scenario.load, loaded.folder)
    blocks = plan.build(scenario, replayed.requests)
    cells = len({block.cell for block in blocks})
    return {
        "scenario": scenario.name,
        "path": str(loaded.path),
        "sha256": loaded.sha256,
        "endpoints": {name: _endpoint(each) for name, each in scenario.endpoints.items()},
        "dataset": {"path": str(loaded.dataset), "n": whole.n, "used": len(examples), "sha256": whole.sha256},
        "prompt_example": _messages(calls[0]),
        "plan": {
            "design": scenario.load.design,
            "levels": list(scenario.load.levels),
            "unit": scenario.load.unit,
            "repetitions": scenario.load.repetitions,
            "cells": cells,
            "min_s": plan.seconds([block for block in blocks if block.requests is None]),
            "max_s": plan.seconds(blocks) + cells * scenario.load.drain_s,
            "search": _search(scenario),
            **_evaluation(scenario, len(examples)),
            **_requests(scenario),
        },
        "left_out": replayed.words if replayed.left_out else None,
        "warnings": list(thin_windows.warnings(scenario.load, blocks)),
        "scorer": scenario.grading.scorer if scenario.grading else None,
        "slo": list(scenario.slo),
    }


def _search(scenario: Scenario) -> dict[str, Any] | None:
    """What a search at each endpoint looks for, and costs at most; None where the levels are known."""
    config = search_of(scenario.load)
    if config is None:
        return None
    texts = {text: slo.is_share(slo.parse(text)) for text in scenario.slo}
    return {
        "begin": config.begin,
        "most": config.most,
        "ratio": config.ratio,
        "for": [text for text, searched in texts.items() if searched],
        "not_for": [text for text, searched in texts.items() if not searched],
        "effort": config.effort,
        "worth": config.worth,
        "max_requests": config.budget,
        "max_s": 60 * config.minutes,
    }


def _evaluation(scenario: Scenario, examples: int) -> dict[str, Any]:
    """How many answers it is about, and how often each is asked for at most; nothing of a load."""
    load = scenario.load
    if not isinstance(load, EvaluationLoad):
        return {}
    return {"evaluation": {"examples": examples, "attempts_most": load.attempts_most}}


def _requests(scenario: Scenario) -> dict[str, Any]:
    """Of levels that end by them; nothing of those that end by time."""
    wanted = scenario.load.requests if isinstance(scenario.load, ClosedLoad) else None
    return {} if wanted is None else {"requests": wanted}


def _check_tls(name: str, endpoint: Endpoint, folder: Path) -> None:
    """Certificates and keys are loaded, but for a key whose password is not at hand."""
    variable = endpoint.tls.client_key_password_env
    password = None if variable is None else os.environ.get(variable)
    if variable is None or password:
        tls.of(name, endpoint, endpoint.base_url or "", folder, password)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    variable = endpoint.api_key_env
    return {
        "dialect": endpoint.dialect,
        "model": endpoint.model,
        "base_url": endpoint.base_url,
        "simulated": endpoint.simulated is not None,
        "api_key_env": variable,
        "api_key_in_environment": None if variable is None else bool(os.environ.get(variable)),
        "proxy": endpoint.proxy,
        "client_cert": None if endpoint.tls.client_cert is None else str(endpoint.tls.client_cert),
        "secrets_not_in_environment": [each for each in _beside_the_key(endpoint) if not os.environ.get(each)],
        "priced": endpoint.price is not None,
    }


def _beside_the_key(endpoint: Endpoint) -> list[str]:
    return [each for each in (endpoint.proxy_auth_env, endpoint.tls.client_key_password_env) if each is not None]


def _messages(call: Call) -> dict[str, Any]:
    return {"example": call.example, "messages": [{"role": each.role, "content": each.content} for each in call.messages]}


def _lines(found: dict[str, Any]) -> list[str]:
    data, planned = found["dataset"], found["plan"]
    return [
        f"scenario   {found['scenario']}  {found['path']}  sha256 {found['sha256'][:12]}",
        *(f"endpoint   {_endpoint_line(name, each)}" for name, each in found["endpoints"].items()),
        f"data set   {data['used']} of {data['n']} examples  {data['path']}  sha256 {data['sha256'][:12]}",
        f"prompt     of example {found['prompt_example']['example']}:",
        *(_message_line(each) for each in found["prompt_example"]["messages"]),
        f"plan       {_plan_line(len(found['endpoints']), planned)}",
        *([] if found["left_out"] is None else [f"trace      {found['left_out']}"]),
        *(f"warning    {each}" for each in found["warnings"]),
        f"scorer     {found['scorer'] or '(none: answers are not graded)'}",
        *(f"objective  {each}" for each in found["slo"]),
        f"valid; next: signoff run {found['path']}",
    ]


def _endpoint_line(name: str, each: dict[str, Any]) -> str:
    place = "simulated" if each["simulated"] else each["base_url"]
    key = "no key"
    if each["api_key_env"]:
        key = f"key in {each['api_key_env']}" + ("" if each["api_key_in_environment"] else " (not in the environment)")
    way = "" if each["proxy"] is None else f", through {each['proxy']}"
    shown = "" if each["client_cert"] is None else f", showing {each['client_cert']}"
    lacking = "".join(f" ({variable} is not in the environment)" for variable in each["secrets_not_in_environment"])
    price = "priced" if each["priced"] else "no price"
    return f"{name}: {each['model']} by {each['dialect']} at {place}{way}{shown}{lacking}, {key}, {price}"


def _plan_line(endpoints: int, planned: dict[str, Any]) -> str:
    search = planned["search"]
    if search is not None:
        most = f"at most {search['max_requests']:,} requests and {_minutes(search['max_s'])} minutes for each of {endpoints}"
        other = f"; looked at afterwards only: {', '.join(search['not_for'])}" if search["not_for"] else ""
        loads = f"{search['begin']:g} to {search['most']:g} {planned['unit']}, to within {search['ratio']:g} times"
        near = f"an answer is {search['worth']}"
        return f"search the largest load from {loads}, for {', '.join(search['for'])}: {most} endpoints{other}; {near}"
    once = planned.get("evaluation")
    if once is not None:
        asked = f"{once['examples']:,} examples once x {endpoints} endpoints x {planned['repetitions']} repetitions"
        again = f"{planned['levels'][0]} at once, up to {once['attempts_most']} attempts each"
        return f"evaluation: {asked}, {planned['design']}, {again}; `signoff estimate` says how long"
    loads = f"({', '.join(f'{level:g}' for level in planned['levels'])} {planned['unit']})"
    parts = [_counted(endpoints, "endpoint"), f"{_counted(len(planned['levels']), 'level')} {loads}"]
    parts.append(_counted(planned["repetitions"], "repetition"))
    cells = f"{_counted(planned['cells'], 'cell')} = {' x '.join(parts)}"
    if "requests" in planned:
        cells += f", each until {planned['requests']:,} requests are made"
    return f"{cells}, {planned['design']}: {_minutes(planned['min_s'])} to {_minutes(planned['max_s'])} minutes"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _message_line(message: dict[str, str]) -> str:
    text = message["content"].rstrip()
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ... ({len(text)} characters)"
    return f"  {message['role']}: " + _CONTROL.sub("?", shown).replace("\n", "\n    ")


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds / 6) / 10:g}"


def _json(found: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(found)).decode()
