import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from capsight.errors import UserError
from capsight.evaluation.bootstrap import draw_patients
from capsight.lecture.deep_patient import _aurocs, _pretrain, deep_patient
from capsight.nn.autoencoders import StackedDenoisingAutoencoder

SMALL = {
    "patients": 500,
    "codes": 40,
    "diseases": 2,
    "labelled": 100,
    "test": 150,
    "layers": (20, 5),
    "components": (3, 5),
    "trees": 10,
}


def test_one_forest_per_disease_and_kind_of_features(tmp_path, trainer):
    numbers = deep_patient(tmp_path, seed=0, trainer=trainer, **SMALL)
    assert numbers["n_patients"] == {"unlabelled": 350, "labelled": 100, "test": 150}
    kinds = ["raw", "pca_3", "pca_5", "deep_patient"]
    assert list(numbers["auroc"]) == kinds
    assert list(numbers["auroc_by_disease"]) == ["disease_1", "disease_2"]
    for kind in kinds:
        values = [disease[kind]["value"] for disease in numbers["auroc_by_disease"].values()]
        assert numbers["auroc"][kind]["value"] == pytest.approx(np.mean(values))
        assert numbers["auroc"][kind]["low"] < numbers["auroc"][kind]["high"]
    best = max(("pca_3", "pca_5"), key=lambda kind: numbers["auroc"][kind]["value"])
    assert set(numbers["deep_patient_minus"]) == {"raw", "pca_5", best}
    for kind, more in numbers["deep_patient_minus"].items():
        expected = numbers["auroc"]["deep_patient"]["value"] - numbers["auroc"][kind]["value"]
        assert more["value"] == pytest.approx(expected)
    assert (tmp_path / "deep_patient.png").stat().st_size > 5000


def test_aurocs_are_those_of_patients_without_a_part_in_training():
    rng = np.random.default_rng(0)
    values, diseases = rng.standard_normal((300, 4)), rng.random((300, 2)) < 0.4
    values[diseases[:, 0], 0] += 1
    drawn = draw_patients([str(row) for row in range(100)], 5, 0)
    aurocs = _aurocs({"raw": values}, diseases, 150, 100, 20, drawn, 0)["raw"]
    assert aurocs.shape == (2, 6)
    for disease in range(2):
        forest = RandomForestClassifier(20, random_state=0).fit(values[:150], diseases[:150, disease])
        risk = forest.predict_proba(values[200:])[:, 1]
        for column, weights in enumerate(drawn.weights):
            expected = roc_auc_score(diseases[200:, disease], risk, sample_weight=weights[drawn.group])
            assert aurocs[disease, column] == pytest.approx(expected)
    assert aurocs[0, 0] > aurocs[1, 0] + 0.1  # what can be told, and what cannot


def test_every_layer_learns_from_the_one_below(tmp_path, trainer):
    torch.manual_seed(0)
    stack = StackedDenoisingAutoencoder((12, 6, 3))
    groups = torch.randint(3, (240,), generator=torch.Generator().manual_seed(0))
    records = torch.eye(3)[groups].repeat_interleave(4, 1)  # three kinds of patients
    settings = {
        "trainer": trainer | {"max_epochs": 6},
        "batch_size": 16,
        "optimiser": {"lr": 0.03, "weight_decay": 0.0},
    }
    before = (stack(records) - records).square().mean().item()
    _pretrain(stack, records, tmp_path, 0, settings)
    assert (stack(records) - records).square().mean().item() < 0.7 * before
    assert all((tmp_path / layer / "checkpoints" / "best.ckpt").exists() for layer in ("layer_1", "layer_2"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"labelled": 300}, "500 patients are too few"),
        ({"codes": 7, "components": (2,)}, "cannot be drawn"),
        ({"layers": ()}, "lesson.layers"),
        ({"layers": (20, 0)}, "lesson.layers"),
        ({"components": ()}, "lesson.components"),
        ({"components": (41,)}, "from 1 to 40"),
        ({"trees": 0}, "lesson.trees"),
        ({"labelled": 0}, "lesson.labelled"),
        ({"corruption": 1.5}, "lesson.corruption"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, settings, says):
    with pytest.raises(UserError, match=says):
        deep_patient(tmp_path, seed=0, trainer=trainer, **SMALL | settings)
    assert not list(tmp_path.iterdir())
