"""PyTorch itself as the engine: on the accelerator where there is one, channels-last, bfloat16 where that is fast."""

import torch
from torch import Tensor

from capsight.hardware import autocast, device, use_bfloat16
from capsight.learning.frame_learner import FrameLearner


class TorchEngine:
    """Computes a learner's network eagerly; precision: auto, bf16 or fp32. The learner is moved and set to evaluate."""

    name = "torch"

    def __init__(self, learner: FrameLearner, precision: str = "auto"):
        self.precision = "bf16" if use_bfloat16(precision) else "fp32"
        self.learner = learner.eval().to(device(), memory_format=torch.channels_last)

    @torch.no_grad()  # not inference_mode: a model that is moved in it could give no gradients any more
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self.precision):
            embedding = self.learner.network.embed(images.to(device()))
            return embedding.float(), self.learner.logits(embedding).float()
