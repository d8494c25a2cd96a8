"""Two language models at work, one of characters and one of words: "the clouds are in the …"."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from scipy.stats import binomtest
from torch import Tensor
from torch.utils.data import TensorDataset

from capsight.data.sentences import PROMPT
from capsight.errors import UserError
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.fitting import batches, fit
from capsight.lecture.language_text import PADDING, Tokens, read_sentences
from capsight.lecture.learners import optimisation
from capsight.nn.recurrent import LanguageModel
from capsight.report.plots import OKABE_ITO

LEVELS = {"characters": "", "words": " "}  # what stands between two tokens
SAMPLES = 40  # sentences per temperature, of which three are shown


def language_model(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    text: str = "",
    prompt: str = PROMPT,
    width: int = 32,
    hidden: int = 64,
    dropout: float = 0.0,
    temperatures: Sequence[float] = (0.5, 1.0, 2.0),
    longest: int = 80,
    lr: float = 1e-2,
    batch_size: int = 16,
) -> dict:
    """Train a `LanguageModel` of characters and one of words on the same sentences; complete `prompt`, and write.

    text: a file with one sentence a line; without it, sentences are made. longest: tokens of a written sentence at
    most. Writes language_model.png.
    """
    if longest < 1 or not temperatures or min(temperatures) <= 0:
        raise UserError("lesson.longest must be 1 or more, and lesson.temperatures above 0: else nothing is written.")
    sides = read_sentences(text, seed=seed)
    sentences = [sentence for side in sides.values() for sentence in side]
    lasts = sorted({sentence.split()[-1] for sentence in sides["train"]})
    numbers, chances = {"n_sentences": {side: len(rows) for side, rows in sides.items()}, "prompt": prompt}, {}
    for level, between in LEVELS.items():
        tokens = Tokens.of(sentences, between)
        tokens.encode(prompt)  # refused before anything is trained
        torch.manual_seed(seed)
        network = LanguageModel(tokens.number, width=width, hidden=hidden, dropout=dropout)
        learner = LanguageLearner(network, lr=lr, seed=seed)
        training, validation = (TensorDataset(tokens.batch(sides[side])) for side in ("train", "val"))
        loaders = batches(training, batch_size=batch_size, seed=seed), batches(validation, batch_size=256)
        fit(learner, *loaders, out=out / level, trainer=trainer)
        writer = Writer(network, tokens, longest)
        chances[level] = {heat: {last: writer.chance(prompt, last, heat) for last in lasts} for heat in temperatures}
        numbers[level] = {
            "tokens": tokens.number,
            "bits_per_character": writer.bits(sides["test"]) / sum(len(one) + 1 for one in sides["test"]),
            "completion": writer.complete(prompt),
            "test_sentences_completed": _completed(writer, sides["test"]),
            "written": {str(heat): _written(writer, heat, sentences, seed) for heat in temperatures},
        }
    save(_picture(chances, prompt), out / "language_model.png")
    return numbers


class LanguageLearner(pl.LightningModule):
    """A `LanguageModel` that foretells every token from those before it. Batches are (tokens (B, T),).

    Logs `val_score`, minus the mean surprise of a token in bits.
    """

    def __init__(self, network: LanguageModel, *, lr: float, seed: int):
        super().__init__()
        self.network, self.lr, self.seed = network, lr, seed

    def on_train_batch_start(self, batch: tuple[Tensor], index: int) -> None:
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor], _: int) -> Tensor:
        loss = surprise(self.network, batch[0]).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor], _: int) -> None:
        bits = surprise(self.network, batch[0]) / math.log(2)
        self.log("val_score", -bits.mean(), on_epoch=True, batch_size=len(bits))

    def configure_optimizers(self) -> dict:
        return optimisation(self, lr=self.lr, weight_decay=0.01)


def surprise(network: LanguageModel, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """Return -log of the probability of every token but the first of (B, T), without padding: (n,)."""
    logits, _ = network(tokens[:, :-1])
    told = tokens[:, 1:] != PADDING
    return F.cross_entropy(logits[told] / temperature, tokens[:, 1:][told], reduction="none")


class Writer:
    """A trained language model that reads and writes text."""

    def __init__(self, network: LanguageModel, tokens: Tokens, longest: int):
        self.network, self.tokens, self.longest = network.cpu().eval(), tokens, longest

    @torch.no_grad()
    def bits(self, sentences: Sequence[str]) -> float:
        """Return the surprise of all `sentences`, their ends included."""
        return float(surprise(self.network, self.tokens.batch(sentences)).sum()) / math.log(2)

    @torch.no_grad()
    def chance(self, beginning: str, last: str, temperature: float) -> float:
        """Return the probability that `last`, and then the end, follows."""
        whole = self.tokens.batch([f"{beginning} {last}".strip()])
        told = whole.shape[1] - len(self.tokens.encode(beginning))
        return math.exp(-float(surprise(self.network, whole, temperature)[-told:].sum()))

    def complete(self, beginning: str) -> str:
        """Go on from `beginning`, always with the likeliest token."""
        return self.write(beginning, temperature=0.0)

    def write(self, beginning: str = "", *, temperature: float, generator: torch.Generator | None = None) -> str:
        start = torch.tensor(self.tokens.encode(beginning))
        drawn = self.network.generate(start, self.longest, temperature=temperature, generator=generator)
        return self.tokens.decode(drawn.tolist())


def _completed(writer: Writer, sentences: Sequence[str]) -> dict:
    """Return in how many sentences all but the last word is completed by it, with Wilson's interval."""
    n = len(sentences)
    right = sum(writer.complete(sentence.rpartition(" ")[0]) == sentence for sentence in sentences)
    low, high = binomtest(right, n).proportion_ci(method="wilson")
    return {"n": n, "value": right / n, "low": float(low), "high": float(high)}


def _written(writer: Writer, temperature: float, sentences: Sequence[str], seed: int) -> dict:
    """Return how many of the sentences that are written are sentences of the text, and some of them."""
    generator = torch.Generator().manual_seed(seed)
    written = [writer.write(temperature=temperature, generator=generator) for _ in range(SAMPLES)]
    known = set(sentences)
    return {"in_the_text": sum(one in known for one in written) / SAMPLES, "examples": written[:3]}


@styled
def _picture(chances: dict, prompt: str, number: int = 6):
    figure, axes = panels(len(chances), height=3.8)
    for panel, (level, by_heat) in zip(axes, chances.items(), strict=True):
        middle = by_heat[min(by_heat, key=lambda heat: abs(heat - 1))]
        lasts = sorted(middle, key=middle.get, reverse=True)[:number]
        height = 0.8 / len(by_heat)
        for index, (heat, values) in enumerate(by_heat.items()):
            places = [row + (index - (len(by_heat) - 1) / 2) * height for row in range(len(lasts))]
            widths = [values[last] for last in lasts]
            panel.barh(places, widths, height, color=OKABE_ITO[index % 8], label=f"temperature {heat:g}")
        panel.set(yticks=range(len(lasts)), yticklabels=lasts, xlim=(0, 1), title=level, xlabel="probability")
        panel.invert_yaxis()
        panel.grid(False, axis="y")
    axes[-1].legend(loc="lower right")
    figure.suptitle(f"{prompt} …", fontsize=11)
    return figure
