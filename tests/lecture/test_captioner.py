import pandas as pd
import pytest
import torch

from capsight.lecture.captioner import CaptionLearner, captioner, decode, encode, split_words, vocabulary
from capsight.nn.captioner import END, PADDING, START, Captioner

TEXTS = pd.Series(["one polyp near the lumen, some blood", "clean mucosa", "some blood"])


def test_captions_as_numbers_and_back():
    words = vocabulary(TEXTS)
    assert words[START] == "<start>" and words[END] == "<end>" and words[PADDING] == "<padding>"
    assert words[3:] == sorted({",", "one", "polyp", "near", "the", "lumen", "some", "blood", "clean", "mucosa"})
    tokens = encode(TEXTS, words)
    assert tokens.shape == (3, 10) and (tokens[:, 0] == START).all()
    assert tokens[2].tolist() == [START, words.index("some"), words.index("blood"), END, *[PADDING] * 6]
    assert decode(tokens, words) == list(TEXTS)
    assert split_words("a b, c") == ["a", "b", ",", "c"]


def test_a_word_that_was_never_met_is_left_out_and_nothing_stays_nothing():
    words = vocabulary(TEXTS[1:])
    assert decode(encode(TEXTS[:1], words), words) == ["some blood"]
    assert decode(torch.full((2, 3), PADDING), words) == ["", ""]


class Writer(Captioner):
    """Always writes the same."""

    def __init__(self, written):
        super().__init__(8)
        self.written = torch.tensor(written)

    def describe(self, images, *, longest=20):
        return self.written[:, :longest]


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ([[3, 4, 5], [3, PADDING, PADDING]], 1.0),
        ([[3, 4, 4], [3, PADDING, PADDING]], 0.5),
        ([[3, 4], [3, PADDING]], 0.5),  # shorter than the longest true one
        ([[3, 4, 5, 6, 6], [3, 3, PADDING, PADDING, PADDING]], 0.0),  # goes on where it should end
        ([[PADDING], [PADDING]], 0.0),
    ],
)
def test_the_score_is_the_share_of_exact_captions(written, exact, monkeypatch):
    learner = CaptionLearner(Writer(written), optimiser={}, seed=0)
    logged = {}
    monkeypatch.setattr(learner, "log", lambda name, value, **_: logged.update({name: float(value)}))
    true = torch.tensor([[START, 3, 4, 5, END], [START, 3, END, PADDING, PADDING]])
    learner.validation_step((torch.zeros(2, 3, 8, 8, dtype=torch.uint8), true), 0)
    assert logged == {"val_score": exact}


def test_padding_is_not_learnt(monkeypatch):
    learner = CaptionLearner(Captioner(8).eval(), optimiser={}, seed=0)
    monkeypatch.setattr(learner, "log", lambda *_, **__: None)
    images = torch.randint(256, (1, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    losses = []
    for more in (0, 5):
        torch.manual_seed(0)  # the frame is turned the same way
        batch = images, torch.tensor([[START, 3, END, *[PADDING] * more]])
        losses.append(learner.training_step(batch, 0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_it_captions_held_out_patients(tmp_path, trainer, drawn):
    numbers = captioner(tmp_path, seed=0, trainer=trainer, image_size=32, hidden=16, width=8, **drawn)
    assert numbers["n_patients"] in (2, 3)  # about a fifth of ten
    assert sum(numbers["n_frames"].values()) < 120  # frames with too little of a finding are left out
    always = numbers["always_clean"]
    assert always["exact_with_finding"]["value"] == 0
    assert set(numbers["captioner"]) == {"exact", "exact_with_finding", "word_accuracy", "findings"}
    assert (tmp_path / "captions.png").stat().st_size > 5000
