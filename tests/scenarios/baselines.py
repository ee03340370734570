"""What gets answers right without understanding: word statistics, and rules such as `the first date in the text`."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

Classifier = Callable[[str], str]

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATES = {  # pattern -> how to read it
    rf"(?:{_MONTHS}) [0-9]{{1,2}}, [0-9]{{4}}": "%B %d, %Y",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}": "%Y-%m-%d",
    r"[0-9]{2}/[0-9]{2}/[0-9]{4}": "%m/%d/%Y",
}
_AMOUNT = re.compile(r"(?:USD |US\$ |\$)([0-9][0-9,]*)(?:\.00)?|([0-9][0-9,]*) (?:USD|dollars|US dollars)\b")


def majority(labels: Sequence[str]) -> str:
    """The most frequent label."""
    return Counter(labels).most_common(1)[0][0]


def naive_bayes(texts: Sequence[str], labels: Sequence[str]) -> Classifier:
    """Multinomial naive Bayes over which words and pairs of words occur, smoothed by 0.1, which did best here."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(_features(text))
    vocabulary = len({feature for seen in counts.values() for feature in seen})
    priors = {label: math.log(size) for label, size in Counter(labels).items()}
    totals = {label: math.log(seen.total() + 0.1 * vocabulary) for label, seen in counts.items()}

    def classify(text: str) -> str:
        features = _features(text)

        def score(label: str) -> float:
            return priors[label] + sum(math.log(counts[label][feature] + 0.1) - totals[label] for feature in features)

        return max(sorted(priors), key=score)

    return classify


def first_date(text: str) -> str | None:
    """The first date with a year, as an ISO day."""
    found = [(match.start(), match.group(), form) for pattern, form in _DATES.items() for match in re.finditer(pattern, text)]
    if not found:
        return None
    _, written, form = min(found)
    return datetime.strptime(written, form).date().isoformat()


def amounts(text: str) -> list[int]:
    """All sums of US dollars, in whole dollars, in the order of the text."""
    return [int((before or after).replace(",", "")) for before, after in _AMOUNT.findall(text)]


def first_number(pattern: str, text: str) -> float | None:
    """The number that the first match of the pattern has as its group."""
    match = re.search(pattern, text)
    return float(match[1]) if match else None


def first_named(names: Sequence[str], text: str) -> str | None:
    """Which of the names is the first to occur."""
    places = {name: text.find(name) for name in names if name in text}
    return min(places, key=lambda name: places[name]) if places else None


def lead(text: str, words: int) -> str:
    """The first words of a text."""
    return " ".join(text.split()[:words])


def sentences_with_figures(text: str) -> str:
    """Every sentence that holds a digit."""
    return " ".join(sentence for sentence in re.split(r"(?<=[.?!])\s+", text) if re.search("[0-9]", sentence))


def nearest(text: str, answers: Mapping[str, str]) -> str:
    """The answer to that known text which shares most words with this one."""
    words = _features(text)
    return answers[max(sorted(answers), key=lambda known: len(words & _features(known)))]


def _features(text: str) -> set[str]:
    words = re.findall(r"[a-z']+", text.casefold())
    return {*words, *(f"{one} {two}" for one, two in pairwise(words))}
