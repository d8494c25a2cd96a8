import json

import cv2
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from capsight.data.phantom import FINDINGS, ensure_phantom, make_phantom
from capsight.data.phantom.captions import CLEAN, caption, captions
from capsight.errors import UserError

SIDE = 100
VIEW = SIDE * SIDE
CENTRE = np.array([50.0, 50.0])
SMALL = {"devices": ["phantom_1", "phantom_3"], "patients_per_device": 2, "frames_per_patient": 10, "size": 48}


def boxes(*corners, side=10):
    mask = np.zeros((SIDE, SIDE), bool)
    for y, x in corners:
        mask[y : y + side, x : x + side] = True
    return mask


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({}, "clean mucosa"),
        ({"polyp": boxes((45, 45))}, "one polyp near the lumen"),
        ({"polyp": boxes((0, 0))}, "one polyp on the wall"),
        ({"polyp": boxes((45, 35), (45, 55))}, "two polyps near the lumen"),
        ({"polyp": boxes((0, 0), (40, 0), (80, 0))}, "three polyps on the wall"),
        ({"polyp": boxes(*[(0, 15 * k) for k in range(5)])}, "three polyps on the wall"),
        ({"bleeding": boxes((0, 0), side=38)}, "some blood"),
        ({"bleeding": boxes((0, 0), side=39)}, "much blood"),  # from 15 % of the view
        ({"content": boxes((0, 0)), "inflammation": boxes((0, 0))}, "inflammation on the wall, some content"),
        (
            {"content": boxes((0, 0), side=60), "bleeding": boxes((0, 0)), "polyp": boxes((45, 35), (45, 55))},
            "two polyps near the lumen, some blood, much content",
        ),
    ],
)
def test_masks_in_words(masks, words):
    assert caption(masks, CENTRE, VIEW) == words


def test_a_speck_is_no_polyp_of_its_own():
    mask = boxes((45, 45))
    mask[0:7, 0:7] = True  # 49 of 10,000 pixels
    assert caption({"polyp": mask}, CENTRE, VIEW).startswith("one polyp ")
    mask[0:8, 0:7] = True
    assert caption({"polyp": mask}, CENTRE, VIEW).startswith("two polyps ")
    assert caption({"polyp": boxes((45, 45), side=2)}, CENTRE, VIEW) == "one polyp near the lumen"  # nothing but it


def test_near_is_near_to_the_lumen_wherever_that_is():
    polyp = {"polyp": boxes((45, 45))}
    assert caption(polyp, np.array([74.0, 50.0]), VIEW).endswith("near the lumen")
    assert caption(polyp, np.array([76.0, 50.0]), VIEW).endswith("on the wall")
    assert caption(polyp, np.array([-500.0, 50.0]), VIEW).endswith("on the wall")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    with parallel_config("sequential"):  # so little is drawn faster than processes are started
        ensure_phantom(root / "manifest.csv", root, **SMALL, seed=1)
    table = pd.read_csv(root / "manifest.csv")
    return root, table, captions(table, root)


def test_a_caption_names_what_the_table_says(made):
    _, table, written = made
    words = {"polyp": "polyp", "bleeding": "blood", "inflammation": "inflammation", "content": "content"}
    labels = table[list(FINDINGS)]
    assert written.isna().equals(labels.isna().any(axis=1))
    assert written.isna().any() and written.notna().sum() > 15
    for row in written.dropna().index:
        assert {finding for finding in FINDINGS if words[finding] in written[row]} == {
            finding for finding in FINDINGS if labels.loc[row, finding] == 1
        }
    told = written.notna()
    assert (written == CLEAN)[told].tolist() == labels[told].eq(0).all(axis=1).tolist()


def test_the_words_are_those_of_the_masks(made):
    root, table, written = made
    blood = table[(table["bleeding"] == 1) & written.notna()]
    assert len(blood)
    for row in blood.itertuples():
        mask = cv2.imread(str(root / row.mask.format(finding="bleeding")), cv2.IMREAD_GRAYSCALE) > 0
        frame = cv2.imread(str(root / row.path))
        view = (frame.max(-1) > 12).mean()  # about: outside of the view a frame is black
        share = mask.mean() / view
        if not 0.13 < share < 0.17:
            assert ("much blood" in written[row.Index]) == (share > 0.15)


def test_the_lumen_is_where_the_frame_is_darkest(tmp_path):
    """The place that "near the lumen" speaks of is projected; that it is right can be seen."""
    from capsight.data.phantom.captions import _lumen
    from capsight.data.phantom.devices import DEVICES
    from capsight.data.phantom.findings import BLOCK
    from capsight.data.phantom.video import video

    inside, overall = [], []
    for seed in range(3):
        for t, (frame, _) in enumerate(video(patient_seed=seed, device="phantom_1", n_frames=12, size=64)):
            x, y = _lumen(seed, BLOCK * t / 12, DEVICES["phantom_1"].view, 64)
            if 16 <= x < 48 and 16 <= y < 48:  # the capsule does not look at the wall
                inside.append(frame[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].mean())
                overall.append(frame[16:48, 16:48].mean())
    assert len(inside) > 8
    assert np.mean(inside) < 0.7 * np.mean(overall)


def test_the_order_and_the_rest_of_the_table_do_not_matter(made):
    root, table, written = made
    some = table.sample(7, random_state=0)
    assert captions(some, root).equals(written[some.index])


@pytest.mark.parametrize("told", [None, "not json", json.dumps({"seed": 0})])
def test_who_does_not_know_how_it_was_drawn_cannot_tell(tmp_path, told):
    small = SMALL | {"devices": ["phantom_1"], "patients_per_device": 1, "frames_per_patient": 1}
    with parallel_config("sequential"):
        table = make_phantom(tmp_path, **small)
    if told:
        (tmp_path / "phantom.json").write_text(told)
    with pytest.raises(UserError, match="draw the phantom anew"):
        captions(table, tmp_path)
