"""Read a whole capsule video: from 50,000 frames to the few that a physician must see.

python scripts/read.py run=DIR video=FILE out=DIR
"""

import resource
import sys
import time
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.video import open_video
from capsight.errors import UserError
from capsight.evaluation.events import find_events, number_frames
from capsight.evaluation.moments import find_moments
from capsight.evaluation.predictions import check_thresholds
from capsight.evaluation.smoothing import smooth
from capsight.inference.in_time import open_in_time
from capsight.inference.parts import PARTS, Parts
from capsight.inference.reading import open_reader, read_video
from capsight.inference.reading_settings import check_out, check_reading, chosen
from capsight.learning.run import read_run
from capsight.progress import track_frames
from capsight.report.reading import read_reading, write_reading_page
from capsight.report.reading_files import RESULTS, write_events, write_facts, write_frames
from capsight.report.reading_pictures import PICTURES, write_coco, write_pictures


@verb("read")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    check_reading(settings)
    run, out = read_run(settings["run"]), Path(str(settings["out"]))
    findings, own = chosen(settings["findings"], run.findings), settings["thresholds"] or {}
    check_thresholds(own, findings)
    source = Path(str(settings["video"]))
    check_out(out, run, source, (PARTS, PICTURES))
    video = open_video(source, settings["frames_per_second"])
    how = {name: settings[name] for name in ("engine", "precision", "calibration", "passes")}
    reader = open_reader(run, **how)
    in_time = open_in_time(run, settings["sequence"], settings["calibration"]) if settings["sequence"] else None

    # frames: what an earlier, killed reading has is kept
    parts = Parts(out / PARTS)
    pace = {"frames_per_second": settings["frames_per_second"], "batch_size": settings["batch_size"]}
    parts.begin({"video": video.fingerprint(), "run": run.fingerprint(), **how, **pace})
    for name in RESULTS:
        (out / name).unlink(missing_ok=True)  # their presence says that all is there
    done, began = parts.n_frames, time.monotonic()
    pieces = read_video(video, reader, start=done, batch_size=settings["batch_size"], workers=settings["workers"])
    n_read = track_frames(parts.write(pieces), f"Reading {video.name}", total=video.n_frames, done=done)
    seconds = time.monotonic() - began
    if not parts.n_frames:
        raise UserError(f"{video.path} is a video without frames; give another one.")

    # events: from the frames to the few that must be seen
    frames = parts.table()
    judged = frames if in_time is None else in_time.judge(frames, parts.embeddings())
    smoothing = "none" if in_time else settings["smoothing"]
    for finding in findings:
        values = smooth(judged[f"probability_{finding}"].to_numpy(), smoothing, settings["width"]).astype("float32")
        frames[f"smoothed_{finding}"] = judged[f"smoothed_{finding}"] = values
    usual = (in_time or reader).thresholds
    thresholds = {finding: usual[finding] for finding in findings} | own
    events = find_events(
        judged,
        parts.embeddings(),
        findings,
        thresholds,
        bridge=settings["bridge"],
        another=settings["another"],
        unlike=reader.unlike,
    )
    moments = find_moments(judged, events, findings, thresholds, settings["moments"], unlike=reader.unlike)
    frames.insert(0, "video", video.name)
    frames["event"] = number_frames(len(frames), events)
    write_frames(out, frames)
    write_events(out, video, frames, events, moments, thresholds)

    # pictures: what is shown of the most suspicious ones
    shown = events.head(settings["pictures"])
    all_shown = pd.concat([shown, moments.head(settings["pictures"])])
    pictured = write_pictures(out, video, all_shown, reader.learner, reader.image_size, settings["neighbours"])
    write_coco(out, video, shown, pictured, findings)
    facts = {
        "run": str(run.dir.resolve()),
        "title": run.config.title,
        "settings": settings,
        "unlike_above": reader.unlike,
        "n_events": len(events),
        "n_events_pictured": len(shown),
        "without_heatmaps": pictured.without or None,
        "frames_this_session": n_read,
        "seconds_this_session": seconds,
        "frames_per_second_this_session": n_read / seconds if n_read else None,
        "peak_memory_mib": peak_memory(),
    }
    write_facts(out, video, frames, facts)
    write_reading_page(out / "reading.html", read_reading(out))
    told = f"{len(events):,} events in {len(frames):,} frames; page: {(out / 'reading.html').resolve()}"
    Console().print(told, highlight=False, soft_wrap=True, markup=False)


def peak_memory() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
