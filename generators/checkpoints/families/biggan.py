"""BigGAN files in the ajbrock layout and its relatives: the configuration from shapes, the rest from a table of
origins.

Relatives: the files of the DGP distribution (which carry instance norms that its code derives anew), conversions from
TensorFlow Hub (without ``sv0``), and ``mybn`` networks (whose statistics have other names).
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
from generators.errors import WeightsError

DERIVED = re.compile(r"blocks\.\d+\.0\.in[12]\.(weight|bias)$|\.accumulation_counter$")


@dataclass(frozen=True)
class Origin:
    """What shapes do not tell. words: for the list of what was assumed."""

    sn_eps: float
    bn_eps: float
    words: str


ORIGINS = {
    "ajbrock": Origin(1e-6, 1e-5, "SN_eps 1e-6 and BN_eps 1e-5, as the reference launch scripts and DGP set them"),
    "tfhub": Origin(1e-4, 1e-4, "SN_eps and BN_eps 1e-4, as conversions from TensorFlow Hub (no sv0) use them"),
}


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Whether it means to be one; what it lacks is said when it is read."""
    return any(name.startswith(("output_layer.", "blocks.0.0.bn1.")) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    return not is_generator(tensors) and any(name.startswith("blocks.0.0.conv") for name in tensors)


def count_blocks(tensors: dict[str, Tensor]) -> int:
    """0 where there are none."""
    numbers = (re.match(r"blocks\.(\d{1,3})\.", name) for name in tensors)
    return max((1 + int(found[1]) for found in numbers if found), default=0)


def find_attention(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    return tuple(sorted(int(name.split(".")[1]) for name in tensors if re.fullmatch(r"blocks\.\d+\.1\.gamma", name)))


def count_singular_values(tensors: dict[str, Tensor]) -> int:
    return sum(any(name.endswith(f".u{i}") for name in tensors) for i in range(8))


def read_epsilon(metadata: dict, name: str, usual: float, source: str) -> float:
    value = metadata.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise WeightsError(f"{source}: its header says {name} {value!r}, expected a positive number")
    return float(value)


def infer_generator_config(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANConfig, tuple[str, ...]]:
    """(configuration, what was assumed). said: what the file states of itself. Raises WeightsError."""
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
    """The names of the plain layout. ``mybn`` statistics that were accumulated are divided by their counter."""
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
    """(network, what was assumed). classes: their names, as many as the network has, or none. Raises WeightsError."""
    tensors = to_native_names(tensors)
    try:
        config, assumed = infer_generator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGAN(config, classes), tensors, source)
    except WeightsError:
        raise
    except Exception as error:  # shapes of all kinds meet the arithmetic above
        raise WeightsError(_no_use(source, "generator", error)) from None
    if classes and len(classes) != config.n_classes:
        raise WeightsError(f"{source}: names {len(classes)} classes, but its tensors have {config.n_classes}")
    return network, assumed


def read_discriminator(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[BigGANDiscriminator, tuple[str, ...]]:
    """(network, what was assumed). Raises WeightsError."""
    try:
        config = infer_discriminator_config(tensors, metadata, source)
        network = build_and_load(lambda: BigGANDiscriminator(config), tensors, source)
    except WeightsError:
        raise
    except Exception as error:  # as above
        raise WeightsError(_no_use(source, "discriminator", error)) from None
    return network, () if "SN_eps" in metadata else (f"of the discriminator: SN_eps {config.sn_eps:g}",)


def _no_use(source: str, what: str, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{source}: 1 missing ({error.args[0]}); is the file whole, and of this architecture?"
    return f"{source}: the shapes of its tensors do not make up a BigGAN {what}; is the file whole?"
