"""Read the checkpoints of MobileStyleGAN's training code, in the names of ``mobile_stylegan_graph``.

The names are known from the public code; no such file was at hand. It is the layout of the network that was exported:
its demodulation depends on stored vectors (``style_inv``), and its enlargement is modulated (``up.modulation``).
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from generators.checkpoints.families.mobile_stylegan_graph import NAMED
from generators.errors import WeightsError
from generators.stylegan.ops import DEMODULATION_EPS

STUDENT = "student."
MAPPING = re.compile(r"mapping_net\.layers\.(\d{1,3})\.(weight|bias)", re.ASCII)


def is_training_checkpoint(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of the training code: the student beside its mapping network."""
    return any(name.startswith(STUDENT) for name in tensors)


def name_checkpoint(tensors: dict[str, Tensor], rate: float, source: str) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return (tensors, mean of w or None) of a checkpoint.

    Noise was drawn anew for each picture; here the maps are drawn once, from seed 0. What the pictures do not depend on
    is left out: the teacher, the losses, and the colours of all blocks but the last.

    Args:
        tensors: by the names of the file.
        rate: learning rate multiplier of the mapping network.
        source: the file's name, for messages.

    Raises:
        KeyError: a tensor is missing.
        WeightsError: the layout is a later one.
    """
    student = {name.removeprefix(STUDENT): tensor for name, tensor in tensors.items() if name.startswith(STUDENT)}
    if "layers.0.conv1.conv.style_inv" not in student or "layers.0.up.modulation.weight" not in student:
        raise WeightsError(
            f"{source}: has no style_inv or no up.modulation in its blocks, as later versions of the training code; "
            "only the first is read; export the network to OpenVINO, or get the first version"
        )
    named = {name: tensor for name, tensor in student.items() if NAMED.fullmatch(f"m.{name}")}
    last = max(int(found[1]) for name in named if (found := re.match(r"layers\.(\d+)\.", name)))
    unused = re.compile(rf"layers\.(?!{last}\.)\d+\.to_img\.|.*\.(noise\.\w+|style_inv|idwt\.\w+)$")
    found = {name: tensor for name, tensor in named.items() if not unused.match(name)}
    random = torch.Generator().manual_seed(0)
    for prefix in [name.removesuffix(".noise.weight") for name in named if name.endswith(".noise.weight")]:
        block = re.match(r"layers\.(\d+)\.", prefix)
        side = 4 if block is None else 8 << int(block[1])
        noise = torch.randn(1, 1, side, side, generator=random)
        found[f"{prefix}.noise.map"] = noise * named[f"{prefix}.noise.weight"].reshape(())
        weight = f"{prefix}.conv.{'weight' if block is None else 'weight_permute'}"
        found[weight] = found[weight] * _demodulation(named, prefix, weight)
    for name, tensor in tensors.items():
        if layer := MAPPING.fullmatch(name):  # layer 0 is the normalisation
            gain = rate / (math.sqrt(tensor.shape[1]) if layer[2] == "weight" else 1)
            found[f"mapping.{int(layer[1]) - 1}.{layer[2]}"] = tensor * gain
    mean = tensors.get("style_mean")
    return found, None if mean is None else mean.reshape(-1, mean.shape[-1])[0]


def _demodulation(named: dict[str, Tensor], prefix: str, weight: str) -> Tensor:
    """Return the factor (O, 1, 1, 1) of each filter: ``1 / sqrt(sum((s style_inv W)^2) + 1e-8)``, s = 1 / sqrt(9 I)."""
    inverse = named[f"{prefix}.conv.style_inv"].reshape(1, -1, 1, 1)
    filters = named[weight]
    if f"{prefix}.conv.weight_dw" in named:
        filters = filters * named[f"{prefix}.conv.weight_dw"].transpose(0, 1)
    squared = (filters * inverse).square().sum((1, 2, 3), keepdim=True) / (9 * filters.shape[1])
    return torch.rsqrt(squared + DEMODULATION_EPS)
