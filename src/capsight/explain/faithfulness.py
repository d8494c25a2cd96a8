"""How faithful maps are to the model: what its probability does when the frame changes where the map points.

Images are (B, 3, S, S) in [0, 1], maps (B, S, S), a score is a function from images to (B,), such as `probability_of`.
Each measure takes one frame at a time and at most `batch_size` changed copies of it at once, so its memory is bounded.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from torch import Tensor

from capsight.explain.cam import in_view

Score = Callable[[Tensor], Tensor]
BLUR = 1 / 4  # standard deviation of the blur, of the frame's side: less leaves so much colour that blood is seen
SQUARES = (1 / 8, 1 / 2)  # sides of the squares that are taken away, of the frame's side


def probability_of(learner: torch.nn.Module, finding: str) -> Score:
    """Return the function from images (B, 3, S, S) to the learner's probability of a finding (B,)."""
    column = learner.findings.index(finding)
    return lambda images: learner(images)[:, column].float().sigmoid()


def blurred(images: Tensor) -> Tensor:
    """Return the frames without what could be a finding: blurred, the black outside the view left as it is.

    The mean is taken over the view only; black that leaked in would darken the rim, and a grey patch in a black corner
    would be an edge that no capsule makes.
    """
    deviation = images.shape[-1] * BLUR
    reach = round(3 * deviation)
    bell = torch.exp(-((torch.arange(-reach, reach + 1) / deviation) ** 2) / 2).to(images)
    view = in_view(images).to(images)
    smooth = torch.cat([images * view, view], dim=1).flatten(0, 1).unsqueeze(1)  # beyond the border there is no view
    for kernel in (bell.view(1, 1, 1, -1), bell.view(1, 1, -1, 1)):
        smooth = F.conv2d(smooth, kernel, padding="same")
    smooth = smooth.view(len(images), -1, *images.shape[-2:])
    return view * smooth[:, :-1] / torch.where(view > 0, smooth[:, -1:], 1)


@torch.no_grad()
def deletion_insertion(
    score: Score, images: Tensor, maps: Tensor, *, steps: int = 20, batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Return the areas under the deletion curve and the insertion curve, (B,) each.

    Deletion: the score while the pixels turn into the blurred frame, those with the most evidence first, in `steps`
    equal blocks; low is good. Insertion: the way back, from the blurred frame; high is good. Both curves have the same
    ends, at which the frame is whole and wholly blurred. Pixels of the same evidence go in random order, the same each
    time. NaN where a map holds NaN or infinity. Petsiuk et al. 2018, RISE, section 4.2, who delete to grey.
    """
    counts = torch.linspace(0, maps[0].numel(), steps + 1).round().view(-1, 1, 1, 1).to(images.device)
    areas = np.full((len(images), 2), np.nan)
    for row, (image, blank, map) in enumerate(zip(images, blurred(images), maps, strict=True)):
        if not map.isfinite().all():
            continue
        first = _place_in_order(map) < counts  # (steps + 1, 1, S, S): what goes first
        frames = torch.cat([torch.where(first, blank, image), torch.where(first, image, blank)])
        curves = torch.cat([score(part) for part in frames.split(batch_size)]).view(2, -1)
        areas[row] = torch.trapezoid(curves.double(), dx=1 / steps).cpu()
    return areas[:, 0], areas[:, 1]


def infidelity(
    score: Score, images: Tensor, maps: Tensor, *, samples: int = 40, batch_size: int = 64, seed: int = 0
) -> np.ndarray:
    """Return how badly maps foretell the fall of the score when squares of the frame are blurred, (B,); low is good.

    The mean squared difference of that fall and the evidence within the square, times the one factor that fits best:
    maps of any unit compare (Captum's `normalize`). The factor may be negative, so a map and its opposite are alike
    here: read it beside the deletion. All methods see the same squares. NaN where a map holds NaN or infinity.
    Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, eq. 1 and section 2.1.
    """
    values = np.full(len(images), np.nan)
    for row in range(len(images)):
        image, map = images[row : row + 1], maps[row : row + 1]
        if not map.isfinite().all():
            continue
        blank, random = blurred(image), np.random.default_rng(seed)

        def blur_squares(frames: Tensor, blank=blank, random=random) -> tuple[Tensor, Tensor]:
            squares = _squares(frames, random)
            return squares.expand_as(frames).float(), torch.where(squares, blank, frames)

        # The scale does not matter, but squares of very small numbers would be zero.
        map = map.unsqueeze(1).float() / map.abs().max().clamp_min(1e-30)
        evidence = (map / 3).expand_as(image)
        at_once = min(samples, batch_size)
        options = {"n_perturb_samples": samples, "max_examples_per_batch": at_once, "normalize": True}
        values[row] = float(captum_infidelity(score, blur_squares, image, evidence, **options))
    return values


def max_sensitivity(
    explain: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    radius: float = 0.02,
    samples: int = 10,
    batch_size: int = 64,
    seed: int = 0,
) -> np.ndarray:
    """Return how far noise that nobody sees moves the map, at most, as part of the map's length, (B,); low is good.

    explain: images (B, 3, S, S) → maps (B, S, S). The noise is uniform within ±radius, in the view only. A map that is
    zero has no length: NaN, as where it holds NaN or infinity. Yeh et al. 2019, eq. 2.
    """

    def shake(frames: Tensor) -> Tensor:
        noise = torch.empty(frames.shape).uniform_(-radius, radius, generator=random).to(frames)
        return torch.where(in_view(frames), (frames + noise).clamp(0, 1), frames)

    def maps_of(frames: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        # Captum gives a tuple the first time and takes a tensor for one tuple entry per frame; it allows no gradients.
        with torch.enable_grad():
            return (explain(frames[0] if isinstance(frames, tuple) else frames).detach(),)

    values = np.full(len(images), np.nan)
    for row in range(len(images)):
        random = torch.Generator().manual_seed(seed)
        at_once = min(samples, batch_size)
        image, (map,) = images[row : row + 1], maps_of(images[row : row + 1])
        if map.isfinite().all() and map.any():
            options = {"n_perturb_samples": samples, "max_examples_per_batch": at_once}
            values[row] = float(sensitivity_max(maps_of, image, shake, **options))
    return values


def _place_in_order(map: Tensor) -> Tensor:
    """Return each pixel's place in the order of falling evidence, int (S, S)."""
    evidence = map.detach().cpu().double().numpy().ravel()
    tie = np.random.default_rng(0).random(evidence.size)
    place = np.empty(evidence.size, np.int64)
    place[np.lexsort((tie, -evidence))] = np.arange(evidence.size)
    return torch.from_numpy(place).to(map.device).view(map.shape)


def _squares(frames: Tensor, random: np.random.Generator) -> Tensor:
    """Draw one square within each frame: bool (B, 1, S, S)."""
    size = frames.shape[-1]
    squares = np.zeros((len(frames), 1, size, size), bool)
    for square in squares[:, 0]:
        side = random.integers(max(1, round(size * SQUARES[0])), max(2, round(size * SQUARES[1]) + 1))
        top, left = random.integers(0, size - side + 1, 2)
        square[top : top + side, left : left + side] = True
    return torch.from_numpy(squares).to(frames.device)
