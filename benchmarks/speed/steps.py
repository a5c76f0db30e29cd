"""Functions that take one step of a kind, for measurements of time."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from dgp.api import observe
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe
from generators import Prior
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config


def colorization(prior: Prior, pictures: int, device: str, stage: int) -> Callable[[], object]:
    """Return a function that takes a step of one stage of the recipe, for several pictures with separate weights."""
    side, recipe = prior.generator.info.resolution, load_recipe("dgp-colorization")
    one = recipe.stages[stage].model_copy(update={"steps": 10**6})
    recipe = recipe.model_copy(update={"stages": (one,)})
    random = torch.Generator().manual_seed(4)
    observations = []
    for _ in range(pictures):
        blurred = F.interpolate(torch.rand(1, 3, 8, 8, generator=random), side, mode="bicubic")[0]
        clean = blurred.clamp(0, 1) * 2 - 1
        observations.append(observe(clean, recipe.operator, prior, label=7, simulate=True, target="float"))
    z = torch.randn(pictures, prior.generator.config.dim_z, generator=random) / 2
    start = {"z": z, "class": prior.generator.embed(torch.full((pictures,), 7)).cpu()}
    steps = iter(Inversion(observations, prior, recipe, start=start, device=device))
    return lambda: next(steps)


def candidates(prior: Prior, rows: int, device: str) -> Callable[[], object]:
    """Return a function that scores `rows` candidates of the search."""
    recipe = load_recipe("dgp-colorization")
    side = prior.generator.info.resolution
    observation = observe(torch.zeros(3, side, side), recipe.operator, prior, label=7, simulate=True, target="float")
    problem = Inversion(observation, prior, recipe, device=device).problem
    found, search = problem.draw(0, 0, rows), recipe.searches[0]
    return lambda: problem.rank(found, search.terms, search.through)


def latent(network: StyleGAN2, rows: int) -> Callable[[], object]:
    """Return a function that runs forward, and backward to w+."""
    w = torch.randn(rows, network.num_ws, network.config.w_dim, generator=torch.Generator().manual_seed(5))
    w = w.to(network.device).requires_grad_()

    def step():
        w.grad = None
        network({"w+": w}).square().mean().backward()

    return step


def config_f(resolution: int) -> StyleGAN2:
    """Return a StyleGAN2 with random weights and the channels of config F (Karras et al. 2020)."""
    channels = [min(512, 2**15 // 2**k) for k in range(2, resolution.bit_length())]
    config = StyleGAN2Config(resolution, tuple(channels), z_dim=512, w_dim=512, mapping_layers=2, mapping_width=512)
    network = StyleGAN2(config)
    return network.eval().requires_grad_(False)
