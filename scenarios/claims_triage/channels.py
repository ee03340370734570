"""The form in which a message arrives: mail, web form, call note, chat, app, letter.

The rule: a channel arranges what was said and adds who, when and where. It states no fact but the day of receipt and, in the
web form, the start of the policy.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from claims import Claim
from spelling import long_day
from wording import Household, Material, Said, Voice, sentences, with_slips


@dataclass(frozen=True)
class Post:
    """What a channel has to arrange. `words` is channels.yaml."""

    said: list[Said]
    claim: Claim
    household: Household
    name: str
    policy: str
    words: Material

    @property
    def received(self) -> str:
        return long_day(self.claim.received)


def message(rng: random.Random, claim: Claim, household: Household, material: Material) -> str:
    """The whole message. A household mostly keeps to its channel; its policies share a stem and differ in the last figures."""
    channel = household.channel if rng.random() < 0.6 else rng.choice(NAMES)
    voice = _VOICES.get(channel, "own")
    said = sentences(rng, claim, household, material, voice, posted=channel == "letter")
    if channel in _TYPED:
        said = [Said(each.fact, with_slips(rng, each.text, household.slips)) for each in said]
    name = f"{rng.choice(household.members)} {household.surname}"
    post = Post(said, claim, household, name, f"{household.id}-{rng.randint(10, 99)}", material["channels"])
    return _CHANNELS[channel](rng, post)


def _email(rng: random.Random, post: Post) -> str:
    subject = rng.choice(post.words["subjects"]).format(
        name=post.name, surname=post.household.surname, street=post.household.street, policy=post.policy
    )
    return f"From: {post.name}\nReceived: {post.claim.received:%A}, {post.received}\nSubject: {subject}\n\n{_body(rng, post)}"


def _letter(rng: random.Random, post: Post) -> str:
    address = f"{rng.randint(1, 190)} {post.household.street}, {post.household.town}"
    return f"{post.name}\n{address}\n\n[stamp: received {post.received}]\n\n{_body(rng, post)}"


def _form(rng: random.Random, post: Post) -> str:
    """The one channel that asks for the start of the policy in a box of its own."""
    start = f"{post.claim.policy_start:%Y-%m-%d}" if post.claim.policy_start else "(left empty)"
    boxes = (
        f"WEB FORM, received {post.received}",
        f"Name: {post.name}",
        f"Policy number: {post.policy}",
        f"Policy start (YYYY-MM-DD): {start}",
        f"Contact: {rng.choice(post.words['contacts'])}",
        "Your message:",
    )
    return "\n".join((*boxes, *_paragraphs(rng, [each for each in post.said if each.fact != "policy"])))


def _call_note(rng: random.Random, post: Post) -> str:
    day = post.claim.received
    head = (
        f"CALL NOTE {day.day} {day:%b %Y}, {rng.randint(8, 18):02}:{rng.randint(0, 59):02}, {rng.choice(post.words['agents'])}"
    )
    caller = f"Caller: {post.name}, {post.household.town}, policy {post.policy}"
    return "\n".join((head, caller, *(f"- {each.text}" for each in post.said), f"- {rng.choice(post.words['call_ends'])}"))


def _chat(rng: random.Random, post: Post) -> str:
    agent = rng.choice(("Agent", "Advisor", "Service desk"))
    lines = [f"CHAT {post.received}, policy {post.policy}"]
    for each in post.said:
        question = rng.choice(post.words["questions"][each.fact])
        lines += [f"{agent}: {question}", f"{post.name.split()[0]}: {each.text}"]
    return "\n".join(lines)


def _app(rng: random.Random, post: Post) -> str:
    """All in one breath."""
    device = rng.choice(post.words["devices"])
    return f"App message, {post.received}, {post.name}, {post.policy}, {device}\n" + " ".join(each.text for each in post.said)


_CHANNELS: dict[str, Callable[[random.Random, Post], str]] = {
    "email": _email,
    "letter": _letter,
    "form": _form,
    "call_note": _call_note,
    "chat": _chat,
    "app": _app,
}
NAMES = tuple(_CHANNELS)
_VOICES: dict[str, Voice] = {"call_note": "notes"}
_TYPED = {"email", "chat", "app"}


def _body(rng: random.Random, post: Post) -> str:
    words = post.words
    parts = (rng.choice(words["greetings"]), *_paragraphs(rng, post.said), f"{rng.choice(words['closings'])}\n{post.name}")
    return "\n\n".join(parts)


def _paragraphs(rng: random.Random, said: Sequence[Said]) -> list[str]:
    """The account and what follows from it, then the rest, cut somewhere."""
    cut = rng.randint(2, max(2, len(said) - 2))
    return [" ".join(each.text for each in part) for part in (said[:cut], said[cut:]) if part]
