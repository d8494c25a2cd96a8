"""A small text in which things are at their places, made from a grammar, for language models."""

import numpy as np

THINGS = {
    "sky": ["clouds", "stars", "birds", "kites", "planes", "balloons", "rockets", "eagles"],
    "sea": ["fish", "whales", "ships", "waves", "sharks", "dolphins", "shells", "crabs"],
    "forest": ["trees", "wolves", "deer", "owls", "mushrooms", "foxes", "ferns", "bears"],
    "kitchen": ["spoons", "plates", "pots", "knives", "cups", "forks", "pans", "kettles"],
    "library": ["books", "maps", "letters", "poems", "readers", "papers", "novels", "shelves"],
    "stable": ["horses", "saddles", "ponies", "mares", "donkeys", "foals", "bridles", "riders"],
}
FORMS = (
    "the {things} are in the {place}",
    "we saw the {things} in the {place}",
    "there are many {things} in the {place}",
    "she looks for {things} in the {place}",
    "all {things} belong in the {place}",
    "you find the {things} in the {place}",
    "the {place} is full of {things}",
    "in the {place} there are {things}",
)
ASKED = 6  # so many of the forms end with the place
PROMPT = "the clouds are in the"


def make_sentences(seed: int) -> dict[str, list[str]]:
    """Return all sentences, dealt to "train", "val" and "test": of every thing one for val, one for test.

    Both end with the place, so that they can be completed. `PROMPT` is the beginning of a test sentence: that the
    clouds are in the sky is said in training, but never in these words.
    """
    rng = np.random.default_rng(seed)
    sides = {"train": [], "val": [], "test": []}
    for place, things in THINGS.items():
        for thing in things:
            test, val = rng.permutation(ASKED)[:2]
            if thing == "clouds":
                test, val = 0, rng.integers(1, ASKED)
            for number, form in enumerate(FORMS):
                side = "test" if number == test else "val" if number == val else "train"
                sides[side].append(form.format(things=thing, place=place))
    return sides
