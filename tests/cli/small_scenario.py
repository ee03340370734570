"""A scenario of two rows, and the type of the fixture that runs a command line in this process."""

from collections.abc import Callable

SCENARIO = """\
name: small
description: Two rows and one simulated endpoint.
endpoints:
  fast: {model: m, simulated: {}, price: {input: 1, output: 2}}
  real: {model: gpt, base_url: "https://api.example.com/v1", api_key_env: SIGNOFF_TEST_KEY}
prompts: {dataset: d.jsonl, template: "Say {{ prompt }}", system: "Be brief."}
load: {levels: [1, 4], warmup_s: 2, measure_s: 10, drain_s: 3, repetitions: 2}
grading: {scorer: exact}
slo: [ttft.p99 <= 1 s]
"""
ROWS = '{"id":"a","prompt":"x","expected":"y"}\n{"id":"b","prompt":"z","expected":"y"}\n'

Invoke = Callable[..., int]
