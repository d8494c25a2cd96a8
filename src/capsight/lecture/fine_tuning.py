"""Fine-tuning on few labelled patients, the same way from every start."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from capsight.lecture.drawn_frames import truth
from capsight.lecture.fitting import batches, fit
from capsight.lecture.label_efficiency import mean_auroc
from capsight.lecture.learners import logits_of
from capsight.lecture.video_learner import FrameNetwork, KnownFindingsLearner
from capsight.nn.captioner import FrameEncoder


class FineTuning:
    """Trains the same network for the same number of steps, from whatever encoder it is given.

    images: uint8 (n, 3, S, S), one for each row of `table`, which has patient, split and findings. Frames of the
    validation patients choose the learning rate among `rates`; those of the test patients are predicted only.
    """

    def __init__(
        self,
        images: Tensor,
        table: pd.DataFrame,
        findings: Sequence[str],
        *,
        features: int,
        steps: int,
        rates: Sequence[float],
        batch_size: int,
        optimiser: dict,
        trainer: dict,
        seed: int,
    ):
        self.images, self.table, self.findings = images, table, list(findings)
        self.frames = TensorDataset(images, truth(table, findings))
        self.known = (~self.frames.tensors[1].isnan()).any(1).numpy()
        self.features, self.steps, self.rates, self.batch_size = features, steps, rates, batch_size
        self.optimiser, self.seed = optimiser, seed
        self.trainer = trainer | {"max_epochs": 1}  # all steps in one epoch, so that its last weights are the ones kept

    def rows(self, side: str) -> np.ndarray:
        """Positions of the frames of a side of the split."""
        return np.flatnonzero(self.table["split"] == side)

    def __call__(
        self, start: FrameEncoder | None, draws: Sequence[Sequence[str]], *, out: Path
    ) -> tuple[list[Tensor], float]:
        """Tune `start`, or random weights, on each draw of training patients with each learning rate.

        Returns the logits of the test frames (n, F) of each draw, and the rate: the one with the best mean AUROC over
        all draws on the validation patients.
        """
        validation, test = self.rows("val"), self.rows("test")
        best, chosen, kept = -1.0, self.rates[0], []
        for rate in self.rates:
            networks = [
                self._tune(start, patients, rate, self.seed + number, out / f"rate_{rate:g}" / f"draw_{number}")
                for number, patients in enumerate(draws)
            ]
            judged = [logits_of(network, self.images[validation]) for network in networks]
            score = np.mean([mean_auroc(self.table.iloc[validation], self.findings, logits) for logits in judged])
            if score > best or not kept:
                best, chosen = score, rate
                kept = [logits_of(network, self.images[test]) for network in networks]
        return kept, chosen

    def _tune(
        self, start: FrameEncoder | None, patients: Sequence[str], rate: float, seed: int, out: Path
    ) -> FrameNetwork:
        torch.manual_seed(seed)  # the weights that are not given are the same for every start
        network = FrameNetwork(self.features, len(self.findings))
        if start is not None:
            network.encoder.load_state_dict(start.state_dict())
        labelled = (self.table["split"] == "train") & self.table["patient"].isin(list(patients)) & self.known
        shown = in_rounds(np.flatnonzero(labelled), self.steps * self.batch_size, seed)
        learner = KnownFindingsLearner(network, optimiser=self.optimiser | {"lr": rate}, seed=seed)
        training = batches(Subset(self.frames, shown), batch_size=self.batch_size)
        validation = batches(Subset(self.frames, self.rows("val").tolist()), batch_size=512)
        return fit(learner, training, validation, out=out, trainer=self.trainer).network


def in_rounds(rows: np.ndarray, number: int, seed: int) -> list[int]:
    """Return `number` of the rows, shuffled: all of them once before any comes again."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(rows) for _ in range(-(-number // len(rows)))])[:number].tolist()
