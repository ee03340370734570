"""The dashboard `live run`: what a person watches while the load is on, from the metrics of harness/loadgen/exporter.py.

The one rule: latency shows the measure phase only, as the scorecard does; load, throughput and spend show every phase.
"""

from panels import DATASOURCE, Json, choice_variable, dashboard, heatmap, labels_variable, query, slo, stat, timeseries

CHOSEN = 'endpoint=~"$endpoint",level=~"$level"'
MEASURED = f'{CHOSEN},phase="measure"'
AT_LEVEL = "{{endpoint}} at {{level}}"
AT_QUANTILE = f"{AT_LEVEL}, q {{{{q}}}}"
PRICED = "Tokens of the server's usage at the scenario's prices; an endpoint without a price has no line."


def live_run() -> Json:
    """The whole dashboard; `grafana/dashboards/live_run.json` is this."""
    rows = [
        ("Phase and load", _load()),
        ("Latency (measure phase)", _latency()),
        ("Throughput", _throughput()),
        ("Errors", _errors()),
        ("Spend", _spend()),
        ("Client", _client()),
    ]
    variables = [
        labels_variable("endpoint", "signoff_attempts_total"),
        labels_variable("level", "signoff_attempts_total"),
        choice_variable("q", "quantile", ("0.5", "0.9", "0.95", "0.99", "0.999"), chosen=("0.5", "0.99")),
    ]
    about = "One signoff run while it goes on. The scorecard of the finished run is what counts; this is for watching."
    return dashboard("signoff-live-run", "signoff: live run", about, rows, variables=variables, annotations=[_blocks()])


def _blocks() -> Json:
    """Each block of the plan as a shaded region: Grafana joins samples that are at most `step` apart."""
    return {
        "name": "blocks",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": f"signoff_active_users{{{CHOSEN}}}",
        "step": "2s",
        "titleFormat": "{{phase}}",
        "textFormat": AT_LEVEL,
        "tagKeys": "phase",
        "useValueForTime": False,
    }


def _load() -> list[Json]:
    number = "The number of the block that runs now, over the number of blocks planned. Blocks differ in length."
    return [
        stat("Scenario", "The scenario that is running.", "none", "signoff_run_info", "{{scenario}}", text_mode="name"),
        stat("Plan done", number, "percentunit", "max(signoff_block_number / signoff_plan_blocks)"),
        stat("Attempts", "Attempts that ended, of every kind and phase.", "short", _sum("signoff_attempts_total")),
        stat("Spent so far", f"All spend since the start. {PRICED}", "currencyUSD", _sum("signoff_usd_total")),
        timeseries(
            "Users at work",
            "Simulated users that may send, by block, and the requests in flight: the load asked for and the load there is.",
            "short",
            [
                query(f"signoff_active_users{{{CHOSEN}}}", f"{AT_LEVEL}, {{{{phase}}}}: users"),
                query(f"signoff_in_flight_requests{{{CHOSEN}}}", f"{AT_LEVEL}, {{{{phase}}}}: in flight"),
            ],
            lineInterpolation="stepAfter",
        ),
        timeseries(
            "Requests per second",
            "Attempts that ended in a second, of every kind.",
            "reqps",
            [query(_rate("signoff_attempts_total"), AT_LEVEL), slo('metric="requests_per_s"')],
        ),
    ]


def _latency() -> list[Json]:
    return [
        _quantiles("TTFT", "ttft", "Time to first token, from the first byte sent on an open connection (service view)."),
        _quantiles("ICL", "icl", "Inter-chunk latency: gaps between reads that carried tokens, which vLLM's bench calls ITL."),
        _quantiles("e2e", "e2e", "From the first byte sent to the last token (service view)."),
        _quantiles(
            "e2e from the intended start",
            "e2e_scheduled",
            "From the moment the request was due to the last token (scheduled view): waiting to be sent counts.",
        ),
        _quantiles("TPOT", "tpot", "Time per output token after the first read, one value per answer."),
        timeseries(
            "TTFT p99 of the last moments",
            "From Prometheus buckets with vLLM's edges, so coarse (tens of percent high is normal), but it forgets: a stall "
            "shows here first. The other panels are cumulative and exact to 3 digits.",
            "s",
            [
                query(
                    f"histogram_quantile(0.99, {_rate('signoff_ttft_seconds_bucket', 'le, endpoint, level', MEASURED)})",
                    AT_LEVEL,
                ),
                slo('metric="ttft",view="service",statistic="p99"'),
            ],
        ),
        _buckets("TTFT distribution", "ttft", "Answers by time to first token, in vLLM's buckets."),
        _buckets("e2e distribution", "e2e", "Answers by e2e, in vLLM's buckets."),
    ]


