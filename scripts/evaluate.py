"""Test a run on other frames, or on its own test frames again.

python scripts/evaluate.py run=DIR manifest=FILE root=DIR out=DIR
python scripts/evaluate.py run=[DIR,DIR,DIR] out=DIR
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from capsight.cli import verb
from capsight.data.manifest import read_manifest
from capsight.data.vocabulary import label_what_is_known
from capsight.errors import UserError
from capsight.inference.engines import check_engine, open_engine
from capsight.inference.ensemble import check_members, join_members
from capsight.inference.predict import predict
from capsight.inference.reference import (
    Predicted,
    join_references,
    make_reference,
    read_predictions,
    read_reference,
)
from capsight.learning.adapting import at_test_time
from capsight.learning.run import read_run
from capsight.learning.settings import check_trust
from capsight.report.results import write_results


@verb("evaluate")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    trust = settings["trust"]
    check_trust(trust)
    check_engine(settings["engine"], settings["precision"])
    folders = settings["run"] if isinstance(settings["run"], list) else [settings["run"]]
    runs = [read_run(folder) for folder in folders]
    check_members(runs)
    run, findings = runs[0], runs[0].findings
    if Path(settings["out"]).resolve() == run.dir.resolve() and (config.manifest is not None or len(runs) > 1):
        raise UserError(f"out={settings['out']} is the run, whose own test it would replace; choose another folder.")
    learners = [run.learner() for run in runs]

    # frames: somebody's manifest, or the run's own test frames
    if config.manifest is None:
        table, root = run.frames("test"), config.root or run.config.data.root
    elif config.root is None:
        raise UserError("root is missing; give the folder that the manifest's paths are relative to, as root=DIR.")
    else:
        table, root = label_what_is_known(read_manifest(config.manifest), findings), config.root

    predicted, references = [], []
    for member, learner in zip(runs, learners, strict=True):
        home = (config.root if config.manifest is None else None) or member.config.data.root
        reading = {name: settings[name] for name in ("workers", "on_bad_frame")}
        how = {
            **reading,
            "crops": settings["crops"],
            "image_size": member.config.data.image_size,
            "deep": trust["deep"],
        }
        how["passes"] = trust["passes"] if len(runs) == 1 else 0  # the members of an ensemble are its passes
        if settings["engine"] == "torch":
            how["precision"] = settings["precision"]
        else:
            how["engine"] = open_engine(
                member, learner, settings["engine"], precision=settings["precision"], root=home, **reading
            )
        if settings["crops"] == 1 and settings["engine"] == "torch":
            references.append(read_reference(member, learner))
        else:  # what the run kept is of one crop, and PyTorch's
            bank = len(read_predictions(member, "training").table)
            references.append(make_reference(member, learner, home, bank=bank, **how))
        predicted.append(predict(at_test_time(member, learner), table, root, **how))
    reference = join_references(references, findings)
    tables, embeddings, skipped = zip(*predicted, strict=True)
    test = Predicted(*join_members(tables, embeddings, findings))
    write_results(settings["out"], run, test, reference, trust=trust, root=root, skipped=skipped[0])


if __name__ == "__main__":
    main()
