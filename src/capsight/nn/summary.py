"""What a network is made of: the output, the parameters and the multiply-adds of every layer."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)


class Layer(NamedTuple):
    """A row: `output_shape` is of one example, None for a layer that did not run."""

    name: str
    output_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int


class Summary(NamedTuple):
    """The layers in the order in which they ran, and the totals."""

    layers: list[Layer]
    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        rows = [("layer", "output", "parameters", "multiply-adds")]
        for name, shape, parameters, multiply_adds in self.layers:
            rows.append((name, _shape(shape), f"{parameters:,}", f"{multiply_adds:,}"))
        rows.append(("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        a, b, c, d = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{row[0]:{a}}  {row[1]:{b}}  {row[2]:>{c}}  {row[3]:>{d}}" for row in rows)


def summary(model: nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> Summary:
    """Run `model` on one example of zeros, (1, *input_shape) of `dtype`, and describe its layers.

    A layer is a module with weights of its own, or without modules in it. One that runs several times has one row,
    with the shape of its last output and the multiply-adds of all its runs; weights that several modules share count
    for the first. Multiply-adds are those of convolutions, linear and recurrent layers, without biases. The model may
    stand on torch's device "meta", where nothing is computed.
    """
    outputs, multiply_adds = {}, {}

    def note(module: nn.Module, inputs: tuple, output) -> None:
        tensor = next(leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
        outputs[module] = tuple(tensor.shape[1:])
        multiply_adds[module] = multiply_adds.get(module, 0) + _multiply_adds(module, inputs[0], tensor)

    names = {module: name for name, module in model.named_modules() if _is_layer(module)}
    hooks = [module.register_forward_hook(note) for module in names]
    training = [module for module in model.modules() if module.training]  # `evaluating` compares buffers: not on "meta"
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *input_shape, dtype=dtype, device=_device(model)))
    finally:
        for module in training:
            module.training = True
        for hook in hooks:
            hook.remove()
    counted, layers = set(), []
    for module in [*outputs, *(module for module in names if module not in outputs)]:
        own = [p for p in module.parameters(recurse=False) if p not in counted]
        counted.update(own)
        parameters = sum(p.numel() for p in own)
        if module in outputs or parameters:
            name = names[module] or type(module).__name__
            layers.append(Layer(name, outputs.get(module), parameters, multiply_adds.get(module, 0)))
    return Summary(layers, sum(layer.parameters for layer in layers), sum(multiply_adds.values()))


def neurons(model: nn.Module, input_shape: Sequence[int]) -> int:
    """Count the units: the outputs, for one example, of all layers with weights but normalisations.

    Pooled values, normalised values and the input are not counted (Krizhevsky et al. 2012 count 650,000 so).
    """
    weighted = {name for name, module in model.named_modules() if isinstance(module, WEIGHTED)}
    return sum(math.prod(layer.output_shape) for layer in summary(model, input_shape).layers if layer.name in weighted)


def _is_layer(module: nn.Module) -> bool:
    return not any(module.children()) or any(True for _ in module.parameters(recurse=False))


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _multiply_adds(module: nn.Module, given: Tensor, output: Tensor) -> int:
    """Count for one example: every weight is used once per position."""
    if isinstance(module, CONVOLUTIONS):
        return output[0].numel() // module.out_channels * module.weight.numel()
    if isinstance(module, TRANSPOSED):
        return given[0].numel() // module.in_channels * module.weight.numel()
    if isinstance(module, nn.Linear):
        return output[0].numel() // module.out_features * module.weight.numel()
    if isinstance(module, nn.RNNBase):
        steps = given.numel() // module.input_size
        return steps * sum(weight.numel() for name, weight in module.named_parameters() if name.startswith("weight"))
    return 0


def _shape(shape: tuple[int, ...] | None) -> str:
    return "did not run" if shape is None else " × ".join(str(length) for length in shape)
