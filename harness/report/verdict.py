"""The report in sentences: is the measurement valid, are the objectives met, who is best, and what is left unproven.

The rule: a sentence claims no more than its interval; where the interval includes zero it says `not distinguishable`.
"""

from collections.abc import Iterable, Iterator

from harness.measure import slo
from harness.records import Finding
from harness.report import steadiness, wording
from harness.report.figures import Difference, EndpointFigures, LevelFigures, ObjectiveResult, Ranking, Summary

_SUPERLATIVES = {"success": "most accurate", "e2e_s": "fastest", "usd_per_success": "cheapest per success"}
_TAILS = {"ttft_s": "TTFT", "e2e_s": "e2e", "itl_s": "ITL"}
_FIGURES = {"success": "success", "e2e_s": "mean e2e", "usd_per_success": "USD per success"}


def word(findings: Iterable[Finding]) -> str:
    """`VALID`, or `INVALID(client_limited)`: the codes of all that makes it so, once each."""
    codes = dict.fromkeys(finding.code for finding in findings if finding.invalid)
    return f"INVALID({', '.join(codes)})" if codes else "VALID"


def validity(summary: Summary) -> str:
    """The verdict's word, with what is wrong and whether the run was whole."""
    wrong = [finding for finding in summary.findings if finding.invalid]
    partial = "" if summary.state == "complete" else f" The run is {summary.state}: these are partial results."
    if wrong:
        return f"{word(wrong)}: {'; '.join(wording.plain(finding.what) for finding in wrong)}.{partial}"
    count = len(summary.findings)
    doubts = f" with {count} finding{'s' if count > 1 else ''} to read" if count else ""
    return f"{word(())}{doubts}.{partial}"


def objectives(summary: Summary) -> list[str]:
    """One line per objective: where it is met, missed or not estimable, each endpoint at its peak."""
    peaks = {name: endpoint.levels[endpoint.peak].slo for name, endpoint in summary.endpoints.items()}
    texts = next(iter(peaks.values()))
    return [_objective(index, target.text, peaks) for index, target in enumerate(texts)]


def value(text: str, amount: float | None) -> str:
    """An objective's figure in the unit that its metric has."""
    metric = slo.parse(text).metric
    if metric in slo.LATENCIES:
        return wording.seconds(amount)
    if metric in slo.RATIOS:
        return wording.percent(amount)
    return f"{wording.number(amount)} USD" if metric in slo.MONEY else f"{wording.number(amount)} /s"


def comparison(summary: Summary) -> list[str]:
    """Who is most accurate, fastest and cheapest at the peak level, a clause each; empty where there is nothing to compare."""
    if summary.comparison is None:
        return []
    return [_clause(ranking, summary) for ranking in summary.comparison.rankings]


def sentence(summary: Summary) -> str:
    """The clauses as one sentence, with the confidence that holds for all of its intervals together."""
    clauses = comparison(summary)
    if summary.noise is not None:
        return f"Nothing to compare: {summary.noise.again} is {summary.noise.endpoint} itself."
    if summary.comparison is None:
        return "Nothing to compare: fewer than two endpoints were measured at the highest level."
    return f"At {_peak_words(summary)}: {'; '.join(clauses)} (95 % intervals, which hold together)."


def _peak_words(summary: Summary) -> str:
    figures = next(each.levels[summary.peak] for each in summary.endpoints.values() if summary.peak in each.levels)
    return figures.words


def client(summary: Summary) -> str:
    """How the load processes were, at the worst of all levels; what nobody knows is a dash."""
    levels = [level.client for endpoint in summary.endpoints.values() for level in endpoint.levels.values()]

    def worst(name: str) -> float | None:
        return max((value for each in levels if (value := getattr(each, name)) is not None), default=None)

    cpu, busiest, late = (wording.percent(worst(name)) for name in ("cpu_ratio", "cpu_max_ratio", "late_coalesced_ratio"))
    hub, read = wording.seconds(worst("hub_lag_p99_s")), wording.seconds(worst("read_lag_p99_s"))
    lags = f"hub lag p99 {hub}, read lag p99 {read}"
    return f"Load processes, at worst: CPU {cpu} (busiest second {busiest}), {lags}, {late} of chunks read together late."


def ungraded(summary: Summary) -> list[str]:
    """What success is where nothing says what is right."""
    return [] if summary.scorer else ["No scorer is set: `success` says that an answer came whole, not that it is right."]


