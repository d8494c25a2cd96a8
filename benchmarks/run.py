"""Measure this project against its peers: one table, one JSON file, and the page docs/benchmarks.md.

python benchmarks/run.py out=FILE only=[triplet,retrieval] quick=true
(peers: pip install -e '.[peers]'; a peer that is missing or fails is a row that says so)
"""

from importlib import import_module

from cases import measure
from omegaconf import DictConfig, OmegaConf
from table import print_rows

from capsight.cli import verb
from capsight.errors import UserError
from capsight.files import write_json
from capsight.progress import track

FAMILIES = ("triplet", "retrieval", "cam", "mc_dropout", "bootstrap", "copies")


@verb("benchmarks")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, resolve=True)
    chosen = _chosen(settings.pop("only"))
    out = settings.pop("out")
    cases = [(family, case) for family in chosen for case in import_module(family).cases(**settings)]
    rows = []
    for (family, _), found in zip(track(cases, "Measuring"), measure([case for _, case in cases]), strict=True):
        rows += [{"family": family, **row} for row in found]
    print_rows(rows)
    if out:
        write_json({"rows": rows}, out)


def _chosen(only: list[str] | None) -> list[str]:
    if unknown := sorted(set(only or ()) - set(FAMILIES)):
        raise UserError(f"only={unknown} is not known; choose among {', '.join(FAMILIES)}.")
    return [family for family in FAMILIES if not only or family in only]


if __name__ == "__main__":
    main()
