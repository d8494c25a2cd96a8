"""The vanilla RNN: the lecture's worked example, and how far back it can learn, beside the LSTM."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from capsight.errors import UserError
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import ClassLearner, class_scores, logits_of
from capsight.lecture.recall import Recaller, gradient_by_distance, remember
from capsight.nn.recurrent import LSTM, VanillaRNN
from capsight.report.plots import MUTED, OKABE_ITO

# The lecture's: x1 is the one-hot word "dogs", and the state before it is 0.
W_H = [[0.1, 0.5, 0.1], [0.5, 0.9, 0.3], [0.3, 0.2, 0.1]]
W_X = [[0.6, 0.8, 0.4, 0.8], [0.2, 0.2, 0.8, 0.7], [0.9, 0.8, 0.1, 0.2]]
W_Y = [[0.9, 0.8, 0.3], [0.2, 0.3, 0.4], [0.6, 0.9, 0.1], [0.5, 0.0, 0.3]]
DOGS = [1.0, 0.0, 0.0, 0.0]

COLOURS = {"vanilla RNN": OKABE_ITO[1], "LSTM": OKABE_ITO[0]}
PARTS = 10  # of the distances, in each of which the accuracy is measured
MEASURED = 64  # sequences on which the gradient is measured


def vanilla_rnn(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    length: int = 100,
    symbols: int = 4,
    hidden: int = 32,
    forget_bias: float = 1.0,
    sequences: int = 4000,
    lr: float = 1e-2,
    batch_size: int = 50,
) -> dict:
    """Work the lecture's example, and train a vanilla RNN and an LSTM to remember one symbol of `length`.

    Gradients are of the right symbol's logit with respect to the state, by how many steps before the end the state is,
    as shares of that of the last state. Writes vanilla_rnn.png.
    """
    if length < 2 or symbols < 2:
        raise UserError(f"lesson.length={length}, lesson.symbols={symbols}: there is nothing to remember below 2.")
    parts = [remember(sequences, length, symbols, seed=[seed, part]) for part in range(3)]
    (training, _), (validation, _), (test, distance) = parts
    inputs, labels = test.tensors
    networks, measured = _networks(2 * symbols, hidden, symbols, forget_bias, seed), {}
    for name, network in networks.items():
        before = gradient_by_distance(network, inputs[:MEASURED], labels[:MEASURED])
        learner = ClassLearner(network, optimiser={"lr": lr, "weight_decay": 0.01}, seed=seed)
        loaders = batches(training, batch_size=batch_size, seed=seed), batches(validation, batch_size=256)
        fit(learner, *loaders, out=out / name.replace(" ", "_"), trainer=trainer)
        logits = logits_of(learner, inputs)
        after = gradient_by_distance(network, inputs[:MEASURED], labels[:MEASURED])
        measured[name] = {"before": before, "after": after, "logits": logits}
    right = {name: (part["logits"].argmax(1) == labels).numpy() for name, part in measured.items()}
    save(_picture(measured, right, distance, symbols), out / "vanilla_rnn.png")
    shown = sorted({1, length // 10, length // 2, length - 1} - {0})
    return {
        "example": worked_example(),
        "gradient_by_distance": {
            name: {when: {str(k): part[when][k] for k in shown} for when in ("before", "after")}
            for name, part in measured.items()
        },
        "test": {name: class_scores(part["logits"], labels) for name, part in measured.items()},
        "accuracy_by_distance": {
            name: {f"{low} to {high - 1}": share for (low, high), share in _by_distance(hits, distance).items()}
            for name, hits in right.items()
        },
    }


def worked_example() -> dict[str, list[float]]:
    """Return the state h1 and the probabilities y1 of the lecture's network, to two decimals."""
    network = VanillaRNN(inputs=4, hidden=3, outputs=4)
    with torch.no_grad():
        for weights, values in ((network.W_H, W_H), (network.W_X, W_X), (network.W_Y, W_Y)):
            weights.copy_(torch.tensor(values))
        y, h = network(torch.tensor([[DOGS]]))
    return {
        "h1": [round(value, 2) for value in h[0, 0].tolist()],
        "y1": [round(value, 2) for value in y[0, 0].tolist()],
    }


def _networks(inputs: int, hidden: int, classes: int, forget_bias: float, seed: int) -> dict[str, Recaller]:
    torch.manual_seed(seed)
    vanilla = VanillaRNN(inputs, hidden, classes)
    lstm = LSTM(inputs, hidden, forget_bias=forget_bias)
    return {
        "vanilla RNN": Recaller(vanilla.rnn, vanilla.readout),
        "LSTM": Recaller(lstm, nn.Linear(hidden, classes)),
    }


def _by_distance(right: np.ndarray, distance: np.ndarray) -> dict[tuple[int, int], float]:
    """Return the share of `right` per part of the distances, from low up to but not including high."""
    edges = np.unique(np.linspace(0, distance.max() + 1, PARTS + 1).astype(int))
    parts = {
        (int(low), int(high)): (low <= distance) & (distance < high)
        for low, high in zip(edges, edges[1:], strict=False)
    }
    return {ends: float(right[rows].mean()) for ends, rows in parts.items() if rows.any()}


@styled
def _picture(measured: dict, right: dict, distance: np.ndarray, symbols: int):
    figure, (left, other) = panels(2, height=4.0)
    for name, part in measured.items():
        for when, style in (("before", (0, (4, 2))), ("after", "-")):
            norms = np.maximum(part[when], 1e-30)  # a gradient of 0 has no logarithm
            left.semilogy(norms, linestyle=style, color=COLOURS[name], linewidth=2, label=f"{name}, {when} training")
        shares = _by_distance(right[name], distance)
        middle = [(low + high - 1) / 2 for low, high in shares]
        other.plot(middle, list(shares.values()), "o-", color=COLOURS[name], linewidth=2, label=name)
    left.set(title="Gradient by distance in time", xlabel="steps before the end", ylabel="share of the last state's")
    other.axhline(1 / symbols, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9, label="guessing")
    other.set(title="Symbols remembered", xlabel="steps before the end", ylabel="accuracy", ylim=(0, 1.03))
    left.legend(loc="lower left")
    other.legend(loc="center right")
    return figure
