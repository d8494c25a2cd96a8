"""A data set of made-up frames: files, masks and the manifest table."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from capsight.data.manifest import write_manifest
from capsight.data.phantom.devices import DEVICES, view_mask
from capsight.data.phantom.findings import FINDINGS
from capsight.data.phantom.video import video
from capsight.errors import UserError
from capsight.files import atomic, write_json
from capsight.progress import track

TOLD = 0.03  # part of the view that a finding must fill to be told by a reader
PATIENTS_PER_DEVICE = 10_000  # room between the patient seeds of two devices; a multiple of five (see findings.plan)


def make_phantom(
    root: str | Path,
    *,
    devices: tuple[str, ...] = tuple(DEVICES),
    patients_per_device: int = 6,
    frames_per_patient: int = 80,
    size: int = 128,
    seed: int = 0,
) -> pd.DataFrame:
    """Write a data set below `root` and return its manifest: one video per patient.

    Frames are <device>/<patient>/<frame>.jpg, `size` pixels square; the mask of a finding that is in the frame is
    <frame>_<finding>.png beside it (0 or 255). A finding of which too little is in view to be told is unknown.
    A frame depends on `seed`, its device, its patient's number and its place in the video, not on how many patients
    or devices are made. Raises UserError for bad arguments and where `root` cannot be written.
    """
    root = Path(root)
    _check(root, devices, patients_per_device, frames_per_patient, size, seed)
    jobs = [(device, number) for device in devices for number in range(patients_per_device)]
    made = Parallel(-1, return_as="generator")(
        delayed(_write_patient)(root, device, number, frames_per_patient, size, seed) for device, number in jobs
    )
    rows = [row for patient in track(made, "Drawing patients", total=len(jobs)) for row in patient]
    text = {name: "string" for name in ("path", "patient", "video", "device", "mask", "patient_from")}
    return pd.DataFrame(rows).astype({**text, "frame": "Int64", **dict.fromkeys(FINDINGS, "Int8")})


def seed_of(device: str, number: int, seed: int) -> int:
    """The seed of a device's patient; no two of them, of any device and `seed`, are the same."""
    return (seed * len(DEVICES) + list(DEVICES).index(device)) * PATIENTS_PER_DEVICE + number


def patient_id(device: str, number: int) -> str:
    """What a device's patient is called in the manifest."""
    return f"{device}_p{number:03d}"


def ensure_phantom(manifest: str | Path, root: str | Path, **settings) -> None:
    """Draw the phantom that `settings` describe and write its manifest, where `manifest` is not there yet.

    A manifest that lies elsewhere than in `root` is somebody's own, and nothing is drawn for it.
    Raises UserError where `root` holds a phantom that was drawn with other settings.
    """
    drawn = Path(root) / "phantom.json"
    if Path(manifest).exists() or Path(manifest).parent != Path(root):
        if drawn.exists() and json.loads(drawn.read_text()) != settings:
            raise UserError(f"{root} holds a phantom drawn with other settings; choose another data.root or delete it.")
        return
    write_manifest(make_phantom(root, **settings), manifest)
    write_json(settings, drawn)


def _check(root: Path, devices, patients_per_device: int, frames_per_patient: int, size: int, seed: int) -> None:
    if not devices or isinstance(devices, str) or len(set(devices)) < len(devices):
        raise UserError(f"devices is {devices!r}. Give a list of different names from {', '.join(DEVICES)}.")
    if not 1 <= patients_per_device <= PATIENTS_PER_DEVICE:
        raise UserError(f"patients_per_device is {patients_per_device}. Choose 1 to {PATIENTS_PER_DEVICE}.")
    if seed < 0:
        raise UserError(f"the seed is {seed}. Choose 0 or more.")
    for device in devices:
        video(patient_seed=0, device=device, n_frames=frames_per_patient, size=size)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {root}: {error.strerror}. Choose another one.") from None
    if not os.access(root, os.W_OK):
        raise UserError(f"cannot write into the folder {root}. Choose another one.")


def _write_patient(root: Path, device: str, number: int, n_frames: int, size: int, seed: int) -> list[dict]:
    """Write one patient's frames and masks; the rows of the manifest."""
    cv2.setNumThreads(1)
    patient_seed, patient = seed_of(device, number, seed), patient_id(device, number)
    quality = [cv2.IMWRITE_JPEG_QUALITY, DEVICES[device].jpeg]
    view = np.count_nonzero(view_mask(DEVICES[device].shape, size))
    rows = []
    for t, (frame, masks) in enumerate(video(patient_seed=patient_seed, device=device, n_frames=n_frames, size=size)):
        stem = f"{device}/{patient}/{t:05d}"
        _write(root / f"{stem}.jpg", frame[..., ::-1], quality)
        for finding, mask in masks.items():
            _write(root / f"{stem}_{finding}.png", mask.astype(np.uint8) * 255, [])
        row = {
            "path": f"{stem}.jpg",
            "patient": patient,
            "video": f"{patient}_v0",
            "frame": t,
            "device": device,
        }
        row |= {"mask": f"{stem}_{{finding}}.png" if masks else pd.NA, "patient_from": "publisher"}
        rows.append(row | {finding: _label(masks.get(finding), view) for finding in FINDINGS})
    return rows


def _label(mask: np.ndarray | None, view: int) -> int | None:
    """1 where a finding fills enough of the view (pixels) to be told, 0 where it is not there, else unknown."""
    if mask is None:
        return 0
    return 1 if np.count_nonzero(mask) > TOLD * view else None


def _write(path: Path, picture: np.ndarray, settings: list[int]) -> None:
    encoded = cv2.imencode(path.suffix, picture, settings)[1]
    with atomic(path) as temporary:
        temporary.write_bytes(encoded)
