"""What an engine changes is measured on validation frames, and a change that there is shows."""

import json

import pytest

from capsight.inference.engines.changes import measure_changes, print_changes
from capsight.inference.engines.torch_engine import TorchEngine


class Reversed(TorchEngine):
    """An engine that ranks all frames the other way round."""

    def __call__(self, images):
        embedding, logits = super().__call__(images)
        return embedding, -logits


def test_the_same_engine_changes_nothing(run, capsys):
    learner = run.learner()
    changes = measure_changes(run, learner, TorchEngine(learner, "fp32"), run.config.data.root)
    assert changes["n_frames"] == 8
    for numbers in changes["findings"].values():
        assert {number["change"]["value"] for number in numbers.values()} <= {0.0, None}
        assert {"auroc", "average_precision", "sensitivity_at_specificity_0.95"} <= numbers.keys()
    json.dumps(changes, allow_nan=False)
    print_changes(changes, "torch fp32 against torch fp32")
    assert "+0.0000" in capsys.readouterr().out


def test_a_change_shows(run):
    learner = run.learner()
    changes = measure_changes(run, learner, Reversed(learner, "fp32"), run.config.data.root)
    auroc = changes["findings"]["polyp"]["auroc"]
    assert auroc["before"] != 0.5
    assert auroc["after"] == pytest.approx(1 - auroc["before"])
    assert auroc["change"]["value"] == pytest.approx(auroc["after"] - auroc["before"])


def test_what_cannot_be_measured_is_null(run, capsys):
    run.manifest["bleeding"] = 0
    learner = run.learner()
    changes = measure_changes(run, learner, TorchEngine(learner, "fp32"), run.config.data.root)
    auroc = changes["findings"]["bleeding"]["auroc"]
    assert (auroc["before"], auroc["after"], auroc["change"]["value"]) == (None, None, None)
    print_changes(changes, "torch fp32 against torch fp32")
    assert "one class only" in capsys.readouterr().out
