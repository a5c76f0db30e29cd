"""MobileStyleGAN files: the two OpenVINO networks that its authors export, and checkpoints of their training code.

Both are first given the authors' names, with all constants that act on a weight included in it; then names are ours,
and channels are sorted by band (see ``generators.stylegan.mobile_stylegan``).
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import report_bad_shapes
from generators.checkpoints.families.mobile_stylegan_graph import name_mapping, name_synthesis
from generators.checkpoints.families.mobile_stylegan_training import is_training_checkpoint, name_checkpoint
from generators.errors import WeightsError
from generators.stylegan.mobile.separable_conv import BANDS
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig

MAPPING_RATE = 0.01


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(re.search(r"layers\.\d+\.conv[12]\.conv\.weight_dw$", name) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return False: its discriminator is not published."""
    return False


def sort_bands(tensor: Tensor) -> Tensor:
    """Sort rows by band: averages first (already so), then interleaved differences of three kinds."""
    count = len(tensor) // BANDS
    differences = tensor[count:].unflatten(0, (count, BANDS - 1)).transpose(0, 1).flatten(0, 1)
    return torch.cat([tensor[:count], differences])


def infer_config(tensors: dict[str, Tensor], source: str) -> MobileStyleGANConfig:
    """Infer the configuration from shapes.

    Raises:
        KeyError: a tensor is missing.
        WeightsError: no MobileStyleGAN has such sizes.
    """
    blocks = {int(found[1]) for name in tensors if (found := re.match(r"layers\.(\d{1,3})\.", name))}
    if not 1 <= len(blocks) <= 8 or blocks != set(range(len(blocks))):
        raise WeightsError(f"{source}: got blocks {sorted(blocks)}, expected 0, 1 and so on to at most 7; is it whole?")
    first = tensors["mapping.0.weight"]
    widths = [tensors[f"layers.{i}.conv2.conv.weight_permute"].shape[0] for i in range(len(blocks))]
    return MobileStyleGANConfig(
        channels=(tensors["input.input"].shape[1], *widths),
        z_dim=first.shape[1],
        w_dim=tensors["conv1.conv.modulation.weight"].shape[1],
        mapping_layers=sum(re.fullmatch(r"mapping\.\d+\.weight", name) is not None for name in tensors),
        mapping_width=first.shape[0],
        mapping_rate=MAPPING_RATE,
    )


def to_native_names(tensors: dict[str, Tensor], config: MobileStyleGANConfig) -> dict[str, Tensor]:
    """Convert the authors' names and shapes to those of ``MobileStyleGAN``. Unknown names are kept, to be refused."""
    last = len(config.channels) - 2
    return dict(_to_native(name, tensor, config, last) for name, tensor in tensors.items())


def _to_native(name: str, tensor: Tensor, config: MobileStyleGANConfig, last: int) -> tuple[str, Tensor]:
    if found := re.fullmatch(r"mapping\.(\d+)\.(weight|bias)", name):
        gain = config.mapping_rate / (math.sqrt(tensor.shape[1]) if found[2] == "weight" else 1)
        return f"mapping.fc{found[1]}.{found[2]}", tensor / gain
    if name == "input.input":
        return "synthesis.b4.const", tensor[0]
    if not (found := re.fullmatch(r"(?:layers\.(\d+)\.)?(up|conv1|conv2|to_img)\.(.+)", name)):
        return name, tensor
    block, layer, rest = -1 if found[1] is None else int(found[1]), found[2], found[3]
    rest = {"conv.weight_dw": "depthwise.weight", "conv.weight_permute": "weight", "noise.map": "noise"}.get(rest, rest)
    rest = re.sub(r"^(conv\.)?modulation\.", "" if layer == "up" else "affine.", rest).removeprefix("conv.")
    if rest == "depthwise.weight":
        tensor = tensor.reshape(-1, 1, *tensor.shape[-2:])
    elif rest.endswith("bias"):
        tensor = tensor.flatten()
    # Sorted are the channels that a Haar transform reads, and what scales them.
    is_read_by_haar = layer in ("up", "to_img") or block < last and (layer == "conv2" or block < 0)
    if is_read_by_haar and rest in ("weight", "bias"):
        tensor = sort_bands(tensor)
    if layer == "to_img":
        return f"synthesis.torgb.{rest}", tensor
    return f"synthesis.b{8 << block if block >= 0 else 4}.{layer}.{rest}", tensor


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[MobileStyleGAN, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``."""
    if classes:
        raise WeightsError(f"{source}: names {len(classes)} classes, but a MobileStyleGAN has none; leave them out")
    with report_bad_shapes(source, "MobileStyleGAN generator"):
        assumed = [f"learning rate multiplier of the mapping network {MAPPING_RATE:g}"]
        mean = None
        if "graph" in metadata:
            mapping = name_mapping(metadata["mapping graph"], source)
            named = name_synthesis(metadata["graph"], source) | {f"mapping.{name}": t for name, t in mapping.items()}
        elif is_training_checkpoint(tensors):
            named, mean = name_checkpoint(tensors, MAPPING_RATE, source)
            assumed.append("noise maps drawn from seed 0, since the file has none")
        else:
            raise WeightsError(
                f"{source}: has no mapping network; expected the whole checkpoint (student.*, mapping_net.*), or "
                "SynthesisNetwork.xml with the three files that belong to it"
            )
        config = infer_config(named, source)
        native = to_native_names(named, config)
        native["mapping.w_avg"] = torch.zeros(config.w_dim) if mean is None else mean
        network = build_and_load(lambda: MobileStyleGAN(config), native, source)
        if mean is None:
            assumed.append("the mean w of 10000 samples, since the file has none")
            network.mapping.w_avg.copy_(network.mean_of_w())
    return network, tuple(assumed)
