"""Finding one's way in shift.json: what belongs together, and what to call it."""

from collections.abc import Sequence

from capsight.report.words import listed

OTHERS = "all others"


def baselines(shift: dict) -> list[dict]:
    """Return the averages of the source's model as it is: one for each number of source devices and objective."""
    return [block for block in shift["averages"] if is_baseline(block)]


def is_baseline(block: dict) -> bool:
    return block.get("adaptation") == "none" and block["k"] == 0


def alike(blocks: Sequence[dict], block: dict) -> list[dict]:
    """Return the averages with as many source devices and the same objective as `block`."""
    same = ("n_sources", "objective")
    return [one for one in blocks if all(one.get(key) == block.get(key) for key in same)]


def called(block: dict, k: bool = True) -> str:
    """Name the method of a block: "source only", "dann", "few_shot, ce_triplet, 10 labelled"."""
    names = {"none": "source only", "longer": "source only, trained longer"}
    parts = [names.get(block["adaptation"], block["adaptation"])]
    parts += [block["objective"]] if block.get("objective") else []
    return ", ".join(parts + ([f"{block['k']} labelled"] if k and block["k"] else []))


def source_name(source: Sequence[str], target: str, devices: Sequence[str]) -> str:
    """Name a source: "all others" where it is every device but the target."""
    return OTHERS if len(source) > 1 and set(source) == set(devices) - {target} else " + ".join(source)


def devices_of(shift: dict) -> list[str]:
    return sorted({name for cell in shift["cells"] for name in [*cell["source"], cell["target"]]})


def home_of(shift: dict, one: dict) -> dict:
    same = (home for home in shift["homes"] if home["source"] == one["source"])
    return next(home for home in same if home.get("objective") == one.get("objective"))


def line_of(block: dict) -> tuple[str, str]:
    return block["adaptation"], block.get("objective") or ""


def objective_of(block: dict) -> str:
    return f", {block['objective']}" if block.get("objective") else ""


def settings_of(block: dict) -> str:
    told = listed([settings for settings in block["settings"] if settings])
    return f" ({told})" if told else ""
