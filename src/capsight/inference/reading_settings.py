"""The settings of a reading: what they may be, and where its results may lie."""

from collections.abc import Collection
from pathlib import Path

from capsight.errors import UserError
from capsight.evaluation.smoothing import smooth
from capsight.evaluation.trust.calibration import METHODS as CALIBRATIONS
from capsight.inference.engines import check_engine
from capsight.inference.parts import PART, PARTS, STARTED
from capsight.learning.run import Run


def check_reading(settings: dict) -> None:
    """Raise UserError for a setting that is not what it could be."""
    if not isinstance(settings["run"], str):
        raise UserError(f"run={settings['run']} is not possible; a reading is by one run, as in run=DIR.")
    for name in ("video", "out"):  # a name may be a number
        if not isinstance(settings[name], str | int | float):
            raise UserError(f"{name}={settings[name]} is not possible; give one file or folder.")
    size = settings["batch_size"]
    if not isinstance(size, int) or size < 1 or PART % size:
        raise UserError(f"batch_size={size} is not possible; it divides {PART}, as 32, 64 or 128.")
    for name, least in {"passes": 0, "bridge": 0, "moments": 0, "pictures": 0, "neighbours": 0, "workers": 1}.items():
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


def check_out(out: Path, run: Run, video: Path, folders: Collection[str]) -> None:
    """Raise UserError where the results would lie among what is read, or among what no reading has made.

    folders: the names of those that a reading makes in `out`.
    """
    here, there = out.resolve(), video.resolve()
    own = there if there.is_dir() else there.parent
    if here == own or (there.is_dir() and there in here.parents):
        raise UserError(f"out={out} is the video's own folder, which is left as it is; choose another folder.")
    if here == run.dir.resolve():
        raise UserError(f"out={out} is the run; choose another folder.")
    made = [here / name for name in folders]
    if any(folder == there or folder in there.parents for folder in made):
        raise UserError(f"out={out} would write into {own}, where the video is; choose another folder.")
    if not any((here / name).exists() for name in (f"{PARTS}/{STARTED}", "reading.json")):
        for folder in filter(Path.exists, made):
            raise UserError(f"{folder} is there, and no reading has made it; choose another out.")
