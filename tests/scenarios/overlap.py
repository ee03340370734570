"""How much wording two texts share: the Jaccard index of their word shingles."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

WORDS = 5


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """All runs of five words, whatever the case and punctuation."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


def overlaps(texts: Sequence[str]) -> Iterator[tuple[float, int, int]]:
    """(Jaccard index, i, j) of every pair i < j that shares a shingle; all other pairs have 0."""
    sets = [shingles(text) for text in texts]
    holders = defaultdict(list)
    for place, each in enumerate(sets):
        for shingle in each:
            holders[shingle].append(place)
    shared = Counter((i, j) for places in holders.values() for n, j in enumerate(places) for i in places[:n])
    for (i, j), common in shared.items():
        yield common / (len(sets[i]) + len(sets[j]) - common), i, j
