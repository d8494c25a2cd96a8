"""What settings may be, checked before anything else is done."""

from capsight.data.manifest import OPTIONAL, REQUIRED
from capsight.errors import UserError
from capsight.evaluation.selection import PROTOCOLS
from capsight.evaluation.trust.calibration import METHODS

# name: kind, least, most
NUMBERS = {
    "seed": (int, 0, 2**31),
    "data.image_size": (int, 1, 4096),
    "data.augmentation": (float, 0, 2),
    "data.workers": (int, 0, 1024),
    "data.split.folds": (int, 3, 10_000),
    "data.split.fold": (int, 0, 10_000),
    "data.split.seed": (int, 0, 2**31),
    "data.split.labelled": (int, 0, 10**9),
    "data.batch.target_frames": (int, 1, 10_000),
    "data.batch.classes_per_batch": (int, 1, 10_000),
    "data.batch.frames_per_class": (int, 1, 10_000),
    "model.dropout": (float, 0, 1),
    "model.drop_path": (float, 0, 1),
    "model.loss.weight": (float, 0, float("inf")),
    "model.loss.margin": (float, 0, float("inf")),
    "model.loss.focal_gamma": (float, 0, float("inf")),
    "model.optimiser.lr": (float, 0, float("inf")),
    "model.optimiser.weight_decay": (float, 0, float("inf")),
    "model.optimiser.momentum": (float, 0, 1),
    "model.optimiser.warmup": (float, 0, 1),
    "trainer.max_epochs": (int, 0, 1_000_000),
    "bank": (int, 2, 10**9),
}
MAY_BE_NULL = {
    "data.batch.batches_per_epoch": (int, 1, 10**9),
    "model.embedding_dim": (int, 1, 100_000),
    "model.output_stride": (int, 2, 32),
}


def check_settings(settings: dict) -> None:
    """Raise UserError, naming the setting, where a number is none or out of its range, or findings are not a list."""
    for name, bounds in (NUMBERS | MAY_BE_NULL).items():
        value = _look_up(settings, name)
        if value is not None or name not in MAY_BE_NULL:
            _check_number(name, value, *bounds)
    check_trust(settings["trust"])
    for name in ("data.findings", "data.split.unseen_devices"):
        _check_names(name, _look_up(settings, name), empty=name != "data.findings")
    for name in ("data.split.source", "data.split.labelled_findings"):
        if (names := _look_up(settings, name)) is not None:
            _check_names(name, names, empty=False)
    if reserved := sorted({*settings["data"]["findings"]} & {*REQUIRED, *OPTIONAL}):
        raise UserError(f"data.findings names {', '.join(reserved)}, which is a column of the manifest, not a finding.")


def _check_number(name: str, value, kind: type, least: float, most: float) -> None:
    number = isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        whole = "a whole number" if kind is int else "a number"
        raise UserError(f"{name}={value} is not possible; it is {whole} from {least} to {most}.")


def check_trust(trust: dict) -> None:
    """Raise UserError where a setting of the group `trust` is none."""
    _check_number("trust.passes", trust["passes"], int, 0, 100_000)
    if not isinstance(trust["deep"], bool):
        raise UserError(f"trust.deep={trust['deep']} is not possible; it is true or false.")
    for name in ("targets", "coverage", "missed"):
        shares = trust[name]
        if not (isinstance(shares, list) and shares and all(_is_share(share) for share in shares)):
            raise UserError(f"trust.{name}={shares} is not possible; give shares between 0 and 1, as in [0.95,0.90].")
    if trust["calibration"] not in ("none", *METHODS):
        raise UserError(f"trust.calibration={trust['calibration']} is not known; choose none, {', '.join(METHODS)}.")


def check_grid(grid: dict) -> None:
    """Raise UserError where a setting of the group `grid` is none."""
    _check_number("grid.jobs", grid["jobs"], int, 1, 1024)
    for name in ("seeds", "labelled"):
        if not isinstance(grid[name], list) or not grid[name]:
            raise UserError(f"grid.{name}={grid[name]} is not possible; give one whole number or more, as in [0,1,2].")
        for number in grid[name]:
            _check_number(f"grid.{name}", number, int, 0, 2**31)
    _check_names("grid.methods", grid["methods"], empty=True)
    for name in ("targets", "losses"):
        if grid[name] is not None:
            _check_names(f"grid.{name}", grid[name], empty=False)
    if grid["selection"] not in PROTOCOLS:
        raise UserError(f"grid.selection={grid['selection']} is not known; choose {', '.join(PROTOCOLS)}.")
    if not _are_settings(grid["adapting"]):
        raise UserError(
            f"grid.adapting={grid['adapting']} is not possible; give settings, as in [trainer.max_epochs=2]."
        )
    _check_variants(grid["variants"] or {}, grid["methods"])


def check_sweep(settings: dict) -> None:
    """Raise UserError where a number or a list of settings of scripts/sweep.py is none."""
    for name, least in (("trials", 1), ("seed", 0), ("pruner.epochs", 1), ("pruner.trials", 0), ("pruner.factor", 2)):
        _check_number(name, _look_up(settings, name), int, least, 2**31)
    for name in ("settings", "search.settings"):
        if not _are_settings(told := _look_up(settings, name)):
            raise UserError(f"{name}={told} is not possible; give a list, as in settings=\"['trainer.max_epochs=2']\".")
    if settings["command"] is not None:
        _check_names("command", settings["command"], empty=False)


def check_left_to_grid(settings: dict) -> None:
    """Raise UserError where a setting that the grid gives to each of its trainings is given for all of them."""
    split = settings["data"]["split"]
    for name, value, instead in (
        ("seed", settings["seed"], "seeds"),
        ("adaptation", ",".join(settings["adaptation"] or ()), "methods"),
        ("data.split.source", split["source"], "sources"),
        ("data.split.target", split["target"], "targets"),
        ("data.split.labelled", split["labelled"], "labelled"),
    ):
        if value:
            raise UserError(f"{name}={value} is of a single training; give grid.{instead} in its place.")
    if settings["start"]:
        raise UserError(f"start={settings['start']} is of a single training; those of a grid begin with their sources.")


def _check_variants(variants, methods: list[str]) -> None:
    if not isinstance(variants, dict) or not all(_are_settings(settings or []) for settings in variants.values()):
        raise UserError(
            f"grid.variants={variants} is not possible; give a list of settings for each method, as in "
            '{dann:["adaptation.dann.weight=0.1"]}.'
        )
    if unused := [name for name in variants if name not in ("none", *methods)]:
        raise UserError(f"grid.variants has settings for {unused[0]}, which grid.methods does not name.")


def _are_settings(value) -> bool:
    return isinstance(value, list) and all(isinstance(setting, str) for setting in value)


def _is_share(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1


def _look_up(settings: dict, name: str):
    for key in name.split("."):
        if not isinstance(settings, dict) or key not in settings:
            raise UserError(f"the setting {name} is missing; give {name}=...")
        settings = settings[key]
    return settings


def _check_names(name: str, value, *, empty: bool) -> None:
    names = value if isinstance(value, list) else [None]
    if not all(isinstance(item, str) for item in names) or len(set(names)) < len(names) or not (names or empty):
        raise UserError(f"{name}={value} is not possible; give a list of different names, as in {name}=[a,b].")
