"""The command at tiny sizes, as a user runs it."""

import importlib
import json
import subprocess
import sys

import pytest

from capsight.errors import UserError

KEYS = {"family", "name", "size", "ours", "peer", "peer_name", "ratio", "unit", "ours_mib", "peer_mib", "leaner"}


@pytest.fixture
def collecting(benchmarks):
    return importlib.import_module("results")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture
def results(benchmarks, folder):
    out = folder / "results.json"
    if not out.exists():
        settings = ["quick=true", "only=[retrieval,bootstrap]", f"out={out}", f"page={folder / 'page.md'}"]
        line = [sys.executable, str(benchmarks / "run.py"), *settings]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_rows_compare_this_project_with_a_peer(results):
    assert [(row["family"], row["size"]) for row in results["rows"]][:2] == [("retrieval", 100), ("retrieval", 200)]
    for row in results["rows"]:
        assert set(row) >= KEYS
        assert row["ours"] > 0 and row["unit"] == "s" and row["note"] is None
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        assert row["ours_mib"] is None or row["ours_mib"] >= 0


def test_results_that_ought_to_be_the_same_are_compared(results):
    same = {check["name"]: check for check in results["correctness"]}
    for name in ("recall@1 and MAP@R: the same as pytorch-metric-learning", "bootstrap over patients: the same as "):
        (found,) = [check for key, check in same.items() if key.startswith(name)]
        assert found["passed"] and found["number"] < 1e-6


def test_the_page_says_what_was_measured(results, folder):
    page = (folder / "page.md").read_text()
    assert "tiny inputs" in page and "| recall@1 and MAP@R | 200 | pytorch-metric-learning |" in page
    assert "MAP@R, 10,000: at least 10 times leaner than pytorch-metric-learning | – | not measured |" in page
    assert (folder / "page.png").stat().st_size > 1000
    assert str(folder) not in page + json.dumps(results)


def test_other_families_can_be_kept(collecting, results, folder):
    kept = collecting.kept(str(folder / "results.json"), ["bootstrap"], results["facts"])
    assert kept["rows"] == results["rows"][:2]
    assert kept["correctness"] == []  # what was compared with peers is told anew from the rows


def test_a_family_that_there_is_not_is_named(collecting):
    with pytest.raises(UserError, match="only=tripplet is not known; choose among triplet, "):
        collecting.chosen(["tripplet"])


@pytest.mark.parametrize("out", [None, "missing.json"])
def test_nothing_can_be_kept_of_no_results(collecting, tmp_path, out):
    with pytest.raises(UserError, match="keep=true needs the results of an earlier run"):
        collecting.kept(out and str(tmp_path / out), ["cam"], {})


def test_what_was_measured_elsewhere_is_not_kept(collecting, results, folder):
    told = results["facts"] | {"quick": False, "load_at_start": 9.0}
    with pytest.raises(UserError, match="measured with other quick;"):
        collecting.kept(str(folder / "results.json"), ["bootstrap"], told)
