"""BigGAN-deep files of HuggingFace's pytorch-pretrained-BigGAN: ``pytorch_model.bin`` with its ``config.json``.

The network is that of ``biggan_deep``, with other names and another order: latents before the class embedding,
positions before channels in the first layer, the embedding transposed.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from generators.biggan.deep_generator import INTERPOLATIONS, BigGANDeep, BigGANDeepConfig
from generators.checkpoints.families.biggan import find_attention, read_epsilon
from generators.checkpoints.families.biggan_deep import infer_upsampling_blocks, read_channels
from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import check_class_count, report_bad_shapes
from generators.errors import WeightsError

EPS = 1e-4  # of all published networks, for batch normalisation
CONDITIONAL = re.compile(r"linear\.|.*\.bn\d\.(gain|bias)\.")
PARTS = {
    "bn_0": "bn1",
    "bn_1": "bn2",
    "bn_2": "bn3",
    "bn_3": "bn4",
    "conv_0": "conv1",
    "conv_1": "conv2",
    "conv_2": "conv3",
    "conv_3": "conv4",
    "snconv1x1_theta": "theta",
    "snconv1x1_phi": "phi",
    "snconv1x1_g": "g",
    "snconv1x1_o_conv": "o",
    "scale": "gain",
    "offset": "bias",
    "running_means": "stored_mean",
    "running_vars": "stored_var",
    "weight_orig": "weight",
    "weight_u": "u0",
    "weight_v": "v0",
}
WHOLE = {
    "embeddings.weight": "shared.weight",
    "generator.bn.weight": "output_layer.0.gain",
    "generator.bn.bias": "output_layer.0.bias",
}
STARTS = {
    "generator.gen_z.": "linear.",
    "generator.bn.": "output_layer.0.",
    "generator.conv_to_rgb.": "output_layer.2.",
}


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(name.startswith(("generator.gen_z.", "generator.layers.")) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return False: no discriminator was published in this layout."""
    return False


def find_attention_layers(tensors: dict[str, Tensor]) -> list[int]:
    """Return the attention layers, in the numbering that counts them along with the blocks."""
    found = (re.fullmatch(r"generator\.layers\.(\d{1,3})\.gamma", name) for name in tensors)
    return sorted(int(match[1]) for match in found if match)


def rename_tensor(name: str, attention: list[int]) -> str:
    """Return our name of a tensor. A name without a counterpart is kept, and is refused later as unexpected."""
    if name in WHOLE:
        return WHOLE[name]
    words = lambda rest: ".".join(PARTS.get(word, word) for word in rest.split("."))  # noqa: E731
    for start, ours in STARTS.items():
        if name.startswith(start):
            return ours + words(name.removeprefix(start))
    found = re.fullmatch(r"generator\.layers\.(\d{1,3})\.(.+)", name)
    if not found:
        return name
    layer = int(found[1])
    block = layer - sum(a < layer for a in attention)
    return f"blocks.{block - 1}.1.{words(found[2])}" if layer in attention else f"blocks.{block}.0.{words(found[2])}"


