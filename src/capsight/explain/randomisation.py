"""Do maps depend on what the model has learned? Its weights are replaced stage by stage, and the maps compared.

Adebayo et al. 2018, Sanity checks for saliency maps, section 3.1 (cascading randomisation). A method whose maps stay
as they are when the model knows nothing any more shows the frame, and not the model.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from capsight.evaluation.bootstrap import draw_patients
from capsight.explain.measure import mean_interval
from capsight.progress import track

LIMIT = 0.5  # of the rank correlation: below it, less than a quarter (0.5²) of the variance of the ranks is shared

Explain = Callable[[nn.Module, Tensor], Tensor]


def cascade(model: nn.Module, images: Tensor, explain: Explain, *, repeats: int = 5, seed: int = 0) -> dict:
    """Return per stage the rank correlation (B,) of the maps of the randomised model with those of the model.

    model: a FrameLearner or FrameClassifier; only copies of it are changed. images (B, 3, S, S). explain: a model and
    images → maps (B, S, S). The stages stand in the order in which their weights are replaced, each with all before
    it: the classifier, the projection if there is one, then the children of the trunk from the last to the first. The
    correlation is Spearman's, of the maps as they are, and the mean over `repeats` draws of the weights: one random
    classifier may by chance resemble the trained one, or its opposite. NaN where the original map is the same
    everywhere or not finite.
    """
    original = _ranks(explain(model, images))
    found: dict[str, list[np.ndarray]] = {}
    for repeat in track(range(repeats), "Replacing weights"):
        copy = deepcopy(model).eval()
        for number, (stage, modules) in enumerate(_stages(copy)):
            _randomise(modules, seed=hash((seed, repeat, number)) % 2**63)
            found.setdefault(stage, []).append(_correlation(original, _ranks(explain(copy, images))))
    return {stage: np.mean(values, axis=0) for stage, values in found.items()}


def measure_randomisation(
    correlations: Mapping[str, np.ndarray], patients: Sequence, *, resamples: int = 2000, seed: int = 0
) -> dict:
    """Return {"n_frames", "stages": {STAGE: I}, "passes"} from `cascade`'s correlations and the frames' patients.

    The test passes where the whole interval of the last stage, in which nothing of the model is left, lies below
    LIMIT, and fails where all of it lies above. Otherwise, or without an interval, `passes` is null with a "reason".
    The intervals are over patients; the draws of the weights are taken as given.
    """
    drawn = draw_patients(patients, resamples, seed)
    measured = {stage: mean_interval(values, drawn) for stage, values in correlations.items()}
    last = list(measured.values())[-1]
    result = {"n_frames": len(drawn.group), "stages": measured}
    if last["low"] is None:
        return result | {"passes": None, "reason": last["reason"]}
    if last["low"] < LIMIT <= last["high"]:
        return result | {"passes": None, "reason": f"the interval after the last stage holds {LIMIT:g}"}
    return result | {"passes": last["high"] < LIMIT}


def _stages(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Return the name and the modules of each stage that has weights, from the classifier down to the first layer."""
    network = getattr(model, "network", model)
    trunk = network.backbone.trunk
    parts = [("classifier", network.head.classifier), ("projection", network.head.projection)]
    parts += reversed(list(trunk.named_children()))
    found = [(name, list(part.modules())) for name, part in parts if any(True for _ in part.parameters())]
    found[-1][1].append(trunk)  # what belongs to no layer, as the position embedding of a vision transformer
    return found


def _randomise(modules: list[nn.Module], seed: int) -> None:
    """Draw the modules' own weights anew; weights of an unknown kind are shuffled, which keeps their scale.

    Batch normalisation also forgets its running statistics, since they are learned. Signals may fade without them,
    which does not change the ranks.
    """
    tensors = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    devices = {parameter.device for parameter in tensors if parameter.device.type != "cpu"}
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        torch.manual_seed(seed)
        for module in modules:
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
                continue
            for parameter in module.parameters(recurse=False):
                order = torch.randperm(parameter.numel(), device=parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))


def _ranks(maps: Tensor) -> np.ndarray:
    """Return the centred ranks of each map's pixels, of length 1: (B, S * S). Zero for a map that is constant."""
    flat = maps.detach().double().cpu().flatten(1).numpy()
    ranks = rankdata(flat, axis=1, nan_policy="propagate")
    ranks -= ranks.mean(axis=1, keepdims=True)
    ranks[~np.isfinite(flat).all(axis=1)] = np.nan
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length == 0, 1, length)


def _correlation(original: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation per map (B,). 0 where the changed map is constant: no order is left."""
    return np.where(original.any(axis=1), np.einsum("bp,bp->b", original, changed), np.nan)
