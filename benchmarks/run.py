"""Measure this project against its peers: one table, one JSON file, and the page docs/benchmarks.md.

python benchmarks/run.py out=FILE only=[triplet,retrieval] quick=true
(peers: pip install -e '.[peers]'; a peer that is missing or fails is a row that says so)
"""

import json
from importlib import import_module
from pathlib import Path

from aims import judge
from cases import measure, nothing
from checks import CHECKS, ROUNDING, run_checks
from machine import facts
from omegaconf import DictConfig, OmegaConf
from page import write_page
from picture import draw_growth
from table import print_results

from capsight.cli import verb
from capsight.errors import UserError
from capsight.files import write_json
from capsight.progress import track

FAMILIES = (
    "triplet",
    "retrieval",
    "cam",
    "mc_dropout",
    "bootstrap",
    "engines",
    "copies",
)
CHECKED = "checks"


@verb("benchmarks")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, resolve=True)
    chosen = _chosen(settings["only"])
    before = _kept(settings["out"], chosen) if settings["keep"] else {"rows": [], "correctness": []}
    results = {"facts": facts() | {"quick": settings["quick"]}}

    cases, rows = [], before["rows"]
    for family in [family for family in chosen if family != CHECKED]:
        try:
            cases += [(family, case) for case in import_module(family).cases(settings["quick"])]
        except Exception as error:  # a defect of one family costs its rows and not the run
            rows.append({"family": family, **nothing(family, error)})
    for (family, _), found in zip(track(cases, "Measuring"), measure([case for _, case in cases]), strict=True):
        rows += [{"family": family, **row} for row in found]
    rows.sort(key=lambda row: FAMILIES.index(row["family"]))
    checks = before["correctness"]
    if CHECKED in chosen:
        checks = list(track(run_checks(settings), "Checking", total=len(CHECKS)))
    checks = [*checks, *_same_results(rows)]
    results |= {"rows": rows, "aims": judge(rows, checks), "correctness": checks}

    print_results(results)
    if settings["out"]:
        write_json(results, settings["out"])
    if settings["page"]:
        page = Path(settings["page"])
        picture = page.with_suffix(".png")
        write_page(results, page, picture.name if draw_growth(rows, picture) else None)


def _chosen(only: list[str] | None) -> list[str]:
    known = (*FAMILIES, CHECKED)
    if unknown := sorted(set(only or ()) - set(known)):
        raise UserError(f"only={','.join(unknown)} is not known; choose among {', '.join(known)}.")
    return [family for family in known if not only or family in only]


def _kept(out: str | None, chosen: list[str]) -> dict:
    """Return what an earlier run measured of the families that are not measured now."""
    try:
        before = json.loads(Path(out or "").read_text(encoding="utf-8"))
        rows = [row for row in before["rows"] if row["family"] not in chosen]
        return {"rows": rows, "correctness": [check for check in before["correctness"] if check["name"] in CHECKS]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"keep=true needs the results of an earlier run at out=, and {out} holds none.") from None


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


if __name__ == "__main__":
    main()
