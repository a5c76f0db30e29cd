"""StyleGAN1 files in the layout that PULSE uses: a synthesis network (``blocks.{r}x{r}.*``, ``torgb.*``) and, in a file
of its own, the mapping network (``dense{i}.*``), whose names here begin with ``mapping.``.

The file of the original conversion holds both, as ``g_synthesis.*`` and ``g_mapping.*``.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from generators.checkpoints.families.build import build_and_load
from generators.errors import WeightsError
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config


def is_generator(tensors: dict[str, Tensor]) -> bool:
    """Whether it means to be one; what it lacks is said when it is read."""
    return any(re.search(r"(^|\.)blocks\.\d+x\d+\.(const|conv0_up\.|epi[12]\.)", name) for name in tensors)


def is_discriminator(tensors: dict[str, Tensor]) -> bool:
    """None is read: PULSE uses none."""
    return False


def to_native_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        re.sub(r"^g_mapping\.", "mapping.", re.sub(r"^g_synthesis\.", "", name)): tensor
        for name, tensor in tensors.items()
    }


def infer_config(tensors: dict[str, Tensor], source: str) -> StyleGAN1Config:
    """Raises KeyError for what is missing, WeightsError for sizes that no StyleGAN1 has."""
    sizes = sorted({int(found[1]) for name in tensors if (found := re.match(r"blocks\.(\d{1,4})x\1\.", name))})
    if not 2 <= len(sizes) <= 9 or sizes != [4 * 2**k for k in range(len(sizes))]:
        escape = ", ".join(map(str, sizes)) or "none"
        raise WeightsError(
            f"{source}: blocks of sizes {escape}, expected 4, 8, 16 and so on to at most 1024; is the file whole?"
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
    """(network, what was assumed). said: not needed, shapes tell everything. Raises WeightsError."""
    tensors = to_native_names(tensors)
    if classes:
        raise WeightsError(f"{source}: names {len(classes)} classes, but a StyleGAN1 has none; leave them out")
    try:
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
    except KeyError as error:
        raise WeightsError(f"{source}: 1 missing ({error.args[0]}); is the file whole, and a StyleGAN1?") from None
    except WeightsError:
        raise
    except Exception:  # shapes of all kinds meet the arithmetic above
        raise WeightsError(
            f"{source}: the shapes of its tensors do not make up a StyleGAN1; is the file whole?"
        ) from None
