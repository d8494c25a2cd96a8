"""Say what is wrong with a data set; exit status 1 where a patient, a video or a copy is on two sides of a split.

python scripts/audit.py manifest=FILE root=DIR out=DIR
"""

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.audit import audit_hashed, describe
from capsight.data.hashes import hash_frames, read_hashes, write_hashes
from capsight.data.manifest import finding_columns, read_manifest, read_set_aside
from capsight.data.splits import split_frames
from capsight.files import write_result


@verb("audit")
def main(config: DictConfig) -> int:
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    table = read_manifest(settings["manifest"])
    set_aside = read_set_aside(settings["manifest"])
    if settings["split"] != "published":
        table["split"] = split_frames(table, finding_columns(table), by=settings["split"])
        set_aside["split"] = pd.NA  # the publisher's split of the copies is not the one that is audited

    hashes, out = settings["hashes"], Path(settings["out"])
    hashes = read_hashes(hashes, table["path"]) if hashes else hash_frames(table["path"], settings["root"])
    write_hashes(out / "hashes.parquet", table["path"], hashes)
    result = audit_hashed(table, hashes, set_aside)
    write_result(result, out / "audit.json")

    console = Console(highlight=False, soft_wrap=True)
    styles = {"error": "bold red", "warning": "yellow", "info": ""}
    for level, text in describe(result):
        console.print(f"{level + ':':<9}{text}", style=styles[level], markup=False)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    main()
