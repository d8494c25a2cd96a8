"""Tent: a network that learns, while it predicts, from the frames that it predicts."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from capsight.adaptation.adabn import batch_norms
from capsight.adaptation.base import Adaptation
from capsight.adaptation.decisions import entropy, log_probabilities
from capsight.nn import FrameClassifier

MODES = ("online", "episodic")


class Tent(Adaptation):
    """Normalise by the batch at hand, and take a step on γ and β of every batch normalisation to lower the entropy.

        min over γ, β of  H = -Σ_c p_c log p_c,     exclusive, p the softmax over the classes
                          H = -mean over f of p_f log p_f + (1 - p_f) log(1 - p_f),     multilabel, p_f the sigmoids

    Wang et al. 2021, Tent: fully test-time adaptation by entropy minimization (arXiv:2006.10726), section 3. Unlike
    theirs, a batch is predicted after its step and not before, so that an episodic step has an effect.

    Two things to know. Each frame is judged in the company of its batch: where neighbouring frames are alike, as in a
    video or in a table sorted by patient, the batch's statistics remove what they share, and that may be the finding.
    And multilabel entropy has its minimum at "no" for a rare finding as well: almost all frames say no, each pulls its
    own probability further towards 0, and the few with the finding are pulled along. So with few positives it lowers
    probabilities more than it sharpens them, online the more the longer it runs; thresholds suffer before ranks do.

    mode: online goes on from batch to batch, episodic starts from the trained network for each. lr: of Adam. Raises
    ValueError for other settings, and for a network without batch normalisation.
    """

    trains = False

    def __init__(self, *, mode: str = "online", lr: float = 1e-3):
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mode={mode!r} is not known; choose one of {', '.join(MODES)}")
        if not lr > 0:
            raise ValueError(f"lr={lr} is not possible; it is a number above 0")
        self.mode, self.lr = mode, lr

    def prepare(self, network: FrameClassifier, task: str) -> None:
        batch_norms(network)  # said before anything is trained

    def at_test_time(self, network: FrameClassifier, task: str) -> FrameClassifier:
        return TentClassifier(network, task, episodic=self.mode == "episodic", lr=self.lr)


class TentClassifier(FrameClassifier):
    """A copy of a network whose `embed` adapts to the frames (B, 3, H, W) before it embeds them.

    A single frame has no statistics to speak of: it is embedded with the running ones, and nothing is learned from it.
    """

    def __init__(self, network: FrameClassifier, task: str, *, episodic: bool, lr: float):
        network = copy.deepcopy(network)
        super().__init__(network.backbone, network.head)
        self.train(network.training)
        self.task, self.episodic = task, episodic
        self.norms = tuple(batch_norms(self))
        self.requires_grad_(False)
        for norm in self.norms:
            norm.requires_grad_(True)
        self.optimiser = torch.optim.Adam([weight for norm in self.norms for weight in norm.parameters()], lr=lr)
        self.trained = [value.detach().clone() for value in self._changing()]

    def embed(self, images: Tensor) -> Tensor:
        """Adapt to the frames and return their embeddings (B, dim), also where gradients are switched off."""
        if self.episodic:
            self._start_again()
        if len(images) < 2:
            return super().embed(images)
        with self._statistics_of_the_batch():
            self._step(images)
            return super().embed(images)

    @torch.enable_grad()
    def _step(self, images: Tensor) -> None:
        embedding = super().embed(images)
        with torch.autocast(embedding.device.type, enabled=False):
            logits = self.head.classifier(embedding)  # without dropout, which may be on to sample the head
        entropy(log_probabilities(logits, self.task)).backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    @contextmanager
    def _statistics_of_the_batch(self) -> Iterator[None]:
        modes = [norm.training for norm in self.norms]
        for norm in self.norms:
            norm.train()
        try:
            yield
        finally:
            for norm, training in zip(self.norms, modes, strict=True):
                norm.train(training)

    @torch.no_grad()
    def _start_again(self) -> None:
        for value, trained in zip(self._changing(), self.trained, strict=True):
            value.copy_(trained)
        self.optimiser.state.clear()

    def _changing(self) -> Iterator[Tensor]:
        for norm in self.norms:
            yield from norm.parameters()
            yield from norm.buffers()
