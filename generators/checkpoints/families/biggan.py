"""BigGAN files in the ajbrock layout and its relatives.

The configuration is inferred from shapes, and the epsilons from a table of origins. Relatives are the files of the DGP
distribution (which hold instance norms that are derived anew), conversions from TensorFlow Hub (without ``sv0``), and
``mybn`` networks (whose statistics have other names).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from torch import Tensor

from generators.biggan.discriminator import CHANNELS as D_CHANNELS
from generators.biggan.discriminator import BigGANDiscriminator, DiscriminatorConfig
from generators.biggan.generator import CHANNELS as G_CHANNELS
from generators.biggan.generator import BigGAN, BigGANConfig
from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import check_class_count, report_bad_shapes
from generators.errors import WeightsError

DERIVED = re.compile(r"blocks\.\d+\.0\.in[12]\.(weight|bias)$|\.accumulation_counter$")


@dataclass(frozen=True)
class Origin:
    """Settings that shapes do not determine, by the origin of a file.

    Attributes:
        sn_eps: epsilon of spectral norms.
        bn_eps: epsilon of batch norms.
        words: for the list of assumed settings.
    """

    sn_eps: float
    bn_eps: float
    words: str


ORIGINS = {
    "ajbrock": Origin(1e-6, 1e-5, "SN_eps 1e-6 and BN_eps 1e-5, as the reference launch scripts and DGP set them"),
    "tfhub": Origin(1e-4, 1e-4, "SN_eps and BN_eps 1e-4, as conversions from TensorFlow Hub (no sv0) use them"),
}


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(name.startswith(("output_layer.", "blocks.0.0.bn1.")) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a discriminator, complete or not."""
    return not is_generator(tensors) and any(name.startswith("blocks.0.0.conv") for name in tensors)


def count_blocks(tensors: dict[str, Tensor]) -> int:
    """Return the number of blocks, 0 where there are none."""
    numbers = (re.match(r"blocks\.(\d{1,3})\.", name) for name in tensors)
    return max((1 + int(found[1]) for found in numbers if found), default=0)


def find_attention(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """Return the blocks that end with attention."""
    return tuple(sorted(int(name.split(".")[1]) for name in tensors if re.fullmatch(r"blocks\.\d+\.1\.gamma", name)))


def count_singular_values(tensors: dict[str, Tensor]) -> int:
    """Return how many singular values are stored, 0 without spectral norm."""
    return sum(any(name.endswith(f".u{i}") for name in tensors) for i in range(8))


def read_epsilon(metadata: dict, name: str, usual: float, source: str) -> float:
    """Return an epsilon from the metadata, or the usual one. Raises WeightsError for other than a positive number."""
    value = metadata.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise WeightsError(f"{source}: its header says {name} {value!r}, expected a positive number")
    return float(value)


def infer_generator_config(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANConfig, tuple[str, ...]]:
    """Infer the configuration from shapes and metadata.

    Returns:
        (configuration, settings that were assumed).

    Raises:
        WeightsError: there is no such network.
    """
    blocks = count_blocks(tensors)
    resolution = {len(outs): size for size, (_, outs) in G_CHANNELS.items()}.get(blocks)
    if resolution is None or "blocks.0.0.conv3.weight" in tensors:
        raise WeightsError(
            f"{source}: a generator of {blocks} blocks in a layout that is neither BigGAN's nor BigGAN-deep's; "
            "expected 3 to 7 residual blocks (32 to 512 px)"
        )
    rows, chunk = tensors["linear.weight"].shape
    gain = tensors["blocks.0.0.bn1.gain.weight"]
    if "blocks.0.0.bn1.gain.u0" in tensors and "shared.weight" not in tensors:
        raise KeyError("shared.weight")
    shared = tensors["shared.weight"].shape if "shared.weight" in tensors else None
    hier = shared is not None and gain.shape[1] != shared[1]
    logged = any(name.endswith(".sv0") for name in tensors)
    origin = ORIGINS["tfhub" if count_singular_values(tensors) and not logged else "ajbrock"]
    assumed = [] if {"SN_eps", "BN_eps"} <= metadata.keys() else [origin.words]
    config = BigGANConfig(
        resolution=resolution,
        ch=rows // 16 // G_CHANNELS[resolution][0],
        dim_z=chunk * (blocks + 1) if hier else chunk,
        n_classes=shared[0] if shared else gain.shape[0],
        shared_dim=shared[1] if shared else None,
        hier=hier,
        attention=find_attention(tensors),
        singular_values=count_singular_values(tensors),
        sn_eps=read_epsilon(metadata, "SN_eps", origin.sn_eps, source),
        bn_eps=read_epsilon(metadata, "BN_eps", origin.bn_eps, source),
    )
    return config, tuple(assumed)


def infer_discriminator_config(tensors: dict[str, Tensor], metadata: dict, source: str) -> DiscriminatorConfig:
    """Infer the configuration from shapes and metadata. Raises WeightsError."""
    blocks = count_blocks(tensors)
    resolution = {len(outs): size for size, (outs, _) in D_CHANNELS.items()}.get(blocks)
    if resolution is None:
        raise WeightsError(f"{source}: a discriminator of {blocks} blocks, expected 4 to 7 (32 to 256 px)")
    first = tensors["blocks.0.0.conv2.weight"]
    return DiscriminatorConfig(
        resolution=resolution,
        ch=first.shape[0] // D_CHANNELS[resolution][0][0],
        n_classes=tensors["embed.weight"].shape[0],
        attention=find_attention(tensors),
        wide=first.shape[0] == first.shape[1],
        singular_values=count_singular_values(tensors),
        sn_eps=read_epsilon(metadata, "SN_eps", ORIGINS["ajbrock"].sn_eps, source),
    )


def to_native_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors to the plain layout; accumulated ``mybn`` statistics are divided by their counter."""
    result = {}
    for name, tensor in tensors.items():
        if DERIVED.search(name):
            continue
        if name.endswith((".bn.stored_mean", ".bn.stored_var")):
            counter = tensors.get(name.rsplit(".", 1)[0] + ".accumulation_counter")
            if counter is not None and not counter.is_meta and float(counter) > 0:
                tensor = tensor / counter
            name = name.replace(".bn.stored_", ".stored_")
        result[name] = tensor
    return result


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[BigGAN, tuple[str, ...]]:
    """Build the generator of a file.

    Args:
        tensors: by their published names.
        metadata: what the file states.
        source: the file's name, for messages.
        classes: names of the classes, or ().

    Returns:
        (the generator, settings that were assumed).

    Raises:
        WeightsError: the tensors do not make up such a network.
    """
    tensors = to_native_names(tensors)
    with report_bad_shapes(source, "BigGAN generator"):
        config, assumed = infer_generator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGAN(config, classes), tensors, source)
    check_class_count(classes, config.n_classes, source)
    return network, assumed


def read_discriminator(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANDiscriminator, tuple[str, ...]]:
    """Build the discriminator of a file; see ``read_generator``."""
    with report_bad_shapes(source, "BigGAN discriminator"):
        config = infer_discriminator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGANDiscriminator(config), tensors, source)
    return network, () if "SN_eps" in metadata else (f"of the discriminator: SN_eps {config.sn_eps:g}",)
