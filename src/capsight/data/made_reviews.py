"""Reviews made from a small grammar, for trying what reads reviews without any; and pairs whose order of words decides.

A liked film has good things said of it, by a good word ("really nice"), by denying a bad one ("not bad"), or by both
("nice, not boring"); a disliked one the other way round. The last two need the order of the words.
"""

import numpy as np
import pandas as pd

LIKED = (
    "i loved it",
    "i laughed and cheered",
    "i will watch it again",
    "go and see it",
    "my family enjoyed every minute",
)
DISLIKED = (
    "i hated it",
    "i slept and yawned",
    "i want my money back",
    "stay away from it",
    "my family left after an hour",
)
# fmt: off
GOOD = [
    "good", "nice", "funny", "great", "wonderful", "excellent", "brilliant", "beautiful", "charming", "clever",
    "fresh", "moving", "superb", "delightful", "enjoyable", "gripping", "touching", "amazing", "perfect", "lovely",
    "witty", "warm", "strong", "smart", "original", "entertaining", "fascinating", "memorable", "impressive",
    "splendid",
]
BAD = [
    "bad", "boring", "awful", "terrible", "dull", "stupid", "weak", "poor", "horrible", "predictable", "silly",
    "annoying", "lame", "cheap", "ugly", "pointless", "dreadful", "tedious", "forgettable", "disappointing", "slow",
    "flat", "clumsy", "empty", "ridiculous", "painful", "bland", "tiresome", "shallow", "messy",
]
SUBJECTS = [
    "story", "acting", "music", "director", "actor", "actress", "script", "ending", "cast", "camera", "dialogue",
    "plot", "film", "movie", "scene",
]
GENRES = ["horror", "war", "love", "crime", "space", "western", "family", "school"]
HEROES = [
    "soldier", "doctor", "teacher", "sailor", "thief", "queen", "farmer", "robot", "detective", "painter", "nurse",
    "pilot",
]
PLACES = [
    "village", "city", "castle", "desert", "hospital", "island", "forest", "station", "hotel", "harbour", "museum",
    "prison",
]
# fmt: on
ADVERBS = ("really", "very", "quite", "so")
PAIRED = 20  # words of each kind in the pairs: the most frequent ones


def make_reviews(number: int, *, seed: int) -> pd.DataFrame:
    """Return `number` reviews as `read_reviews` does, one in ten of them as "test"; there are no ratings or movies."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=number)
    return pd.DataFrame(
        {
            "text": [_review(rng, label) for label in labels],
            "label": labels,
            "rating": pd.array([pd.NA] * number, dtype="Int64"),
            "split": np.where(np.arange(number) % 10 == 9, "test", "train"),
            "movie": pd.array([pd.NA] * number, dtype="string"),
        }
    )


def order_pairs() -> pd.DataFrame:
    """Return pairs of short texts: kind, positive, negative.

    - negation: "really nice" against "not nice", and "not bad" against "really bad".
    - order: "nice, not bad" against "bad, not nice": the very same words, so that who cannot know their order is right
      in half of them.
    """
    frame = "this film was {}."
    rows = [("negation", f"really {good}", f"not {good}") for good in GOOD[:PAIRED]]
    rows += [("negation", f"not {bad}", f"really {bad}") for bad in BAD[:PAIRED]]
    rows += [("order", f"{good}, not {bad}", f"{bad}, not {good}") for good in GOOD[:PAIRED] for bad in BAD[:PAIRED]]
    return pd.DataFrame(
        [(kind, frame.format(positive), frame.format(negative)) for kind, positive, negative in rows],
        columns=["kind", "positive", "negative"],
    )


def _review(rng: np.random.Generator, label: int) -> str:
    about = f"this {_one(rng, GENRES)} film is about a {_one(rng, HEROES)} in a {_one(rng, PLACES)}"
    sentences = [_opinion(rng, label) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.3:
        sentences.append(_one(rng, LIKED if label else DISLIKED))
    return ". ".join([about, *rng.permutation(sentences)]) + "."


def _opinion(rng: np.random.Generator, label: int) -> str:
    meant, other = (GOOD, BAD) if label else (BAD, GOOD)
    form = rng.random()
    if form < 0.5:
        said = f"{_one(rng, ADVERBS)} {_frequent(rng, meant)}"
    elif form < 0.75:
        said = f"not {_frequent(rng, other)}"
    else:
        said = f"{_frequent(rng, meant)}, not {_frequent(rng, other)}"
    return f"the {_one(rng, SUBJECTS)} was {said}"


def _one(rng: np.random.Generator, words) -> str:
    return words[rng.integers(len(words))]


def _frequent(rng: np.random.Generator, words: list[str]) -> str:
    """Draw a word, the first ones more often, as Zipf's law has it."""
    weights = 1 / np.arange(3, len(words) + 3)
    return words[rng.choice(len(words), p=weights / weights.sum())]
