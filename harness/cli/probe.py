"""`signoff probe URL`: a few requests to one endpoint, each attempt printed as one JSON line. What to try first."""

import os
import sys
from json import dumps
from typing import Annotated, Any

import msgspec
import typer

from harness.credentials import Secrets
from harness.errors import ExitCode, HarnessError, nearest
from harness.loadgen import preflight
from harness.loadgen.attempt import Finished
from harness.loadgen.port import Port
from harness.measure import timing
from harness.records import Call, Deadlines, Message
from harness.scenario import Endpoint


def probe(  # noqa: PLR0913, PLR0917 - one parameter per option
    url: Annotated[str, typer.Argument(help="The API's base, as its SDK takes it; for OpenAI it ends in /v1.")],
    model: Annotated[str, typer.Option(help="The model's name, as the endpoint spells it.")],
    dialect: Annotated[str, typer.Option(help="The API it speaks; `signoff list` names them.")] = "openai_chat",
    prompt: Annotated[str, typer.Option(help="What to ask.")] = "Reply with one word: ready.",
    n: Annotated[int, typer.Option(min=1, help="How many requests.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, help="How many at a time.")] = 1,
    deadline: Annotated[str, typer.Option(help="Seconds: connect=2,headers=10,first_token=20,idle=10,total=60.")] = "",
    api_key_env: Annotated[str | None, typer.Option(help="Variable that holds the key.")] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Ask for the answer as one document.")] = False,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Limit of the answer.")] = None,
    ca_file: Annotated[str | None, typer.Option(help="PEM file of a private authority.")] = None,
    client_cert: Annotated[str | None, typer.Option(help="PEM file with a client certificate and its key.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Only the JSON lines, no note on stderr.")] = False,
) -> ExitCode:
    """Send N requests and print each attempt as a JSON line: kind, flags, text, usage, ttft_s, e2e_s, error.

    Exits 0 when every attempt ended in some kind, whatever the kind.
    """
    config = _endpoint(
        {
            "dialect": dialect,
            "base_url": url,
            "model": model,
            "stream": not no_stream,
            "parameters": {} if max_tokens is None else {"max_tokens": max_tokens},
            "deadlines": _deadlines(deadline),
            "tls": {"ca_file": ca_file, "client_cert": client_cert},
            "allow_http": True,
        }
    )
    port = Port("probe", config, url, Secrets(_key(api_key_env)))
    call = Call("probe", (Message("user", prompt),))
    kinds: dict[str, int] = {}
    for finished in preflight.ask(port, call, n, concurrency):
        print(dumps(msgspec.to_builtins(_told(finished))), flush=True)  # ASCII: a U+2028 in an answer ends no line
        kinds[finished.end.kind] = kinds.get(finished.end.kind, 0) + 1
    if not json:
        print(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())), file=sys.stderr)
    return ExitCode.OK


def _told(finished: Finished) -> dict[str, Any]:
    end = finished.end
    return {
        "id": end.id,
        "kind": end.kind,
        "flags": end.flags,
        "http_status": end.http_status,
        "text": finished.answer.text if finished.answer else "",
        "finish": end.finish,
        "model": end.model,
        "usage": end.usage,
        "chunks": end.chunks,
        "coalesced": end.coalesced,
        "ttft_s": _seconds(timing.ttft_ns(end)),
        "ttfo_s": _seconds(timing.ttfo_ns(end)),
        "tpot_s": _seconds(timing.tpot_ns(end)),
        "e2e_s": _seconds(timing.e2e_ns(end)),
        "icl_max_s": _seconds(end.icl_max_ns),
        "dns_s": _seconds(end.dns_ns),
        "connect_s": _seconds(end.connect_ns),
        "proxy_s": _seconds(end.proxy_ns),
        "tls_s": _seconds(end.tls_ns),
        "rtt_s": _seconds(end.rtt_ns),
        "min_rtt_s": _seconds(end.min_rtt_ns),
        "retransmits": end.retransmits,
        "out_of_order": end.out_of_order,
        "address": end.address,
        "reused": end.reused,
        "error": end.error,
        "error_code": end.error_code,
    }


def _seconds(ns: float | None) -> float | None:
    return None if ns is None else round(ns / 1e9, 9)


def _deadlines(text: str) -> dict[str, float]:
    """`connect=2,idle=10` as a mapping; an unknown name or a value that is no number is refused."""
    limits = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in Deadlines.__struct_fields__:
            raise HarnessError(
                f"{name!r} is no deadline", where="--deadline", remedy=nearest(name, Deadlines.__struct_fields__)
            )
        try:
            limits[name] = float(value)
        except ValueError as wrong:
            raise HarnessError(
                f"{part!r} has no number of seconds", where="--deadline", remedy="for example idle=10"
            ) from wrong
    return limits


def _endpoint(fields: dict[str, Any]) -> Endpoint:
    try:
        return Endpoint.model_validate(fields)
    except ValueError as wrong:
        first = wrong.errors()[0]  # type: ignore[attr-defined]
        place = ".".join(str(step) for step in first["loc"])
        raise HarnessError(first["msg"], where=place or "probe", remedy=(first.get("ctx") or {}).get("remedy")) from wrong


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise HarnessError(f"variable {variable!r} is not set", where="--api-key-env", remedy=f"export {variable}=...")
    return key
