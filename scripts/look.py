"""Look into a network: its first filters, and what its layers make of one frame.

python scripts/look.py run=DIR image=FILE out=DIR
python scripts/look.py backbone=resnet18 image=FILE out=DIR
"""

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from capsight.cli import verb
from capsight.data.frames import read_frame
from capsight.data.transforms import evaluation_transform
from capsight.data.view import field_of_view, mask_outside
from capsight.errors import UserError
from capsight.explain.views import feature_maps, first_filters
from capsight.learning.run import read_run
from capsight.nn import Backbone, WeightsError
from capsight.report.network_views import write_network_views


@verb("look")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    for name in ("image_size", "maximum"):
        if not isinstance(settings[name], int) or settings[name] < 1:
            raise UserError(f"{name}={settings[name]} is not possible; give a whole number from 1.")
    if (settings["run"] is None) == (settings["backbone"] is None):
        raise UserError("which network? Give either run=DIR or backbone=NAME.")
    backbone, name, size = _of_timm(settings) if settings["run"] is None else _of_run(str(settings["run"]))

    # the frame, as the network sees it
    frame = read_frame(str(settings["image"]), size=size)
    frame = evaluation_transform(size)(mask_outside(frame, field_of_view(frame)))
    image = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255  # (1, 3, size, size)

    layers = settings["layers"]
    if layers is not None:
        layers = [str(layer) for layer in (layers if isinstance(layers, list) else [layers])]
    try:
        # The trunk alone, so that its layers have the names that timm gives them.
        standardised = (image - backbone.mean) / backbone.std
        maps = feature_maps(backbone.trunk, standardised, layers, maximum=settings["maximum"])
    except (RuntimeError, AssertionError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{name} cannot take a frame of {size} pixels: {why}; change image_size.") from None
    out = Path(str(settings["out"]))
    filters = first_filters(backbone.trunk).numpy()
    paths = write_network_views(out, frame, filters, {layer: values.numpy() for layer, values in maps.items()}, name)
    Console().print(f"pictures: {out.resolve()} ({len(paths)} files)", highlight=False, soft_wrap=True)


def _of_run(folder: str) -> tuple[Backbone, str, int]:
    run = read_run(folder)
    return run.learner().network.backbone, f"{run.config.model.backbone}, trained", run.config.data.image_size


def _of_timm(settings: dict) -> tuple[Backbone, str, int]:
    name, size = str(settings["backbone"]), settings["image_size"]
    torch.manual_seed(0)  # random weights are the same each time
    known = settings["pretrained"] or settings["weights"]
    try:
        backbone = Backbone(name, pretrained=settings["pretrained"], weights=settings["weights"], image_size=size)
    except (ValueError, AssertionError, WeightsError) as error:
        raise UserError(f"backbone={name}: {error}.") from None
    return backbone, f"{name}, {'pretrained' if known else 'with random weights'}", size


if __name__ == "__main__":
    main()
