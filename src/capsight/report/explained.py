"""What an explanation leaves to look at: overlays as files, and the cards of the gallery."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from capsight.data.dataset import FrameDataset
from capsight.explain.cam import upsampled
from capsight.explain.explaining import read_images
from capsight.explain.neighbours import sentence
from capsight.explain.pairs import pair_maps
from capsight.explain.store import Store
from capsight.explain.uncertain_maps import uncertain_maps
from capsight.files import atomic
from capsight.learning.frame_learner import FrameLearner
from capsight.progress import track
from capsight.report.gallery import Card
from capsight.report.overlays import bare, common_scale, overlay, picture_uri
from capsight.report.pair_picture import pair_picture
from capsight.report.pictures import thumbnail

Pictures = dict[int, dict[str, str]]  # data URIs by name, for each row that is shown


def write_overlays(
    out: Path,
    chosen: pd.DataFrame,
    frames: FrameDataset,
    regions: list[np.ndarray | None],
    methods: list[str],
    store: Store,
    shown: list[int],
) -> Pictures:
    """Write out/FINDING/METHOD/FRAME.png for every chosen frame; returns those of the rows `shown` for the gallery.

    The colours mean the same in all pictures of one method and finding.
    """
    scales = {
        (method, finding): common_scale(store.get(method, finding, key)[0] for key in rows["key"])
        for finding, rows in chosen.groupby("finding", sort=False)
        for method in methods
    }
    pictures: Pictures = {}
    for row, (path, finding) in track(
        enumerate(zip(chosen["path"], chosen["finding"], strict=True)), "Drawing overlays", total=len(chosen)
    ):
        image = _pixels(frames, row)
        drawn = {}
        for method in methods:
            map, _ = store.get(method, finding, chosen["key"].iloc[row])
            drawn[method] = overlay(image, map, vmax=scales[method, finding], truth=regions[row])
            file = out / _safe(finding) / method / f"{row:05}_{_safe(Path(path).stem)}.png"
            with atomic(file) as temporary:
                Image.fromarray(drawn[method]).save(temporary)
        if row in shown:
            pictures[row] = {name: picture_uri(picture) for name, picture in {"": bare(image), **drawn}.items()}
    return pictures


def draw_uncertainty(
    learner: FrameLearner, chosen: pd.DataFrame, frames: FrameDataset, regions: list, shown: list[int]
) -> Pictures:
    """Return "mean" and "spread" of the map over MC dropout for the rows `shown`; nothing without dropout."""
    if not 0 < learner.network.head.dropout.p < 1:
        return {row: {} for row in shown}
    maps = {row: _uncertain_maps(learner, frames, row, chosen["finding"].iloc[row]) for row in shown}
    pictures: Pictures = {}
    for _, rows in chosen.iloc[shown].groupby("finding"):
        scales = {name: common_scale(maps[row][name] for row in rows.index) for name in ("mean", "spread")}
        for row in rows.index:
            drawn = {
                name: overlay(_pixels(frames, row), map, vmax=scales[name], truth=regions[row], meaning=name)
                for name, map in maps[row].items()
            }
            pictures[row] = {name: picture_uri(picture) for name, picture in drawn.items()}
    return pictures


def write_pairs(
    out: Path,
    learner: FrameLearner,
    chosen: pd.DataFrame,
    frames: FrameDataset,
    neighbours: pd.DataFrame,
    shown: list[int],
    *,
    training_root: str | Path,
    number: int,
) -> None:
    """Write out/FRAME.png for up to `number` rows of `shown`: the frame, its nearest neighbour, and what makes them so.

    neighbours: of `explain.neighbours`, with the rows `shown` as queries.
    """
    nearest = neighbours[neighbours["rank"] == 1].head(number)
    near_frames = FrameDataset(nearest, training_root, [], frames.transform, on_bad_frame="skip")
    for position, (query, path) in enumerate(zip(nearest["query"], nearest["path"], strict=True)):
        row = shown[query]
        if near_frames[position]["skipped"]:
            continue  # the training frames may have been moved; the others are still shown
        map_a, map_b, squared = pair_maps(learner, read_images(frames, [row]), read_images(near_frames, [position]))
        names = (f"{chosen['finding'].iloc[row]}: {chosen['path'].iloc[row]}", f"nearest in training: {path}")
        figure = pair_picture(
            _pixels(frames, row), _pixels(near_frames, position), map_a[0].cpu(), map_b[0].cpu(), float(squared), names
        )
        with atomic(out / f"{row:05}_{_safe(Path(chosen['path'].iloc[row]).stem)}.png") as temporary:
            figure.savefig(temporary, dpi=150)


def make_cards(
    chosen: pd.DataFrame,
    pictures: Pictures,
    uncertainty: Pictures,
    neighbours: pd.DataFrame,
    *,
    thresholds: Mapping[str, float | None],
    training_root: str | Path,
) -> list[Card]:
    """Return one card per row with pictures. neighbours: of `explain.neighbours`, with these rows as queries."""
    cards = []
    for query, row in enumerate(track(list(pictures), "Making the gallery")):
        frame, (original, *maps) = chosen.iloc[row], pictures[row].items()
        near = neighbours[neighbours["query"] == query]
        identity = {
            name: frame.get(name) for name in ("path", "patient", "video", "frame", "device", "finding", "label")
        }
        cards.append(
            Card(
                **identity,
                probability=frame[f"probability_{frame['finding']}"],
                standard_deviation=frame.get(f"standard_deviation_{frame['finding']}"),
                threshold=thresholds.get(frame["finding"]),
                original=original[1],
                pictures=dict(maps),
                uncertainty=uncertainty[row],
                neighbours=[
                    {**other, "picture": thumbnail(training_root, other["path"])} for other in near.to_dict("records")
                ],
                alike=sentence(near, frame["finding"]),
            )
        )
    return cards


def _uncertain_maps(learner: FrameLearner, frames: FrameDataset, row: int, finding: str) -> dict[str, np.ndarray]:
    column, size = learner.findings.index(finding), frames.transform.size
    both = zip(("mean", "spread"), uncertain_maps(learner, read_images(frames, [row])), strict=True)
    return {name: upsampled(map, size)[0, column].cpu().numpy() for name, map in both}


def _pixels(frames: FrameDataset, row: int) -> np.ndarray:
    return frames[row]["image"].permute(1, 2, 0).numpy()


def _safe(name: str) -> str:
    """Return a name that is a file name everywhere."""
    safe = re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "frame"
    return safe.encode()[:80].decode(errors="ignore")  # file systems count bytes
