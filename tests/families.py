"""A small network of each family with weights of no training, and a discriminator beside it."""

import dataclasses
import functools

import torch
import torch.nn.functional as F

import generators
from generators.prior import ModelCard, Prior
from generators.statistics.gaussians import SLOPE, Gaussian
from generators.statistics.latent_statistics import Statistics
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig

from .generators.networks import deep_prior, style_prior
from .generators.stylegan.networks import mobile_stylegan, stylegan1, stylegan3

FAMILIES = {
    "biggan": lambda: generators.load("toy"),
    "biggan-deep": lambda: deep_prior("deep"),
    "mobilestylegan": lambda: judged(mobile_stylegan()),
    "stylegan1": lambda: judged(stylegan1()),
    "stylegan2": lambda: measured(style_prior("stylegan2 resnet")),
    "stylegan2 with classes": lambda: measured(style_prior("stylegan2")),
    "stylegan3": lambda: judged(stylegan3("T", 32, 5)),
}


@functools.cache
def family(name: str) -> Prior:
    return FAMILIES[name]()


def judged(generator) -> Prior:
    """With a discriminator of its resolution."""
    torch.manual_seed(1)
    side = generator.info.resolution
    widths = (8, 12, 10, 8, 8)[: side.bit_length() - 2]
    judge = StyleGAN2Discriminator(StyleGAN2DiscriminatorConfig(side, widths, architecture="resnet", group=None))
    name = generator.info.architecture
    return measured(Prior(name, generator, judge, ModelCard(name), ""))


@torch.no_grad()
def measured(prior: Prior) -> Prior:
    """With PULSE's Gaussian over few draws."""
    g = prior.generator
    w = g.convert(g.sample(2000, generator=torch.Generator().manual_seed(0)), "w")["w"]
    before = F.leaky_relu(w, 1 / SLOPE)
    statistics = Statistics(g, "", Gaussian(before.mean(0), before.std(0)))
    return dataclasses.replace(prior, statistics=statistics)
