import pytest
import torch

from capsight.data.sentences import make_sentences
from capsight.errors import UserError
from capsight.lecture.language_text import END, PADDING, Tokens, read_sentences

SENTENCES = ["the clouds are in the sky", "the fish are in the sea"]


@pytest.mark.parametrize(("between", "number"), [(" ", 7), ("", 17)])
def test_there_and_back(between, number):
    tokens = Tokens.of(SENTENCES, between)
    assert tokens.number == len(tokens.known) + 2 == number + 2
    for sentence in SENTENCES:
        encoded = tokens.encode(sentence)
        assert encoded[0] == END and PADDING not in encoded and max(encoded) < tokens.number
        assert tokens.decode(encoded) == sentence
        assert tokens.decode([*encoded, END, *encoded]) == sentence
    assert tokens.encode("") == [END] and tokens.decode([END]) == ""


def test_a_batch_ends_every_sentence_and_pads_behind():
    tokens = Tokens.of(SENTENCES, " ")
    batch = tokens.batch(["the sky", "the"])
    assert batch.shape == (2, 4)
    assert torch.equal(batch[:, 0], torch.tensor([END, END]))
    assert batch[0, 3] == END and batch[1].tolist()[2:] == [END, PADDING]


@pytest.mark.parametrize(("between", "token"), [(" ", "'rain'"), ("", "'z'")])
def test_what_does_not_occur_is_named(between, token):
    with pytest.raises(UserError, match=token):
        Tokens.of(SENTENCES, between).encode("the rain zzz")


def test_a_vocabulary_of_no_words():
    assert Tokens.of([], " ").number == 2 and Tokens.of([], " ").encode("") == [END]
    with pytest.raises(UserError, match="does not occur"):
        Tokens.of([], " ").encode("clouds")


def test_a_file_is_dealt_line_by_line(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("\n".join(f"  line  {number}\n" for number in range(20)) + "\nline 3\n", encoding="utf-8")
    sides = read_sentences(str(file), seed=0)
    assert {side: len(rows) for side, rows in sides.items()} == {"test": 2, "val": 2, "train": 16}
    assert sorted(sum(sides.values(), [])) == sorted(f"line {number}" for number in range(20))
    assert sides != read_sentences(str(file), seed=1)


def test_without_a_file_sentences_are_made():
    assert read_sentences("", seed=3) == make_sentences(3)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "0 sentences"), (b" \n\n", "0 sentences"), (b"a\n" * 30, "1 sentences"), (b"\xff", "UTF-8")],
)
def test_a_file_of_too_little_is_refused(tmp_path, content, text):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(UserError, match=text) as refused:
        read_sentences(str(tmp_path / "text.txt"), seed=0)
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="No such file"):
        read_sentences(str(tmp_path / "none.txt"), seed=0)
