"""Name the constants of MobileStyleGAN's two OpenVINO graphs as the authors' training code names them.

The converter kept the names of most constants. Those that it computed have none, and are found by the layers that read
them: weights that include the demodulation, and noise maps that include their strength. All other constants must be
those of the operations that our network has.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from generators.checkpoints.reading.openvino import Graph, Layer
from generators.errors import WeightsError
from generators.stylegan.ops import GAIN, SLOPE
from generators.text import escape

NAMED = re.compile(r"m\.((input|conv1|layers\.\d{1,3}\.(up|conv1|conv2|to_img))\.[\w.]+)", re.ASCII)
PIXEL_NORM = (1.0, 2.0, 1e-8, 0.5, -1.0)
HAAR = math.sqrt(0.5)
TOLERANCE = 1e-5


def name_synthesis(graph: Graph, source: str) -> dict[str, Tensor]:
    """Return the tensors of the synthesis network by the authors' names, without their prefix.

    ``weight`` and ``weight_permute`` of demodulated convolutions include the demodulation; ``noise.map`` (1, 1, s, s)
    is the noise times its strength.

    Raises:
        WeightsError: the graph is not that of a MobileStyleGAN.
    """
    tensors, used = {}, set()

    def take(name: str, layer: Layer) -> None:
        if layer.value is None or layer.value.is_floating_point() is False:
            raise WeightsError(f"{source}: {name} is a {layer.kind}, expected a constant; is it a MobileStyleGAN?")
        tensors[name] = layer.value
        used.add(layer.number)

    for constant in graph.of_kind("Const"):
        if found := NAMED.fullmatch(constant.name):
            take(found[1], constant)
            if found[1].endswith(".modulation.bias"):
                used.add(_check_scale(graph, constant, found[1], source))
            elif re.fullmatch(r".*conv[12]\.bias", found[1]):
                prefix = found[1].removesuffix(".bias")
                convolution, noise = _find_noise(graph, constant, source)
                pointwise = prefix.startswith("layers.")
                take(f"{prefix}.noise.map", noise)
                take(f"{prefix}.conv.{'weight_permute' if pointwise else 'weight'}", graph.inputs(convolution)[-1])
    _check_operations(graph, sum(name.endswith(".up.modulation.bias") for name in tensors), source)
    slope, haar = torch.tensor(SLOPE), torch.tensor(HAAR)
    for constant in graph.of_kind("Const"):
        if constant.number in used or not constant.value.is_floating_point():
            continue
        readers = {layer.kind for layer in graph.readers(constant)}
        is_slope = readers == {"PReLU"} and torch.allclose(constant.value, slope)
        is_wavelet = readers == {"GroupConvolutionBackpropData"} and torch.allclose(constant.value.abs(), haar)
        if not is_slope and not is_wavelet:
            raise WeightsError(
                f"{source}: the constant {escape(constant.name)} belongs to no layer of a MobileStyleGAN; expected the "
                "network as its authors exported it"
            )
    return tensors


def name_mapping(graph: Graph, source: str) -> dict[str, Tensor]:
    """Return the weights and biases of the mapping network, as they act: ``0.weight``, ``0.bias``, ``1.weight``, ...

    Raises:
        WeightsError: the graph is not that of a mapping network.
    """
    tensors, used = {}, set()
    for i, product in enumerate(graph.of_kind("MatMul")):
        weight = _only(graph.inputs(product)[1:], source)
        total = _only([layer for layer in graph.readers(product) if layer.kind != "ShapeOf"], source, "Add")
        bias = next((part for part in _behind(graph, total) if part.value is not None), None)
        if weight.value is None or bias is None or bias.value.ndim != 1:
            raise WeightsError(
                f"{source}: layer {i} has no weight or no bias; expected MobileStyleGAN's mapping network"
            )
        tensors |= {f"{i}.weight": weight.value, f"{i}.bias": bias.value}
        used |= {weight.number, bias.number}
    expected = (*PIXEL_NORM, SLOPE, GAIN)
    for constant in graph.of_kind("Const"):
        if constant.number in used or not constant.value.is_floating_point():
            continue
        if constant.value.numel() != 1 or not any(math.isclose(constant.value, e, rel_tol=TOLERANCE) for e in expected):
            raise WeightsError(
                f"{source}: the constant {escape(constant.name)} belongs to no layer of MobileStyleGAN's mapping "
                "network; expected it as its authors exported it"
            )
    return tensors


def _check_operations(graph: Graph, blocks: int, source: str) -> None:
    """Raise WeightsError if the graph does not compute what this many blocks after the first compute."""
    expected = {
        "MatMul": 3 * blocks + 2,  # one for each layer that reads w
        "PReLU": 2 * blocks + 1,
        "Convolution": 2 * blocks + 2,
        "GroupConvolution": 2 * blocks,
        "GroupConvolutionBackpropData": 6 * (blocks + 1),  # six for each inverse Haar transform
    }
    for kind, count in expected.items():
        found = len(graph.of_kind(kind))
        if found != count:
            raise WeightsError(
                f"{source}: got {found} operations {kind}, expected {count} for {blocks + 1} blocks; expected a "
                "MobileStyleGAN as its authors exported it"
            )


def _check_scale(graph: Graph, bias: Layer, name: str, source: str) -> int:
    """Return the number of the constant by which the scales of a layer are multiplied; -1 for none.

    Raises:
        WeightsError: it is not 1 / sqrt(inputs of a filter).
    """
    shaped = _only(graph.readers(_only(graph.readers(bias), source, "Add")), source, "Reshape")
    product = _only(graph.readers(shaped), source, "Multiply")
    constants = [layer for layer in graph.inputs(product) if layer.value is not None]
    window = 1 if ".to_img." in name else 9
    expected = 1.0 if ".up." in name else 1 / math.sqrt(bias.value.numel() * window)
    scale = constants[0].value if constants else torch.ones(())
    if scale.numel() != 1 or not math.isclose(scale, expected, rel_tol=TOLERANCE):
        raise WeightsError(f"{source}: {name} is scaled by {scale.flatten()[:1].item():g}, expected {expected:g}")
    return constants[0].number if constants else -1


def _find_noise(graph: Graph, bias: Layer, source: str) -> tuple[Layer, Layer]:
    """Return the convolution that a bias belongs to, and the noise map between them."""
    total = _only(graph.readers(bias), source, "Add")
    noisy = _only([layer for layer in graph.inputs(total) if layer.number != bias.number], source, "Add")
    noise = _only([layer for layer in graph.inputs(noisy) if layer.value is not None], source, "Const")
    return _only([layer for layer in graph.inputs(noisy) if layer.value is None], source, "Convolution"), noise


def _behind(graph: Graph, layer: Layer) -> list[Layer]:
    """Return the inputs of a layer, and those of the reshapes among them."""
    direct = graph.inputs(layer)
    return [*direct, *(part for shaped in direct if shaped.kind == "Reshape" for part in graph.inputs(shaped)[:1])]


def _only(layers: list[Layer], source: str, kind: str = "Const") -> Layer:
    """Return the one layer of a list, which must be of a kind.

    Raises:
        WeightsError: there is none, or another.
    """
    if len(layers) != 1 or layers[0].kind != kind:
        found = ", ".join(layer.kind for layer in layers[:3]) or "nothing"
        raise WeightsError(f"{source}: got {found} where a MobileStyleGAN has one {kind}; expected its authors' export")
    return layers[0]
