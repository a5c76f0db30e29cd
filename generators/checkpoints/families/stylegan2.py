"""StyleGAN2 files with NVIDIA's names (StyleGAN2-ADA pickles) or rosinality's; the latter are renamed to NVIDIA's.

The configuration is inferred from shapes. What they do not determine comes from the arguments that the file states,
under NVIDIA's names, or else from NVIDIA's defaults.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import check_class_count, report_bad_shapes
from generators.errors import WeightsError
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config

USUAL_TAPS = (1.0, 3.0, 3.0, 1.0)
KERNEL = re.compile(r"(^|\.)(resample_filter|kernel)$")
NEWER_CLAMP = 256


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(re.match(r"synthesis\.b\d+\.|to_rgb1\.|conv1\.conv\.modulation\.", name) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a discriminator, complete or not."""
    return not is_generator(tensors) and any(
        re.match(r"b\d+\.(conv[01]?|fromrgb|fc|out)\.|final_(conv|linear)\.|convs\.\d+\.conv[12]\.", name)
        for name in tensors
    )


def rename_from_rosinality(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert rosinality's names and shapes to NVIDIA's. Unknown names are kept, to be refused later."""
    return dict(_rename(name, tensor) for name, tensor in tensors.items())


def _rename(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if name == "latent_avg":
        return "mapping.w_avg", tensor.flatten()
    if name == "input.input":
        return "synthesis.b4.const", tensor[0]
    if found := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}", tensor
    if found := re.fullmatch(r"noises\.noise_(\d+)", name):
        j = int(found[1])
        return f"synthesis.b{4 << (j + 1) // 2}.conv{0 if j % 2 else 1}.noise_const", tensor[0, 0]
    for pattern, layer in (
        (r"conv1\.(.*)", lambda found: "b4.conv1"),
        (r"to_rgb1\.(.*)", lambda found: "b4.torgb"),
        (r"convs\.(\d+)\.(.*)", lambda found: f"b{8 << int(found[1]) // 2}.conv{int(found[1]) % 2}"),
        (r"to_rgbs\.(\d+)\.(.*)", lambda found: f"b{8 << int(found[1])}.torgb"),
    ):
        if found := re.fullmatch(pattern, name):
            rest, value = _rename_in_layer(found[found.lastindex], tensor)
            return f"synthesis.{layer(found)}.{rest}", value
    return name, tensor


def _rename_in_layer(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Rename within a styled convolution or a convolution to colours."""
    if name == "conv.weight":
        return "weight", tensor[0]
    if name == "noise.weight":
        return "noise_strength", tensor.reshape(())
    if name in ("activate.bias", "bias"):
        return "bias", tensor.flatten()
    return name.replace("conv.modulation.", "affine."), tensor


def rename_discriminator_from_rosinality(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert rosinality's names of a discriminator to NVIDIA's."""
    sides = [int(found[1]) for name in tensors if (found := re.match(r"convs\.(\d+)\.", name))]
    resolution = 4 << max(sides, default=0)
    endings = {
        "conv1.0.weight": "conv0.weight",
        "conv1.1.bias": "conv0.bias",
        "conv2.1.weight": "conv1.weight",
        "conv2.2.bias": "conv1.bias",
        "skip.1.weight": "skip.weight",
    }
    names = {
        "convs.0.0.weight": f"b{resolution}.fromrgb.weight",
        "convs.0.1.bias": f"b{resolution}.fromrgb.bias",
        "final_conv.0.weight": "b4.conv.weight",
        "final_conv.1.bias": "b4.conv.bias",
        "final_linear.0.weight": "b4.fc.weight",
        "final_linear.0.bias": "b4.fc.bias",
        "final_linear.1.weight": "b4.out.weight",
        "final_linear.1.bias": "b4.out.bias",
    }
    for i in range(1, max(sides, default=0) + 1):
        names |= {f"convs.{i}.{ours}": f"b{resolution >> (i - 1)}.{theirs}" for ours, theirs in endings.items()}
    return {names.get(name, name): tensor for name, tensor in tensors.items()}


def split_off_kernels(tensors: dict[str, Tensor], source: str) -> tuple[dict[str, Tensor], tuple[float, ...]]:
    """Return (the other tensors, taps): resampling filters are constants, which are rebuilt from their taps.

    Raises:
        WeightsError: the filters differ, or are not separable.
    """
    kernels = {name: tensor for name, tensor in tensors.items() if KERNEL.search(name)}
    found = {_taps(name, kernel, source) for name, kernel in kernels.items()} or {USUAL_TAPS}
    if len(found) > 1:
        raise WeightsError(f"{source}: its layers have {len(found)} different resampling filters, expected one for all")
    return {name: tensor for name, tensor in tensors.items() if name not in kernels}, found.pop()


def _taps(name: str, kernel: Tensor, source: str) -> tuple[float, ...]:
    expected = f"{source}: {name} is no separable filter of an even number of taps, as (1, 3, 3, 1) is"
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 or kernel.shape[0] > 32:
        raise WeightsError(expected)
    if kernel.is_meta:
        return USUAL_TAPS
    kernel = kernel.double() / kernel.double().sum()
    taps = kernel.sum(1)
    if not torch.allclose(torch.outer(taps, taps), kernel, atol=1e-6):
        raise WeightsError(expected)
    usual = torch.tensor(USUAL_TAPS, dtype=torch.float64) / 8
    if len(taps) == 4 and torch.allclose(taps, usual, atol=1e-6):
        return USUAL_TAPS
    return tuple(round(tap, 7) for tap in taps.tolist())


def get_nested(metadata: dict, *path: str):
    """Return the value under nested keys, or None."""
    for name in path:
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata


def read_number(value, usual: float | None, name: str, source: str) -> float | None:
    """Return a positive number from the metadata, or the usual one. Raises WeightsError."""
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise WeightsError(f"{source}: it says {name} {value!r}, expected a positive number")
    return float(value)


def read_sides(tensors: dict[str, Tensor], pattern: str, source: str) -> list[int]:
    """Return the resolutions of the blocks, 4, 8, ... Raises WeightsError where one is missing."""
    sides = sorted({int(found[1]) for name in tensors if (found := re.match(pattern, name))})
    if len(sides) < 2 or len(sides) > 10 or sides != [4 << k for k in range(len(sides))]:
        raise WeightsError(f"{source}: blocks of {sides} px, expected each power of two from 4 px on")
    return sides


def infer_generator_config(
    tensors: dict[str, Tensor], metadata: dict, taps: tuple[float, ...], rosinality: bool, source: str
) -> StyleGAN2Config:
    """Infer the configuration from shapes and metadata; tensors have NVIDIA's names, without kernels."""
    sides = read_sides(tensors, r"synthesis\.b(\d{1,5})\.", source)
    layers = _layers(tensors)
    embed = tensors.get("mapping.embed.weight")
    embed_dim, n_classes = (0, 0) if embed is None else embed.shape
    if "synthesis.b8.skip.weight" in tensors:
        architecture = "resnet"
    else:
        architecture = "skip" if "synthesis.b4.torgb.weight" in tensors else "orig"
    first = tensors["mapping.fc0.weight"]
    clamp = get_nested(metadata, "synthesis_kwargs", "conv_clamp") or metadata.get(
        "conv_clamp", NEWER_CLAMP if is_stylegan3_release(metadata) else None
    )
    rate = get_nested(metadata, "mapping_kwargs", "lr_multiplier")
    return StyleGAN2Config(
        resolution=sides[-1],
        channels=tuple(tensors[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides),
        z_dim=first.shape[1] - embed_dim,
        w_dim=tensors["synthesis.b4.conv1.affine.weight"].shape[1],
        mapping_layers=layers,
        mapping_width=first.shape[0],
        n_classes=n_classes,
        embed_dim=embed_dim,
        architecture=architecture,
        mapping_rate=read_number(rate, 0.01, "lr_multiplier", source),
        conv_clamp=read_number(clamp, None, "conv_clamp", source),
        taps=taps,
        demodulation_fan_in=float(rosinality),
    )


def is_stylegan3_release(metadata: dict) -> bool:
    """Return whether the metadata are those of StyleGAN3's release of this network, which clamps by default."""
    return "channel_base" in metadata and "synthesis_kwargs" not in metadata


def _layers(tensors: dict[str, Tensor]) -> int:
    return sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[StyleGAN2, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``."""
    with report_bad_shapes(source, "StyleGAN2 generator"):
        rosinality = any(name.startswith(("style.", "to_rgb1.")) for name in tensors)
        native = rename_from_rosinality(tensors) if rosinality else dict(tensors)
        native, taps = split_off_kernels(native, source)
        config = infer_generator_config(native, metadata, taps=taps, rosinality=rosinality, source=source)
        assumed = [] if metadata else [f"learning rate multiplier of the mapping network {config.mapping_rate:g}"]
        if not metadata and not rosinality:
            assumed.append("no clamp of activations (conv_clamp), which a file without its arguments does not tell")
        made = make_missing(native) if rosinality else {}
        network = build_and_load(lambda: StyleGAN2(config, classes), native | made, source)
        if any(name.endswith("noise_const") for name in made):
            assumed.append("noise maps drawn from seed 0, since the file has none")
        if "mapping.w_avg" in made:
            assumed.append("the mean w of 10000 samples, since the file has none")
            if not any(tensor.is_meta for tensor in native.values()):
                network.mapping.w_avg.copy_(network.mean_of_w())
    check_class_count(classes, config.n_classes, source)
    return network, tuple(assumed)


def make_missing(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Make what some of rosinality's files lack: old ones the noise maps, self-trained ones the mean w (zeros here)."""
    made, random = {}, torch.Generator().manual_seed(0)
    if "mapping.w_avg" not in tensors:
        made["mapping.w_avg"] = torch.zeros(tensors["synthesis.b4.conv1.affine.weight"].shape[1])
    if not any(name.endswith(".noise_const") for name in tensors):
        for name in sorted(tensors):
            if found := re.fullmatch(r"(synthesis\.b(\d{1,5})\.conv[01]\.)noise_strength", name):
                side = int(found[2])
                made[f"{found[1]}noise_const"] = torch.randn(side, side, generator=random)
    return made


def infer_discriminator_config(
    tensors: dict[str, Tensor], metadata: dict, taps: tuple[float, ...], source: str
) -> StyleGAN2DiscriminatorConfig:
    """Infer the configuration from shapes and metadata; tensors have NVIDIA's names, without kernels."""
    sides = read_sides(tensors, r"b(\d{1,5})\.", source)
    if f"b{sides[-1]}.skip.weight" in tensors:
        architecture = "resnet"
    else:
        architecture = "skip" if "b4.fromrgb.weight" in tensors else "orig"
    embed = tensors.get("mapping.embed.weight")
    embed_dim, n_classes = (0, 0) if embed is None else embed.shape
    channels = (tensors["b4.conv.weight"].shape[0], *(tensors[f"b{side}.conv0.weight"].shape[1] for side in sides[1:]))
    group = (metadata.get("epilogue_kwargs") or {}).get("mbstd_group_size", 4)
    if group is not None and (type(group) is not int or group < 1):
        raise WeightsError(f"{source}: it says mbstd_group_size {group!r}, expected a number of rows, or none")
    clamp = get_nested(metadata, "conv_clamp")
    rate = get_nested(metadata, "mapping_kwargs", "lr_multiplier")
    return StyleGAN2DiscriminatorConfig(
        resolution=sides[-1],
        channels=channels,
        n_classes=n_classes,
        embed_dim=embed_dim,
        mapping_layers=_layers(tensors),
        mapping_width=tensors["mapping.fc0.weight"].shape[0] if n_classes else 0,
        cmap_dim=tensors["b4.out.weight"].shape[0] if n_classes else 0,
        architecture=architecture,
        statistics=tensors["b4.conv.weight"].shape[1] - channels[0],
        group=group,
        mapping_rate=read_number(rate, 0.01, "lr_multiplier", source),
        conv_clamp=read_number(clamp, None, "conv_clamp", source),
        taps=taps,
    )


def read_discriminator(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[StyleGAN2Discriminator, tuple[str, ...]]:
    """Build the discriminator of a file; see ``biggan.read_generator``."""
    with report_bad_shapes(source, "StyleGAN2 discriminator"):
        rosinality = any(name.startswith(("convs.", "final_")) for name in tensors)
        native = rename_discriminator_from_rosinality(tensors) if rosinality else dict(tensors)
        native, taps = split_off_kernels(native, source)
        config = infer_discriminator_config(native, metadata, taps, source)
        network = build_and_load(lambda: StyleGAN2Discriminator(config), native, source)
    return network, ()
