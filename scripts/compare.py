"""Compare two ways of training on the same test frames, each with one run per seed.

python scripts/compare.py first=[RUN,RUN] second=[RUN,RUN]
"""

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from capsight.cli import verb
from capsight.errors import UserError
from capsight.evaluation.comparison import compare
from capsight.files import write_result
from capsight.learning.run import read_run
from capsight.report.tables import interval


@verb("compare")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, throw_on_missing=True)
    runs = {side: [read_run(folder) for folder in settings[side]] for side in ("first", "second")}
    findings = runs["first"][0].findings if runs["first"] else []
    result = compare(*([_predictions(run) for run in side] for side in runs.values()), findings=findings)
    if settings["out"]:
        write_result(result, Path(settings["out"]))

    table = Table("Finding", "First", "Second", "Difference", title="Mean AUROC over the runs", title_justify="left")
    for finding, numbers in result.items():
        table.add_row(finding, *(_cell(numbers, name) for name in ("first", "second", "difference")))
    Console().print(table)


def _predictions(run) -> pd.DataFrame:
    file = run.dir / "predictions.parquet"
    if not file.is_file():
        raise UserError(f"{run.dir} has no predictions.parquet; go on with the training by resume=auto.")
    return pd.read_parquet(file)


def _cell(numbers: dict, name: str) -> str:
    number = interval(numbers, (name,))
    if number.value is None:
        return f"– ({number.reason})"
    return f"{number.value:.3f}" + (f" ({number.low:.3f} to {number.high:.3f})" if number.has_bounds else "")


if __name__ == "__main__":
    main()
