import math

import pytest
import torch
from torch import nn

from capsight.nn.recurrent import LSTM, LanguageModel, VanillaRNN

TOKENS = torch.randint(7, (2, 9), generator=torch.Generator().manual_seed(0))


def lecture():
    """The lecture's network: three hidden units, four words."""
    model = VanillaRNN()
    with torch.no_grad():
        model.W_H.copy_(torch.tensor([[0.1, 0.5, 0.1], [0.5, 0.9, 0.3], [0.3, 0.2, 0.1]]))
        model.W_X.copy_(torch.tensor([[0.6, 0.8, 0.4, 0.8], [0.2, 0.2, 0.8, 0.7], [0.9, 0.8, 0.1, 0.2]]))
        model.W_Y.copy_(torch.tensor([[0.9, 0.8, 0.3], [0.2, 0.3, 0.4], [0.6, 0.9, 0.1], [0.5, 0.0, 0.3]]))
    return model


def test_the_lectures_worked_example():
    y, h = lecture()(torch.tensor([[[1.0, 0, 0, 0]]]))  # "dogs"
    assert [round(value, 2) for value in h[0, 0].tolist()] == [0.54, 0.20, 0.72]
    assert [round(value, 2) for value in y[0, 0].tolist()] == [0.32, 0.21, 0.24, 0.22]


def test_a_vanilla_rnn_number_by_number():
    model, x, state = lecture(), torch.eye(4)[[0, 2, 1, 3]], [0.3, -0.2, 0.5]
    y, h = model(x[None], torch.tensor([state]))
    for step in range(4):
        state = [
            math.tanh(
                sum(model.W_H[i, j].item() * state[j] for j in range(3))
                + sum(model.W_X[i, j].item() * x[step, j].item() for j in range(4))
            )
            for i in range(3)
        ]
        scores = [math.exp(sum(model.W_Y[i, j].item() * state[j] for j in range(3))) for i in range(4)]
        assert h[0, step].tolist() == pytest.approx(state, abs=1e-6)
        assert y[0, step].tolist() == pytest.approx([score / sum(scores) for score in scores], abs=1e-6)


def test_the_equations_of_the_lstm_equal_torchs():
    torch.manual_seed(0)
    ours, torchs = LSTM(5, 6), nn.LSTM(5, 6, batch_first=True)
    torchs.load_state_dict(ours.state_dict())
    x, h, c = torch.randn(3, 8, 5), torch.randn(3, 6), torch.randn(3, 6)
    states, (last, cell) = torchs(x, (h[None], c[None]))
    W_i, W_f, W_g, W_o = ours.weight_ih_l0.chunk(4)
    U_i, U_f, U_g, U_o = ours.weight_hh_l0.chunk(4)
    b_i, b_f, b_g, b_o = (ours.bias_ih_l0 + ours.bias_hh_l0).chunk(4)
    for t in range(8):
        forget = torch.sigmoid(x[:, t] @ W_f.T + h @ U_f.T + b_f)
        enter = torch.sigmoid(x[:, t] @ W_i.T + h @ U_i.T + b_i)
        candidate = torch.tanh(x[:, t] @ W_g.T + h @ U_g.T + b_g)
        c = forget * c + enter * candidate
        out = torch.sigmoid(x[:, t] @ W_o.T + h @ U_o.T + b_o)
        h = out * torch.tanh(c)
        torch.testing.assert_close(states[:, t], h, rtol=0, atol=1e-6)
    torch.testing.assert_close(cell[0], c, rtol=0, atol=1e-6)
    torch.testing.assert_close(last[0], h, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours(x)[0], torchs(x)[0], rtol=0, atol=1e-6)


def test_a_new_lstm_remembers():
    forget = LSTM(5, 6, forget_bias=2.0)
    assert torch.equal((forget.bias_ih_l0 + forget.bias_hh_l0)[6:12], torch.full((6,), 2.0))
    assert (forget.bias_ih_l0 + forget.bias_hh_l0)[:6].abs().max() < 1


def test_a_language_model_step_by_step():
    torch.manual_seed(0)
    model = LanguageModel(7, width=4, hidden=5).eval()
    logits, last = model(TOKENS)
    state = None
    for step in range(9):
        one, state = model(TOKENS[:, step : step + 1], state)
        torch.testing.assert_close(one[:, 0], logits[:, step])
    torch.testing.assert_close(state, last)


def test_a_token_does_not_know_what_follows():
    model = LanguageModel(7, width=4, hidden=5).eval()
    changed = TOKENS.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 7
    before, after = model(TOKENS)[0], model(changed)[0]
    assert torch.equal(before[:, :5], after[:, :5]) and not torch.allclose(before[:, 5], after[:, 5])


def certain(logits):
    """A language model that foretells the same, whatever it has read."""
    model = LanguageModel(len(logits), width=2, hidden=2).eval()
    with torch.no_grad():
        model.readout.weight.zero_()
        model.readout.bias.copy_(torch.tensor(logits))
    return model


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_divides_the_logits(temperature):
    logits, start = [2.0, 1.0, 0.0, -1.0], torch.tensor([0])
    drawn = certain(logits).generate(start, 1500, temperature=temperature, generator=torch.Generator().manual_seed(0))
    weights = [math.exp(logit / temperature) for logit in logits]
    shares = drawn[1:].bincount(minlength=4) / 1500
    assert shares.tolist() == pytest.approx([weight / sum(weights) for weight in weights], abs=0.05)


def test_cold_takes_the_likeliest_and_a_seed_repeats():
    torch.manual_seed(0)
    model, start = LanguageModel(7, width=4, hidden=5).eval(), TOKENS[0, :3]
    greedy = model.generate(start, 5, temperature=0)
    for length in range(3, 8):
        assert greedy[length] == model(greedy[None, :length])[0][0, -1].argmax()
    assert torch.equal(model.generate(start, 5, temperature=1e-30), greedy)
    once, again, other = (
        model.generate(start, 30, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(once, again) and not torch.equal(once, other)
    assert torch.equal(once[:3], start) and len(once) == 33
    assert torch.equal(model.generate(start, 0), start)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"start": torch.tensor([], dtype=torch.long)}, "start"),
        ({"start": TOKENS}, "start"),
        ({"length": -1}, "length"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
    ],
)
def test_impossible_generations_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        LanguageModel(7).generate(**{"start": TOKENS[0], "length": 3} | settings)


def test_no_token_is_refused():
    with pytest.raises(ValueError, match="tokens must be 1 or more, not 0"):
        LanguageModel(0)
    assert LanguageModel(1)(torch.zeros(1, 3, dtype=torch.long))[0].shape == (1, 3, 1)


@pytest.mark.parametrize(
    ("network", "given"),
    [(VanillaRNN(), torch.zeros(2, 1, 4)), (LSTM(), torch.zeros(2, 1, 4)), (LanguageModel(), TOKENS[:, :1])],
)
def test_sequences_of_no_step_and_of_ten_thousand(network, given):
    with pytest.raises(RuntimeError, match="sequence length") as refused:
        network(given[:, :0])
    assert "\n" not in str(refused.value)
    with torch.no_grad():
        long, _ = network(given.repeat_interleave(10_000, dim=1))
    assert long.shape[:2] == (2, 10_000) and long.isfinite().all()
