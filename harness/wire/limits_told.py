"""Rate limits as response headers tell them: OpenAI's spelling, which many share, with its variants, and Anthropic's.

The rule: a value is read in a documented format or it is None and its header is named; nothing is guessed. Gemini and Bedrock
tell nothing in headers but Retry-After.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from harness.quota import Allowance, Quota

LONGEST_S = 86_400.0  # daily limits are whole again within a day; what is longer is an accident
SKEW_S = 60.0  # a moment that is gone for no longer is taken for now: two clocks differ

Reader = Callable[[str, float], float | None]

_COUNT = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_STEP = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ns|us|\u00b5s|ms|s|m|h)"
_STEPS, _DURATION = re.compile(_STEP), re.compile(f"(?:{_STEP})+")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0}
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_HTTP_DATE = re.compile(  # RFC 9110, 5.6.7: the format of today and the two that must be accepted
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    r"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}"
)


def told(headers: Mapping[str, str], status: int, now_s: float) -> Quota | None:
    """What these headers, named in lower case, tell; None where none of them is about limits.

    now_s is Unix time at the arrival of the response. It counts only where there is no `Date`: moments are the server's, and
    are held against its own clock, which that header cuts to a second, so they are up to a second too far. Retry-After is read
    from 400 on: below, it says something else (RFC 9110, 10.2.3).
    """
    names = _PLACES.keys() & headers.keys()
    waits = [name for name in _WAITS if name in headers] if status >= 400 else []
    if not names and not waits:
        return None
    server_s = _http_date_s(headers.get("date", "").strip())
    now_s = now_s if server_s is None else server_s
    waits_s = {name: _WAITS[name](headers[name].strip(), now_s) for name in waits}
    unreadable = [name for name, wait_s in waits_s.items() if wait_s is None]
    found: dict[str, dict[str, float]] = {}
    for name in sorted(names):
        kind, part, read = _PLACES[name]
        value = read(headers[name].strip(), now_s)
        if value is None:
            unreadable.append(name)
        else:
            _keep(found.setdefault(kind, {}), part, value)
    return Quota(
        **{kind: Allowance(**parts) for kind, parts in found.items()},  # type: ignore[arg-type]
        retry_after_s=next((wait_s for wait_s in waits_s.values() if wait_s is not None), None),
        unreadable=tuple(unreadable),
    )


def _keep(parts: dict[str, float], part: str, value: float) -> None:
    """Where two headers tell the same, the one that leaves less counts: the least amount, the longest time."""
    less = max if part == "reset_s" else min
    parts[part] = less(value, parts.get(part, value))


def _count(text: str, _: float) -> int | None:
    """Azure says -1 where it does not know."""
    return int(text) if _COUNT.fullmatch(text) else None


def _reset_s(text: str, _: float) -> float | None:
    """A duration as Go writes it (OpenAI, Groq: `1m12.5s`, `6ms`), or seconds (Azure, Cerebras)."""
    if _NUMBER.fullmatch(text):
        return _sane(float(text), LONGEST_S)
    text = text.replace("\u00c2\u00b5", "\u00b5")  # UTF-8 that was read as Latin-1
    if not _DURATION.fullmatch(text):
        return None
    return _sane(sum(float(number) * _UNIT_S[unit] for number, unit in _STEPS.findall(text)), LONGEST_S)


def _moment(text: str, now_s: float) -> float | None:
    """An RFC 3339 moment (Anthropic), as seconds from now."""
    text = text.upper()
    if not _RFC3339.fullmatch(text):
        return None
    try:
        at_s = datetime.fromisoformat(text).timestamp()
    except ValueError:  # the 30th of February
        return None
    return _ahead(at_s - now_s, LONGEST_S)


def _wait(text: str, now_s: float) -> float | None:
    """Seconds, which some servers give with a fraction, or an HTTP date."""
    if _NUMBER.fullmatch(text):
        return _sane(float(text), LONGEST_S)
    at_s = _http_date_s(text)
    return None if at_s is None else _ahead(at_s - now_s, LONGEST_S)


def _wait_ms(text: str, _: float) -> float | None:
    return _sane(float(text) / 1e3, LONGEST_S) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=64)
def _http_date_s(text: str) -> float | None:
    """Unix time. Kept, because all responses of a second have the same `Date`, and reading one takes as long as the rest."""
    if not _HTTP_DATE.fullmatch(text):
        return None
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _sane(seconds: float, longest_s: float) -> float | None:
    return seconds if seconds <= longest_s else None


def _ahead(seconds: float, longest_s: float) -> float | None:
    return None if seconds < -SKEW_S else _sane(max(0.0, seconds), longest_s)


# The finer one first: Azure gives the same wait in both, rounded in Retry-After.
_WAITS: Mapping[str, Reader] = {"retry-after-ms": _wait_ms, "x-ms-retry-after-ms": _wait_ms, "retry-after": _wait}

# Header: kind of limit, part of the allowance, how it is written. Where a name says the time of its limit, it is a minute.
_SUFFIXES = {
    "requests": "requests",
    "tokens": "tokens",
    "requests-minute": "requests",  # Cerebras
    "req-minute": "requests",  # Mistral
    "tokens-minute": "tokens",  # both
    "tokens-prompt": "input_tokens",  # Fireworks
    "tokens-generated": "output_tokens",
}
_PARTS: Mapping[str, tuple[str, Reader]] = {
    "limit": ("limit", _count),
    "remaining": ("remaining", _count),
    "reset": ("reset_s", _reset_s),
}
_PLACES: Mapping[str, tuple[str, str, Reader]] = {
    f"x-ratelimit-{word}-{suffix}": (kind, part, read)
    for suffix, kind in _SUFFIXES.items()
    for word, (part, read) in _PARTS.items()
} | {
    f"anthropic-ratelimit-{kind.replace('_', '-')}-{word}": (kind, part, _moment if word == "reset" else _count)
    for kind in ("requests", "tokens", "input_tokens", "output_tokens")
    for word, (part, _) in _PARTS.items()
}
