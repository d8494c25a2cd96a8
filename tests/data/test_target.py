"""Nothing of the target's test patients reaches a run but their frames, and only as what is tested on."""

import pandas as pd
import pytest

from capsight.data.target import split_devices
from capsight.errors import UserError

DEVICES = ("a", "b", "c")


def manifest(patients=12, frames=6):
    """Every device has `patients` patients of `frames` frames: polyps in a half of them, bleeding in a quarter."""
    rows = [
        (f"{d}{p}/{f}.jpg", f"{d}{p}", f"v{d}{p}", d, int(p % 2 == 0 and f < 2), int(p % 4 == 1 and f < 3))
        for d in DEVICES
        for p in range(patients)
        for f in range(frames)
    ]
    table = pd.DataFrame(rows, columns=["path", "patient", "video", "device", "polyp", "bleeding"])
    table["frame"] = pd.Series(range(len(table)), dtype="Int64")
    texts = dict.fromkeys(["path", "patient", "device"], "string")
    return table.astype({"polyp": "Int8", "bleeding": "Int8"} | texts)


def split(table=None, **options):
    return split_devices(manifest() if table is None else table, ["polyp", "bleeding"], **options)


def test_the_sides():
    used = split(target="c")
    assert set(used.loc[used["device"] == "c", "split"]) == {"adapt", "test"}
    assert set(used.loc[used["device"] != "c", "split"]) == {"train", "val"}
    assert (used.groupby("patient")["split"].nunique() == 1).all()
    halves = used[used["device"] == "c"].groupby("split")["patient"].nunique()
    assert halves.tolist() == [6, 6]
    original = manifest().set_index("path")
    for side in ("adapt", "test"):
        here = original.loc[used.loc[(used["device"] == "c") & (used["split"] == side), "path"]]
        assert here.loc[here["polyp"] == 1, "patient"].nunique() == 3


def test_the_source_is_split_as_without_a_target():
    """So that one training on the source serves every target and every number of labelled frames."""
    alone = split(source=["a", "b"]).set_index("path")["split"]
    for options in ({"target": "c"}, {"target": "c", "labelled": 2}, {"target": "c", "labelled": 2, "draw": 5}):
        used = split(source=["a", "b"], **options)
        of_source = used[used["device"] != "c"].set_index("path")["split"]
        assert of_source.equals(alone[alone != "test"].loc[of_source.index])
        assert len(of_source) == (alone != "test").sum()


def test_no_label_of_the_target_is_shown_that_was_not_asked_for():
    used = split(target="c")
    adapt = used[used["split"] == "adapt"]
    assert adapt[["polyp", "bleeding"]].isna().all(axis=None)
    assert used.loc[used["split"] != "adapt", ["polyp", "bleeding"]].notna().all(axis=None)

    shown = split(target="c", labelled=2, draw=1)
    known = shown[(shown["split"] == "adapt") & shown["polyp"].notna()]
    assert len(known) == 6  # two of each: polyp, bleeding, neither
    assert known[["polyp", "bleeding"]].value_counts().to_dict() == {(0, 0): 2, (1, 0): 2, (0, 1): 2}
    assert known.loc[known["polyp"] == 1, "patient"].nunique() == 2  # the patients take turns
    original = manifest().set_index("path")
    assert (original.loc[known["path"], "polyp"].to_numpy() == known["polyp"].to_numpy()).all()
    other = split(target="c", labelled=2, draw=2)
    assert set(other.loc[(other["split"] == "adapt") & other["polyp"].notna(), "path"]) != set(known["path"])
    # ... while the sides stay: the draw belongs to the seed of a training, the halves do not
    assert other["split"].tolist() == shown["split"].tolist()


def test_labels_of_the_target_test_patients_change_nothing_else():
    """Which of a test patient's frames show what: all rows of the others are the same, whatever it is."""
    table = manifest()
    before = split(table, target="c", labelled=2)
    tested = table["path"].isin(before.loc[before["split"] == "test", "path"])
    # Turned round within each patient: the deal of patients to halves counts labels, and the counts stay.
    turned = table.groupby("patient")[["polyp", "bleeding"]].transform(lambda labels: labels[::-1].to_numpy())
    table.loc[tested, ["polyp", "bleeding"]] = turned[tested]
    after = split(table, target="c", labelled=2)
    assert not before.equals(after)
    pd.testing.assert_frame_equal(before[before["split"] != "test"], after[after["split"] != "test"])


def test_a_patient_of_both_counts_as_the_targets():
    table = manifest()
    table.loc[(table["patient"] == "a0"), "patient"] = "c0"
    used = split(table, target="c")
    assert not used.loc[used["device"] == "a", "path"].str.startswith("a0/").any()


def test_frames_of_the_target_without_patient_and_video_do_not_adapt():
    """They may be of any patient, so they may not stand in the half that gives frames to training."""
    table = manifest()
    unnamed = table["path"].str.fullmatch(r"c\d+/[45]\.jpg")
    table.loc[unnamed, ["patient", "video"]] = pd.NA
    used = split(table, target="c")
    assert set(used.loc[used["path"].isin(table.loc[unnamed, "path"]), "split"]) == {"test"}
    named = used[(used["device"] == "c") & used["patient"].notna()]
    assert named.groupby("split")["patient"].nunique().tolist() == [6, 6]
    table.loc[table["device"] == "c", ["patient", "video"]] = pd.NA
    with pytest.raises(UserError, match="c names no patient and no video"):
        split(table, target="c")


def test_without_a_target_the_source_is_an_ordinary_run():
    assert set(split(source=["b"])["device"]) == {"b"}
    assert set(split(source=["b"])["split"]) == {"train", "val", "test"}
    assert set(split()["device"]) == set(DEVICES)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "d"}, "no frame comes from the device 'd'; the manifest has a, b, c"),
        ({"source": ["a", "x"], "target": "c"}, "device 'x'"),
        ({"source": ["a", "c"], "target": "c"}, "c is both source and target"),
        ({"target": "c", "unseen_devices": ["b"]}, "set unseen_devices="),
        ({"target": "c", "labelled": 7}, "7 labelled frames of c with polyp were asked for, .* have 6"),
    ],
)
def test_what_cannot_be_had(options, told):
    with pytest.raises(UserError, match=told):
        split(**options)


def test_a_target_of_one_patient_and_a_finding_that_it_lacks():
    table = manifest()
    one = table[(table["device"] != "c") | (table["patient"] == "c0")]
    with pytest.raises(UserError, match="the target c has one patient only"):
        split(one, target="c")
    table.loc[table["device"] == "c", "bleeding"] = 0
    with pytest.raises(UserError, match="with bleeding were asked for, .* have 0"):
        split(table, target="c", labelled=1)
    assert set(split(table, target="c")["split"]) == {"train", "val", "adapt", "test"}
    # ... and a finding that those who may adapt lack can be left out of the draw
    shown = split(table, target="c", labelled=1, labelled_findings=["polyp"])
    assert shown.loc[shown["split"] == "adapt", "polyp"].notna().sum() == 2
