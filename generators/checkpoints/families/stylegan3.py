"""StyleGAN3 files in NVIDIA's layout: ``synthesis.input.*``, ``synthesis.L{i}_{size}_{channels}.*``, ``mapping.*``.

Shapes and names determine the sizes. The rest comes from the arguments that the file states, under NVIDIA's names, or
else from NVIDIA's defaults. The discriminator is StyleGAN2's.
"""

from __future__ import annotations

import math
import re

from torch import Tensor

from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import check_class_count, report_bad_shapes
from generators.errors import WeightsError
from generators.stylegan.stylegan3 import Layer, StyleGAN3, StyleGAN3Config

LAYER = re.compile(r"synthesis\.(L(\d{1,3})_(\d{1,5})_(\d{1,5}))\.")
# Settings that shapes do not determine, by NVIDIA's names: usual value, smallest, largest.
STATED = {
    "num_critical": (2, 0, 64),
    "first_cutoff": (2, 1e-3, 2**14),
    "first_stopband": (2**2.1, 1e-3, 2**14),
    "last_stopband_rel": (2**0.3, 1, 2**14),
    "margin_size": (10, 0, 2**10),
    "filter_size": (6, 1, 32),
    "lrelu_upsampling": (2, 1, 8),
    "conv_clamp": (256, 0, math.inf),
    "output_scale": (0.25, 0, 2**14),
}
WHOLE = {"num_critical", "margin_size", "filter_size", "lrelu_upsampling"}


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(name.startswith("synthesis.input.") or LAYER.match(name) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return False: StyleGAN3's discriminator has StyleGAN2's layout."""
    return False


def read_settings(metadata: dict, source: str) -> dict[str, float | int | None]:
    """Return the settings that shapes do not determine, from the metadata or as usual.

    Raises:
        WeightsError: a value is not a number, or out of range.
    """
    found = {}
    for name, (usual, least, most) in STATED.items():
        value = metadata.get(name, usual)
        if name == "conv_clamp" and value is None:
            found[name] = None
            continue
        wanted = int if name in WHOLE else int | float
        if isinstance(value, bool) or not isinstance(value, wanted) or not least <= value <= most:
            kind = "a whole number" if name in WHOLE else "a number"
            raise WeightsError(f"{source}: it says {name} {value!r}, expected {kind} from {least:g} to {most:g}")
        found[name] = value if name in WHOLE else float(value)
    return found


def infer_generator_config(tensors: dict[str, Tensor], metadata: dict, source: str) -> StyleGAN3Config:
    """Infer the configuration from shapes and metadata.

    Raises:
        KeyError: a tensor is missing.
        WeightsError: there is no such network.
    """
    layers = {int(found[2]): found for name in tensors if (found := LAYER.match(name))}
    if sorted(layers) != list(range(len(layers))) or len(layers) < 4:
        raise WeightsError(f"{source}: {len(layers)} layers, not numbered from 0 on; is the file whole?")
    channels = tuple(int(layers[i][4]) for i in range(len(layers)))
    if channels[-1] != 3:
        raise WeightsError(f"{source}: makes pictures of {channels[-1]} channels, expected 3")
    first = f"synthesis.{layers[0][1]}"
    embed = tensors.get("mapping.embed.weight")
    embed_dim, n_classes = (0, 0) if embed is None else embed.shape
    width, entering = tensors["mapping.fc0.weight"].shape
    return StyleGAN3Config(
        resolution=int(layers[len(layers) - 1][3]),
        channels=channels,
        z_dim=entering - embed_dim,
        w_dim=tensors["synthesis.input.affine.weight"].shape[1],
        mapping_layers=sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors),
        mapping_width=width,
        n_classes=n_classes,
        embed_dim=embed_dim,
        conv_kernel=tensors[f"{first}.weight"].shape[-1],
        use_radial_filters=tensors[f"{first}.down_filter"].ndim == 2,
        **read_settings(metadata, source),
    )


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[StyleGAN3, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``."""
    with report_bad_shapes(source, "StyleGAN3 generator"):
        config = infer_generator_config(tensors, metadata, source)
        network = build_and_load(lambda: StyleGAN3(config, classes), tensors, source)
    check_class_count(classes, config.n_classes, source)
    assumed = [] if metadata else ["the frequencies, margins and clamp of the published networks"]
    if any(tensor.is_meta for tensor in tensors.values()):
        return network, tuple(assumed)
    off = max(_measure_filter_error(layer) for layer in network.synthesis.layers() if isinstance(layer, Layer))
    if off > 1e-3:
        assumed.append(f"filters as the file stores them, up to {off:.0%} off those that its frequencies call for")
    return network, tuple(assumed)


def _measure_filter_error(layer: Layer) -> float:
    """Return how far the stored filters are from the designed ones, relative to the largest tap."""
    pairs = zip((layer.up_filter, layer.down_filter), layer.design_filters(), strict=True)
    return max(float((stored - made).abs().max() / made.abs().max()) for stored, made in pairs)
