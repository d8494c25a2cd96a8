"""Measure this project against its peers: one table, one JSON file, and the page docs/benchmarks.md.

python benchmarks/run.py out=FILE only=[triplet,retrieval] quick=true
(peers: pip install -e '.[peers]'; a peer that is missing or fails is a row that says so)
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from capsight.cli import verb


@verb("benchmarks")
def main(config: DictConfig) -> None:
    # Imported here, because every process that measures something imports this file again.
    from page import write_page
    from picture import draw_growth
    from results import collect
    from table import print_results

    from capsight.files import write_json

    settings = OmegaConf.to_container(config, resolve=True)
    results = collect(settings)
    print_results(results)
    if settings["out"]:
        write_json(results, settings["out"])
    if settings["page"]:
        page = Path(settings["page"])
        picture = page.with_suffix(".png")
        write_page(results, page, picture.name if draw_growth(results["rows"], picture) else None)


if __name__ == "__main__":
    main()
