"""Correctness beside the speeds: what a peer or a published data set gets wrong, checked here.

Each check returns what was checked, the number that it came to, and whether that is right.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import timm
import torch
from aims import AUROC
from apart import Failed, apart
from cam import last_stage, network_and_frames
from engine_check import auroc_change
from engines import ENGINES

from capsight.data.audit import audit
from capsight.data.batches import PatientBalancedBatches
from capsight.data.phantom import make_phantom
from capsight.data.public import build
from capsight.explain import class_activation_maps
from capsight.explain.cam import gradient_activation_maps
from capsight.inference import mc_dropout

LIMIT = 400.0  # seconds
ROUNDING = 1e-4  # relative to the largest value
Result = tuple[str, float, bool]


def run_checks(given: dict) -> Iterator[dict]:
    """Yield a row for each check.

    given: root, the frames of Capsule Vision 2024, whose published split is then audited; run, a trained network, on
    whose test frames the engines are then compared. Both may be None.
    """
    for name, check in CHECKS.items():
        try:
            checked, number, passed = apart(check, given, limit_s=LIMIT)
            yield {"name": name, "checked": checked, "number": number, "passed": passed, "note": None}
        except Failed as error:
            yield {"name": name, "checked": None, "number": None, "passed": None, "note": str(error)}


def batched_maps(_: dict) -> Result:
    network, images = network_and_frames("resnet18", 64, 6)
    together = class_activation_maps(network, images)
    alone = torch.cat([class_activation_maps(network, image[None]) for image in images])
    number = _differ(together, alone)
    return "largest difference of CAM in a batch of 6 and one by one, relative", number, number < ROUNDING


def in_place_layers(_: dict) -> Result:
    network, images = network_and_frames("resnet18", 64, 2)
    plain = copy.deepcopy(network)
    switched = 0
    for module in plain.modules():
        if getattr(module, "inplace", False):
            module.inplace, switched = False, switched + 1
    pairs = [
        tuple(class_activation_maps(one, images) for one in (network, plain)),
        tuple(gradient_activation_maps(one, images, [0], "layer4.1.bn1") for one in (network, plain)),
    ]
    number = max(_differ(*pair) for pair in pairs)
    text = f"largest difference of CAM and Grad-CAM with and without {switched} in-place layers, relative"
    return text, number, switched > 0 and number < ROUNDING


def grad_cam_of_the_peer(_: dict) -> Result:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network, images = network_and_frames("resnet18", 64, 2)
    own = GradCAM(network, [last_stage(network)])(images, targets=[ClassifierOutputTarget(0)] * 2)
    ours = gradient_activation_maps(network, images, [0])[:, 0].relu()
    ours = torch.nn.functional.interpolate(ours[:, None], size=images.shape[-2:], mode="bilinear")[:, 0]
    number = float(np.corrcoef(own.ravel(), (ours / ours.amax((1, 2), keepdim=True)).numpy().ravel())[0, 1])
    return "correlation of Grad-CAM of the last stage with that of pytorch-grad-cam", number, number > 0.99


def dropout_spreads(_: dict) -> Result:
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=4, drop_rate=0.5).eval()
    before = copy.deepcopy(network.state_dict())
    number = float(mc_dropout(network, torch.rand(2, 3, 64, 64), passes=20).std(dim=0).min())
    untouched = all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return (
        "smallest standard deviation of 20 passes of a timm ResNet, its buffers unchanged",
        number,
        (number > 0 and untouched and not any(module.training for module in network.modules())),
    )


def disjoint_ranks(_: dict) -> Result:
    classes, patients = np.arange(4000) % 4, np.arange(4000) % 50
    shared, epochs = 0, []
    for epoch in range(3):
        ranks = []
        for rank in range(4):
            batches = PatientBalancedBatches(
                classes, patients, classes_per_batch=4, frames_per_class=8, rank=rank, world=4
            )
            batches.sampler.set_epoch(epoch)
            ranks.append([[row for row, _ in batch] for batch in batches])
        for step in zip(*ranks, strict=True):
            rows = [row for batch in step for row in batch]
            shared += len(rows) - len(set(rows))
        epochs.append(ranks)
    changes = epochs[0] != epochs[1] != epochs[2]
    return "frames that two of 4 ranks have in a step, over 3 epochs that differ", float(shared), not shared and changes


def published_split(given: dict) -> Result:
    if root := given.get("root"):
        built = build("capsule_vision_2024", root)
        found = audit(built.table, root, built.set_aside)
        text = "patients on two sides of the published split of Capsule Vision 2024"
        number = found["patients_across_splits"]
        return text, float(number), number > 0 and not found["ok"]
    with tempfile.TemporaryDirectory() as folder:
        table = make_phantom(folder, devices=("phantom_1",), patients_per_device=4, frames_per_patient=6, size=48)
        sides = np.array(["train", "val", "test"])
        by_frame = audit(_split(table, sides[np.arange(len(table)) % 3]), folder)
        by_patient = audit(_split(table, sides[pd.factorize(table["patient"])[0] % 3]), folder)
    number = by_frame["patients_across_splits"]
    text = "of 4 patients found on two sides of a split by frame, and none in one by patient"
    return text, float(number), number == 4 and not by_frame["ok"] and by_patient["patients_across_splits"] == 0


def _split(table: pd.DataFrame, sides: np.ndarray) -> pd.DataFrame:
    return table.assign(split=pd.Series(sides, index=table.index, dtype="string"))


def _differ(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())


CHECKS: dict[str, Callable[[dict], Result]] = {
    "batched maps equal single ones": batched_maps,
    "maps do not depend on in-place layers": in_place_layers,
    "Grad-CAM agrees with the peer's": grad_cam_of_the_peer,
    "MC dropout spreads on a timm ResNet": dropout_spreads,
    "ranks get disjoint batches": disjoint_ranks,
    "a published split that leaks is caught": published_split,
    **{
        f"{name} {AUROC} on {'seen' if seen else 'unseen'} devices": partial(auroc_change, name=name, seen=seen)
        for seen in (True, False)
        for name in ENGINES
    },
}
