import json

import numpy as np
import pandas as pd
import pytest

from capsight.data.manifest import read_manifest, write_manifest
from capsight.learning.run import read_run

FEW = {"frames": 4, "cards": 6, "faithful": 2, "shaken": 1, "passes": 3, "pairs": 2, "workers": 0, "randomise": "[cam]"}


@pytest.fixture(scope="module")
def explained(run_dir, tmp_path_factory):
    return tmp_path_factory.mktemp("explained")


def test_an_explanation_leaves_maps_numbers_and_pictures(command, run_dir, explained):
    methods = "[cam,gradcam,integrated_gradients]"
    status, out, err = command("explain.py", run=run_dir, out=explained, methods=methods, steps=4, **FEW)
    assert status == 0, err
    assert "gallery:" in out
    result = json.loads((explained / "explanations.json").read_text())
    assert set(result["methods"]) == {"cam", "gradcam", "integrated_gradients", "random", "centre"}
    cam = result["methods"]["cam"]
    assert set(cam["findings"]) == set(read_run(run_dir).findings)
    for name in ("pointing_game", "energy_inside", "best_iou", "deletion_auc", "insertion_auc", "infidelity"):
        assert np.isfinite(cam["findings"]["polyp"][name]["value"]), name
    assert cam["findings"]["polyp"]["n_frames"] == 4
    assert cam["findings"]["polyp"]["deletion_auc"]["n_frames"] == 2
    assert cam["findings"]["polyp"]["max_sensitivity"]["n_frames"] == 1
    assert cam["by_device"]
    assert cam["randomisation"]["stages"]
    assert "randomisation" not in result["methods"]["gradcam"]
    assert result["methods"]["integrated_gradients"]["completeness_gap"]["value"] > 0
    assert result["n_frames"] == 4 * len(cam["findings"])
    assert list((explained / "overlays" / "polyp" / "cam").glob("*.png"))
    assert list((explained / "pairs").glob("*.png"))
    page = (explained / "gallery.html").read_text()
    assert "Spread over passes" in page
    assert "Research use only" in page


def test_what_was_explained_is_not_explained_again(command, run_dir, explained, monkeypatch):
    if not (explained / "explanations.json").exists():
        pytest.skip("the explanation before this one failed")
    before = json.loads((explained / "explanations.json").read_text())
    files = {file: file.stat().st_mtime_ns for file in (explained / "maps").glob("*.npz")}
    (gone,) = list(files)[:1]
    gone.unlink()
    status, _, err = command(
        "explain.py", run=run_dir, out=explained, methods="[cam,gradcam,integrated_gradients]", steps=4, **FEW
    )
    assert status == 0, err
    made = [file for file in files if file.stat().st_mtime_ns != files[file]]
    assert made == [gone]
    after = json.loads((explained / "explanations.json").read_text())
    # The map is made in a smaller batch now, so it is rounded otherwise, and nearly equal pixels change their order.
    np.testing.assert_allclose(numbers(after), numbers(before), rtol=0.1, atol=5e-3)


def numbers(result) -> list[float]:
    blocks = [block for method in result["methods"].values() for block in method["findings"].values()]
    names = ("pointing_game", "energy_inside", "best_iou", "deletion_auc", "insertion_auc", "infidelity")
    return [block[name]["value"] for block in blocks for name in names]


def test_masks_that_are_missing_or_wrong_are_named_and_counted(command, run_dir, tmp_path):
    run = read_run(run_dir)
    root = run.config.data.root
    table = read_manifest(f"{root}/manifest.csv")
    table = table[table["polyp"].eq(1).fillna(False)].head(5).reset_index(drop=True)
    table["mask"] = table["mask"].astype("string")
    table.loc[0, "mask"] = pd.NA
    table.loc[1, "mask"] = "gone_{finding}.png"
    write_manifest(table, tmp_path / "m.csv")
    settings = {**FEW, "frames": 10, "methods": "[cam]", "findings": "[polyp]", "randomise": "[]"}
    status, _, err = command(
        "explain.py", run=run_dir, manifest=tmp_path / "m.csv", root=root, out=tmp_path / "out", **settings
    )
    assert status == 0, err
    result = json.loads((tmp_path / "out" / "explanations.json").read_text())
    assert result["n_frames"] == 5
    assert result["without_truth"] >= 2
    problems = "\n".join(result["problems"])
    assert f"{table['path'][0]}, polyp: no mask and no box" in problems
    assert "gone_polyp.png" in problems
    assert result["methods"]["cam"]["findings"]["polyp"]["pointing_game"]["n_frames"] == 5 - result["without_truth"]


def test_frames_that_were_exchanged_are_explained_anew(command, run_dir, tmp_path):
    table = read_run(run_dir).frames("test")
    table = table[table["polyp"].eq(1).fillna(False)].head(2).reset_index(drop=True)
    root = read_run(run_dir).config.data.root
    write_manifest(table.drop(columns="mask"), tmp_path / "without.csv")
    write_manifest(table, tmp_path / "with.csv")
    settings = {**FEW, "methods": "[cam]", "findings": "[polyp]", "randomise": "[]", "faithful": 0, "shaken": 0}
    known = []
    for name in ("without", "with"):
        where = {"manifest": tmp_path / f"{name}.csv", "root": root, "out": tmp_path / "out"}
        status, _, err = command("explain.py", run=run_dir, **where, **settings)
        assert status == 0, err
        result = json.loads((tmp_path / "out" / "explanations.json").read_text())
        known.append(result["methods"]["cam"]["findings"]["polyp"]["pointing_game"]["n_frames"])
    assert known[0] == 0 < known[1]


def test_what_cannot_be_explained_is_one_line(command, run_dir, tmp_path):
    manifest, root = tmp_path / "m.csv", read_run(run_dir).config.data.root
    table = read_run(run_dir).frames("test").head(3)
    write_manifest(table.drop(columns=read_run(run_dir).findings), manifest)
    for settings, says in (
        ({"findings": "[dragon]"}, "findings: there is no 'dragon'"),
        ({"methods": "[magic]"}, "methods: there is no 'magic'"),
        ({"methods": "cam"}, "methods=cam"),
        ({"methods": "[gradcam]", "layer": "layer9"}, "no layer 'layer9'"),
        ({"frames": 0}, "frames=0"),
        ({"randomise": "null"}, "randomise=None"),
        ({"randomise": "[magic]"}, "randomise=['magic']"),
        ({"steps": "abc"}, "steps=abc"),
        ({"noise": "abc"}, "noise=abc"),
        ({"run": f"[{run_dir},{run_dir}]"}, "an explanation is of one run"),
        ({"steps": 0}, "steps=0"),
        ({"run": tmp_path}, "is not a run"),
        ({"manifest": manifest}, "root is missing"),
        ({"manifest": manifest, "root": root}, "there is nothing to explain"),
    ):
        status, _, err = command("explain.py", **{"run": run_dir, "out": tmp_path / "out", **FEW, **settings})
        assert status == 1, says
        assert says in err
        assert "Traceback" not in err
        assert err.count("error:") == 1
    assert not (tmp_path / "out" / "explanations.json").exists()
