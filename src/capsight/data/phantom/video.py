"""The video of a made-up patient, frame by frame."""

from collections.abc import Iterator

import cv2
import numpy as np

from capsight.data.phantom.anatomy import Patient, draw_anatomy, draw_patient
from capsight.data.phantom.camera import Scene, cast, pose
from capsight.data.phantom.devices import DEVICES, record, view_mask
from capsight.data.phantom.findings import BLOCK, FINDINGS, draw_stretch
from capsight.data.phantom.light import blow_bubbles, shade
from capsight.data.phantom.stretch import Stretch
from capsight.errors import UserError

FRAMES_PER_BLOCK = 80
SLIVER = 0.002  # part of the view below which a finding is not in the frame

Frame = tuple[np.ndarray, dict[str, np.ndarray]]


def video(*, patient_seed: int, device: str, n_frames: int, size: int = 128) -> Iterator[Frame]:
    """Yield frames: RGB (size, size, 3) uint8, and {finding: (size, size) bool} of the findings seen in it.

    Frames are made one by one, so that a long video takes no memory. A video of fewer than FRAMES_PER_BLOCK
    frames runs through the same bowel faster, and so shows as many findings. Bad arguments raise UserError.
    """
    check_video(patient_seed, device, n_frames, size)
    return _frames(patient_seed, device, n_frames, size)


def check_video(patient_seed: int, device: str, n_frames: int, size: int) -> None:
    """Raise UserError where there can be no such video."""
    if device not in DEVICES:
        raise UserError(f"no device named {device!r}. Choose from {', '.join(DEVICES)}.")
    if size < 32:
        raise UserError(f"size is {size} pixels, too small to show a finding. Choose 32 or more.")
    if n_frames < 1:
        raise UserError(f"the number of frames is {n_frames}. Choose 1 or more.")
    if patient_seed < 0:
        raise UserError(f"the patient's seed is {patient_seed}. Choose 0 or more.")


def _frames(patient_seed: int, device: str, n_frames: int, size: int) -> Iterator[Frame]:
    patient, capsule = draw_patient(patient_seed), DEVICES[device]
    anatomy = draw_anatomy(patient)
    view, n = view_mask(capsule.shape, size), max(16, round(size * capsule.resolution))
    block = -1
    for t in range(n_frames):
        place = BLOCK * t / min(n_frames, FRAMES_PER_BLOCK)
        if place // BLOCK != block:
            block = int(place // BLOCK)
            stretch = draw_stretch(patient, anatomy, block)
        picture, masks = see(patient, stretch, place, capsule.view, n)
        rng = np.random.default_rng([patient_seed, 7, t])
        yield record(picture, capsule, size, rng, burned_in(patient_seed, t)), in_view(masks, view)


def see(
    patient: Patient, stretch: Stretch, place: float, degrees: float, n: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What the capsule has before it at `place`: linear RGB (n, n, 3) and masks (n, n) of all findings."""
    camera = pose(patient.seed, place, degrees)
    scene = Scene(stretch, camera)
    hits = cast(scene, camera, n)
    picture, masks = shade(patient, stretch, scene, hits)
    blow_bubbles(picture, masks["content"], stretch, camera, hits)
    return picture, masks


def burned_in(patient_seed: int, t: int) -> list[str]:
    """The time since the capsule was swallowed, at one frame a second, and a number that is nobody's."""
    return [f"{t // 3600 % 24:02d}:{t // 60 % 60:02d}:{t % 60:02d}", f"{patient_seed * 7919 % 9973:04d}"]


def in_view(masks: dict[str, np.ndarray], view: np.ndarray) -> dict[str, np.ndarray]:
    """The masks (n, n) at the size of the frame, without those findings of which too little is in view."""
    seen = {}
    for finding in FINDINGS:
        mask = cv2.resize(masks[finding].view(np.uint8), view.shape, interpolation=cv2.INTER_NEAREST) > 0
        if np.count_nonzero(mask & view) > SLIVER * np.count_nonzero(view):
            seen[finding] = mask & view
    return seen