def _throughput() -> list[Json]:
    counted = "as the server's usage counts them. Counted when an answer ends, so long answers show as steps."
    return [
        timeseries(
            "Output tokens per second",
            f"Output tokens, reasoning included, {counted}",
            "tokens/s",
            [query(_rate("signoff_output_tokens_total"), AT_LEVEL)],
        ),
        timeseries(
            "Output tokens per second and user",
            "What one user sees while the answer runs: 1 / TPOT at the chosen quantiles of TPOT (0.99: the slowest 1 %).",
            "tokens/s",
            [query(f'1 / signoff_tpot_quantile_seconds{{{MEASURED},q=~"$q"}}', AT_QUANTILE)],
        ),
        timeseries(
            "Input tokens per second",
            f"Input tokens, cached ones included, {counted}",
            "tokens/s",
            [query(_rate("signoff_input_tokens_total"), AT_LEVEL)],
        ),
    ]


def _errors() -> list[Json]:
    failed = f'{CHOSEN},kind!="ok"'
    ended = _rate("signoff_attempts_total", "endpoint")
    ratio = f"({_rate('signoff_attempts_total', 'endpoint', failed)} or 0 * {ended}) / {ended}"
    return [
        timeseries(
            "Failures by kind",
            "Attempts that ended in a second without success. Every attempt has exactly one outcome kind; `ok` is left out.",
            "reqps",
            [query(_rate("signoff_attempts_total", "endpoint, kind", failed), "{{endpoint}}: {{kind}}")],
            stacking={"mode": "normal", "group": "A"},
            fillOpacity=30,
        ),
        timeseries(
            "Error ratio",
            "Attempts of any kind but `ok`, over all attempts. Whether an answer is right is graded after the run.",
            "percentunit",
            [query(ratio, "{{endpoint}}"), slo('metric="errors"')],
        ),
    ]


def _spend() -> list[Json]:
    per_attempt = f"{_sum('signoff_usd_total', 'endpoint')} / {_sum('signoff_attempts_total', 'endpoint')}"
    return [
        timeseries(
            "Burn per hour",
            f"What the load of this moment would cost in an hour. {PRICED}",
            "currencyUSD",
            [query(f"3600 * {_rate('signoff_usd_total', 'endpoint')}", "{{endpoint}}")],
        ),
        timeseries(
            "Spend per attempt",
            f"All spend over all attempts so far; cost per successful task needs the grades and is in the report. {PRICED}",
            "currencyUSD",
            [query(per_attempt, "{{endpoint}}"), slo('metric="usd_per_attempt"')],
        ),
    ]


def _client() -> list[Json]:
    judged = "Beyond signoff's limits, which the report holds it to, the run is INVALID(client_limited)."
    return [
        timeseries(
            "Load processes: processor",
            f"Used, and waited for while ready to run, as shares of one core. {judged}",
            "percentunit",
            [
                query("signoff_client_cpu_ratio", "worker {{worker}}: used"),
                query("signoff_client_wait_ratio", "worker {{worker}}: waited for"),
            ],
        ),
        timeseries(
            "Load processes: lateness",
            f"How long what comes at any moment waits for a look (hub), and how long bytes had been there (read). {judged}",
            "s",
            [
                query("signoff_client_hub_lag_p99_seconds", "worker {{worker}}: hub lag p99"),
                query("signoff_client_read_lag_p99_seconds", "worker {{worker}}: read lag p99"),
            ],
        ),
    ]


def _quantiles(title: str, metric: str, definition: str) -> Json:
    view = "scheduled" if metric.endswith("_scheduled") else "service"
    objective = slo(f'metric="{metric.removesuffix("_scheduled")}",view="{view}"')
    read = query(f'signoff_{metric}_quantile_seconds{{{MEASURED},q=~"$q"}}', AT_QUANTILE)
    about = "Quantiles come from HdrHistogram (3 digits) over all that was measured so far at this level."
    return timeseries(title, f"{definition} {about}", "s", [read, objective])


def _buckets(title: str, metric: str, definition: str) -> Json:
    return heatmap(
        title, definition, "s", f"sum by (le) (increase(signoff_{metric}_seconds_bucket{{{MEASURED}}}[$__rate_interval]))"
    )


def _sum(metric: str, by: str = "") -> str:
    return f"sum by ({by}) ({metric}{{{CHOSEN}}})" if by else f"sum({metric}{{{CHOSEN}}})"


def _rate(counter: str, by: str = "endpoint, level", where: str = CHOSEN) -> str:
    return f"sum by ({by}) (rate({counter}{{{where}}}[$__rate_interval]))"
