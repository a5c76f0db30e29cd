"""Untrained networks: the toy prior of the tests, and randomly initialised copies as a control experiment."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import torch
from torch import nn

from generators.base import Generator
from generators.biggan import (
    BigGAN,
    BigGANConfig,
    BigGANDeep,
    BigGANDiscriminator,
    DiscriminatorConfig,
)
from generators.biggan.layers import Attention, StoredStatistics
from generators.errors import GeneratorError
from generators.prior import ModelCard, Prior
from generators.registry import register
from generators.statistics.latent_statistics import make_statistics
from generators.stylegan.style_generator import StyleGenerator


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Initialise with orthogonal weights and converged power-iteration vectors, from one seed."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            flat = torch.randn(parameter.shape[0], math.prod(parameter.shape[1:]), generator=random)
            tall = flat if flat.shape[0] >= flat.shape[1] else flat.t()
            q = torch.linalg.qr(tall)[0]
            parameter.data.copy_((q if tall is flat else q.t()).reshape(parameter.shape))
        elif "gain" not in name:
            parameter.data.zero_()
    for layer in network.modules():
        if hasattr(layer, "u0"):
            u, _, v = torch.linalg.svd(layer.weight.flatten(1), full_matrices=False)
            layer.u0.copy_(u[None, :, 0])
            if hasattr(layer, "v0"):
                layer.v0.copy_(v[:1])


@torch.no_grad()
def store_batch_statistics(generator: Generator, seed: int, rows: int = 64) -> None:
    """Store the batch statistics of the generator's own samples, layer by layer, as standing statistics would be.

    Layers with statistics for several truncations store those without truncation everywhere.
    """
    random = torch.Generator().manual_seed(seed)
    latents = generator.sample(rows, generator=random)

    def store(layer, arguments):
        variance, mean = torch.var_mean(arguments[0], (0, 2, 3))
        layer.stored_var.copy_(variance.expand_as(layer.stored_var))
        layer.stored_mean.copy_(mean.expand_as(layer.stored_mean))

    hooks = [m.register_forward_pre_hook(store) for m in generator.modules() if isinstance(m, StoredStatistics)]
    generator(latents)
    for hook in hooks:
        hook.remove()


def randomise(prior: Prior, seed: int = 0) -> Prior:
    """Return the prior with a freshly initialised generator and the discriminator that it had.

    It shows what remains of a method without training.

    Raises:
        GeneratorError: the network is neither a BigGAN nor a StyleGAN.
    """
    if not isinstance(prior.generator, BigGAN | BigGANDeep | StyleGenerator):
        raise GeneratorError(
            f"{prior.name} is a {prior.generator.info.architecture}; only BigGAN and StyleGAN generators can be "
            "given new random weights; choose such a prior"
        )
    config = prior.generator.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classes = prior.generator.info.classes
        generator = type(prior.generator)(config, *([classes] if classes else []))
    if isinstance(generator, StyleGenerator):  # its constructor draws weights as published
        if generator.mapping is not None:
            generator.mapping.w_avg.copy_(generator.mean_of_w())
    else:
        initialise(generator, seed)
        store_batch_statistics(generator, seed)
    generator.to(prior.generator.device)
    return replace(
        prior,
        name=f"{prior.name}-random-{seed}",
        generator=generator,
        sha256=hash_config(config, seed),
        statistics=make_statistics(generator, hash_config(config, seed)),
        card=ModelCard(
            f"{prior.name}-random-{seed}",
            data="none",
            licence="MIT",
            origin=f"random, seed {seed}",
            limits="an untrained network, for comparison only",
        ),
    )


def hash_config(config: object, seed: int) -> str:
    """Return a digest that identifies seeded weights.

    The weights themselves are not hashed, since their last digits differ from machine to machine.
    """
    return hashlib.sha256(f"{config} from seed {seed}".encode()).hexdigest()


@register("toy")
def toy() -> Prior:
    """Tiny seeded generator and discriminator, 32 px, three classes, for tests; its pictures show nothing."""
    config = BigGANConfig(32, ch=2, dim_z=20, n_classes=3, shared_dim=6, hier=True, attention=(1,))
    with torch.random.fork_rng(devices=[]):  # constructors draw weights, which are replaced below
        generator = BigGAN(config, ("first", "second", "third"))
        discriminator = BigGANDiscriminator(DiscriminatorConfig(32, ch=2, n_classes=3, attention=(0,)))
    for network, seed in ((generator, 1), (discriminator, 2)):
        initialise(network, seed)
        for layer in network.modules():
            if isinstance(layer, Attention):
                layer.gamma.data.fill_(0.5)
    store_batch_statistics(generator, 3)
    card = ModelCard(
        "toy",
        data="none",
        licence="MIT",
        origin="random weights from a fixed seed",
        limits="for tests: its pictures show nothing",
    )
    return Prior("toy", generator, discriminator, card, sha256=hash_config(config, 1))
