"""The whole of shift.json from runs on disk: its keys, its numbers against slow twins, what may reach it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from capsight.errors import UserError
from capsight.evaluation.metrics import measure, write_metrics
from capsight.evaluation.shift import measure_shift

FINDINGS = ["polyp", "bleeding"]


@pytest.fixture(scope="module")
def shift(grid):
    out, cells, labels = grid
    return measure_shift(cells, out, labels=labels, resamples=200)


def line(shift, adaptation, key="summary"):
    return next(block for block in shift[key] if block["adaptation"] == adaptation)


def plain_mean_auroc(out, run):
    table = pd.read_parquet(out / run / "predictions.parquet")
    return np.mean([roc_auc_score(table[f"label_{f}"].astype(int), table[f"logit_{f}"]) for f in FINDINGS])


def test_holds_what_the_design_promises(shift, grid, tmp_path):
    for cell in shift["cells"]:
        keys = {"source", "target", "adaptation", "k", "seed", "selection", "run", "findings", "mean_auroc"}
        assert keys <= set(cell)
        assert cell["selection"] == "source_validation"
        for block in (cell["mean_auroc"], *(cell["findings"][f]["auroc"] for f in FINDINGS)):
            assert block["low"] <= block["value"] <= block["high"]
    assert len(shift["cells"]) == len(grid[1])
    json.dumps(shift, allow_nan=False)
    write_metrics(shift, tmp_path / "shift.json")


def won_pairs(file):
    """For each finding: the patients of the frames with it, of those without, and which of the two is ranked higher."""
    table, parts = pd.read_parquet(file), []
    for finding in FINDINGS:
        positive, negative = (table[table[f"label_{finding}"] == label] for label in (1, 0))
        scores = [part[f"logit_{finding}"].to_numpy() for part in (positive, negative)]
        parts.append((positive["patient"], negative["patient"], np.subtract.outer(*scores) > 0))
    return parts


def test_values_are_scikit_learns(shift, grid):
    for cell in shift["cells"]:
        assert cell["mean_auroc"]["value"] == pytest.approx(plain_mean_auroc(grid[0], cell["run"]))


def test_a_cell_has_the_numbers_of_its_own_metrics(shift, grid):
    """The intervals of one run are the same percentile intervals as in its metrics.json, but for the draws."""
    cell = shift["cells"][0]
    table = pd.read_parquet(grid[0] / cell["run"] / "predictions.parquet")
    own = measure(table, findings=FINDINGS, resamples=200)["findings"]["polyp"]["auroc"]
    ours = cell["findings"]["polyp"]["auroc"]
    assert ours["value"] == pytest.approx(own["value"])
    assert [ours["low"], ours["high"]] == pytest.approx([own["low"], own["high"]], abs=0.06)


def test_means_drop_and_share_are_those_of_a_loop(shift, grid):
    out, cells, _ = grid
    by = {}
    for cell in cells:
        there, home = plain_mean_auroc(out, cell["run"]), plain_mean_auroc(out, cell["source_run"])
        by.setdefault(cell["adaptation"], []).append((there, home))
    (none, home), (dann, _) = (np.mean(by[name], axis=0) for name in ("none", "dann"))
    block = line(shift, "dann")
    assert block["mean_auroc"]["value"] == pytest.approx(dann)
    assert block["drop"]["value"] == pytest.approx(home - none)
    assert block["recovered"]["value"] == pytest.approx((dann - none) / (home - none))
    assert block["seeds"] == [0, 1, 2]
    assert block["recovered"]["low"] < block["recovered"]["value"] < block["recovered"]["high"]
    assert line(shift, "none")["gain"]["value"] == 0
    assert line(shift, "few_shot")["recovered"]["value"] > block["recovered"]["value"]


def test_thresholds_are_those_of_the_source(shift, grid):
    cell = shift["cells"][0]
    folder = grid[0] / cell["run"]
    threshold = json.loads((folder / "trust.json").read_text())["operating_points"]["polyp"]["specificity"]["0.90"]
    table = pd.read_parquet(folder / "predictions.parquet")
    said, positive = table["logit_polyp"] >= threshold["threshold"], table["label_polyp"] == 1
    assert cell["findings"]["polyp"]["sensitivity"]["value"] == pytest.approx(said[positive].mean())
    assert cell["findings"]["polyp"]["specificity"]["value"] == pytest.approx((~said[~positive]).mean())


def test_calibration_errors_are_those_of_the_metrics(shift, grid):
    from capsight.evaluation.bootstrap import draw_patients
    from capsight.evaluation.trust.calibration_error import measure_calibration

    cell = shift["cells"][0]
    folder = grid[0] / cell["run"]
    table = pd.read_parquet(folder / "predictions.parquet")
    fitted = json.loads((folder / "trust.json").read_text())["calibration"]["polyp"]
    own = measure_calibration(table, draw_patients(table["patient"], 50, 0), "polyp", fitted)
    assert cell["findings"]["polyp"]["ece"]["value"] == pytest.approx(own["none"]["ece"]["value"])
    assert cell["findings"]["polyp"]["ece_calibrated"]["value"] == pytest.approx(own["temperature"]["ece"]["value"])


def test_no_target_test_row_changes_what_is_chosen(make, tmp_path):
    methods = {("none", 0, ""): 0.4, ("dann", 0, "weight=1"): 1.0, ("dann", 0, "weight=9"): 1.4}
    cells, labels = make(tmp_path, methods=methods, seeds=(0,))
    first = measure_shift(cells, tmp_path, labels=labels, resamples=20)
    for cell in cells:  # all test scores upside down, all test labels swapped, no test embedding
        file = tmp_path / cell["run"] / "predictions.parquet"
        table = pd.read_parquet(file)
        rng = np.random.default_rng(len(cell["run"]))
        for finding in FINDINGS:
            table[f"logit_{finding}"] = rng.normal(size=len(table))
            table[f"label_{finding}"] = 1 - table[f"label_{finding}"]
        table.to_parquet(file)
        (tmp_path / cell["run"] / "embeddings.npy").unlink()
    second = measure_shift(cells, tmp_path, labels=labels, resamples=20)
    for one, other in zip(first["cells"], second["cells"], strict=True):
        assert (one["scores"], one["chosen"]) == (other["scores"], other["chosen"])
        assert one["mean_auroc"] != other["mean_auroc"]
    assert first["distances"] == second["distances"]


@pytest.mark.parametrize("selection", ["source_validation", "target_unlabelled"])
def test_by_default_no_hidden_label_changes_a_number(make, tmp_path, selection):
    methods = {("none", 0, ""): 0.4, ("dann", 0, "weight=1"): 1.0, ("dann", 0, "weight=9"): 1.4}
    cells, labels = make(tmp_path, methods=methods, seeds=(0,))
    wrong = labels.assign(polyp=1 - labels["polyp"], bleeding=1 - labels["bleeding"])
    told = [
        measure_shift(cells, tmp_path, labels=by, selection=selection, resamples=20) for by in (None, labels, wrong)
    ]
    for key in ("summary", "averages", "distances"):
        assert told[0][key] == told[1][key] == told[2][key]
    assert told[0]["cells"][0]["scores"].keys() == {"source_validation", "target_unlabelled"}


def test_settings_are_chosen_by_the_protocol(make, tmp_path):
    methods = {("none", 0, ""): 0.4, ("dann", 0, "weight=1"): 0.2, ("dann", 0, "weight=9"): 2.5}
    cells, labels = make(tmp_path, methods=methods, seeds=(0, 1))
    shift = measure_shift(cells, tmp_path, labels=labels, selection="target_labelled_oracle", resamples=20)
    assert line(shift, "dann")["settings"] == ["weight=9"]
    chosen = {cell["settings"] for cell in shift["cells"] if cell["chosen"]}
    assert chosen == {"", "weight=9"}
    by = {choice["selection"]: choice["adaptation"] for choice in shift["choices"]}
    assert by["target_labelled_oracle"] == "dann"
    assert set(by) == {"source_validation", "target_unlabelled", "target_labelled_oracle"}


def test_averages_are_over_the_targets(make, tmp_path):
    cells, _ = make(tmp_path, sources=(("A", "B"), ("A", "C"), ("B", "C")), targets=("A", "B", "C"), seeds=(0, 1))
    shift = measure_shift(cells, tmp_path, resamples=100)
    block = line(shift, "dann", "averages")
    each = [one for one in shift["summary"] if one["adaptation"] == "dann"]
    assert sorted(block["targets"]) == ["A", "B", "C"]
    assert block["mean_auroc"]["value"] == pytest.approx(np.mean([one["mean_auroc"]["value"] for one in each]))
    gain, drop = (np.mean([one[name]["value"] for one in each]) for name in ("gain", "drop"))
    assert block["recovered"]["value"] == pytest.approx(gain / drop)
    assert len(shift["homes"]) == 3
    assert {d["target"] for d in shift["distances"]} == {"A", "B", "C"}
    assert all(set(d["by_device"]) == set(d["source"]) for d in shift["distances"])


def test_objectives_are_held_against_their_own_baseline(make, tmp_path):
    cells = []
    for objective, strength in (("ce", 0.2), ("ce_triplet", 0.8)):
        methods = {("none", 0, ""): strength, ("few_shot", 5, ""): 1.6}
        made, _ = make(tmp_path / objective, methods=methods, seeds=(0, 1))
        for cell in made:
            runs = {name: f"{objective}/{cell[name]}" for name in ("run", "source_run")}
            cells.append(cell | runs | {"objective": objective})
    shift = measure_shift(cells, tmp_path, resamples=50)
    drops = {
        block["objective"]: block["drop"]["value"] for block in shift["summary"] if block["adaptation"] == "few_shot"
    }
    assert drops["ce"] > drops["ce_triplet"]
    assert [home["objective"] for home in shift["homes"]] == ["ce", "ce_triplet"]


def test_a_finding_without_both_classes_stays_out_of_the_means_and_is_named(grid, tmp_path):
    out, cells, _ = grid
    shutil.copytree(out, tmp_path / "grid")
    for cell in cells:
        file = tmp_path / "grid" / cell["run"] / "predictions.parquet"
        table = pd.read_parquet(file)
        table.assign(label_polyp=pd.array([0] * len(table), dtype="Int8")).to_parquet(file)
    shift = measure_shift(cells, tmp_path / "grid", resamples=50)
    (told,) = shift["left_out"]
    assert (told["finding"], told["target"]) == ("polyp", "B")
    assert "test frames of B" in told["reason"]
    block = line(shift, "none")
    assert block["mean_auroc"]["value"] == pytest.approx(block["findings"]["bleeding"]["auroc"]["value"])
    assert block["findings"]["polyp"]["auroc"]["value"] is None
    home = shift["homes"][0]["findings"]["bleeding"]["auroc"]["value"]
    assert block["drop"]["value"] == pytest.approx(home - block["mean_auroc"]["value"])  # the same finding at home


def test_without_a_drop_there_is_no_share(make, tmp_path):
    cells, _ = make(tmp_path, methods={("none", 0, ""): 2.5, ("dann", 0, ""): 2.6})
    told = line(measure_shift(cells, tmp_path, resamples=50), "dann")["recovered"]
    assert told["value"] is None
    assert "nothing to win back" in told["reason"]


def test_one_seed_is_told(make, tmp_path):
    cells, _ = make(tmp_path, seeds=(4,))
    shift = measure_shift(cells, tmp_path, resamples=50)
    averaged = line(shift, "none", "averages")
    for number in (
        line(shift, "none")["mean_auroc"],
        line(shift, "none")["findings"]["polyp"]["auroc"],
        shift["homes"][0]["findings"]["polyp"]["ece"],
        *(averaged[name] for name in ("mean_auroc", "before", "home", "drop")),
    ):
        assert "patients only" in number["reason"]


def test_what_is_compared_is_drawn_together(grid, tmp_path):
    """A method that ranks every frame as the source's model does gains nothing, in every draw of patients and seeds."""
    out, cells, _ = grid
    shutil.copytree(out, tmp_path / "grid")
    for cell in (cell for cell in cells if cell["adaptation"] == "dann"):
        none = next(c for c in cells if (c["adaptation"], c["seed"]) == ("none", cell["seed"]))
        table = pd.read_parquet(out / none["run"] / "predictions.parquet")
        raised = table.assign(**{f"logit_{finding}": 2 * table[f"logit_{finding}"] + 1 for finding in FINDINGS})
        raised.to_parquet(tmp_path / "grid" / cell["run"] / "predictions.parquet")
    block = line(measure_shift(cells, tmp_path / "grid", resamples=100), "dann")
    for name in ("gain", "recovered"):
        assert (block[name]["value"], block[name]["low"], block[name]["high"]) == (0, 0, 0)
    assert block["mean_auroc"]["low"] < block["mean_auroc"]["value"] < block["mean_auroc"]["high"]


