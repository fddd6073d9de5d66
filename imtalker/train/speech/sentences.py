"""Sentences for synthetic voices to read: a small grammar whose words cover every phoneme and mouth shape."""

import json
from functools import cache
from importlib import resources

import numpy as np


@cache
def _words() -> dict[str, list[str]]:
    return json.loads(resources.files("imtalker.train.speech").joinpath("words.json").read_text())


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" and not phrase.startswith(("use", "uni")) else "a ") + phrase


def sentence(rng: np.random.Generator) -> str:
    """One random English sentence of about 3 to 20 words."""
    words = _words()

    def pick(kind: str) -> str:
        return words[kind][rng.integers(len(words[kind]))]

    kind = rng.random()
    if kind < 0.15:
        return pick("fixed")
    if kind < 0.3:
        slots = {"n": pick("names"), "v": pick("bare_verbs"), "o": pick("nouns"), "p": pick("places")}
        slots |= {"a": pick("adjectives"), "a2": pick("adjectives"), "d": pick("adverbs")}
        return pick("questions").format(**slots)
    subject = pick("names") if rng.random() < 0.5 else f"the {pick('adjectives')} {pick('nouns')}"
    thing = pick("nouns") if rng.random() < 0.4 else f"{pick('adjectives')} {pick('nouns')}"
    clause = f"{subject} {pick('verbs')} {_article(thing) if rng.random() < 0.5 else 'the ' + thing}"
    if rng.random() < 0.5:
        clause += f" {pick('places')}"
    if rng.random() < 0.3:
        clause += f" {pick('adverbs')}"
    if rng.random() < 0.35:
        link = rng.choice([", but", " and", ", because", ", while", "; then"])
        clause += f"{link} {pick('names')} {pick('verbs')} my {pick('adjectives')} {pick('nouns')}"
    if rng.random() < 0.35:
        clause = f"{pick('openers')} {clause}"
    return clause[0].upper() + clause[1:] + rng.choice([".", ".", ".", "!"])
