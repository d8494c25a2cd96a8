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
from capsight.inference.engines import check_exportable, open_exported
from capsight.inference.engines.card import card_file
from capsight.inference.engines.changes import measure_changes, print_changes
from capsight.inference.engines.export import SUFFIXES, export
from capsight.learning.run import read_run


@verb("export")
def main(config: DictConfig) -> None:
    format, precision, file = config.format, config.precision, Path(config.out)
    if format not in SUFFIXES:
        raise UserError(f"format={format} is not known; choose {', '.join(SUFFIXES)}.")
    if file.suffix != SUFFIXES[format]:
        raise UserError(f"out={file} is not possible for format={format}; its name ends in {SUFFIXES[format]}.")
    run = read_run(config.run)
    check_exportable(run, format, precision)
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


if __name__ == "__main__":
    main()
