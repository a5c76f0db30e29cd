"""StyleGAN1 files in the layout that PULSE uses.

A synthesis network (``blocks.{r}x{r}.*``, ``torgb.*``) and, in a file of its own, the mapping network (``dense{i}.*``),
whose names begin with ``mapping.`` here. The file of the original conversion holds both, as ``g_synthesis.*`` and
``g_mapping.*``.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from generators.checkpoints.families.build import build_and_load
from generators.checkpoints.families.checks import report_bad_shapes
from generators.errors import WeightsError
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Return whether the names are those of such a generator, complete or not."""
    return any(re.search(r"(^|\.)blocks\.\d+x\d+\.(const|conv0_up\.|epi[12]\.)", name) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """Return False: PULSE uses no discriminator."""
    return False


def to_native_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors to those of ``StyleGAN1``."""
    return {
        re.sub(r"^g_mapping\.", "mapping.", re.sub(r"^g_synthesis\.", "", name)): tensor
        for name, tensor in tensors.items()
    }


def infer_config(tensors: dict[str, Tensor], source: str) -> StyleGAN1Config:
    """Infer the configuration from shapes.

    Raises:
        KeyError: a tensor is missing.
        WeightsError: no StyleGAN1 has such sizes.
    """
    sizes = sorted({int(found[1]) for name in tensors if (found := re.match(r"blocks\.(\d{1,4})x\1\.", name))})
    if not 2 <= len(sizes) <= 9 or sizes != [4 * 2**k for k in range(len(sizes))]:
        listed = ", ".join(map(str, sizes)) or "none"
        raise WeightsError(
            f"{source}: blocks of sizes {listed}, expected 4, 8, 16 and so on to at most 1024; is the file whole?"
        )
    biases = ["blocks.4x4.bias", *(f"blocks.{size}x{size}.conv1.bias" for size in sizes[1:])]
    layers = sum(re.fullmatch(r"mapping\.dense\d+\.weight", name) is not None for name in tensors)
    return StyleGAN1Config(
        channels=tuple(len(tensors[name]) for name in biases),
        w_dim=tensors["blocks.4x4.epi1.style_mod.lin.weight"].shape[1],
        z_dim=tensors["mapping.dense0.weight"].shape[1] if layers else None,
        mapping_layers=layers,
        mapping_width=tensors["mapping.dense0.weight"].shape[0] if layers else 0,
    )


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...] = ()
) -> tuple[StyleGAN1, tuple[str, ...]]:
    """Build the generator of a file; see ``biggan.read_generator``.

    Shapes determine everything; the metadata are not used.
    """
    tensors = to_native_names(tensors)
    if classes:
        raise WeightsError(f"{source}: names {len(classes)} classes, but a StyleGAN1 has none; leave them out")
    with report_bad_shapes(source, "StyleGAN1 generator"):
        config = infer_config(tensors, source)
        assumed = ["fixed noise maps of our own, since files of StyleGAN1 store none"]
        if config.z_dim is None:
            assumed.append(
                "no mapping network beside the synthesis: only w and w+ can be searched, and w is drawn with "
                "the mean and deviation that PULSE publishes for faces"
            )
        averaged = config.z_dim is not None and "mapping.w_avg" not in tensors
        if averaged:
            tensors["mapping.w_avg"] = torch.zeros(config.w_dim)
            assumed.append("the mean w of 10000 samples, since the file has none")
        network = build_and_load(lambda: StyleGAN1(config), tensors, source)
        if averaged and not network.mapping.w_avg.is_meta:
            network.mapping.w_avg.copy_(network.mean_of_w())
        return network, tuple(assumed)