def test_intervals_are_those_of_a_loop_that_draws_patients_and_runs(shift, grid):
    out, cells, _ = grid
    runs = {(cell["adaptation"], cell["seed"]): cell["run"] for cell in cells}
    homes = {cell["seed"]: cell["source_run"] for cell in cells}
    pairs = {run: won_pairs(out / run / "predictions.parquet") for run in (*runs.values(), *homes.values())}
    rng = np.random.default_rng(5)

    def drawn(run):
        patients = pairs[run][0][0].unique()
        return pd.Series(rng.choice(patients, len(patients))).value_counts()

    def auroc(run, counts):
        values = []
        for positive, negative, won in pairs[run]:
            left, right = (patients.map(counts).fillna(0).to_numpy() for patients in (positive, negative))
            values.append(left @ won @ right / left.sum() / right.sum())
        return np.mean(values)

    drops, shares = [], []
    for _ in range(200):
        there, at_home, seeds = drawn(runs["none", 0]), drawn(homes[0]), rng.choice(3, 2)
        none, dann, home = (
            np.mean([auroc(run[seed], counts) for seed in seeds])
            for run, counts in (
                ({seed: runs["none", seed] for seed in homes}, there),
                ({seed: runs["dann", seed] for seed in homes}, there),
                (homes, at_home),
            )
        )
        drops.append(home - none)
        shares.append((dann - none) / (home - none))
    block = line(shift, "dann")
    for name, values in (("drop", drops), ("recovered", shares)):
        low, high = np.quantile(values, [0.025, 0.975])
        assert block[name]["low"] == pytest.approx(low, abs=0.25 * (high - low))
        assert block[name]["high"] == pytest.approx(high, abs=0.25 * (high - low))


