import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from capsight.errors import UserError
from capsight.learning.sweep.score import score_predictions, score_run

SLOW = {"auroc": roc_auc_score, "average_precision": average_precision_score}


def table(patients=12, frames=10, seed=0):
    rng = np.random.default_rng(seed)
    n = patients * frames
    content = {"patient": [f"p{row // frames}" for row in range(n)], "device": "d"}
    for finding in ("polyp", "bleeding"):
        label = (rng.random(n) < 0.4).astype(float)
        content |= {f"label_{finding}": label, f"logit_{finding}": label + rng.normal(size=n)}
    return pd.DataFrame(content)


@pytest.mark.parametrize("metric", SLOW)
def test_value_and_standard_error_are_those_of_the_plain_loop(metric):
    frames = table()
    score = score_predictions(frames, ["polyp", "bleeding"], metric, resamples=400)

    def mean(some):
        return np.mean([SLOW[metric](some[f"label_{f}"], some[f"logit_{f}"]) for f in ("polyp", "bleeding")])

    rng, each = np.random.default_rng(1), dict(tuple(frames.groupby("patient")))
    drawn = [mean(pd.concat([each[p] for p in rng.choice(list(each), len(each))])) for _ in range(400)]
    assert score.value == pytest.approx(mean(frames))
    assert score.standard_error == pytest.approx(np.std(drawn, ddof=1), rel=0.2)
    assert score.reason is None


def test_the_standard_error_is_over_patients_not_frames():
    frames = table()
    copies = pd.concat([frames] * 4, ignore_index=True)  # more frames of the same patients tell nothing new
    once, often = (score_predictions(one, ["polyp"], "auroc").standard_error for one in (frames, copies))
    assert often == pytest.approx(once)


def test_why_there_is_no_standard_error():
    score = score_predictions(table(patients=2), ["polyp"], "auroc")
    assert (score.standard_error, score.reason) == (None, "fewer than three patients")
    assert score.value > 0.5


def test_findings_of_one_class_are_left_out_and_none_is_an_error():
    frames = table().assign(label_polyp=0.0)
    assert score_predictions(frames, ["polyp", "bleeding"], "auroc") == score_predictions(frames, ["bleeding"], "auroc")
    with pytest.raises(UserError, match="no finding has frames with and without it"):
        score_predictions(frames, ["polyp"], "auroc")


def test_a_training_that_diverged_is_an_error():
    with pytest.raises(UserError, match="the training diverged"):
        score_predictions(table().assign(logit_polyp=np.nan), ["polyp"], "auroc")


def test_a_folder_without_predictions_is_an_error(tmp_path):
    with pytest.raises(UserError, match="has no validation/predictions.parquet"):
        score_run(tmp_path, "auroc")
