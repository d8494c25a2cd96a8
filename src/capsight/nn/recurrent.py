"""Recurrent networks: the vanilla RNN and the LSTM of the lecture, and a language model."""

import math

import torch
from torch import Tensor, nn


class VanillaRNN(nn.Module):
    """h_t = tanh(W_H h_{t-1} + W_X x_t), y_t = softmax(W_Y h_t), without biases (Elman 1990, Cognitive Science 14)."""

    def __init__(self, inputs: int = 4, hidden: int = 3, outputs: int = 4):
        super().__init__()
        self.rnn = nn.RNN(inputs, hidden, bias=False, batch_first=True)
        self.readout = nn.Linear(hidden, outputs, bias=False)

    @property
    def W_H(self) -> nn.Parameter:
        """(hidden, hidden)."""
        return self.rnn.weight_hh_l0

    @property
    def W_X(self) -> nn.Parameter:
        """(hidden, inputs)."""
        return self.rnn.weight_ih_l0

    @property
    def W_Y(self) -> nn.Parameter:
        """(outputs, hidden)."""
        return self.readout.weight

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, inputs), h_0 (B, hidden) or zeros → probabilities y (B, T, outputs), h (B, T, hidden)."""
        states, _ = self.rnn(x, None if state is None else state[None].contiguous())
        return self.readout(states).softmax(-1), states


class LSTM(nn.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000): torch's, batch first.

    f, i, o = sigmoid(W x_t + U h_{t-1} + b) and the candidate g = tanh(W x_t + U h_{t-1} + b), each with its own
    W, U and b; c_t = f c_{t-1} + i g; h_t = o tanh(c_t). (B, T, inputs) → h (B, T, hidden) and the last state (h, c),
    each (1, B, hidden). forget_bias: where the forget gate's bias starts; above 0 a new network remembers
    (Jozefowicz et al. 2015, ICML, section 2.2).
    """

    def __init__(self, inputs: int = 4, hidden: int = 3, *, forget_bias: float = 1.0):
        super().__init__(inputs, hidden, batch_first=True)
        # torch keeps two biases and adds them, each in the order input, forget, candidate, output.
        with torch.no_grad():
            self.bias_ih_l0[hidden : 2 * hidden] = forget_bias
            self.bias_hh_l0[hidden : 2 * hidden] = 0


class LanguageModel(nn.Module):
    """Embedding → LSTM → logits of the next token, a character or a word (Sundermeyer et al. 2012, Interspeech).

    Raises ValueError where there is no token.
    """

    def __init__(self, tokens: int = 128, *, width: int = 32, hidden: int = 64, dropout: float = 0.0):
        super().__init__()
        if tokens < 1:
            raise ValueError(f"tokens must be 1 or more, not {tokens}: there is nothing to foretell")
        self.embedding = nn.Embedding(tokens, width)
        self.lstm = LSTM(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden, tokens)

    def forward(
        self, tokens: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T) integers → logits (B, T, tokens), whose softmax is the next token's distribution; the state after."""
        states, state = self.lstm(self.dropout(self.embedding(tokens)), state)
        return self.readout(self.dropout(states)), state

    @torch.no_grad()
    def generate(
        self, start: Tensor, length: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Go on from `start` (T,) for `length` tokens; returns (T + length,).

        temperature divides the logits: below 1 the likely gets likelier, above 1 all gets more alike; 0 takes the
        likeliest token always. Dropout is left as the caller set it. Raises ValueError for an empty start, a
        negative length and a temperature that is negative or not finite.
        """
        if start.ndim != 1 or not len(start):
            raise ValueError(f"start must be (T,) with T of 1 or more, not {tuple(start.shape)}")
        if length < 0:
            raise ValueError(f"length must be 0 or more, not {length}")
        if not 0 <= temperature < math.inf:
            raise ValueError(f"temperature must be 0 or more and finite, not {temperature}")
        written, latest, state = [start], start, None
        for _ in range(length):
            logits, state = self(latest[None], state)
            latest = _draw(logits[0, -1], temperature, generator)
            written.append(latest)
        return torch.cat(written)


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """(tokens,) → (1,)."""
    if temperature == 0:
        return logits.argmax()[None]
    # The largest becomes 0 before the division, so that no temperature, however small, overflows.
    return torch.multinomial(((logits - logits.max()) / temperature).softmax(0), 1, generator=generator)
