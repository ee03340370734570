"""Text of a wanted length that says nothing: common short English words in an order drawn from a key.

A word and its blank are taken for one token. In four vocabularies (cl100k, o200k, an older Claude's, DeepSeek's) each is one,
and texts of 100 tokens and more come out within 1 %; a smaller vocabulary may need more. Two keys differ from the first word
on, so that no prefix cache takes one text for the other; of one key, the shorter text begins the longer.
"""

import hashlib
import random

OPENING_TOKENS = 8  # about, of the first word, which no vocabulary has whole
_COMMON = """
the of and to in is you that it was for on are as with they at be this have from or one had by but not what all were we
when your can said there use an each which she do how their if will up other about out many then them these so some her
would make like him into time has look two more write go see number no way could people my than first water been call
who its now find long down day did get come made may part over new sound take only little work know place year live me
back give most very after thing our just name good man think say great where help through much before line right too
mean old any same tell boy follow came want show also around form three small set put end does another well large must
"""
WORDS = tuple(_COMMON.split())
PHRASE_WORDS = 16
_draw = random.Random("phrases")
_PHRASES = tuple(" ".join(_draw.choices(WORDS, k=PHRASE_WORDS)) for _ in range(1_024))
OPENING_FORM = "(?:[bdfghjklmnprstvz][aeio]){10}"  # a pattern
_SYLLABLES = tuple(consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeio")


def text(key: str, tokens: int) -> str:
    """About so many tokens of words, never less than the first, which is the key's own. No blank at either end.

    Of whole phrases, for it is made when it is due: word by word 13,000 tokens would keep a load process for 2 ms.
    """
    whole, rest = divmod(max(0, tokens - OPENING_TOKENS), PHRASE_WORDS)
    *drawn, last = random.Random(f"filler:{key}").choices(_PHRASES, k=whole + 1)
    return " ".join((opening(key), *drawn, *last.split(" ")[:rest]))


def opening(key: str) -> str:
    """A made-up word from 60 bits of the key's hash: among 5 million keys, two are alike once in 90,000 times."""
    bits = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return "".join(_SYLLABLES[bits >> shift & 63] for shift in range(0, 60, 6))
