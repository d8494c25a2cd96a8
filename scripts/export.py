"""Export a run's network to a file that is computed without this project.

python scripts/export.py run=DIR format=onnx out=FILE
python scripts/export.py run=DIR format=openvino precision=int8 out=FILE
"""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from capsight.cli import verb
from capsight.errors import UserError
from capsight.files import write_json
from capsight.inference.engines import check_exportable, open_exported, resolve_precision
from capsight.inference.engines.card import card_file
from capsight.inference.engines.changes import measure_changes, print_changes
from capsight.inference.engines.export import SUFFIXES, export
from capsight.learning.run import read_run


@verb("export")
def main(config: DictConfig) -> None:
    format, file = config.format, Path(config.out)
    check(config, file)
    run = read_run(config.run)
    check_exportable(run, format, config.precision)
    precision = resolve_precision(format, config.precision)
    learner, root = run.learner(), config.root or run.config.data.root
    reading = {"workers": config.workers, "on_bad_frame": config.on_bad_frame}

    card = export(run, learner, file, format=format, precision=precision, root=root, **reading)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"logits differ from PyTorch's in float32 by at most {card['logits_differ_by']:.2g}")
    if precision != "fp32":
        changes = measure_changes(run, learner, open_exported(file, format, precision), root, **reading)
        write_json({**card, "changes": changes}, card_file(file))
        print_changes(changes, f"{format} {precision} against torch fp32")
    console.print(f"model: {file.resolve()}", f"card: {card_file(file.resolve())}", sep="\n", markup=False)


def check(config: DictConfig, file: Path) -> None:
    """Raise UserError for what cannot be exported so, before anything is read."""
    if not isinstance(config.run, str):
        raise UserError(f"run={config.run} is not possible; an export is of one run, as in run=DIR.")
    if config.format not in SUFFIXES:
        raise UserError(f"format={config.format} is not known; choose {', '.join(SUFFIXES)}.")
    if file.suffix != SUFFIXES[config.format]:
        raise UserError(
            f"out={file} is not possible for format={config.format}; its name ends in {SUFFIXES[config.format]}."
        )
    if file.is_dir():
        raise UserError(f"out={file} is a folder; give the name of a file.")


if __name__ == "__main__":
    main()
