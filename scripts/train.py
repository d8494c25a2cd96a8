"""Train a model, test it on patients that it has never seen, and report.

python scripts/train.py experiment=demo run_dir=runs/demo
"""

from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from capsight.adaptation.methods import build_adaptation
from capsight.cli import verb
from capsight.data.cache import open_cache
from capsight.data.manifest import read_manifest
from capsight.data.phantom import ensure_phantom
from capsight.data.target import split_devices
from capsight.data.vocabulary import coarse
from capsight.inference.predict import predict
from capsight.inference.reference import Predicted, keep_reference, make_reference
from capsight.learning.adapting import adapt_trained, at_test_time, begin_with, check_adaptation, keep_as_begun
from capsight.learning.frame_data import FrameData
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.launch import on_every_device
from capsight.learning.ranks import agree, first, is_first
from capsight.learning.run import resume_restarted, start_run
from capsight.learning.settings import check_settings
from capsight.learning.training import build_trainer, train
from capsight.lecture.teaching import teach
from capsight.report.results import write_results


@verb("train")
@on_every_device  # from here on, several processes may do the same; what is written is written by the first
def main(config: DictConfig) -> None:
    run_dir = agree(Path(HydraConfig.get().runtime.output_dir))
    if config.lesson:  # a system of docs/lecture.md, beside the capsules
        teach(run_dir, config)
        return
    del config.grid, config.lesson  # the grid is of scripts/shift.py: this is one run
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_settings(settings)
    data, root, findings = settings["data"], settings["data"]["root"], settings["data"]["findings"]

    adaptation = build_adaptation(settings["adaptation"])
    check_adaptation(adaptation, settings)

    # data: what is known of every frame, and its side of the split
    if "phantom" in data:
        first(lambda: ensure_phantom(data["manifest"], root, **data["phantom"]))
    manifest = read_manifest(data["manifest"])
    table = coarse(manifest, findings)
    table = split_devices(table, findings, draw=settings["seed"], **data["split"])

    # model
    pl.seed_everything(settings["seed"], verbose=False)
    loading = {key: data[key] for key in ("image_size", "on_bad_frame", "workers")}
    batches = {"augmentation": data["augmentation"], "seed": settings["seed"], **data["batch"]}
    cache = open_cache(data["cache"], manifest["path"], root, data["image_size"]) if data["cache"] else None
    frames = FrameData(table, root=root, findings=findings, adaptation=adaptation, cache=cache, **loading, **batches)
    learner = FrameLearner(
        findings=findings,
        seed=settings["seed"],
        image_size=data["image_size"],
        targets=frames.targets(),
        adaptation=adaptation,
        **settings["model"],
    )
    if settings["start"]:
        begin_with(learner, settings["start"], table)

    # run: everything that is needed to do this again; begun when nothing is left to be refused
    trainer = build_trainer(run_dir, settings["trainer"], settings["logger"])
    run = first(lambda: start_run(run_dir, config, table, resume=settings["resume"] or resume_restarted()))

    # loop
    if settings["start"] and not settings["trainer"]["max_epochs"]:
        first(lambda: keep_as_begun(run, learner))
    else:
        train(run, trainer, learner, frames)
    first(lambda: adapt_trained(run, root=root, **loading))

    # test: what is decided comes from the validation patients, numbers from the test patients
    best, trust = run.learner(), settings["trust"]
    predicting = {**loading, "precision": settings["trainer"]["precision"], "shared": not adaptation.at_test}
    passes = {"passes": trust["passes"], "deep": trust["deep"]}
    reference = make_reference(run, best, root, bank=settings["bank"], **passes, **predicting)
    adapting = None
    if settings["data"]["split"]["target"]:
        adapting = Predicted(*predict(at_test_time(run, best), run.frames("adapt"), root, **predicting)[:2])
    predictions, embeddings, skipped = predict(
        at_test_time(run, best), run.frames("test"), root, **passes, **predicting
    )
    if not is_first():
        return
    keep_reference(run, reference, adapting)
    write_results(
        run.dir,
        run,
        Predicted(predictions, embeddings),
        reference,
        trust=trust,
        root=root,
        skipped=sorted({*learner.skipped, *skipped}),
        page=settings["report"],
    )


if __name__ == "__main__":
    main()
