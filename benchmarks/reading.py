"""How fast a whole video is read, and in how much memory, against the plain loop: OpenCV, fp32, one frame at a time.

python benchmarks/reading.py run=DIR video=FILE readings=DIR out=FILE

The reading is the whole command, from its start to its last file: decoding, preparing, the network, the uncertainty,
likeness, how much mucosa is seen, events, pictures and the page. The plain loop only decodes, resizes and asks the
network; its libraries are imported and its model is loaded before the clock starts. It reads the first frames of the
video, before and after the reading. The video is a made-up examination in which the capsule rests for long, each frame
with its own motion and noise: drawing more places would take longer, and the same to read.
"""

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

from apart import apart, memory
from omegaconf import DictConfig, OmegaConf
from table import print_results

from capsight.cli import verb
from capsight.errors import UserError
from capsight.files import write_json

READ = Path(__file__).parents[1] / "scripts" / "read.py"
POLL = 0.1  # seconds between two looks at the memory
LIMIT = 1800  # seconds for the plain loop
FASTER, MOST_MIB = 5, 1536  # aims
PEER = "plain loop: OpenCV, fp32, one frame at a time"


@verb("reading_speed")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    run, video, readings = (Path(settings[name]).resolve() for name in ("run", "video", "readings"))
    if readings.exists() and any(readings.iterdir()):
        raise UserError(f"readings={readings} is not empty, and what is there would not be read again; delete it.")
    if not video.exists():
        draw(video, settings["frames"], settings["size"], settings["rest"])
    use_cores(settings["cores"])

    loaded = apart(mib_with_model, run, settings["read"], limit_s=LIMIT)
    before = apart(plain_loop, run, video, settings["part"], limit_s=LIMIT)
    seconds, mib = watch([f"run='{run}'", f"video='{video}'", f"out='{readings}'", *settings["read"]])
    after = apart(plain_loop, run, video, settings["part"], limit_s=LIMIT)

    frames = count_frames(readings)
    ours, plain = frames / seconds, 2 / (1 / before + 1 / after)
    row = {
        "family": "reading",
        "name": "read a whole video",
        "size": f"{frames:,} frames, {settings['cores']} cores",
        "ours": 1 / ours,
        "peer": 1 / plain,
        "peer_name": PEER,
        "ratio": ours / plain,
        "unit": "s",
        "ours_mib": None if None in (mib, loaded) else mib - loaded,
        "peer_mib": None,
        "leaner": None,
        "rounds": 1,
        "note": f"{ours:.0f} against {plain:.0f} frames/s; seconds per frame, MiB beyond the loaded model",
    }
    results = {"rows": [row], "aims": aims(row), "correctness": []}
    print_results(results)
    if settings["out"]:
        write_json(results, settings["out"])


def aims(row: dict) -> list[dict]:
    """What was aimed at, what was measured, and whether that is met."""
    faster = (f"read a whole video: at least {FASTER} times faster than the plain loop", row["ratio"], "times faster")
    leaner = (f"read a whole video: at most {MOST_MIB:,} MiB beyond the loaded model", row["ours_mib"], "MiB")
    met = (row["ratio"] >= FASTER, row["ours_mib"] is not None and row["ours_mib"] <= MOST_MIB)
    told = []
    for (aim, measured, unit), reached in zip((faster, leaner), met, strict=True):
        state = "not measured" if measured is None else "met" if reached else "not met"
        told.append({"aim": aim, "measured": measured, "unit": unit, "state": state, "why": None})
    return told


def draw(video: Path, frames: int, size: int, rest: float) -> None:
    """Draw an examination without lesions and write it as a video."""
    from capsight.data.film import write_film
    from capsight.data.phantom.journey import PER_SECOND, journey
    from capsight.progress import track

    shots = journey(patient_seed=5000, device="phantom_1", n_frames=frames, size=size, lesions=0, rest=rest)
    drawn = track(shots, f"Drawing {frames:,} frames", total=frames)
    write_film(video, (frame for frame, _, _ in drawn), per_second=PER_SECOND, crf=23)


def use_cores(n: int) -> None:
    """Keep this process, and all that it starts, to some cores (Linux)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
    os.environ["OMP_NUM_THREADS"] = str(n)


def watch(settings: list[str]) -> tuple[float, float | None]:
    """Run scripts/read.py; return its seconds and the most MiB that it and its children had at a time."""
    start, most = time.perf_counter(), 0.0
    process = subprocess.Popen([sys.executable, str(READ), *settings])
    while process.poll() is None:
        others = sum(memory(pid).get("VmRSS", 0) for pid in children(process.pid))
        most = max(most, memory(process.pid).get("VmHWM", 0) + others)
        time.sleep(POLL)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise UserError(f"scripts/read.py ended with status {process.returncode}.")
    return seconds, most or None


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have (Linux)."""
    try:
        own = [int(n) for task in Path(f"/proc/{pid}/task").iterdir() for n in (task / "children").read_text().split()]
    except OSError:
        return []
    return own + [below for one in own for below in children(one)]


def mib_with_model(run: Path, settings: list[str]) -> float | None:
    """The memory of a process that has imported what scripts/read.py does, loaded a run for it, and read nothing."""
    runpy.run_path(str(READ), run_name="imported")
    from capsight.inference.reading import open_reader
    from capsight.learning.run import read_run

    told = dict(setting.split("=", 1) for setting in settings)
    reader = open_reader(read_run(run), **{name: told[name] for name in ("engine", "precision") if name in told})
    mib = memory().get("VmRSS")
    del reader
    return mib


def plain_loop(run: Path, video: Path, part: int) -> float:
    """Read the first frames as one would write it down; return frames per second."""
    import cv2
    import numpy as np
    import torch

    from capsight.learning.run import read_run

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    opened = read_run(run)
    learner, size = opened.learner().float().eval(), opened.config.data.image_size
    capture, probabilities = cv2.VideoCapture(str(video)), []

    def one() -> bool:
        there, frame = capture.read()
        if there:
            image = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (size, size), interpolation=cv2.INTER_AREA)
            image = torch.from_numpy(image).permute(2, 0, 1)[None]
            probabilities.append(learner(image).sigmoid().numpy())
        return there

    with torch.inference_mode():
        for _ in range(20):  # warm up
            one()
        start, n = time.perf_counter(), 0
        while n < part and one():
            n += 1
    assert np.isfinite(np.concatenate(probabilities)).all()
    return n / (time.perf_counter() - start)


def count_frames(readings: Path) -> int:
    return json.loads((readings / "reading.json").read_text())["n_frames"]


if __name__ == "__main__":
    main()
