from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.inference.ensemble import check_members, join_members

MANIFEST = pd.DataFrame(
    {"path": ["a"], "patient": ["p"], "video": ["v"], "frame": [1], "device": ["d"], "split": ["test"], "polyp": [1]}
)


def member(probabilities, paths=("a", "b")):
    table = pd.DataFrame({"path": list(paths), "patient": ["p", "q"], "label_polyp": pd.array([1, None], "Int8")})
    p = np.array(probabilities)
    return table.assign(logit_polyp=np.log(p / (1 - p)), probability_polyp=p, standard_deviation_polyp=9.0)


def test_members_are_averaged_and_their_disagreement_is_the_uncertainty():
    table, embeddings = join_members(
        [member([0.2, 0.9]), member([0.6, 0.9])], [np.zeros((2, 3)), np.ones((2, 2))], ["polyp"]
    )
    np.testing.assert_allclose(table["probability_polyp"], [0.4, 0.9], rtol=1e-6)
    np.testing.assert_allclose(table["logit_polyp"], np.log([0.4 / 0.6, 0.9 / 0.1]), rtol=1e-5)
    np.testing.assert_allclose(table["standard_deviation_polyp"], [0.2, 0], atol=1e-6)
    assert table["mutual_information_polyp"][0] > 0.05
    assert table["mutual_information_polyp"][1] == pytest.approx(0, abs=1e-6)
    assert table["label_polyp"].tolist()[0] == 1
    assert table["label_polyp"].isna().tolist() == [False, True]
    assert embeddings.shape == (2, 5)


def test_one_member_stays_as_it_is():
    table = member([0.2, 0.9])
    assert join_members([table], [np.zeros((2, 3))], ["polyp"])[0] is table


def test_certain_members_keep_a_finite_logit():
    table, _ = join_members([member([1 - 1e-16, 0.5])] * 2, [np.zeros((2, 1))] * 2, ["polyp"])
    assert np.isfinite(table["logit_polyp"]).all()


def test_members_that_read_other_frames_are_refused():
    with pytest.raises(UserError, match="same frames"):
        join_members([member([0.2, 0.9]), member([0.2, 0.9], paths=("a", "c"))], [np.zeros((2, 1))] * 2, ["polyp"])


def test_runs_that_are_no_ensemble_are_refused(tmp_path):
    def run(name, findings=("polyp",), manifest=MANIFEST):
        return SimpleNamespace(dir=tmp_path / name, findings=list(findings), manifest=manifest)

    check_members([run("a"), run("b")])
    with pytest.raises(UserError, match="the same run twice"):
        check_members([run("a"), run("a")])
    with pytest.raises(UserError, match="an ensemble needs the same"):
        check_members([run("a"), run("b", findings=["bleeding"])])
    with pytest.raises(UserError, match="another split"):
        check_members([run("a"), run("b", manifest=MANIFEST.assign(split="train"))])
