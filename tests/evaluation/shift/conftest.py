"""A grid of runs on disk, with made predictions: tiny tables, known effects."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from capsight.evaluation.trust import fit_trust
from capsight.files import write_json

FINDINGS = ("polyp", "bleeding")


def predictions(device, side, *, strength, seed, patients=6, frames=10, known=True, findings=FINDINGS):
    """Frames of some patients; labels and patients' effects follow device and side, noise follows the seed."""
    of_side = np.random.default_rng([*map(ord, device + side)])
    n = patients * frames
    patient = np.repeat(np.arange(patients), frames)
    columns = {
        "path": [f"{device}/{side}/{i:03}.png" for i in range(n)],
        "patient": [f"{device}-{side}-{p}" for p in patient],
        "device": [device] * n,
    }
    noise = np.random.default_rng(seed)
    for finding in findings:
        label = of_side.random(n) < 0.4
        effect = of_side.normal(size=patients, scale=0.5)[patient]
        logit = strength * (2 * label - 1) + effect + noise.normal(size=n)
        columns[f"label_{finding}"] = pd.array(label.astype(int) if known else [pd.NA] * n, dtype="Int8")
        columns[f"logit_{finding}"] = logit.astype(np.float32)
        columns[f"probability_{finding}"] = expit(logit).astype(np.float32)
        columns[f"truth_{finding}"] = label.astype(int)
    return pd.DataFrame(columns)


def write(folder: Path, table: pd.DataFrame, seed: int = 0, offset: float = 0.0):
    folder.mkdir(parents=True, exist_ok=True)
    table.drop(columns=[name for name in table if name.startswith("truth_")]).to_parquet(folder / "predictions.parquet")
    points = np.random.default_rng(seed).normal(size=(len(table), 4)) + offset
    np.save(folder / "embeddings.npy", points.astype(np.float32))


def write_run(folder: Path, test, validation, adapt=None):
    write(folder, test)
    write(folder / "validation", validation, 1)
    if adapt is not None:
        write(folder / "adapt", adapt, 2, offset=3.0)
    findings = [name.removeprefix("label_") for name in validation if name.startswith("label_")]
    write_json(fit_trust(validation, findings), folder / "trust.json")


def make_grid(out: Path, sources=(("A",),), targets=("B",), methods=None, seeds=(0, 1, 2)):
    """Write the runs; methods: {(adaptation, k, settings): strength on the target}. Returns cells and labels."""
    methods = methods or {("none", 0, ""): 0.4, ("dann", 0, ""): 1.2, ("few_shot", 10, ""): 1.8}
    cells, labels = [], {}
    for source in sources:
        for seed in seeds:
            home = f"sources/{'+'.join(source)}/seed_{seed}"

            def joined(side, seed=seed, source=source):
                return pd.concat(
                    [predictions(device, side, strength=2.0, seed=seed) for device in source], ignore_index=True
                )

            write_run(out / home, joined("test"), joined("val"))
            for target in (t for t in targets if t not in source):
                for (adaptation, k, settings), strength in methods.items():
                    run = f"cells/{'+'.join(source)} to {target}/{adaptation}{settings}/{k}/seed_{seed}"
                    test = predictions(target, "target test", strength=strength, seed=100 + seed, patients=8)
                    adapt = predictions(target, "adapt", strength=strength, seed=200 + seed, known=False)
                    labels[target] = adapt[["path"]].assign(**{f: adapt[f"truth_{f}"] for f in FINDINGS})
                    write_run(out / run, test, joined("val"), adapt)
                    cell = {"source": list(source), "target": target, "adaptation": adaptation, "k": k, "seed": seed}
                    cells.append(cell | {"settings": settings, "run": run, "source_run": home})
    return cells, pd.concat(labels.values(), ignore_index=True)


@pytest.fixture(scope="session")
def grid(tmp_path_factory):
    """One source, one target, three methods, three seeds: (folder, cells, labels)."""
    out = tmp_path_factory.mktemp("grid")
    return out, *make_grid(out)


@pytest.fixture
def make():
    return make_grid