def unproven(summary: Summary) -> list[str]:
    """What a reader might take for shown and is not, at every endpoint's peak."""
    lines = [line for name, endpoint in summary.endpoints.items() for line in _unproven_at(name, endpoint)]
    lines += steadiness.unknown(summary)
    if summary.repetitions == 1:
        lines.append("Every level ran once: no interval here holds the difference between one run and the next.")
    lines += ungraded(summary)
    if summary.torn_lines:
        lines.append(f"{summary.torn_lines} journal lines could not be read back; what they said is missing from every figure.")
    return lines


def _objective(index: int, text: str, peaks: dict[str, tuple[ObjectiveResult, ...]]) -> str:
    said: dict[str, list[str]] = {"met by": [], "MISSED by": [], "not estimable at": []}
    for name, results in peaks.items():
        result = results[index]
        verb = "not estimable at" if result.met is None else "met by" if result.met else "MISSED by"
        said[verb].append(f"{name} ({result.reason or value(text, result.value)})")
    return f"{text}: " + "; ".join(f"{verb} {wording.joined(names)}" for verb, names in said.items() if names)


def _clause(ranking: Ranking, summary: Summary) -> str:
    superlative, figure = _SUPERLATIVES[ranking.figure], _FIGURES[ranking.figure]
    if ranking.best is None:
        return f"{superlative}: cannot be said, fewer than two endpoints have enough of {figure}"
    ahead = [each for each in ranking.differences if each.distinguishable]
    level = [each.other for each in ranking.differences if not each.distinguishable]
    if not ahead:
        return f"{superlative}: {wording.joined([ranking.best, *level])} are not distinguishable"
    gaps = wording.joined([_gap(ranking.figure, each) for each in ahead])
    same = f", not distinguishable from {wording.joined(level)}" if level else ""
    return f"{superlative}: {ranking.best} ({_headline(ranking, summary)}), {gaps}{same}"


def _gap(figure: str, each: Difference) -> str:
    assert each.value is not None, "distinguishable only with a value"
    assert each.interval is not None, "distinguishable only with an interval"
    low, high = sorted(abs(bound) for bound in each.interval)
    if figure == "success":
        return f"{wording.points(abs(each.value))} above {each.other} ({low * 100:.1f} to {high * 100:.1f})"
    spell = wording.seconds if figure == "e2e_s" else wording.digits
    return f"{spell(abs(each.value))} below {each.other} ({spell(low)} to {spell(high)})"


def _headline(ranking: Ranking, summary: Summary) -> str:
    assert ranking.best is not None, "asked only about a winner"
    assert summary.comparison is not None, "a ranking belongs to a comparison"
    figures = summary.endpoints[ranking.best].levels[summary.comparison.level]
    if ranking.figure == "success":
        return wording.percent(figures.success.ratio)
    if ranking.figure == "e2e_s":
        return f"mean e2e {wording.seconds(figures.headline.e2e_s.mean)}"
    return f"{wording.usd(figures.usd.per_success)} USD"


def _unproven_at(name: str, endpoint: EndpointFigures) -> Iterator[str]:
    figures = endpoint.levels[endpoint.peak]
    where = f"{name} at {figures.words}"
    if endpoint.simulated:
        yield f"{name} is played by the simulator: its figures say nothing about a real provider."
    tails = [(label, getattr(figures.headline, metric).reason.get("p99")) for metric, label in _TAILS.items()]
    for labels, reason in _by_reason(tails):
        yield f"{where}: p99 of {labels} is not estimable, {reason}."
    for texts, reason in _by_reason([(result.text, result.reason) for result in figures.slo if result.met is None]):
        yield f"{where}: {texts} neither met nor missed, {reason}."
    yield from _unpriced_or_cached(where, figures)


def _by_reason(pairs: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    """What shares a reason, joined, with the reason; what has none is left out."""
    shared: dict[str, list[str]] = {}
    for label, reason in pairs:
        if reason is not None:
            shared.setdefault(reason, []).append(label)
    yield from ((wording.joined(labels), reason) for reason, labels in shared.items())


def _unpriced_or_cached(where: str, figures: LevelFigures) -> Iterator[str]:
    if figures.success.ratio is None and figures.success.n:
        yield f"{where}: success is unknown, {figures.success.reason['ratio']}."
    if figures.usd.priced and figures.usd.unpriced:
        count = f"{figures.usd.unpriced} of {figures.usd.priced + figures.usd.unpriced} attempts"
        yield f"{where}: {count} could not be priced, so cost is a lower bound (its interval takes them at the dearest seen)."
    if figures.tokens.cached_ratio:
        share = wording.percent(figures.tokens.cached_ratio)
        yield f"{where}: {share} of the input was read from a cache; replaying few prompts caches more than production does."
