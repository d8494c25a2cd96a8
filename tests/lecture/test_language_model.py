import math

import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.language_model import Writer, language_model, surprise
from capsight.lecture.language_text import PADDING, Tokens
from capsight.nn.recurrent import LanguageModel

SENTENCES = ["the clouds are in the sky", "the fish are in the sea"]
SMALL = {"width": 16, "hidden": 32}


def test_it_completes_and_writes(tmp_path, trainer):
    places = {"clouds": "sky", "birds": "sky", "fish": "sea", "ships": "sea", "owls": "wood", "trees": "wood"}
    colours = ("white", "grey", "black", "brown", "old", "young")
    lines = [f"{colour} {thing} are in the {place}" for colour in colours for thing, place in places.items()]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    settings = SMALL | {"text": str(tmp_path / "text.txt"), "prompt": "old clouds are in the", "longest": 40}
    settings |= {"lr": 0.03, "batch_size": 4, "temperatures": [0.3, 3.0]}
    numbers = language_model(tmp_path, seed=0, trainer=trainer | {"max_epochs": 20}, **settings)
    assert numbers["n_sentences"] == {"test": 3, "val": 3, "train": 30}
    for level in ("characters", "words"):
        assert numbers[level]["completion"] == "old clouds are in the sky"
        written = numbers[level]["written"]
        assert written["0.3"]["in_the_text"] > 0.5 > written["3.0"]["in_the_text"]
        assert numbers[level]["bits_per_character"] < 0.5
    assert numbers["words"]["test_sentences_completed"]["value"] == 1
    assert (tmp_path / "language_model.png").stat().st_size > 5000


def test_the_loss_token_by_token():
    torch.manual_seed(0)
    tokens = Tokens.of(SENTENCES, " ")
    network = LanguageModel(tokens.number, width=4, hidden=5)
    batch = tokens.batch([SENTENCES[0], "the fish"])
    slow = []
    for row in batch.tolist():
        said = [token for token in row if token != PADDING]
        for length in range(1, len(said)):
            logits = network(torch.tensor([said[:length]]))[0][0, -1].tolist()
            slow.append(math.log(sum(math.exp(logit / 2) for logit in logits)) - logits[said[length]] / 2)
    assert surprise(network, batch, temperature=2.0).tolist() == pytest.approx(slow, rel=1e-4)


def writer(between, longest=60):
    torch.manual_seed(0)
    tokens = Tokens.of(SENTENCES, between)
    return Writer(LanguageModel(tokens.number, width=4, hidden=5), tokens, longest)


@pytest.mark.parametrize("between", [" ", ""])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_chance_of_a_word_is_that_of_drawing_it(between, temperature):
    author = writer(between)
    expected = 1.0
    said = author.tokens.batch(["the sea"])[0].tolist()
    for length in range(len(author.tokens.encode("the")), len(said)):
        logits = author.network(torch.tensor([said[:length]]))[0][0, -1]
        expected *= float((logits / temperature).softmax(0)[said[length]].detach())
    assert author.chance("the", "sea", temperature) == pytest.approx(expected, rel=1e-4)
    bits = author.bits(["the sea"]) - author.bits(["the"])
    assert author.bits(["the sea", "the"]) == pytest.approx(2 * author.bits(["the"]) + bits, rel=1e-5)


@pytest.mark.parametrize("longest", [1, 10_000])
def test_a_sentence_has_an_end(longest):
    author = writer(" ", longest)
    with torch.no_grad():
        author.network.readout.bias[PADDING + 2 :] += 20.0  # it never stops by itself
    written = author.write(temperature=1.0, generator=torch.Generator().manual_seed(0))
    assert len(written.split()) == longest


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"longest": 0}, "lesson.longest"),
        ({"temperatures": []}, "lesson.temperatures"),
        ({"temperatures": [0.0]}, "lesson.temperatures"),
        ({"prompt": "the quick brown fox"}, "does not occur"),
        ({"text": "none.txt"}, "cannot be read"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, text):
    with pytest.raises(UserError, match=text) as refused:
        language_model(tmp_path, seed=0, trainer=trainer, **settings)
    assert "\n" not in str(refused.value)


def test_a_text_without_words_and_one_of_ten_thousand(tmp_path, trainer):
    file = tmp_path / "text.txt"
    file.write_text("\n \n")
    with pytest.raises(UserError, match="0 sentences"):
        language_model(tmp_path, seed=0, trainer=trainer, text=str(file))
    lines = [f"{word} and" for word in ("one", "two", "six", "ten", "red", "sky", "sea", "odd", "new")]
    file.write_text("\n".join([*lines, "one two " * 5_000]))
    numbers = language_model(tmp_path, seed=0, trainer=trainer, text=str(file), prompt="", longest=3, **SMALL)
    assert numbers["n_sentences"] == {"test": 1, "val": 1, "train": 8}
