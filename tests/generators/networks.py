"""Tiny seeded networks that no file holds."""

import dataclasses

import torch

from generators.biggan import BigGANDeep, BigGANDeepConfig, BigGANDeepDiscriminator, DeepDiscriminatorConfig
from generators.fresh import initialise, settle_statistics
from generators.prior import ModelCard, Prior

# 32 px: the layout of the authors' release, and that of HuggingFace, with all that only it has.
DEEP = BigGANDeepConfig(8, 4, 6, channels=(16, 16, 16, 16, 16, 16, 16), enlarging=(1, 3, 5), attention=(3,))
DEEP_SHAPES = {
    "deep": DEEP,
    "deep with truncations": dataclasses.replace(
        DEEP,
        channels=(32, 16, 16, 8, 8),
        enlarging=(0, 2, 3),
        attention=(0,),
        truncations=5,
        right_vectors=True,
        output_filters=8,
        bn_eps=1e-4,
        output_eps=1e-4,
    ),
}


def deep_generator(name):
    """Its statistics differ from truncation to truncation."""
    torch.manual_seed(0)
    generator = BigGANDeep(DEEP_SHAPES[name])
    initialise(generator, 0)
    for block in generator.blocks:
        for attention in block[1:]:
            attention.gamma.data.fill_(0.5)
    settle_statistics(generator, 2, rows=16)
    for name, statistics in generator.named_buffers():
        if "stored" in name and statistics.ndim == 2:
            statistics.mul_(torch.linspace(0.5, 1, len(statistics))[:, None])
    return generator


def deep_prior(name):
    torch.manual_seed(0)
    judge = BigGANDeepDiscriminator(DeepDiscriminatorConfig(32, (8, 16, 16, 16), (0, 1), 2, 4, attention=(1,)))
    initialise(judge, 1)
    return Prior(name, deep_generator(name), judge, ModelCard(name), "")
