"""From chosen frames to measured maps: each map is made, measured and kept once."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from capsight.data.dataset import FrameDataset
from capsight.evaluation.bootstrap import Interval, nothing
from capsight.explain.attribution import Settings, explain_frames
from capsight.explain.cam import in_view
from capsight.explain.faithfulness import deletion_insertion, infidelity, max_sensitivity, probability_of
from capsight.explain.localisation import localisation
from capsight.explain.randomisation import cascade, measure_randomisation
from capsight.explain.store import Store
from capsight.explain.truth import NO_TRUTH, true_region
from capsight.hardware import device
from capsight.learning.frame_learner import FrameLearner
from capsight.progress import track

AT_ONCE = 8  # frames in memory at a time
CHECKED = 24  # frames whose maps are compared with those of a randomised model


def true_regions(chosen: pd.DataFrame, manifest: pd.DataFrame, root: str | Path, size: int) -> tuple[list, list[str]]:
    """Return the region of each chosen frame, bool (size, size) or None, and a sentence for each that has a problem.

    chosen: rows of `choose_frames`; manifest: the rows of the same frames, in the same order. Frames without the
    finding have no region, and that is no problem. That a frame lacks its region is one where others have theirs.
    """
    regions, problems = [], []
    rows = zip(chosen.itertuples(), manifest.iterrows(), strict=True)
    for frame, (_, row) in track(rows, "Reading true regions", total=len(chosen)):
        region, problem = true_region(row, root, frame.finding, size) if frame.label == 1 else (None, None)
        regions.append(region)
        if problem:
            problems.append((problem, f"{frame.path}, {frame.finding}: {problem}"))
    some = any(region is not None for region in regions)
    return regions, [text for problem, text in problems if some or problem != NO_TRUTH]


def frame_keys(chosen: pd.DataFrame, frames: FrameDataset, regions: list[np.ndarray | None]) -> list[str]:
    """Return what the store knows each chosen frame by: a digest of its pixels, its region and its label."""
    keys = []
    for row, label in track(enumerate(chosen["label"]), "Reading frames", total=len(chosen)):
        region = b"" if regions[row] is None else np.packbits(regions[row]).tobytes()
        content = frames[row]["image"].numpy().tobytes() + region + str(label).encode()
        keys.append(hashlib.sha256(content).hexdigest())
    return keys


def explain_chosen(
    learner: FrameLearner,
    chosen: pd.DataFrame,
    regions: list[np.ndarray | None],
    frames: FrameDataset,
    methods: list[str],
    store: Store,
    *,
    settings: Settings,
    faithful: int,
    shaken: int,
) -> None:
    """Make, measure and keep the maps of the chosen frames by every method, except those that the store holds.

    chosen: with the column `key` of `frame_keys`; frames: these frames, in the same order. Where the finding is
    present, the map is held against its region. Faithfulness, which takes a hundred looks at a frame, is measured on
    the first `faithful` frames with each finding; the sensitivity to noise, which takes ten maps, on the first
    `shaken`.
    """
    turn = chosen["label"].eq(1).groupby(chosen["finding"]).cumsum().where(chosen["label"].eq(1)).to_numpy()
    batches = [rows[i : i + AT_ONCE] for rows in chosen.groupby("finding", sort=False).indices.values()
               for i in range(0, len(rows), AT_ONCE)]  # fmt: skip
    work = [(method, rows) for rows in batches for method in methods]
    images: dict[tuple, Tensor] = {}
    for method, rows in track(work, f"Explaining {len(chosen)} frames"):
        finding = chosen["finding"].iloc[rows[0]]
        rows = [row for row in rows if not store.holds(method, finding, chosen["key"].iloc[row])]
        if not rows:
            continue
        if tuple(rows) not in images:
            images = {tuple(rows): read_images(frames, rows)}
        batch, column = images[tuple(rows)], learner.findings.index(finding)
        maps, diagnostics = explain_frames(learner, batch, method, [column], settings)
        for position, row in enumerate(rows):
            one = slice(position, position + 1)
            numbers = {name: float(values[position, 0]) for name, values in diagnostics.items()}
            if regions[row] is not None:
                # Beyond the view there is nothing to point at, but a coarse map reaches into the black all the same.
                seen = torch.where(in_view(batch[one])[:, 0], maps[one, 0], maps[position].min().clamp_max(0))
                numbers |= localisation(seen[0].cpu(), regions[row])
            if turn[row] <= faithful:
                numbers |= _faithfulness(learner, finding, batch[one], maps[one, 0])
            if turn[row] <= shaken:
                numbers["max_sensitivity"] = _shaken(learner, column, batch[one], method, settings)
            store.put(method, finding, chosen["key"].iloc[row], maps[position, 0].cpu().numpy(), numbers)


def read_images(frames: FrameDataset, rows: Sequence[int]) -> Tensor:
    """Read frames as the network takes them, (B, 3, S, S) in [0, 1], where it computes."""
    return torch.stack([frames[row]["image"] for row in rows]).to(device()).float() / 255


def _faithfulness(learner: FrameLearner, finding: str, image: Tensor, map: Tensor) -> dict[str, float]:
    score = probability_of(learner, finding)
    with torch.no_grad():
        (deletion,), (insertion,) = deletion_insertion(score, image, map)
        numbers = {"deletion_auc": deletion, "insertion_auc": insertion, "infidelity": infidelity(score, image, map)[0]}
    return {name: float(value) for name, value in numbers.items()}


def _shaken(learner: FrameLearner, column: int, image: Tensor, method: str, settings: Settings) -> float:
    settings = replace(settings, seed=0)  # of the frame's own pixels, the draws would change with the noise

    def explain(images: Tensor) -> Tensor:
        return explain_frames(learner, images, method, [column], settings)[0][:, 0]

    return float(max_sensitivity(explain, image)[0])


def collect(chosen: pd.DataFrame, methods: list[str], store: Store) -> pd.DataFrame:
    """Return one row per chosen frame and method, with all that was measured of its map."""
    rows = [
        {**frame, "method": method, **store.get(method, frame["finding"], frame["key"])[1]}
        for frame in chosen.to_dict("records")
        for method in methods
    ]
    return pd.DataFrame(rows)


def check_randomisation(
    learner: FrameLearner, chosen: pd.DataFrame, frames: FrameDataset, method: str, settings: Settings
) -> dict:
    """Run the randomisation test of a method on the first frames with a finding; see `explain.randomisation`."""
    present = np.flatnonzero(chosen["label"].eq(1))
    turn = chosen.iloc[present].groupby("finding").cumcount().to_numpy()
    rows = present[np.argsort(turn, kind="stable")[:CHECKED]]
    columns = [learner.findings.index(finding) for finding in chosen["finding"].iloc[rows]]
    images = read_images(frames, rows)

    def explain(model: FrameLearner, batch: Tensor) -> Tensor:
        wanted = sorted(set(columns))
        maps, _ = explain_frames(model, batch, method, wanted, settings)
        return maps[torch.arange(len(batch)), [wanted.index(column) for column in columns]]

    return measure_randomisation(cascade(learner, images, explain), chosen["patient"].iloc[rows])


def completeness_gap(maps: pd.DataFrame) -> Interval:
    """Return what integrated gradients leave unexplained, as a share of what they should explain.

    maps: of `collect`. The sum of all gaps over the sum of all changes of the logit: single changes may be near 0.
    """
    of = maps[maps["method"] == "integrated_gradients"]
    change = of["logit_change"].abs().sum()
    if not change > 0:
        return nothing("the model's answer is that of a featureless frame")
    return nothing("a ratio of sums has no interval here") | {"value": float(of["completeness_gap"].sum() / change)}
