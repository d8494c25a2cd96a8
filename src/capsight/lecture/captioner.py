"""A captioner at work: it writes what is in frames of patients that it has never seen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import TensorDataset

from capsight.data.phantom.captions import CLEAN, captions
from capsight.lecture.caption_scores import measure_captions
from capsight.lecture.drawing import panels, save, show_images, styled
from capsight.lecture.drawn_frames import drawn_frames, read_images, turned
from capsight.lecture.fitting import batches, fit
from capsight.lecture.learners import optimisation
from capsight.nn.captioner import END, PADDING, START, Captioner

SPECIAL = {START: "<start>", END: "<end>", PADDING: "<padding>"}


def captioner(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    root: str = "phantom/lecture",
    phantom: dict | None = None,
    image_size: int = 56,
    width: int = 64,
    hidden: int = 128,
    dropout: float = 0.3,
    batch_size: int = 64,
    optimiser: dict | None = None,
) -> dict:
    """Train a captioner on the phantom's frames and score what it writes of held-out patients' frames.

    Frames with too little of a finding to be told are left out. root, phantom: see `drawn_frames`. Beside the
    captioner's scores stand those of always writing that nothing is there, the commonest caption.
    """
    table = drawn_frames(root, phantom)
    table["caption"] = captions(table, root)
    table = table[table["caption"].notna()].reset_index(drop=True)
    images = read_images(table, root, image_size)
    words = vocabulary(table.loc[table["split"] == "train", "caption"])
    tokens = encode(table["caption"], words)
    sides = {side: torch.from_numpy((table["split"] == side).to_numpy()) for side in ("train", "val", "test")}
    torch.manual_seed(seed)
    learner = CaptionLearner(
        Captioner(len(words), width=width, hidden=hidden, dropout=dropout), optimiser=optimiser or {}, seed=seed
    )
    learner = fit(
        learner,
        batches(TensorDataset(images[sides["train"]], tokens[sides["train"]]), batch_size=batch_size, seed=seed),
        batches(TensorDataset(images[sides["val"]], tokens[sides["val"]]), batch_size=256),
        out=out,
        trainer=trainer,
    )
    test = table[sides["test"].numpy()].reset_index(drop=True)
    shown = images[sides["test"]]
    test["written"] = [text for part in shown.split(256) for text in learner.write(part, words)]
    draw_captions(out / "captions.png", test, shown, seed)
    return {
        "n_words": len(words),
        "n_frames": {side: int(rows.sum()) for side, rows in sides.items()},
        "n_patients": test["patient"].nunique(),
        "captioner": measure_captions(test["caption"], test["written"], test["patient"], seed=seed),
        "always_clean": measure_captions(test["caption"], [CLEAN] * len(test), test["patient"], seed=seed),
    }


def vocabulary(texts: pd.Series) -> list[str]:
    """Return the special words and all words of the captions; the comma is one."""
    return [*SPECIAL.values(), *sorted({word for text in texts for word in split_words(text)})]


def split_words(text: str) -> list[str]:
    """Split a caption; the comma is a word."""
    return text.replace(",", " ,").split()


def encode(texts: pd.Series, words: list[str]) -> Tensor:
    """Return captions (N, T) with START before and END behind each; words that are not known are left out."""
    number = {word: index for index, word in enumerate(words)}
    rows = [[START, *(number[w] for w in split_words(text) if w in number), END] for text in texts]
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, PADDING)


def decode(tokens: Tensor, words: list[str]) -> list[str]:
    """(N, T) → captions."""
    texts = (" ".join(words[token] for token in row if token > PADDING) for row in tokens.tolist())
    return [text.replace(" ,", ",") for text in texts]


class CaptionLearner(pl.LightningModule):
    """A `Captioner` that is always told the true words so far (teacher forcing).

    Batches are (images uint8 (B, 3, H, W), captions (B, T)). Logs `val_score`, the share of captions that are exact.
    """

    def __init__(self, network: Captioner, *, optimiser: dict, seed: int):
        super().__init__()
        self.network, self.optimiser, self.seed = network, optimiser, seed

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, tokens = batch
        logits = self.network(turned(images).float() / 255, tokens[:, :-1]).float()
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PADDING)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, tokens = batch
        true = tokens[:, 1:].masked_fill(tokens[:, 1:] == END, PADDING)
        written = self.network.describe(images.float() / 255, longest=true.shape[1])
        written = F.pad(written, (0, true.shape[1] - written.shape[1]), value=PADDING)
        self.log("val_score", (written == true).all(1).float().mean(), on_epoch=True, batch_size=len(images))

    def write(self, images: Tensor, words: list[str]) -> list[str]:
        """Caption frames, uint8 (B, 3, H, W)."""
        return decode(self.network.describe(images.float() / 255), words)

    def configure_optimizers(self) -> dict:
        return optimisation(self, **self.optimiser)


@styled
def draw_captions(file: Path, test: pd.DataFrame, images: Tensor, seed: int, number: int = 12) -> None:
    """Draw frames of different patients, most of them with findings, with what was written and what is true."""
    rng = np.random.default_rng(seed)
    order = test.iloc[rng.permutation(len(test))]
    order = order.assign(clean=order["caption"] == CLEAN).drop_duplicates(["patient", "clean"])
    rows = pd.concat([order[~order["clean"]].head(number - 2), order[order["clean"]].head(2)]).index
    figure, axes = panels(len(rows), height=2.9, lines=-(-len(rows) // 4))
    show_images(axes, [images[row].permute(1, 2, 0).numpy() / 255 for row in rows])
    for panel, row in zip(axes, rows, strict=True):
        written, true = test.loc[row, ["written", "caption"]]
        colour = "#117733" if written == true else "#D55E00"
        panel.set_title(_lines(written or "(nothing)"), fontsize=8.5, color=colour)
        panel.set_xlabel("" if written == true else _lines("true: " + true), fontsize=8.5)
    figure.suptitle("What it writes: green where it is exact, else with what is true below", fontsize=10.5)
    save(figure, file)


def _lines(text: str) -> str:
    return text.replace(", ", ",\n")
