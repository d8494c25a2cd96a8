"""A lesson as a run: its settings and its numbers stay in a folder, and a table of them is printed."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from capsight.errors import UserError
from capsight.files import atomic, write_result
from capsight.lecture import run_lesson


def teach(run_dir: Path, config: DictConfig) -> dict:
    """Run the lesson of a config and leave config.yaml, its pictures and, at the end, metrics.json.

    Raises UserError where the folder holds a run and `resume` is not auto, and for a lesson or settings that are none.
    """
    taught = OmegaConf.masked_copy(config, ["title", "seed", "lesson", "trainer", "resume"])
    settings = OmegaConf.to_container(taught, resolve=True, throw_on_missing=True)
    if not isinstance(settings["lesson"], dict) or "name" not in settings["lesson"]:
        raise UserError("lesson.name is missing; choose an experiment of docs/lecture.md.")
    if (run_dir / "config.yaml").exists() and settings["resume"] != "auto":
        raise UserError(f"{run_dir} holds a run already; add resume=auto to go on with it, or change run_dir.")
    with atomic(run_dir / "config.yaml") as temporary:
        OmegaConf.save(taught, temporary, resolve=True)
    name = settings["lesson"].pop("name")
    numbers = run_lesson(name, settings["lesson"], run_dir, seed=settings["seed"], trainer=settings["trainer"])
    write_result(numbers, run_dir / "metrics.json")
    _show(settings["title"], numbers, sorted(run_dir.glob("*.png")))
    return numbers


def _show(title: str, numbers: dict, pictures: list[Path]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, value in _flat(numbers):
        table.add_row(name.replace("_", " "), value)
    console = Console(soft_wrap=True)
    console.print(table)
    for picture in pictures:
        console.print(f"picture: {picture.resolve()}", highlight=False)


def _flat(numbers: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}, ")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
