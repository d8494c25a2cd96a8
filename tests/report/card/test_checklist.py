import json

import pandas as pd
import pytest

from capsight.notice import NOTICE
from capsight.report.card.checklist import Checklist, Item, checklist, holds
from capsight.report.card.claim import CLAIM
from capsight.report.card.stard_ai import STARD_AI


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metrics.json").write_text(
        json.dumps({"findings": {"polyp": {"auroc": 0.9}}, "empty": {}, "null": None})
    )
    (tmp_path / "config.yaml").write_text("data:\n  split:\n    by: patient\n  seed: 0\n")
    (tmp_path / "model_card.md").write_text("# Card\n\n## Limits\n\n- none\n")
    pd.DataFrame({"device": ["a"]}).to_parquet(tmp_path / "manifest.parquet")
    return tmp_path


@pytest.mark.parametrize(
    "place, there",
    [
        ("metrics.json", True), ("metrics.json: findings.polyp.auroc", True), ("metrics.json: findings.ulcer", False),
        ("metrics.json: empty", False), ("metrics.json: null", False), ("config.yaml: data.split.by", True),
        ("config.yaml: data.seed", True), ("model_card.md: Limits", True), ("model_card.md: Results", False),
        ("manifest.parquet: device", True), ("manifest.parquet: patient", False), ("explanations.json", False),
        ("explanations.json: methods", False),
    ],
)  # fmt: skip
def test_a_place_is_looked_up(folder, place, there):
    assert holds(folder, place) is there


def test_nothing_is_claimed_that_is_not_there(folder):
    items = (
        Item("1", "whole", ("metrics.json: findings",)), Item("2", "partly", ("metrics.json: findings",), "why"),
        Item("3", "missing", ("explanations.json",), "maps"), Item("4", "half", ("metrics.json", "report.html")),
        Item("5", "theirs", add="who paid"),
    )  # fmt: skip
    told = checklist(folder, [Checklist("Made", "source", items)])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines() if line.startswith("| ")][2:]
    assert [row[2] for row in rows] == ["answered", "in part", "author", "in part", "author"]
    assert rows[2][3] == "" and "not in this run: explanations.json" in rows[2][4]
    assert rows[3][3] == "`metrics.json`" and "report.html" in rows[3][4] and NOTICE in told
    assert "Answered 1, in part 2, left to the author 2." in told


def test_every_item_of_both_lists_is_there_once_and_says_something():
    assert [item.number for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    rows = [item.number for item in STARD_AI.items]
    assert len(rows) == len(set(rows)) == 48  # 40 items, five of them in parts
    assert [int(number.rstrip("abcd")) for number in rows] == sorted(int(number.rstrip("abcd")) for number in rows)
    assert {int(number.rstrip("abcd")) for number in rows} == set(range(1, 41))
    assert all(item.places or item.add for one in (CLAIM, STARD_AI) for item in one.items)