def test_a_threshold_for_another_specificity_is_not_taken_for_that_one(grid, tmp_path):
    out, cells, _ = grid
    shutil.copytree(out, tmp_path / "grid")
    for file in (tmp_path / "grid").glob("**/trust.json"):
        fitted = json.loads(file.read_text())
        for points in fitted["operating_points"].values():
            del points["specificity"]["0.90"]
        file.write_text(json.dumps(fitted))
    told = line(measure_shift(cells, tmp_path / "grid", resamples=20), "none")["findings"]["polyp"]
    assert told["specificity"]["value"] is None
    assert told["specificity"]["reason"] == "no threshold was chosen for a specificity of 0.90"
    assert told["auroc"]["value"] is not None


@pytest.mark.parametrize(
    "file", ["predictions.parquet", "trust.json", "adapt/predictions.parquet", "adapt/embeddings.npy"]
)
def test_a_damaged_run_is_named(grid, tmp_path, file):
    out, cells, _ = grid
    shutil.copytree(out, tmp_path / "grid")
    run = next(cell["run"] for cell in cells if cell["adaptation"] == "none")
    damaged = tmp_path / "grid" / run / file
    content = damaged.read_bytes()
    contents = [content[: len(content) // 2], b""] + ([b"{}", b"[1]"] if file.endswith("json") else [])
    for part in contents:
        damaged.write_bytes(part)
        with pytest.raises(UserError, match="is missing or damaged: .*delete its metrics.json") as told:
            measure_shift(cells, tmp_path / "grid", resamples=5)
        assert str(told.value).startswith(f"{damaged} is")


def test_a_training_that_diverged_costs_its_own_numbers_only(grid, tmp_path):
    out, cells, labels = grid
    shutil.copytree(out, tmp_path / "grid")
    lost = next(cell["run"] for cell in cells if cell["adaptation"] == "dann")
    for part in ("", "validation", "adapt"):
        file = tmp_path / "grid" / lost / part / "predictions.parquet"
        table = pd.read_parquet(file)
        names = [name for name in table if name.startswith(("logit_", "probability_"))]
        table.assign(**dict.fromkeys(names, np.float32(np.nan))).to_parquet(file)
    shift = measure_shift(cells, tmp_path / "grid", labels=labels, resamples=20)
    json.dumps(shift, allow_nan=False)
    (cell,) = (cell for cell in shift["cells"] if cell["run"] == lost)
    assert set(cell["scores"].values()) == {None}
    assert cell["mean_auroc"]["value"] is None and cell["mean_auroc"]["reason"] == "NaN scores"
    assert line(shift, "few_shot")["recovered"]["value"] is not None
    assert all(choice["adaptation"] == "none" for choice in shift["choices"])


def test_a_method_without_a_baseline_of_its_seeds_has_no_share(make, tmp_path):
    cells, _ = make(tmp_path, seeds=(0, 1))
    cells = [c for c in cells if (c["adaptation"], c["seed"]) in {("none", 0), ("dann", 1)}]
    block = line(measure_shift(cells, tmp_path, resamples=50), "dann")
    assert block["mean_auroc"]["value"] is not None
    assert block["recovered"]["value"] is None


def test_refuses_what_does_not_belong_together(make, grid, tmp_path):
    out, cells, labels = grid
    with pytest.raises(UserError, match="no cell"):
        measure_shift([], out)
    with pytest.raises(UserError, match="the same cell"):
        measure_shift([*cells, cells[0]], out)
    with pytest.raises(UserError, match="lacks target"):
        measure_shift([{k: v for k, v in cells[0].items() if k != "target"}], out)
    with pytest.raises(UserError, match="not finished"):
        measure_shift([cells[0] | {"run": "nowhere"}], out)
    with pytest.raises(UserError, match="selection 'luck'"):
        measure_shift(cells, out, selection="luck")
    with pytest.raises(UserError, match="needs the labels"):
        measure_shift(cells, out, selection="target_labelled_oracle")
    with pytest.raises(UserError, match="lacks bleeding"):
        measure_shift(cells, out, labels=labels.drop(columns="bleeding"))
    made, _ = make(tmp_path, seeds=(0,))
    file = Path(tmp_path, made[1]["source_run"], "predictions.parquet")
    table = pd.read_parquet(file)
    table.drop(columns="label_polyp").to_parquet(file)
    with pytest.raises(
        UserError, match=f"{made[1]['source_run']}: the predictions table lacks the columns label_polyp"
    ):
        measure_shift(made, tmp_path)
    table.to_parquet(file)
    file = Path(tmp_path, made[1]["run"], "predictions.parquet")
    pd.read_parquet(file).iloc[:-1].to_parquet(file)
    with pytest.raises(UserError, match="on different frames"):
        measure_shift(made, tmp_path)
