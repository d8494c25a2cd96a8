"""All that one run of the command measures, as its JSON file has it."""

import json
from importlib import import_module
from pathlib import Path

from aims import judge
from cases import measure, nothing
from checks import CHECKS, ROUNDING, run_checks
from machine import facts

from capsight.errors import UserError
from capsight.progress import track

FAMILIES = (
    "triplet",
    "retrieval",
    "cam",
    "mc_dropout",
    "bootstrap",
    "decoding",
    "training",
    "engines",
    "copies",
)
CHECKED = "checks"


def collect(settings: dict) -> dict:
    """Measure what `settings` (conf/benchmarks.yaml) ask for: {"facts", "rows", "aims", "correctness"}."""
    families = chosen(settings["only"])
    told = facts() | {"quick": settings["quick"]}
    before = kept(settings["out"], families, told) if settings["keep"] else {"rows": [], "correctness": []}
    rows = before["rows"] + _measured([family for family in families if family != CHECKED], settings["quick"])
    rows.sort(key=lambda row: FAMILIES.index(row["family"]))
    checks = before["correctness"]
    if CHECKED in families:
        checks = list(track(run_checks(settings), "Checking", total=len(CHECKS)))
    checks = [*checks, *_same_results(rows)]
    return {"facts": told, "rows": rows, "aims": judge(rows, checks), "correctness": checks}


def _measured(families: list[str], quick: bool) -> list[dict]:
    cases, rows = [], []
    for family in families:
        try:
            cases += [(family, case) for case in import_module(family).cases(quick)]
        except Exception as error:  # a defect of one family costs its rows and not the run
            rows.append({"family": family, **nothing(family, error)})
    for (family, _), found in zip(track(cases, "Measuring"), measure([case for _, case in cases]), strict=True):
        rows += [{"family": family, **row} for row in found]
    return rows


def chosen(only: list[str] | None) -> list[str]:
    known = (*FAMILIES, CHECKED)
    if unknown := sorted(set(only or ()) - set(known)):
        raise UserError(f"only={','.join(unknown)} is not known; choose among {', '.join(known)}.")
    return [family for family in known if not only or family in only]


def kept(out: str | None, families: list[str], told: dict) -> dict:
    """Return what an earlier run measured of the families that are not measured now, on the same machine.

    UserError where there is none, or where its facts are others than those that are `told` now.
    """
    try:
        before = json.loads(Path(out or "").read_text(encoding="utf-8"))
        changed = [name for name in told if name != "load_at_start" and before["facts"][name] != told[name]]
        rows = [row for row in before["rows"] if row["family"] not in families]
        checks = [check for check in before["correctness"] if check["name"] in CHECKS]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"keep=true needs the results of an earlier run at out=, and {out} holds none.") from None
    if changed:
        raise UserError(f"{out} was measured with other {', '.join(changed)}; measure all again, without keep=true.")
    return {"rows": rows, "correctness": checks}


def _same_results(rows: list[dict]) -> list[dict]:
    """Return one check for each work whose results were compared with a peer's."""
    worst: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["difference"] is not None:
            key = row["name"], row["peer_name"]
            worst[key] = max(worst.get(key, 0.0), row["difference"])
    return [
        {
            "name": f"{name}: the same as {peer}",
            "checked": "largest difference over all sizes, relative",
            "number": number,
            "passed": number < ROUNDING,
            "note": None,
        }
        for (name, peer), number in worst.items()
    ]
