"""Does it save time? What a physician finds who looks at so many frames of each video, chosen in four ways.

python scripts/reading_study.py run=DIR out=DIR
python scripts/reading_study.py run=DIR out=DIR videos=rebuilt
"""

import json
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.known_videos import UNKNOWN, read_known
from capsight.data.manifest import read_manifest
from capsight.data.phantom.dataset import patient_id
from capsight.data.phantom.examinations import examined, make_examinations
from capsight.data.rebuilt import rebuild_videos
from capsight.data.vocabulary import label_what_is_known
from capsight.errors import UserError
from capsight.evaluation.reading_study import Case, make_case, measure_study
from capsight.inference.readings import check_strangers, read_videos
from capsight.learning.run import Run, read_run
from capsight.report.study import print_study, write_study

PHANTOM = (
    "The videos are drawn. They say how the ways of reading compare with this model, not what a patient may expect: "
    "lesions are clearer than many real ones, the mucosa repeats, and frames in which a lesion is in view but too "
    "small to be told are left out."
)
REBUILT = (
    "The videos are rebuilt from the frames that were published, which are a small part of each video and often those "
    "with something in them: how many frames of a whole video must be seen cannot be learned from them, and smoothing "
    "in time joins frames that were not neighbours."
)


@verb("reading_study")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check(settings)
    run, out = read_run(settings["run"]), Path(settings["out"])

    # videos of which it is known where their lesions are
    folder = out / "videos" if settings["videos"] in ("phantom", "rebuilt") else Path(settings["videos"])
    if settings["videos"] == "phantom":
        drawn = [settings["phantom"][name] for name in ("devices", "patients", "first_patient")]
        check_strangers(run, pd.DataFrame({"patient": [patient_id(*one) for one in examined(*drawn)]}))
        make_examinations(folder, **settings["phantom"])
    if settings["videos"] == "rebuilt":
        rebuild(run, folder, settings)
    videos, lesions = read_known(folder)
    findings = findings_of(run, lesions, settings["findings"])
    check_strangers(run, videos)

    # readings: as a physician would have them
    readings = read_videos(run, folder, videos["video"], out / "readings", settings["read"])
    rows = zip(videos.itertuples(), readings, strict=True)
    cases = [case_of(row.video, row.patient, reading, lesions, findings) for row, reading in rows]

    # what they save
    study = measure_study(cases, findings, target=settings["target"])
    remarks = {"phantom": [PHANTOM], "rebuilt": [REBUILT]}.get(settings["videos"], [])
    study = write_study(out, study, title=f"Reading by events: {run.config.title}", remarks=remarks)
    print_study(study)
    Console().print(f"report: {(out / 'reading_study.html').resolve()}", highlight=False, soft_wrap=True)


def check(settings: dict) -> None:
    """Raise UserError where a setting is not what it could be."""
    target, read = settings["target"], settings["read"]
    if isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target <= 1:
        raise UserError(f"target={target} is not possible; it is a share of the lesions above 0, up to 1.")
    if not isinstance(read, list) or not all(isinstance(one, str) and "=" in one for one in read):
        raise UserError("""read is a list of settings of scripts/read.py, as in "read=['passes=0','pictures=0']".""")
    for setting in read:
        if setting.split("=")[0] in ("run", "video", "out"):
            raise UserError(f"read={setting} is not possible; the study says what is read, and where to.")


def rebuild(run: Run, folder: Path, settings: dict) -> None:
    """Rebuild videos from a manifest, or from the run's own test frames."""
    own = settings["rebuilt"]
    if own["manifest"] is None:
        table = run.frames("test")
    else:
        table = label_what_is_known(read_manifest(own["manifest"]), run.findings)
        taught = run.manifest.loc[run.manifest["split"] != "test", "patient"]
        table = table[~table["patient"].isin(taught.dropna())]
    root = own["root"] or run.config.data.root
    rebuild_videos(table, root, folder, settings["findings"] or run.findings, gap=own["gap"])


def findings_of(run: Run, lesions: pd.DataFrame, chosen: list[str] | None) -> list[str]:
    """Name the findings of the study. UserError where the run does not know one."""
    there = sorted(set(lesions.loc[lesions["lesion"] != UNKNOWN, "finding"]))
    findings = chosen or [finding for finding in run.findings if finding in there] or there
    if strange := [finding for finding in findings if finding not in run.findings]:
        raise UserError(f"{run.dir} does not know {strange[0]}; it finds {', '.join(run.findings)}.")
    if not findings:
        raise UserError("there is no lesion in any of the videos; nothing can be missed in them.")
    return findings


def case_of(video: str, patient: str, reading: Path, lesions: pd.DataFrame, findings: list[str]) -> Case:
    """Put one reading beside what is known of its video."""
    frames = pd.read_parquet(reading / "reading.parquet")
    told = json.loads((reading / "events.json").read_text(encoding="utf-8"))
    if lacking := [finding for finding in findings if finding not in told["thresholds"]]:
        raise UserError(f"the reading of {video} makes no events of {lacking[0]}; leave read's findings out.")
    events = pd.DataFrame(told["events"], columns=["event", "finding", "best"])
    return make_case(video, patient, frames, events, told["thresholds"], lesions[lesions["video"] == video], findings)


if __name__ == "__main__":
    main()
