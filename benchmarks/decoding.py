"""Reading and augmenting frames against torchvision, with its own decoder and with Pillow."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from cases import Case

from capsight.data.frames import read_frame
from capsight.data.phantom import video
from capsight.data.transforms import evaluation_transform, training_transform

SIDE = 224  # pixels that the network takes
DRAWN = 288  # the phantom is drawn at this size and scaled up: what decoding costs depends on the pixels of the file
_folder = None  # goes with the process


def cases(quick: bool) -> Iterator[Case]:
    """Frames as the capsules store them: 576 px (PillCam SB3) and 336 px (Endocapsule 10)."""
    number = 2 if quick else 16
    for stored in (576, 336):
        inputs = {"stored": stored, "folder": str(draw_frames(number))}
        peers = {"torchvision": torchvision, "torchvision with Pillow": partial(torchvision, pillow=True)}
        yield Case("read a frame", f"JPEG of {stored} px to {SIDE} px, {number} frames", inputs, {}, ours, peers)
    yield Case(
        "augment a frame", f"{SIDE} px, {number} frames", inputs, {}, augment, {"torchvision": torchvision_augment}
    )


@cache
def draw_frames(number: int) -> Path:
    """Write `number` frames of a made-up patient in both sizes; return their folder."""
    global _folder
    _folder = tempfile.TemporaryDirectory(prefix="capsight-benchmarks-")
    frames = video(patient_seed=0, device="phantom_1", n_frames=number, size=DRAWN)
    for index, (frame, _) in enumerate(frames):
        for stored in (576, 336):
            scaled = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (stored, stored), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(Path(_folder.name) / f"{stored}_{index:02d}.jpg"), scaled, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return Path(_folder.name)


def files(stored: int, folder: str) -> list[Path]:
    return sorted(Path(folder).glob(f"{stored}_*.jpg"))


def ours(stored: int, folder: str) -> Callable:
    transform, paths = evaluation_transform(SIDE), files(stored, folder)
    return lambda: [transform(read_frame(path, size=SIDE)) for path in paths]


def torchvision(stored: int, folder: str, pillow: bool = False) -> Callable:
    from torchvision.io import decode_image
    from torchvision.transforms import v2

    def open_with_pillow(path: Path) -> torch.Tensor:
        from PIL import Image

        return v2.functional.pil_to_tensor(resize(Image.open(path).convert("RGB")))

    resize, paths = v2.Resize(SIDE, antialias=True), files(stored, folder)
    read = open_with_pillow if pillow else lambda path: resize(decode_image(str(path), mode="RGB"))
    return lambda: [read(path) for path in paths]


def augment(stored: int, folder: str) -> Callable:
    transform, frames = training_transform(SIDE), ours(stored, folder)()
    return lambda: [transform(frame, seed=seed) for seed, frame in enumerate(frames)]


def torchvision_augment(stored: int, folder: str) -> Callable:
    """The same kinds of changes, of the same strength and as often, in one composition."""
    from torchvision.transforms import v2

    blur = v2.RandomChoice([v2.GaussianBlur(5, (0.3, 1.2)), v2.GaussianBlur((1, 5), (0.3, 1.2))])
    change = v2.Compose(
        [
            v2.RandomAffine(180, translate=(0.05, 0.05), scale=(0.9, 1.25), shear=5),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.ColorJitter(brightness=0.2, contrast=0.2)], p=0.5),
            v2.RandomApply([v2.ColorJitter(saturation=0.1, hue=0.015)], p=0.4),
            v2.RandomApply([blur], p=0.2),
            v2.RandomApply([v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise(sigma=0.02)], p=0.2),
            v2.ToDtype(torch.uint8, scale=True),
            v2.RandomApply([v2.JPEG((50, 95))], p=0.2),
        ]
    )
    frames = [torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))) for frame in ours(stored, folder)()]
    return lambda: [change(frame) for frame in frames]
