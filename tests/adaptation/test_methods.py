"""What holds for every method: it is built from its file, and nothing that is unknown or missing harms it."""

import copy
import inspect

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from steps import TASKS
from toy_frames import draw_frames
from toy_training import Batch, loss, plain_network, tiny_network

from capsight.adaptation.methods import METHODS, build_adaptation
from capsight.cli import CONF
from capsight.errors import UserError

OTHERS = {  # possible settings that are not the defaults
    "adabn": {"share": 0.25},
    "cdan": {"weight": 0.5, "hidden": 7, "entropy": False},
    "colour_transfer": {"share": 0.25},
    "dan": {"weight": 0.5},
    "dann": {"weight": 0.5, "hidden": 7},
    "deep_coral": {"weight": 0.5},
    "fda": {"beta": 0.2, "share": 0.25},
    "few_shot": {"source_frames": 6, "target_frames": 3},
    "joint": {},
    "mcd": {"weight": 0.5},
    "mixstyle": {"p": 0.25, "alpha": 0.7, "layers": ["stem", "layer1"]},
    "shot": {"epochs": 2, "lr": 0.02, "diversity": 0.5, "pseudo": 0.7, "prior": "uniform"},
    "tent": {"mode": "episodic", "lr": 0.02},
}


def in_file(name):
    return OmegaConf.to_container(OmegaConf.load(CONF / "adaptation" / f"{name}.yaml")) or {}


def told(method):
    """The settings that a method works with."""
    settings = vars(method)
    if labelled := settings.get("labelled_frames"):
        settings = {"source_frames": labelled[0], "target_frames": labelled[1]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def test_every_method_has_a_file_and_every_file_a_method():
    assert {file.stem for file in (CONF / "adaptation").glob("*.yaml")} == {*METHODS, "none"}
    assert not in_file("none")


@pytest.mark.parametrize("name", METHODS)
def test_a_file_has_all_settings_at_their_defaults(name):
    parameters = inspect.signature(METHODS[name]).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.kind == one.KEYWORD_ONLY}
    assert in_file(name) == {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_works_with_exactly_its_settings(name):
    assert OTHERS[name].keys() == in_file(name).keys()
    for settings in (in_file(name), OTHERS[name]):
        (method,) = build_adaptation({name: settings}).methods
        assert type(method) is METHODS[name]
        assert {key: told(method)[key] for key in settings} == settings


def test_a_group_of_files_is_a_combination():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["adaptation=[shot,dann,few_shot]", "adaptation.dann.hidden=5", "run_dir=x"])
    methods = build_adaptation(OmegaConf.to_container(config.adaptation)).methods
    assert [type(method) for method in methods] == [METHODS[name] for name in ("shot", "dann", "few_shot")]
    assert methods[1].hidden == 5 and methods[0].epochs == in_file("shot")["epochs"]


@pytest.mark.parametrize("settings", [None, {}])
def test_no_method(settings):
    assert not build_adaptation(settings).methods


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"dannn": {}}, "adaptation=dannn is not known; choose none, adabn, cdan"),
        ({"dann": {"weigth": 1}}, "adaptation.dann: .*weigth"),
        ({"dann": {"weight": -1}}, "adaptation.dann: weight is 0 or more"),
        ({"dann": {"weight": None}}, "adaptation.dann: "),
        ({"fda": 3}, "adaptation.fda: "),
        ({"dan": {}, "fda": {"beta": 0.5}}, "adaptation.fda: beta=0.5"),
        ({"few_shot": {}, "joint": {}}, "adaptation=few_shot,joint: methods that draw .* cannot be combined"),
    ],
)
def test_what_cannot_be_built_is_named_in_one_line(settings, text):
    with pytest.raises(UserError, match=text) as caught:
        build_adaptation(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"), [("adabn", "no batch norm"), ("tent", "no batch norm"), ("mixstyle", "no layer 'layer1'")]
)
def test_a_network_that_a_method_cannot_work_on_is_refused_before_training(name, text):
    with pytest.raises(UserError, match=f"adaptation: the .* has {text}"):
        build_adaptation({name: {}}).prepare(plain_network(), "multilabel")


def batch(n_source, n_target, *, known):
    """Frames of both capsules; with `known`, most of the source's labels and two of the target's."""
    images, targets = draw_frames(n_source + n_target)
    is_target = torch.arange(len(images)) >= n_source
    if known:
        targets[:n_source:3, 0] = torch.nan
        targets[n_source + 2 :] = torch.nan
    else:
        targets[:] = torch.nan
    return Batch(images, targets, is_target)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", METHODS)
def test_unknown_labels_and_missing_frames_leave_loss_and_gradients_finite(name, task):
    method, network = build_adaptation({name: {}}), tiny_network(task)
    method.prepare(network, task)
    weights = [*network.parameters(), *method.parameters()]
    for n_source, n_target in [(9, 6), (9, 1), (9, 0), (1, 6), (0, 6)]:
        for known in (True, False):
            method.zero_grad(), network.zero_grad()
            value = loss(network, method, batch(n_source, n_target, known=known), task=task)
            value.backward()
            assert value.shape == () and value.isfinite()
            assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in weights)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", METHODS)
def test_what_is_done_to_a_finished_network_leaves_it_finite(name, task):
    method, network, images = build_adaptation({name: {}}), tiny_network(task).eval(), draw_frames(60).images
    method.prepare(network, task)
    before = copy.deepcopy(network.state_dict())
    method.after_training(network, task, lambda: images.split(25))
    same = all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert same != (name in ("adabn", "shot")) and same != method.afterwards
    before = copy.deepcopy(network.state_dict())
    testing = method.at_test_time(network, task)
    assert testing(images).isfinite().all()
    assert (testing is not network) == (name == "tent") == method.at_test
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
