"""Maps of frames by the method's name: class activation maps, Captum's attributions, and two that look at nothing."""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import GradientShap, IntegratedGradients, NoiseTunnel, Occlusion, Saliency
from torch import Tensor

from capsight.errors import UserError
from capsight.explain.cam import as_fractions, class_activation_maps, gradient_activation_maps, in_view, upsampled
from capsight.learning.frame_learner import FrameLearner
from capsight.nn import FrameClassifier, evaluating

Model = FrameLearner | FrameClassifier
BASELINES = ("random", "centre")
RANDOM_GRID = 7  # of the random map: as coarse as the class activation map of a ResNet at 224 pixels
BLOB = 0.25  # standard deviation of the centred blob, as a share of the frame's side


@dataclass(frozen=True)
class Settings:
    """What the methods need to know. Raises UserError for what is not possible."""

    layer: str | None = None  # gradcam: a module's name in the timm network; None for its last stage
    steps: int = 32  # integrated_gradients
    window: float = 1 / 8  # occlusion: sides of the square and of its steps, as shares of the frame's side
    stride: float = 1 / 16
    samples: int = 16  # gradient_shap, smoothgrad
    noise: float = 0.1  # smoothgrad: standard deviation, with images in [0, 1]
    internal_batch: int = 32  # frames that the network sees at once, whatever the number of frames, steps and samples
    seed: int | None = None  # of what is drawn; None: from the frame's pixels, so that a frame has one map only

    def __post_init__(self):
        for name in ("steps", "samples", "internal_batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{name}={value} is not possible; it is a whole number from 1.")
        for name in ("window", "stride", "noise"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                raise UserError(f"{name}={value} is not possible; it is a number.")
        if not 0 < self.stride <= self.window <= 1:
            raise UserError(
                f"window={self.window:g} and stride={self.stride:g} are not possible; both are shares of the frame's "
                "side, above 0 and at most 1, and the stride is not above the window."
            )
        if self.noise < 0:
            raise UserError(f"noise={self.noise:g} is not possible; use 0 or more.")


def explain_frames(
    model: Model, images: Tensor, method: str, findings: Sequence[int], settings: Settings | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the maps of some findings (B, n, S, S), in the method's own unit, and diagnostics.

    Maps are signed, above 0 for evidence and below 0 against it, but for smoothgrad and centre, which know no against.
    images: (B, 3, S, S), float in [0, 1] or uint8. findings: n positions. A frame's maps do not depend on the frames
    or findings beside it. The diagnostics are those of `completeness` for integrated_gradients, else empty. The model
    is left as it was. Raises UserError for a method, a finding or a layer that does not exist.
    """
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; choose among {', '.join(METHODS)}.")
    settings, findings = settings or Settings(), list(findings)
    _check_findings(model, findings)
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):
        images = as_fractions(images).clone()  # what was made in inference mode has no gradients
        maps = METHODS[method](model, images, findings, settings)
        diagnostics = completeness(model, images, maps, findings, settings) if method == "integrated_gradients" else {}
    return maps, diagnostics


def featureless(images: Tensor) -> Tensor:
    """Return frames (B, 3, S, S) without anything to see: inside the view their own mean colour, outside it black.

    The point that integrated gradients start from, and what occlusion puts in place of tissue. A black frame would do
    worse: blood and dark hollows could never count, and a black square looks like a hollow. As the black around the
    view stays, it has no part in any map.
    """
    view = in_view(images)
    mean = (images * view).sum(dim=(2, 3), keepdim=True) / view.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    return torch.where(view, mean, 0)


@torch.no_grad()
def completeness(
    model: Model, images: Tensor, maps: Tensor, findings: Sequence[int], settings: Settings
) -> dict[str, Tensor]:
    """Compare the sums of maps with what they should explain: the logits, above those of the featureless frames.

    Returns {"completeness_gap": absolute difference, "logit_change": what should be explained}, in logits, (B, n) each.
    Of several frames, the gap as a share is the sum of the first over the sum of the second's absolute values.
    """
    parts = images.split(settings.internal_batch)
    change = torch.cat([model(part) - model(featureless(part)) for part in parts])[:, findings]
    return {"completeness_gap": (maps.sum(dim=(2, 3)) - change).abs(), "logit_change": change}


def _cam(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
    parts = [class_activation_maps(model, part)[:, findings] for part in images.split(settings.internal_batch)]
    return upsampled(torch.cat(parts), images.shape[-1])


def _gradcam(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
    parts = images.split(settings.internal_batch)
    maps = [gradient_activation_maps(model, part, findings, settings.layer) for part in parts]
    return upsampled(torch.cat(maps), images.shape[-1])


def _one_by_one(attribute: Callable[[Model, Tensor, int, Settings], Tensor]) -> Callable[..., Tensor]:
    """Make a method out of what attributes one finding in one frame (1, 3, S, S) to its pixels.

    One frame at a time, with its steps or samples as the batch: that bounds the memory, and Captum draws what is random
    from two generators of its own choice.
    """

    def method(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
        maps = images.new_empty(len(images), len(findings), *images.shape[-2:])
        for row, image in enumerate(images.split(1)):
            for column, finding in enumerate(findings):
                with _seeded(_seed(image, settings)):
                    maps[row, column] = attribute(model, image, finding, settings).detach().sum(dim=1)
        return maps

    return method


def _integrated_gradients(model: Model, image: Tensor, finding: int, settings: Settings) -> Tensor:
    """Sundararajan et al. 2017, section 3, from the featureless frame."""
    return IntegratedGradients(model).attribute(
        image,
        featureless(image),
        target=finding,
        n_steps=settings.steps,
        internal_batch_size=settings.internal_batch,
    )


def _gradient_shap(model: Model, image: Tensor, finding: int, settings: Settings) -> Tensor:
    """Expected gradients (Erion et al. 2021) from black and featureless frames: neither colour is left out."""
    starts = torch.cat([torch.zeros_like(image), featureless(image)])
    shap = GradientShap(model)
    total = torch.zeros_like(image)
    for done in range(0, settings.samples, settings.internal_batch):  # Captum makes all samples of a call at once
        n = min(settings.internal_batch, settings.samples - done)
        total += n * shap.attribute(image, starts, n_samples=n, target=finding)
    return total / settings.samples


def _smoothgrad(model: Model, image: Tensor, finding: int, settings: Settings) -> Tensor:
    """The size of the mean gradient of noisy copies, as Smilkov et al. 2017 show it.

    Size, because the gradient's sign only says whether a brighter pixel would help. There is no noise outside the view.
    """
    view = in_view(image)
    gradient = NoiseTunnel(Saliency(lambda noisy: model(torch.where(view, noisy, 0)))).attribute(
        image,
        nt_type="smoothgrad",
        nt_samples=settings.samples,
        nt_samples_batch_size=settings.internal_batch,
        stdevs=float(settings.noise),
        target=finding,
        abs=False,
    )
    return gradient.abs()


def _occlusion(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
    """How much the logit falls where a square is featureless, Zeiler and Fergus 2014, section 4.2."""
    size = images.shape[-1]
    window, stride = (max(1, round(share * size)) for share in (settings.window, settings.stride))
    occlusion = Occlusion(lambda occluded: model(occluded)[:, findings])  # without a target: all findings at once
    maps = [
        occlusion.attribute(
            image,
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            baselines=featureless(image),
            perturbations_per_eval=settings.internal_batch,
        )
        for image in images.split(1)
    ]
    return torch.stack(maps).mean(dim=2)  # each colour has the fall of all three


def _random(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
    """Smooth noise, another one for each finding."""
    maps = [
        torch.from_numpy(np.random.default_rng((seed, finding)).normal(size=(RANDOM_GRID, RANDOM_GRID)))
        for seed in (_seed(image, settings) for image in images)
        for finding in findings
    ]
    noise = torch.stack(maps).unflatten(0, (len(images), len(findings))).to(images)
    return upsampled(noise, images.shape[-1])


def _centre(model: Model, images: Tensor, findings: list[int], settings: Settings) -> Tensor:
    """A round blob in the middle, where whoever swallowed the capsule has most findings."""
    place = (torch.arange(images.shape[-1]) + 0.5) / images.shape[-1] - 0.5
    bell = torch.exp(-((place / BLOB) ** 2) / 2).to(images)
    return torch.outer(bell, bell).expand(len(images), len(findings), -1, -1).clone()


METHODS: dict[str, Callable[[Model, Tensor, list[int], Settings], Tensor]] = {
    "cam": _cam,
    "gradcam": _gradcam,
    "integrated_gradients": _one_by_one(_integrated_gradients),
    "occlusion": _occlusion,
    "gradient_shap": _one_by_one(_gradient_shap),
    "smoothgrad": _one_by_one(_smoothgrad),
    "random": _random,
    "centre": _centre,
}


def _check_findings(model: Model, findings: list[int]) -> None:
    network = getattr(model, "network", model)
    count = network.head.classifier.out_features - (getattr(model, "task", "multilabel") == "exclusive")
    if unknown := [finding for finding in findings if not 0 <= finding < count]:
        raise UserError(f"the model has no finding number {unknown[0]}; it has {count}, counted from 0.")


def _seed(image: Tensor, settings: Settings) -> int:
    if settings.seed is not None:
        return settings.seed % 2**32
    return zlib.crc32((image * 255).round().byte().cpu().numpy().tobytes())


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch and NumPy, both of which Captum draws from, and leave their generators as they were."""
    state = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)
