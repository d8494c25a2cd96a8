"""Read a whole capsule video: from 50,000 frames to the few that a physician must see.

python scripts/read.py run=DIR video=FILE out=DIR
"""

import resource
import sys
import time
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.video import open_video
from capsight.errors import UserError
from capsight.evaluation.events import find_events, number_frames
from capsight.evaluation.predictions import check_thresholds
from capsight.evaluation.smoothing import smooth
from capsight.evaluation.trust.calibration import METHODS as CALIBRATIONS
from capsight.inference.engines import check_engine
from capsight.inference.in_time import open_in_time
from capsight.inference.parts import PART, Parts
from capsight.inference.reading import open_reader, read_video
from capsight.learning.run import Run, read_run
from capsight.progress import track_frames
from capsight.report.reading import read_reading, write_reading_page
from capsight.report.reading_files import RESULTS, write_events, write_facts, write_frames
from capsight.report.reading_pictures import write_coco, write_pictures


@verb("read")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    check(settings)
    if not isinstance(settings["run"], str):
        raise UserError(f"run={settings['run']} is not possible; a reading is by one run, as in run=DIR.")
    run, out = read_run(settings["run"]), Path(settings["out"])
    findings, own = chosen(settings["findings"], run.findings), settings["thresholds"] or {}
    check_thresholds(own, findings)
    check_out(out, run, Path(settings["video"]))
    video = open_video(settings["video"], settings["frames_per_second"])
    how = {name: settings[name] for name in ("engine", "precision", "calibration", "passes")}
    reader = open_reader(run, **how)
    in_time = open_in_time(run, settings["sequence"], settings["calibration"]) if settings["sequence"] else None

    # frames: what an earlier, killed reading has is kept
    parts = Parts(out / "parts")
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
    if in_time is not None:
        judged = in_time.probabilities(parts.embeddings())
    for finding in findings:
        if in_time is not None:
            values = judged[finding].to_numpy()
        else:
            values = smooth(frames[f"probability_{finding}"].to_numpy(), settings["smoothing"], settings["width"])
        frames[f"smoothed_{finding}"] = values.astype("float32")
    usual = (in_time or reader).thresholds
    thresholds = {finding: usual[finding] for finding in findings} | own
    events = find_events(
        frames,
        parts.embeddings(),
        findings,
        thresholds,
        bridge=settings["bridge"],
        another=settings["another"],
        unlike=reader.unlike,
    )
    frames.insert(0, "video", video.name)
    frames["event"] = number_frames(len(frames), events)
    write_frames(out, frames)
    write_events(out, video, frames, events, thresholds)

    # pictures: what is shown of the most suspicious ones
    shown = events.head(settings["pictures"])
    pictured = write_pictures(out, video, shown, reader.learner, reader.image_size, settings["neighbours"])
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


def check(settings: dict) -> None:
    """Raise UserError for what is no number that it could be."""
    size = settings["batch_size"]
    if not isinstance(size, int) or size < 1 or PART % size:
        raise UserError(f"batch_size={size} is not possible; it divides {PART}, as 32, 64 or 128.")
    for name, least in {"passes": 0, "bridge": 0, "pictures": 0, "neighbours": 0, "workers": 1}.items():
        if not isinstance(settings[name], int) or isinstance(settings[name], bool) or settings[name] < least:
            raise UserError(f"{name}={settings[name]} is not possible; it is a whole number from {least}.")
    if not isinstance(settings["thresholds"] or {}, dict):
        raise UserError(f"thresholds={settings['thresholds']} is not possible; name findings, as in {{polyp:0.3}}.")
    share, rate = settings["another"], settings["frames_per_second"]
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise UserError(f"another={share} is not possible; it is a share above 0, up to 1.")
    if rate is not None and (not isinstance(rate, int | float) or not 0 < rate < 1e6):
        raise UserError(f"frames_per_second={rate} is not possible; it is a number above 0.")
    if settings["calibration"] not in ("none", *CALIBRATIONS):
        known = ", ".join(("none", *CALIBRATIONS))
        raise UserError(f"calibration={settings['calibration']!r} is not known; choose among {known}.")
    check_engine(settings["engine"], settings["precision"])
    if (settings["smoothing"] == "sequence") != bool(settings["sequence"]):
        raise UserError(
            "smoothing=sequence needs sequence=FILE, a best.ckpt of the lesson sequences, and goes with it."
        )
    if settings["smoothing"] != "sequence":
        smooth([0.0], settings["smoothing"], settings["width"])


def chosen(findings: list[str] | None, known: list[str]) -> list[str]:
    """Return the findings that make events. UserError where there is none, or one that the run does not know."""
    if findings is None:
        return known
    if not isinstance(findings, list) or not findings:
        raise UserError(f"findings={findings} is not possible; give a list, as in findings=[{known[0]}].")
    if unknown := [name for name in findings if name not in known]:
        raise UserError(f"findings: there is no {unknown[0]!r} here; choose among {', '.join(known)}.")
    return list(dict.fromkeys(findings))


def check_out(out: Path, run: Run, video: Path) -> None:
    """Raise UserError where the results would lie among what is read."""
    here, there = out.resolve(), video.resolve()
    own = there if there.is_dir() else there.parent
    if here == own or (there.is_dir() and there in here.parents):
        raise UserError(f"out={out} is the video's own folder, which is left as it is; choose another folder.")
    if here == run.dir.resolve():
        raise UserError(f"out={out} is the run; choose another folder.")


def peak_memory() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
