"""A whole examination of a made-up patient: tens of thousands of frames, a handful of lesions, content everywhere.

A capsule rests, turns a little and hurries on. Where it is, it is drawn once (see `video`); the frames in which it
rests show that picture turned and shifted a little, each with its own noise of the sensor. So a long examination is
affordable. The mucosa repeats after `anatomy.LOOP` radii; content and lesions do not.

What is in a frame is exact: where a lesion is in view, but fills too little of it to be told, or is hidden for a
while, the capsule hurries on. So a lesion has one span, every frame of it shows it, and no other frame does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from capsight.data.phantom.anatomy import draw_anatomy, draw_patient
from capsight.data.phantom.camera import FAR
from capsight.data.phantom.dataset import TOLD
from capsight.data.phantom.devices import DEVICES, Device, on_screen, record, view_mask
from capsight.data.phantom.findings import BEHIND, BLOCK, Lesion, draw_stretch
from capsight.data.phantom.video import FRAMES_PER_BLOCK, burned_in, check_video, in_view, see
from capsight.errors import UserError

LESIONS = ("polyp", "bleeding", "inflammation")
STEP = BLOCK / FRAMES_PER_BLOCK  # radii between two places that are drawn
PER_SECOND = 2  # frames
REST = 5  # frames at a place, on average
HURRIED = 3  # frames in which a lesion is seen that the capsule hurries past
CLEAR = 2  # radii before and behind what a lesion can be seen from
GRAINS = 16  # pictures of noise, rolled by random amounts


@dataclass(frozen=True)
class Place:
    """A place that was drawn: the frame without noise, and the lesion that can be told in it, 0 for none."""

    picture: np.ndarray  # (size, size, 3) float32, 0 to 255
    lesion: int
    left: int  # places that are still to be drawn, this one with them


def plan_lesions(patient_seed: int, n: int, length: float) -> list[Lesion]:
    """Deal `n` lesions over `length` radii of bowel, far enough from each other that no two are in view at once.

    The kinds take turns. Raises UserError where the bowel is too short for them.
    """
    rng = np.random.default_rng([patient_seed, 9])
    reach = FAR + 2 * BEHIND + 2 * CLEAR
    slot = length / max(n, 1)
    if n and slot < reach:
        raise UserError(f"{n} lesions do not fit into so short a way; choose fewer, more frames, or less rest.")
    kinds = rng.permutation([LESIONS[i % len(LESIONS)] for i in range(n)])
    places = [i * slot + FAR + CLEAR + rng.uniform(0, slot - reach) for i in range(n)]
    return [Lesion(i + 1, str(kind), place) for i, (kind, place) in enumerate(zip(kinds, places, strict=True))]


def journey(
    *, patient_seed: int, device: str, n_frames: int, lesions: int, size: int = 96, hurry: int = 3, rest: float = REST
) -> Iterator[tuple[np.ndarray, str, int]]:
    """Yield frames, RGB (size, size, 3) uint8, each with the finding in it ("" for none) and its lesion's number.

    lesions: how many there are; one that lies in a fold may never be seen. Every `hurry`-th of them is in view for
    HURRIED frames only. rest: frames at each place, on average. Bad arguments raise UserError.
    """
    check_video(patient_seed, device, n_frames, size)
    if lesions < 0 or hurry < 1 or rest < 1:
        raise UserError("a journey has 0 or more lesions, hurry=1 or more and rest=1 or more.")
    n_places = max(1, round(n_frames / rest))
    planned = plan_lesions(patient_seed, lesions, n_places * STEP)
    return _frames(patient_seed, device, n_frames, n_places, planned, size, hurry)


def _frames(seed: int, name: str, n_frames: int, n_places: int, planned: list[Lesion], size: int, hurry: int):
    rng, device = np.random.default_rng([seed, 10]), DEVICES[name]
    grains, phase = _grains(rng, device, size), rng.uniform(0, 2 * np.pi, 4)
    finding = {0: ""} | {lesion.number: lesion.finding for lesion in planned}
    made = 0
    for place in _places(seed, device, n_places, planned, size, hurry):
        hurried = place.lesion and place.lesion % hurry == 0
        ahead = (n_frames - made) / place.left  # frames per place from here on
        stay = 1 if hurried else 1 + rng.poisson(max(0.0, ahead - 1))
        for _ in range(min(stay, n_frames - made)):
            frame = _noisy(_swayed(place.picture, made, phase), grains, rng)
            yield on_screen(frame, device, burned_in(seed, made // PER_SECOND)), finding[place.lesion], place.lesion
            made += 1
    while made < n_frames:  # the capsule lies still at the end
        yield on_screen(_noisy(place.picture, grains, rng), device, burned_in(seed, made // PER_SECOND)), "", 0
        made += 1


def _places(seed: int, device: Device, n: int, planned: list[Lesion], size: int, hurry: int) -> Iterator[Place]:
    """Draw place after place; those around a lesion are sorted out when the capsule is past it."""
    patient, view = draw_patient(seed), view_mask(device.shape, size)
    anatomy, plain = draw_anatomy(patient), replace(device, shape="full", noise=0.0, text="")
    sensor, ahead, near, block = max(16, round(size * device.resolution)), list(planned), [], -1
    for number, at in enumerate(np.arange(n) * STEP):
        left = n - number
        if at // BLOCK != block:
            block = int(at // BLOCK)
            stretch = draw_stretch(patient, anatomy, block, planned)
        picture, masks = see(patient, stretch, at, device.view, sensor)
        picture = record(picture, plain, size, np.random.default_rng(0), []).astype(np.float32)
        if not ahead or at < ahead[0].place - FAR - CLEAR:
            yield Place(picture, 0, left)
            continue
        mask = in_view(masks, view).get(ahead[0].finding)
        near.append((picture, left, 0.0 if mask is None else np.count_nonzero(mask) / np.count_nonzero(view)))
        if at > ahead[0].place + BEHIND + CLEAR:
            lesion = ahead.pop(0).number
            yield from _passed(near, lesion, hurried=lesion % hurry == 0)
            near = []
    yield from (Place(picture, 0, left) for picture, left, share in near if not share)


def _passed(near: list[tuple[np.ndarray, int, float]], lesion: int, *, hurried: bool) -> Iterator[Place]:
    """The places around a lesion: those before, those from which it can be told, those after."""
    told = [i for i, (*_, share) in enumerate(near) if share > TOLD]
    first, last = (told[0], told[-1]) if told else (len(near), -1)
    if hurried and told:  # from the middle, where it fills most of the view
        told = [told[i] for i in np.linspace(0, len(told) - 1, HURRIED + 2).round().astype(int)[1:-1]]
    clear = [i for i, (*_, share) in enumerate(near) if not share]
    for i in [i for i in clear if i < first] + told + [i for i in clear if i > max(first, last)]:
        yield Place(near[i][0], lesion if i in told else 0, near[i][1])


def _swayed(picture: np.ndarray, t: int, phase: np.ndarray) -> np.ndarray:
    """The picture as the capsule sees it that turns and shifts a little, without leaving its place."""
    size = len(picture)
    turn, zoom, x, y = np.sin(2 * np.pi * t / np.array([31.0, 43.0, 23.0, 17.0]) + phase)
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), 3 * turn, 1 + 0.015 * zoom)
    matrix[:, 2] += 0.012 * size * np.array([x, y])
    return cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)


def _grains(rng: np.random.Generator, device: Device, size: int) -> np.ndarray:
    """Noise of the sensor (GRAINS, size, size, 3), as a part of the brightness."""
    n = max(16, round(size * device.resolution))
    grains = rng.standard_normal((GRAINS, n, n, 3), np.float32) * np.float32(device.noise)
    return np.stack([cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC) for grain in grains])


def _noisy(picture: np.ndarray, grains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (size, size, 3) uint8 with noise, more of it where it is bright (see devices.record)."""
    grain = np.roll(grains[rng.integers(GRAINS)], rng.integers(0, len(picture), 2), (0, 1))
    return np.clip(picture + grain * (picture + np.float32(0.4 * 255)) + 0.5, 0, 255).astype(np.uint8)
