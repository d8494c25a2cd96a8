"""The methods as the real learner uses them: what they add to the loss, and what they leave alone."""

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from capsight.adaptation.methods import METHODS, build_adaptation
from capsight.errors import UserError
from capsight.learning.adapting import begin_with, check_adaptation
from capsight.learning.checkpoints import SafeCheckpointIO
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import start_run

NAN = float("nan")


def learner(adaptation=None, task="multilabel"):
    pl.seed_everything(0, verbose=False)
    model = {"backbone": "resnet10t", "task": task, "dropout": 0.2, "loss": {"objective": "ce_triplet"}}
    return FrameLearner(findings=["polyp", "bleeding"], adaptation=adaptation, **model)


def batch(unknown=True):
    """Eight source frames and six target frames, of which two show their labels where `unknown`."""
    torch.manual_seed(1)
    targets = torch.tensor([[1, 0], [0, 1], [0, 0], [1, 0], [0, 1], [0, 0], [NAN, 1], [0, NAN]] + [[NAN, NAN]] * 6)
    if not unknown:
        targets = targets.nan_to_num()
    images = torch.randint(1, 255, (14, 3, 32, 32), dtype=torch.uint8)
    is_target = torch.arange(14) >= 8
    return {"image": images, "target": targets, "row": torch.arange(14), "skipped": [], "is_target": is_target}


class Steps:
    """What a learner asks its trainer for."""

    estimated_stepping_batches = 10
    global_step = 5
    current_epoch = 0
    global_rank = 0


@pytest.fixture
def step(monkeypatch):
    def run(of, content):
        monkeypatch.setattr(FrameLearner, "trainer", Steps(), raising=False)
        logged = {}

        def log(_, name, value, **__):
            logged[name] = float(value.detach())

        monkeypatch.setattr(FrameLearner, "log", log)
        loss = of.train().training_step(content, 0)
        loss.backward()
        return loss, logged

    return run


@pytest.mark.parametrize("task", ["multilabel", "exclusive"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_a_step_with_unknown_labels(name, task, step):
    trained = learner(build_adaptation({name: {}}), task)
    loss, logged = step(trained, batch())
    assert loss.isfinite()
    weights = [weight for weight in trained.parameters() if weight.requires_grad]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in weights), "DDP needs all of them"
    aligned = ("dann", "cdan", "dan", "deep_coral", "mcd")
    assert (logged.get("train_adaptation", 0.0) != 0.0) == (name in aligned)


def test_no_method_leaves_the_training_as_it_was(step):
    plain, none = learner(), learner(build_adaptation({}))
    torch.manual_seed(0)
    first, _ = step(plain, {key: value for key, value in batch().items() if key != "is_target"})
    torch.manual_seed(0)
    second, _ = step(none, batch())
    assert torch.equal(first, second)


def test_methods_are_added_up(step):
    trained = learner(build_adaptation({"deep_coral": {"weight": 3.0}, "dan": {}}))
    trained.network.head.dropout.p = 0.0
    torch.manual_seed(0)
    _, both = step(trained, batch())
    parts = []
    for one in ({"deep_coral": {"weight": 3.0}}, {"dan": {}}):
        alone = learner(build_adaptation(one))
        alone.network.head.dropout.p = 0.0
        torch.manual_seed(0)
        parts.append(step(alone, batch())[1]["train_adaptation"])
    assert both["train_adaptation"] == pytest.approx(sum(parts), rel=1e-4)
    assert both["train_loss"] == pytest.approx(
        both["train_classification"] + both["train_triplet"] + both["train_adaptation"], rel=1e-4
    )


def test_the_weights_of_a_method_are_trained_but_are_not_the_models():
    trained = learner(build_adaptation({"dann": {}}))
    trained._trainer = None
    own = {name for name, _ in trained.adaptation.named_parameters()}
    assert own
    assert not any(name.startswith("network.") and "adversary" in name for name in trained.state_dict())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"nothing": {}}, "adaptation=nothing is not known; choose none, adabn"),
        ({"dann": {"weight": -1.0}}, "adaptation.dann: weight is 0 or more"),
        ({"dann": {"wait": 1.0}}, "adaptation.dann: .*wait"),
        ({"few_shot": {}, "joint": {}}, "cannot be combined"),
    ],
)
def test_impossible_methods(settings, told):
    with pytest.raises(UserError, match=told):
        build_adaptation(settings)


@pytest.mark.parametrize(
    ("adaptation", "split", "told"),
    [
        ({"dann": {}}, {"target": None, "labelled": 0}, "adaptation=dann needs frames of a target"),
        ({"adabn": {}}, {"target": None, "labelled": 0}, "adaptation=adabn needs frames of a target"),
        ({"few_shot": {}}, {"target": "c", "labelled": 0}, "give data.split.labelled=NUMBER"),
        ({"adabn": {}}, {"target": "c", "labelled": 5}, "makes no use of data.split.labelled=5"),
    ],
)
def test_methods_get_what_they_need(adaptation, split, told):
    settings = {"data": {"split": split}, "adaptation": adaptation}
    with pytest.raises(UserError, match=told):
        check_adaptation(build_adaptation(adaptation), settings)


def frames(sides):
    """One frame of each patient."""
    columns = {name: [f"{name} {patient}" for patient in sides] for name in ("path", "patient", "video")}
    table = pd.DataFrame(columns | {"frame": 0, "device": "a", "split": sides.values()})
    texts = dict.fromkeys(["path", "patient", "video", "device", "split"], "string")
    return table.astype({"frame": "Int64"} | texts)


def begun(folder, sides, findings=("polyp", "bleeding")):
    model = {"backbone": "resnet10t", "dropout": 0.2, "loss": {"objective": "ce_triplet"}}
    config = {"data": {"findings": list(findings), "image_size": 32}, "model": model, "adaptation": {}}
    run = start_run(folder, OmegaConf.create(config), frames(sides), resume=None)
    trained = learner()
    with torch.no_grad():
        trained.network.head.classifier.bias.fill_(7.0)
    SafeCheckpointIO().save_checkpoint({"state_dict": trained.state_dict()}, run.best)
    return run.dir


def test_a_run_begins_with_the_weights_of_another(tmp_path):
    ours = frames({"a": "train", "b": "val", "c": "test", "d": "adapt"})
    theirs = begun(tmp_path / "run", {"a": "train", "b": "val", "d": "train", "e": "train", "c": "test"})
    fresh = learner()
    begin_with(fresh, theirs, ours)
    assert (fresh.network.head.classifier.bias == 7).all()


@pytest.mark.parametrize("side", ["train", "val", "adapt"])
def test_a_run_does_not_begin_with_what_has_seen_its_test_patients(tmp_path, side):
    theirs = begun(tmp_path / "run", {"a": "train", "c": side})
    with pytest.raises(UserError, match=r"learned from patients who are tested on here \(1 of the test frames\)"):
        begin_with(learner(), theirs, frames({"a": "train", "c": "test", "d": "test"}))
    # ... where the split of this run keeps them apart itself: one that leaks by its own account is another matter
    leaking = frames({"a": "train", "c": "train"})
    begin_with(learner(), theirs, pd.concat([leaking, leaking.assign(split="test")], ignore_index=True))


def test_every_methods_file_builds_it():
    from capsight.cli import CONF

    for name in METHODS:
        read = OmegaConf.load(CONF / "adaptation" / f"{name}.yaml")
        build_adaptation({name: OmegaConf.to_container(read) if read else {}})
    assert {file.stem for file in (CONF / "adaptation").glob("*.yaml")} == {*METHODS, "none"}
