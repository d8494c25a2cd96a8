"""The pictures of a reading: the best frames of events, their neighbours, and where the network looked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from capsight.data.transforms import evaluation_transform
from capsight.data.video import Shot, Video
from capsight.errors import UserError
from capsight.explain.cam import class_activation_maps
from capsight.files import atomic, write_json
from capsight.inference.reading import prepare
from capsight.learning.frame_learner import FrameLearner
from capsight.notice import NOTICE
from capsight.progress import track
from capsight.report.overlays import common_scale, heat, hot_box

PICTURES = "pictures"
QUALITY = 90  # of JPEG
LARGEST = 640  # pixels of a picture's longer side


@dataclass(frozen=True)
class Pictured:
    """What was pictured: the sizes (height, width) of the pictures of frames, and the boxes of their heatmaps."""

    sizes: Mapping[int, tuple[int, int]]
    boxes: Mapping[tuple[int, str], tuple[int, int, int, int]]  # (frame, finding): left, top, width, height
    without: str = ""  # why there are no heatmaps


def write_pictures(
    folder: Path, video: Video, events: pd.DataFrame, learner: FrameLearner, image_size: int, neighbours: int
) -> Pictured:
    """Write pictures/frame_000123.jpg of the best frames and their neighbours, and pictures/heat_000123_F.png.

    Earlier pictures are removed. The heatmaps of a finding share one scale; where the network can give none, the
    reason is returned.
    """
    for earlier in [*folder.glob(f"{PICTURES}/frame_*.jpg"), *folder.glob(f"{PICTURES}/heat_*.png")]:
        earlier.unlink()
    shown: dict[int, list[str]] = {}
    for event in events.itertuples():
        shown.setdefault(event.best, []).append(event.finding)
    wanted = {frame + step for frame in shown for step in range(-neighbours, neighbours + 1)}
    wanted = sorted(frame for frame in wanted if 0 <= frame < video.n_frames)
    looked = _Looked(learner, image_size)
    for shot in track(video.fetch(wanted), "Taking pictures", total=len(wanted)):
        if shot.image is not None:
            shot = shot._replace(image=_fit(shot.image))
            _write(folder / PICTURES / f"frame_{shot.frame:06d}.jpg", shot.image[..., ::-1], QUALITY)
            looked.at(shot, shown.get(shot.frame, []))
    scales = {
        finding: common_scale([map for (_, name), map in looked.maps.items() if name == finding])
        for finding in {finding for _, finding in looked.maps}
    }
    boxes = {}
    for (frame, finding), map in looked.maps.items():
        place = np.empty(looked.sizes[frame])
        box = hot_box(place, map)
        if box and scales[finding] is not None:
            boxes[frame, finding] = box
            colours = cv2.cvtColor(heat(place, map, scales[finding]), cv2.COLOR_RGBA2BGRA)
            _write(folder / PICTURES / f"heat_{frame:06d}_{finding}.png", colours)
    return Pictured(looked.sizes, boxes, looked.without)


class _Looked:
    """Where the network looked in the best frames: small maps, kept until all are there, as they share a scale."""

    def __init__(self, learner: FrameLearner, image_size: int):
        self.learner, self.transform = learner, evaluation_transform(image_size)
        self.sizes: dict[int, tuple[int, int]] = {}
        self.maps: dict[tuple[int, str], np.ndarray] = {}
        self.without = ""

    def at(self, shot: Shot, findings: list[str]) -> None:
        self.sizes[shot.frame] = shot.image.shape[:2]
        if not findings or self.without:
            return
        image = torch.from_numpy(prepare(shot, self.transform).image)[None]
        try:
            maps = class_activation_maps(self.learner, image.to(self.learner.device))[0].float().cpu().numpy()
        except UserError as error:
            self.without = str(error)
            return
        for finding in findings:
            self.maps[shot.frame, finding] = maps[self.learner.findings.index(finding)]


def write_coco(folder: Path, video: Video, events: pd.DataFrame, pictured: Pictured, findings: list[str]) -> None:
    """Write events_coco.json for annotation tools: an image and an annotation for each event that has a picture.

    The box is that of the heatmap, or the whole frame where there is none ("bbox_from"); positions are pixels of the
    picture.
    """
    drawn = events[events["best"].isin(list(pictured.sizes))]
    images = [
        {
            "id": int(frame),
            "file_name": f"{PICTURES}/frame_{frame:06d}.jpg",
            "height": pictured.sizes[frame][0],
            "width": pictured.sizes[frame][1],
            "frame": int(frame),
        }
        for frame in sorted(set(drawn["best"]))
    ]
    annotations = []
    for event in drawn.itertuples():
        box = pictured.boxes.get((event.best, event.finding))
        height, width = pictured.sizes[event.best]
        left, top, across, down = box or (0, 0, width, height)
        annotations.append(
            {
                "id": int(event.event),
                "image_id": int(event.best),
                "category_id": findings.index(event.finding) + 1,
                "bbox": [left, top, across, down],
                "bbox_from": "heatmap" if box else "frame",
                "area": across * down,
                "iscrowd": 0,
                "score": float(event.suspicion),
                "first_frame": int(event.first),
                "last_frame": int(event.last),
            }
        )
    content = {
        "info": {"description": f"events of {video.name}", "notice": NOTICE},
        "images": images,
        "categories": [{"id": number, "name": finding} for number, finding in enumerate(findings, 1)],
        "annotations": annotations,
    }
    write_json(content, folder / "events_coco.json")


def _fit(image: np.ndarray) -> np.ndarray:
    scale = LARGEST / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image


def _write(file: Path, picture: np.ndarray, quality: int | None = None) -> None:
    settings = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded = cv2.imencode(file.suffix, np.ascontiguousarray(picture), settings)[1]
    with atomic(file) as temporary:
        temporary.write_bytes(encoded)
