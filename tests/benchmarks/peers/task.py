"""What a tool is told to do, and what it says it saw; and the files that some of them want."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import work

TOKENIZER = "local/words"


@dataclass(frozen=True)
class Pace:
    """How many requests keep a tool busy for some ten seconds, where answers come as fast as it takes them."""

    saturated: int
    short: int


@dataclass(frozen=True)
class Task:
    """`warmup` requests that are not measured, then `requests` that are, `streams` at a time, answers of `tokens`."""

    streams: int
    tokens: int
    stream: bool
    warmup: int
    requests: int
    warmup_s: float  # the same for tools that are told how long, and not how many
    measure_s: float
    url: str  # as an SDK takes it: it ends in /v1
    python: Path  # of the tool's own environment
    folder: Path

    @property
    def server(self) -> str:
        return self.url.removesuffix("/v1")

    @property
    def prompts(self) -> Path:
        return self.folder / "prompts.jsonl"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "hub" / "hub" / f"models--{TOKENIZER.replace('/', '--')}" / "snapshots" / "0"

    @property
    def environment(self) -> dict[str, str]:
        """No tool shall look for a model or send a report: the network is not part of what is measured."""
        return {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.folder / "hub"),
            "DO_NOT_TRACK": "1",
            "VLLM_NO_USAGE_STATS": "1",
        }

    def prepare(self) -> None:
        """Prompts, and a tokenizer of whole words where the hub's cache would have one."""
        prompts = (work.prompt(f"q{number}") for number in range(self.warmup + self.requests))
        rows = ({"text": each, "prompt": each, "output_tokens": self.tokens} for each in prompts)
        with self.prompts.open("w") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
        self.tokenizer.mkdir(parents=True)
        for name, content in _TOKENIZER_FILES.items():
            (self.tokenizer / name).write_text(json.dumps(content))
        reference = self.tokenizer.parents[1] / "refs" / "main"
        reference.parent.mkdir()
        reference.write_text(self.tokenizer.name)


@dataclass(frozen=True)
class Heard:
    """What a tool wrote down of its measured requests, in seconds.

    gaps_s   between tokens: each gap, or where the tool keeps none, the mean of an answer, once for each of its gaps
    means    gaps are means
    failed   requests that it counts as failed; the rest is about the others
    numbers  which of the simulator's answers these were; None: the last ones
    since_ns   the measured requests were begun after this moment; None: a number of requests was given
    """

    ttft_s: Sequence[float]
    gaps_s: Sequence[float]
    means: bool = False
    failed: int = 0
    numbers: frozenset[int] | None = None
    since_ns: int | None = None


_WORDS = {"[UNK]": 0, "[EOS]": 1}
_EOS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
_TOKENIZER_FILES = {
    "config.json": {"model_type": "llama"},
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "[EOS]",
        "unk_token": "[UNK]",
        "model_max_length": 1_000_000,
        "chat_template": "{% for message in messages %}{{ message['content'] }} {% endfor %}",
    },
    "tokenizer.json": {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 1, "content": "[EOS]", **_EOS}],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": _WORDS, "unk_token": "[UNK]"},
    },
}
