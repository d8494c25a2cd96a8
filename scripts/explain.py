"""Show where a run looked, and measure whether that can be believed.

python scripts/explain.py run=DIR out=DIR methods=[cam,gradcam]
"""

import hashlib
import shutil
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.dataset import FrameDataset
from capsight.data.manifest import read_manifest
from capsight.data.transforms import evaluation_transform
from capsight.data.vocabulary import label_what_is_known
from capsight.errors import UserError
from capsight.explain.attribution import METHODS, Settings
from capsight.explain.explaining import (
    check_randomisation,
    collect,
    completeness_gap,
    explain_chosen,
    frame_keys,
    true_regions,
)
from capsight.explain.measure import BASELINES, measure_explanations, print_explanations
from capsight.explain.neighbours import nearest
from capsight.explain.selection import choose_frames, some_of_each
from capsight.explain.store import Store
from capsight.files import write_result
from capsight.hardware import device
from capsight.inference.predict import predict
from capsight.inference.reference import read_predictions
from capsight.learning.run import read_run
from capsight.report.explained import draw_uncertainty, make_cards, write_overlays, write_pairs
from capsight.report.gallery import write_gallery
from capsight.report.results import describe, tested_frames

CHOSEN = (
    "Frames without the finding were picked because the model finds it likely there, so how often it is wrong on this "
    "page does not say how often it is wrong."
)


@verb("explain")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    if not isinstance(settings["run"], str):
        raise UserError(f"run={settings['run']} is not possible; an explanation is of one run, as in run=DIR.")
    run = read_run(settings["run"])
    methods, findings = check(settings, run.findings)
    how = Settings(**{name: settings[name] for name in ("layer", "steps", "samples", "noise", "window", "stride")})
    size, out = run.config.data.image_size, Path(settings["out"])
    # A run that is not finished is refused before anything is done.
    thresholds, bank = run.trust()["thresholds"], read_predictions(run, "training")
    (out / "explanations.json").unlink(missing_ok=True)  # its presence says that all is there

    # frames: somebody's manifest, or the run's own test frames
    if settings["manifest"] is None:
        manifest, root = run.frames("test"), settings["root"] or run.config.data.root
    elif settings["root"] is None:
        raise UserError("root is missing; give the folder that the manifest's paths are relative to, as root=DIR.")
    else:
        manifest, root = label_what_is_known(read_manifest(settings["manifest"]), run.findings), settings["root"]
    reading = {name: settings[name] for name in ("workers", "on_bad_frame", "passes")}
    learner = run.learner().to(device())
    predictions, embeddings, skipped = predict(learner, manifest, root, image_size=size, **reading)

    # which of them, and where the findings are
    chosen = choose_frames(predictions, findings, settings["frames"])
    if chosen.empty:
        raise UserError(f"no frame of the manifest is labelled for {', '.join(findings)}; there is nothing to explain.")
    rows = manifest.set_index("path", drop=False).loc[chosen["path"]].reset_index(drop=True)
    frames = FrameDataset(rows, root, run.findings, evaluation_transform(size))
    regions, problems = true_regions(chosen, rows, root, size)
    chosen["key"] = frame_keys(chosen, frames, regions)

    # maps: each is made and measured once, also where this was stopped in between
    looks = {name: settings[name] for name in ("faithful", "shaken")}
    store = Store(out / "maps", {"weights": digest(run.best), **vars(how), **looks})
    explain_chosen(learner, chosen, regions, frames, methods, store, settings=how, **looks)
    maps = collect(chosen, methods, store)

    # numbers: on the frames that have the finding
    measured = measure_explanations(maps[maps["label"] == 1])
    for method in [method for method in measured if method in settings["randomise"]]:
        measured[method]["randomisation"] = check_randomisation(learner, chosen, frames, method, how)
    if "integrated_gradients" in measured:
        measured["integrated_gradients"]["completeness_gap"] = completeness_gap(maps)
    explanations = {
        "methods": measured,
        "n_frames": int(chosen["label"].sum()),
        "without_truth": sum(region is None for region, label in zip(regions, chosen["label"], strict=True) if label),
        "skipped": skipped,
        "problems": problems,
    }

    # pictures
    for folder in ("overlays", "pairs"):
        shutil.rmtree(out / folder, ignore_errors=True)  # of earlier frames
    shown = some_of_each(chosen, settings["cards"])
    pictures = write_overlays(out / "overlays", chosen, frames, regions, methods, store, shown)
    patients = chosen["patient"].iloc[shown]
    neighbours = nearest(
        bank.embeddings, bank.table, embeddings[chosen["row"].iloc[shown]], patients, settings["neighbours"]
    )
    write_pairs(
        out / "pairs",
        learner,
        chosen,
        frames,
        neighbours,
        shown,
        training_root=run.config.data.root,
        number=settings["pairs"],
    )
    cards = make_cards(
        chosen,
        pictures,
        draw_uncertainty(learner, chosen, frames, regions, shown),
        neighbours,
        thresholds=thresholds,
        training_root=run.config.data.root,
    )
    write_gallery(
        out / "gallery.html",
        cards,
        title=f"{run.config.title}: where the model looked",
        facts=describe(run, [], skipped) | {"methods": methods, **vars(how)},
        table=explanations,
        notes=[CHOSEN, *tested_frames(run, predictions, skipped)],
        passes=f"{settings['passes']} dropout passes",
    )
    write_result(explanations, out / "explanations.json")
    print_explanations(measured)
    Console().print(f"gallery: {(out / 'gallery.html').resolve()}", highlight=False, soft_wrap=True)


def check(settings: dict, known: list[str]) -> tuple[list[str], list[str]]:
    """Return the methods, with the baselines, and the findings. UserError for what there is not."""
    for name, least in {
        "frames": 1,
        "cards": 0,
        "faithful": 0,
        "shaken": 0,
        "pairs": 0,
        "passes": 0,
        "neighbours": 1,
    }.items():
        if not isinstance(settings[name], int) or isinstance(settings[name], bool) or settings[name] < least:
            raise UserError(f"{name}={settings[name]} is not possible; it is a whole number from {least}.")
    methods, findings, randomised = settings["methods"], settings["findings"] or known, settings["randomise"]
    if not isinstance(randomised, list) or not set(randomised) <= set(METHODS):
        raise UserError(f"randomise={randomised} is not possible; give a list of methods, or [] for none.")
    for name, given, there_are in (("methods", methods, METHODS), ("findings", findings, known)):
        if not isinstance(given, list) or not given:
            raise UserError(f"{name}={given} is not possible; give a list, as in {name}=[{next(iter(there_are))}].")
        if unknown := [item for item in given if item not in there_are]:
            raise UserError(f"{name}: there is no {unknown[0]!r} here; choose among {', '.join(there_are)}.")
    return list(dict.fromkeys([*methods, *BASELINES])), list(dict.fromkeys(findings))


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    main()
