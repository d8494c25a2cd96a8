"""Test a run on other frames, or on its own test frames again.

python scripts/evaluate.py run=DIR manifest=FILE root=DIR out=DIR
python scripts/evaluate.py run=[DIR,DIR,DIR] out=DIR
"""

from omegaconf import DictConfig, OmegaConf

from capsight.cli import verb
from capsight.data.manifest import read_manifest
from capsight.data.vocabulary import label_what_is_known
from capsight.errors import UserError
from capsight.inference.ensemble import check_members, join_members
from capsight.inference.predict import predict
from capsight.inference.reference import Predicted, join_references, read_reference
from capsight.learning.run import read_run
from capsight.learning.settings import check_trust
from capsight.report.results import write_results


@verb("evaluate")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    trust = settings["trust"]
    check_trust(trust)
    folders = settings["run"] if isinstance(settings["run"], list) else [settings["run"]]
    runs = [read_run(folder) for folder in folders]
    check_members(runs)
    run, findings = runs[0], runs[0].findings
    learners = [run.learner() for run in runs]
    reference = join_references([read_reference(*pair) for pair in zip(runs, learners, strict=True)], findings)

    # frames: somebody's manifest, or the run's own test frames
    if config.manifest is None:
        table, root = run.frames("test"), config.root or run.config.data.root
    elif config.root is None:
        raise UserError("root is missing; give the folder that the manifest's paths are relative to, as root=DIR.")
    else:
        table, root = label_what_is_known(read_manifest(config.manifest), findings), config.root

    predicted = [
        predict(
            learner,
            table,
            root,
            image_size=run.config.data.image_size,
            passes=trust["passes"] if len(runs) == 1 else 0,  # the members of an ensemble are its passes
            deep=trust["deep"],
            **{name: settings[name] for name in ("workers", "precision", "on_bad_frame", "crops")},
        )
        for run, learner in zip(runs, learners, strict=True)
    ]
    tables, embeddings, skipped = zip(*predicted, strict=True)
    test = Predicted(*join_members(tables, embeddings, findings))
    write_results(settings["out"], run, test, reference, trust=trust, root=root, skipped=skipped[0])


if __name__ == "__main__":
    main()
