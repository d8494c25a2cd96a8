"""What this project wants to reach, and whether it did, told from the rows alone."""

from typing import NamedTuple

BETTER = {"ratio": "times faster", "leaner": "times leaner"}
AUROC = "leaves the AUROC"  # in the names of the checks of engines
ALLOWED = 0.005
METRIC_LEARNING = "pytorch-metric-learning"


class Aim(NamedTuple):
    """At least `least` in the column `measure` of the row with this name, peer and, where given, size.

    least: None where it is enough that this project has a result.
    """

    name: str
    size: int | None
    peer: str
    measure: str
    least: float | None


AIMS = (
    Aim("triplet loss, batch-all", 1024, METRIC_LEARNING, "ratio", 20),
    Aim("triplet loss, batch-all", 1024, METRIC_LEARNING, "leaner", 50),
    Aim("triplet loss, batch-all", 4096, METRIC_LEARNING, "ours", None),
    Aim("recall@1 and MAP@R", 10_000, METRIC_LEARNING, "leaner", 10),
    Aim("CAM of one finding", None, "pytorch-grad-cam", "ratio", 4),
    Aim("CAM of one finding, bfloat16", None, "pytorch-grad-cam in float32", "ratio", 4),
    Aim("CAM of 4 findings", None, "pytorch-grad-cam", "ratio", 4),
    Aim("MC dropout in the head", None, "torch-uncertainty", "ratio", 15),
    Aim("bootstrap over patients", None, "loop with scikit-learn", "ratio", 50),
    Aim("inference, OpenVINO bf16", None, "eager fp32", "ratio", 3),
    Aim("inference, OpenVINO int8", None, "eager fp32", "ratio", 5),
)


def judge(rows: list[dict], checks: list[dict]) -> list[dict]:
    """Return for each aim what it is, what was measured, and its state: met, not met, or not measured."""
    return [*(_judged(aim, rows) for aim in AIMS), *(_harmless(of) for of in checks if AUROC in of["name"])]


def _harmless(check: dict) -> dict:
    """Return the aim that an engine changes no AUROC by more than is allowed, which is a check."""
    state = {True: "met", False: "not met", None: "not measured"}[check["passed"]]
    aim = f"{check['name']}, but for less than {ALLOWED}"
    return {"aim": aim, "measured": check["number"], "unit": "AUROC", "state": state, "why": check["note"]}


def _judged(aim: Aim, rows: list[dict]) -> dict:
    asked = "possible" if aim.least is None else f"at least {aim.least} {BETTER[aim.measure]} than {aim.peer}"
    row = next((row for row in rows if _is_of(aim, row)), None)
    measured = row and row[aim.measure]
    if row is None or (measured is None and aim.least is not None):
        state = "not measured"
    else:
        state = "met" if measured is not None and measured >= (aim.least or 0) else "not met"
    size = "" if aim.size is None else f", {aim.size:,}"
    why = row["note"] if row and measured is None else None
    return {
        "aim": f"{aim.name}{size}: {asked}",
        "measured": measured,
        "unit": BETTER.get(aim.measure, "s"),
        "state": state,
        "why": why,
    }


def _is_of(aim: Aim, row: dict) -> bool:
    return (row["name"], row["peer_name"]) == (aim.name, aim.peer) and aim.size in (None, row["size"])