def to_native_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert names, shapes and order to those of ``BigGANDeep``."""
    attention, dim_z = find_attention_layers(tensors), infer_dim_z(tensors)
    names = {rename_tensor(name, attention): name for name in tensors}
    return {ours: _reorder(ours, tensors[theirs], dim_z) for ours, theirs in names.items()}


def infer_dim_z(tensors: dict[str, Tensor]) -> int:
    return tensors["generator.gen_z.weight_orig"].shape[1] - tensors["embeddings.weight"].shape[0]


def _reorder(name: str, tensor: Tensor, dim_z: int) -> Tensor:
    if name == "shared.weight":
        return tensor.t()
    if name.startswith("linear.") and not name.endswith(".v0"):
        # Rows are ordered (4, 4, C) in the file, (C, 4, 4) here.
        tensor = tensor.unflatten(0, (16, -1)).transpose(0, 1).flatten(0, 1)
    if name.endswith((".u0", ".v0")):
        tensor = tensor[None]
    if CONDITIONAL.match(name) and name.endswith((".weight", ".v0")):
        tensor = torch.cat([tensor[:, dim_z:], tensor[:, :dim_z]], 1)
    return tensor.reshape(()) if name.endswith(".gamma") else tensor


def infer_generator_config(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANDeepConfig, tuple[str, ...]]:
    """Infer the configuration from shapes and config.json.

    Args:
        tensors: with our names.
        metadata: of config.json; ``interpolation`` "swapped" in it gives truncations between two stored ones the
            published result.
        source: the file's name, for messages.

    Returns:
        (configuration, settings that were assumed).

    Raises:
        WeightsError: there is no such network.
    """
    interpolation = metadata.get("interpolation", INTERPOLATIONS[0])
    truncations, filters = tensors["output_layer.0.stored_mean"].shape[0], tensors["output_layer.2.weight"].shape[0]
    if interpolation not in INTERPOLATIONS:
        raise WeightsError(
            f"{source}: its config.json says interpolation {interpolation!r}, expected {' or '.join(INTERPOLATIONS)}"
        )
    if truncations < 2 or filters < 3:
        raise WeightsError(
            f"{source}: holds statistics of {truncations} truncations and {filters} filters of the output layer, "
            "expected at least 2 and 3"
        )
    assumed = [] if "eps" in metadata else [f"eps {EPS:g}, as the published config.json files have it"]
    if "layers" not in metadata:
        assumed.append("sizes of maps as in the published networks: no config.json says them")
    eps = read_epsilon(metadata, "eps", EPS, source)
    channels, (classes, shared_dim) = read_channels(tensors), tensors["shared.weight"].shape
    config = BigGANDeepConfig(
        dim_z=tensors["linear.weight"].shape[1] - shared_dim,
        n_classes=classes,
        shared_dim=shared_dim,
        channels=channels,
        enlarging=_read_upsampling_blocks(metadata, channels, source)
        if "layers" in metadata
        else _infer_upsampling_blocks(channels, source),
        attention=find_attention(tensors),
        truncations=truncations,
        interpolation=interpolation,
        right_vectors=True,
        output_filters=filters,
        bn_eps=eps,
        output_eps=eps,
    )
    return config, tuple(assumed)


def _read_upsampling_blocks(metadata: dict, channels: tuple[int, ...], source: str) -> tuple[int, ...]:
    layers, width = metadata["layers"], metadata.get("channel_width")
    if (
        not isinstance(layers, list)
        or not all(isinstance(layer, list) and len(layer) == 3 and isinstance(layer[0], bool) for layer in layers)
        or [(cin * width, cout * width) for _, cin, cout in layers] != list(zip(channels, channels[1:], strict=False))
    ):
        raise WeightsError(
            f"{source}: the layers that its config.json lists are not those of its tensors; "
            "give the config.json that belongs to it"
        )
    return tuple(k for k, (enlarges, _, _) in enumerate(layers) if enlarges)


def _infer_upsampling_blocks(channels: tuple[int, ...], source: str) -> tuple[int, ...]:
    enlarging = infer_upsampling_blocks(channels)
    if not enlarging:
        raise WeightsError(
            f"{source}: not one of the published BigGAN-deep networks, and its shapes do not determine "
            "which blocks double the size; "
            "put its config.json beside it"
        )
    return enlarging


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[BigGANDeep, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``."""
    with report_bad_shapes(source, "BigGAN-deep generator"):
        given, tensors = tensors, to_native_names(tensors)
        if len(tensors) < len(given):
            raise WeightsError(f"{source}: some of its tensors have two names; expected each of a BigGAN-deep once")
        config, assumed = infer_generator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGANDeep(config, classes), tensors, source)
    check_class_count(classes, config.n_classes, source)
    return network, assumed
