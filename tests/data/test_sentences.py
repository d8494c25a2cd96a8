import pytest

from capsight.data.sentences import ASKED, FORMS, PROMPT, THINGS, make_sentences


@pytest.mark.parametrize("seed", range(4))
def test_every_sentence_is_on_one_side(seed):
    sides = make_sentences(seed)
    sentences = [sentence for side in sides.values() for sentence in side]
    number = sum(map(len, THINGS.values()))
    assert len(sentences) == len(set(sentences)) == number * len(FORMS)
    assert len(sides["val"]) == len(sides["test"]) == number


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_out_ends_with_the_place_of_a_thing(seed):
    sides = make_sentences(seed)
    place_of = {thing: place for place, things in THINGS.items() for thing in things}
    for side in ("val", "test"):
        seen = []
        for sentence in sides[side]:
            *words, last = sentence.split()
            seen += [word for word in words if word in place_of]
            assert place_of[seen[-1]] == last
        assert sorted(seen) == sorted(place_of)


@pytest.mark.parametrize("seed", range(4))
def test_the_clouds_are_never_said_to_be_there_in_these_words(seed):
    sides = make_sentences(seed)
    assert f"{PROMPT} sky" in sides["test"]
    assert not any(PROMPT in sentence for sentence in sides["train"] + sides["val"])
    assert any("clouds" in sentence and "sky" in sentence for sentence in sides["train"])


def test_the_training_holds_every_word():
    sides = make_sentences(0)
    words = {side: set(" ".join(sentences).split()) for side, sentences in sides.items()}
    assert words["val"] | words["test"] <= words["train"]
    assert all(form.endswith("{place}") for form in FORMS[:ASKED])


def test_seeds():
    assert make_sentences(3) == make_sentences(3) != make_sentences(4)
