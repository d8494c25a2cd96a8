"""Whole examinations of made-up patients as video files, with the table of their lesions."""

import json
from pathlib import Path

import cv2
import pandas as pd
from joblib import Parallel, delayed

from capsight.data.film import write_film
from capsight.data.known_videos import write_known
from capsight.data.phantom.dataset import PATIENTS_PER_DEVICE, patient_id, seed_of
from capsight.data.phantom.journey import PER_SECOND, REST, journey
from capsight.data.phantom.video import check_video
from capsight.errors import UserError
from capsight.files import write_json
from capsight.progress import track

HEALTHY = 4  # of so many patients one has no lesion


def examined(devices: tuple[str, ...], patients: int, first_patient: int) -> list[tuple[str, int]]:
    """The device and number of each patient: the devices take turns. UserError where there can be no such patients."""
    if not devices or isinstance(devices, str) or patients < 1:
        raise UserError("give a list of one or more devices, and one or more patients.")
    if not 0 <= first_patient <= PATIENTS_PER_DEVICE - patients:
        raise UserError(f"first_patient={first_patient} is not possible; patients end at {PATIENTS_PER_DEVICE}.")
    return [(devices[turn % len(devices)], first_patient + turn // len(devices)) for turn in range(patients)]


def make_examinations(
    folder: str | Path,
    *,
    devices: tuple[str, ...],
    patients: int,
    first_patient: int,
    frames: int,
    size: int,
    lesions: int,
    hurry: int,
    rest: float = REST,
    seed: int = 0,
) -> None:
    """Write one video per patient below `folder`, with videos.csv and lesions.csv (see `known_videos`).

    The devices take turns; every HEALTHY-th patient has no lesion, the others `lesions`, every `hurry`-th of which is
    in view for three frames. Patients are numbered from `first_patient` on, and are those that `make_phantom` draws by
    the same device, number and seed. A video that is done is not drawn again; one that was drawn with other settings
    raises UserError, as bad arguments do.
    """
    folder = Path(folder)
    dealt = examined(devices, patients, first_patient)
    for device in devices:
        check_video(0, device, frames, size)
    how = {"frames": frames, "size": size, "hurry": hurry, "rest": rest, "seed": seed}
    jobs = []
    for turn, (device, number) in enumerate(dealt):
        told = {"device": device, "number": number, "lesions": 0 if turn % HEALTHY == HEALTHY - 1 else lesions}
        jobs.append(how | told)
    missing = [job for job in jobs if not _is_done(folder, job)]
    if missing:
        made = Parallel(-1, return_as="generator_unordered")(delayed(_write)(folder, job) for job in missing)
        for _ in track(made, "Drawing examinations", total=len(missing)):
            pass
    written = [json.loads(_note(folder, job).read_text()) for job in jobs]
    write_known(
        folder,
        pd.DataFrame([{"video": note["video"], "patient": note["patient"]} for note in written]),
        pd.DataFrame([span for note in written for span in note["spans"]]),
    )


def _note(folder: Path, job: dict) -> Path:
    return folder / f"{patient_id(job['device'], job['number'])}.json"


def _is_done(folder: Path, job: dict) -> bool:
    note = _note(folder, job)
    if not note.exists():
        return False
    if json.loads(note.read_text())["settings"] != job:
        raise UserError(f"{folder} holds examinations drawn with other settings; choose another out or delete it.")
    return (folder / f"{note.stem}.mp4").exists()


def _write(folder: Path, job: dict) -> None:
    """Write one video, and then its note: settings, and the spans of its lesions."""
    cv2.setNumThreads(1)
    patient = patient_id(job["device"], job["number"])
    spans: dict[int, dict] = {}
    named = {"video": f"{patient}.mp4", "patient": patient}

    def frames():
        how = {name: job[name] for name in ("device", "lesions", "size", "hurry", "rest")}
        seed = seed_of(job["device"], job["number"], job["seed"])
        for t, (frame, finding, lesion) in enumerate(journey(patient_seed=seed, n_frames=job["frames"], **how)):
            if lesion:
                span = spans.setdefault(lesion, named | {"finding": finding, "lesion": lesion, "first": t})
                span["last"] = t
            yield frame

    write_film(folder / named["video"], frames(), per_second=PER_SECOND)
    write_json(named | {"settings": job, "spans": list(spans.values())}, folder / f"{patient}.json")
