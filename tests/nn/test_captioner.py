import pytest
import torch
import torch.nn.functional as F
from torch import nn

from capsight.nn.captioner import END, PADDING, START, Captioner

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
CAPTIONS = torch.tensor([[START, 3, 4, END], [START, 5, END, PADDING], [START, 6, 7, END], [START, 4, 3, END]])


def small(**settings):
    torch.manual_seed(0)
    return Captioner(8, nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)), features=10, width=6, **settings)


def test_without_arguments():
    model = Captioner().eval()
    assert model(IMAGES, CAPTIONS).shape == (4, 4, 32)
    assert model.describe(IMAGES).shape[0] == 4


def test_the_image_is_read_first_and_then_the_words():
    model = small().eval()
    state = None
    steps = [model.image(model.encoder(IMAGES)), *model.embedding(CAPTIONS).unbind(1)]
    logits = []
    for step in steps:
        out, state = model.lstm(step[:, None], state)
        logits.append(model.readout(out[:, 0]))
    torch.testing.assert_close(model(IMAGES, CAPTIONS), torch.stack(logits[1:], 1))


def test_a_word_depends_on_the_image_and_the_words_before_only():
    model = small().eval()
    logits = model(IMAGES, CAPTIONS)
    changed = CAPTIONS.clone()
    changed[:, 2] = 5
    torch.testing.assert_close(model(IMAGES, changed)[:, :2], logits[:, :2])
    assert not torch.allclose(model(IMAGES.flip(0), CAPTIONS)[:, 0], logits[:, 0])


def trained():
    model = small(dropout=0.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        logits = model(IMAGES, CAPTIONS[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), CAPTIONS[:, 1:].flatten(), ignore_index=PADDING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def test_it_learns_to_describe():
    written = trained().describe(IMAGES)
    true = CAPTIONS[:, 1:].masked_fill(CAPTIONS[:, 1:] == END, PADDING)
    assert torch.equal(written, true)


def test_greedy_is_the_likeliest_next_word():
    model = small().eval()
    written = model.describe(IMAGES, longest=5)
    so_far = torch.full((4, 1), START)
    for word in written.unbind(1):
        best = model(IMAGES, so_far)[:, -1].argmax(1)
        going = word != PADDING
        assert torch.equal(word[going], best[going])
        so_far = torch.cat([so_far, best[:, None]], 1)


def test_it_stops():
    model = small().eval()
    with torch.no_grad():
        model.readout.bias[END] = 100.0
    assert (model.describe(IMAGES) == PADDING).all()
    with torch.no_grad():
        model.readout.bias[END], model.readout.bias[3] = 0.0, 100.0
    assert torch.equal(model.describe(IMAGES, longest=7), torch.full((4, 7), 3))
    with pytest.raises(ValueError, match="longest"):
        model.describe(IMAGES, longest=0)
