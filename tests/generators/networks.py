"""Tiny seeded networks that no file holds."""

import dataclasses

import torch

from generators.biggan import BigGANDeep, BigGANDeepConfig, BigGANDeepDiscriminator, DeepDiscriminatorConfig
from generators.prior import ModelCard, Prior
from generators.random_init import initialise, store_batch_statistics
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config

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
    store_batch_statistics(generator, 2, rows=16)
    for name, statistics in generator.named_buffers():
        if "stored" in name and statistics.ndim == 2:
            statistics.mul_(torch.linspace(0.5, 1, len(statistics))[:, None])
    return generator


def deep_prior(name):
    torch.manual_seed(0)
    judge = BigGANDeepDiscriminator(DeepDiscriminatorConfig(32, (8, 16, 16, 16), (0, 1), 2, 4, attention=(1,)))
    initialise(judge, 1)
    return Prior(name, deep_generator(name), judge, ModelCard(name), "")


# 32 px; the discriminator of each is of its architecture, or the usual one.
STYLE = StyleGAN2Config(32, (12, 12, 10, 8), z_dim=10, w_dim=16, mapping_layers=3, mapping_width=14)
STYLE_SHAPES = {
    "stylegan2": dataclasses.replace(STYLE, n_classes=4, embed_dim=6),
    "stylegan2 resnet": dataclasses.replace(STYLE, architecture="resnet", demodulation_fan_in=1.0),
    "stylegan2 orig, clamped": dataclasses.replace(STYLE, architecture="orig", conv_clamp=2.0, taps=(1.0, 1.0)),
}
STYLE_JUDGES = {
    "stylegan2": StyleGAN2DiscriminatorConfig(32, (8, 12, 10, 8), 4, 6, 2, 14, 12, architecture="skip"),
    "stylegan2 resnet": StyleGAN2DiscriminatorConfig(32, (8, 12, 10, 8), architecture="resnet", group=None),
    "stylegan2 orig, clamped": StyleGAN2DiscriminatorConfig(
        32, (8, 12, 10, 8), architecture="orig", conv_clamp=1.5, statistics=2
    ),
}


@torch.no_grad()
def style_prior(name):
    """Everything that begins at zero has a value."""
    torch.manual_seed(0)
    generator, judge = StyleGAN2(STYLE_SHAPES[name]), StyleGAN2Discriminator(STYLE_JUDGES[name])
    for network in (generator, judge):
        for key, parameter in network.named_parameters():
            if key.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn(parameter.shape))
    generator.mapping.w_avg.copy_(generator.mean_of_w())
    return Prior(name, generator, judge, ModelCard(name), "")
