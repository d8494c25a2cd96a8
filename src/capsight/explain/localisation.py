"""How well one map finds one region: the pointing game, the energy inside, the best IoU.

A map is (S, S), higher = more evidence for the finding; a region is bool (S, S). Each measure is NaN where the map
holds NaN or infinity, and the region's share of the frame where the map is the same everywhere: nothing is pointed at.
All raise ValueError where the shapes differ or the region is empty.
"""

import numpy as np
import torch


def localisation(map: np.ndarray | torch.Tensor, region: np.ndarray) -> dict[str, float]:
    """Return {"pointing_game", "energy_inside", "best_iou"}."""
    measures = {"pointing_game": pointing_game, "energy_inside": energy_inside, "best_iou": best_iou}
    return {name: measure(map, region) for name, measure in measures.items()}


def pointing_game(map: np.ndarray | torch.Tensor, region: np.ndarray) -> float:
    """Return 1 where the map's maximum lies in the region, 0 where it does not.

    Where several pixels share the maximum: the part of them that lies in it, which is what drawing one would give on
    average. Zhang et al. 2016, Top-down neural attention by excitation backprop, section 4.1, without tolerance.
    """
    evidence, region = _checked(map, region)
    return float(region[evidence == evidence.max()].mean()) if _finite(evidence) else np.nan


def energy_inside(map: np.ndarray | torch.Tensor, region: np.ndarray) -> float:
    """Return the part of the positive evidence that lies in the region, 0 to 1.

    A map without positive evidence says "nowhere", and is taken as one that is the same everywhere: to leave it out
    would favour a method that finds nothing in hard frames. Wang et al. 2020, Score-CAM, section 4.3.
    """
    evidence, region = _checked(map, region)
    if not _finite(evidence):
        return np.nan
    positive = np.maximum(evidence, 0)
    total = positive.sum()
    return float(positive[region].sum() / total) if total > 0 else float(region.mean())


def best_iou(map: np.ndarray | torch.Tensor, region: np.ndarray) -> float:
    """Return the largest intersection over union of the region and {map >= t}, over all thresholds t."""
    evidence, region = _checked(map, region)
    if not _finite(evidence):
        return np.nan
    order = np.argsort(-evidence)
    falling, inside = evidence[order], np.cumsum(region[order])
    last = np.append(falling[1:] != falling[:-1], True)  # of each value: a threshold takes all its pixels or none
    taken = np.arange(1, len(order) + 1)
    return float((inside / (taken + inside[-1] - inside))[last].max())


def _checked(map: np.ndarray | torch.Tensor, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    evidence = torch.as_tensor(map).detach().double().cpu().numpy()
    region = np.asarray(region, bool)
    if evidence.shape != region.shape or not region.any():
        raise ValueError(f"a map {evidence.shape} and a region {region.shape} of {region.sum()} pixels do not compare")
    return evidence.ravel(), region.ravel()


def _finite(evidence: np.ndarray) -> bool:
    return bool(np.isfinite(evidence).all())
