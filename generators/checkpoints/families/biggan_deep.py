"""BigGAN-deep files in the ajbrock layout.

The configuration is inferred from shapes, and the epsilons from the table of origins in ``biggan``.
"""

from __future__ import annotations

import re

from torch import Tensor

from generators.biggan.deep_discriminator import BigGANDeepDiscriminator, DeepDiscriminatorConfig
from generators.biggan.deep_generator import BigGANDeep, BigGANDeepConfig
from generators.biggan.generator import CHANNELS
from generators.checkpoints.families.biggan import (
    ORIGINS,
    count_blocks,
    count_singular_values,
    find_attention,
    read_epsilon,
    to_native_names,
)
from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import check_class_count, report_bad_shapes
from generators.errors import WeightsError


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(name.startswith(("blocks.0.0.bn3.", "blocks.0.0.bn4.")) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a discriminator, complete or not."""
    return not is_generator(tensors) and any(
        re.match(r"(input_conv|blocks\.0\.0\.conv[34])\.", name) for name in tensors
    )


def read_channels(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """Return the channels that enter block 0, and those that leave each block of a generator."""
    first = tensors["blocks.0.0.conv1.weight"].shape[1]
    return first, *(tensors[f"blocks.{k}.0.conv4.weight"].shape[0] for k in range(count_blocks(tensors)))


def infer_upsampling_blocks(channels: tuple[int, ...]) -> tuple[int, ...]:
    """Return the blocks that double the size, () if unknown.

    Shapes do not determine them. In the published architectures they are the last blocks of each size, which are
    recognised by the falling number of channels.
    """
    blocks = len(channels) - 1
    for first, outs in CHANNELS.values():
        depth, rest = divmod(blocks, len(outs))
        if rest:
            continue
        ins = (first, *outs[:-1])
        pattern = (first, *(c for cin, cout in zip(ins, outs, strict=True) for c in (*[cin] * (depth - 1), cout)))
        if all(c * pattern[-1] == p * channels[-1] for c, p in zip(channels, pattern, strict=True)):
            return tuple(range(depth - 1, blocks, depth))
    return ()


def infer_generator_config(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANDeepConfig, tuple[str, ...]]:
    """Infer the configuration from shapes and metadata.

    Returns:
        (configuration, settings that were assumed).

    Raises:
        WeightsError: there is no such network.
    """
    classes, shared_dim = tensors["shared.weight"].shape
    channels, origin = read_channels(tensors), ORIGINS["ajbrock"]
    enlarging = infer_upsampling_blocks(channels)
    if not enlarging:
        listed = ", ".join(map(str, channels))
        raise WeightsError(f"{source}: its blocks have {listed} channels; expected those of a published BigGAN-deep")
    config = BigGANDeepConfig(
        dim_z=tensors["linear.weight"].shape[1] - shared_dim,
        n_classes=classes,
        shared_dim=shared_dim,
        channels=channels,
        enlarging=enlarging,
        attention=find_attention(tensors),
        singular_values=count_singular_values(tensors),
        sn_eps=read_epsilon(metadata, "SN_eps", origin.sn_eps, source),
        bn_eps=read_epsilon(metadata, "BN_eps", origin.bn_eps, source),
    )
    return config, () if {"SN_eps", "BN_eps"} <= metadata.keys() else (origin.words,)


def infer_discriminator_config(tensors: dict[str, Tensor], metadata: dict, source: str) -> DeepDiscriminatorConfig:
    """Infer the configuration from shapes and metadata. Raises WeightsError."""
    levels = count_blocks(tensors)
    if not 3 <= levels <= 6:
        raise WeightsError(f"{source}: a discriminator of {levels} levels, expected 3 to 6 (32 to 256 px)")
    found = (re.match(r"blocks\.0\.(\d{1,3})\.conv1\.weight$", name) for name in tensors)
    return DeepDiscriminatorConfig(
        resolution=2 ** (levels + 2),
        channels=(
            tensors["input_conv.weight"].shape[0],
            *(tensors[f"blocks.{level}.0.conv4.weight"].shape[0] for level in range(levels)),
        ),
        pooling=tuple(range(2 if levels == 3 else levels)),
        depth=1 + max(int(match[1]) for match in found if match),
        n_classes=tensors["embed.weight"].shape[0],
        attention=tuple(level for level in range(levels) if _attends(tensors, level)),
        singular_values=count_singular_values(tensors),
        sn_eps=read_epsilon(metadata, "SN_eps", ORIGINS["ajbrock"].sn_eps, source),
    )


def _attends(tensors: dict[str, Tensor], level: int) -> bool:
    return any(re.fullmatch(rf"blocks\.{level}\.\d+\.gamma", name) for name in tensors)


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[BigGANDeep, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``."""
    tensors = to_native_names(tensors)
    with report_bad_shapes(source, "BigGAN-deep generator"):
        config, assumed = infer_generator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGANDeep(config, classes), tensors, source)
    check_class_count(classes, config.n_classes, source)
    return network, assumed


def read_discriminator(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANDeepDiscriminator, tuple[str, ...]]:
    """Build the discriminator of a file; see ``biggan.read_generator``."""
    with report_bad_shapes(source, "BigGAN-deep discriminator"):
        config = infer_discriminator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGANDeepDiscriminator(config), tensors, source)
    return network, () if "SN_eps" in metadata else (f"of the discriminator: SN_eps {config.sn_eps:g}",)
