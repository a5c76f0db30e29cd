"""The two networks of a run, newly initialised or loaded from weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from generators.base import Discriminator, Generator
from generators.biggan import BigGAN, BigGANConfig, BigGANDiscriminator, DiscriminatorConfig
from generators.biggan.discriminator import CHANNELS
from generators.biggan.layers import StoredStatistics
from generators.checkpoints.native import DISCRIMINATORS, GENERATORS, get_architecture_name
from generators.errors import TrainingError
from generators.load import load
from generators.nn.spectral_norm import Conv, SpectralNorm
from generators.prior import Prior
from generators.random_init import initialise
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config
from generators.training.loop.random_streams import WEIGHTS, make_stream
from generators.training.loop.settings import Settings

ARCHITECTURES = ("biggan", "stylegan2")
SHARED = 128  # width of BigGAN's class embedding
W_DIM, MAPPING_LAYERS, DISCRIMINATOR_MAPPING_LAYERS = 512, 2, 8  # as StyleGAN2-ADA for CIFAR-10 (Karras et al. 2020)
CLASS_SHARE = 4  # z is so many times wider than the class embedding; with equal widths, w depends mostly on the class
MAPPING_RATE = 0.1  # published: 0.01, with which the mapping would hardly change in a run of a few hours
FEWEST_VALUES = 2**10  # of a kernel into which resampling is merged

Pair = tuple[Generator, Discriminator]


def build_pair(settings: Settings, side: int, classes: tuple[str, ...]) -> Pair:
    """Build the networks of some settings.

    Raises:
        TrainingError: the architecture does not support pictures of this size.
    """
    width, count = settings.width, len(classes)
    sides = tuple(CHANNELS) if settings.arch == "biggan" else tuple(4 << k for k in range(1, 9))
    if side not in sides:
        raise TrainingError(
            f"got pictures of {side} px, but {settings.arch} is trained at {', '.join(map(str, sides))} px; resize them"
        )
    if settings.arch == "biggan":
        config = BigGANConfig(side, width, dim_z=settings.z_dim, n_classes=count, shared_dim=SHARED, hier=False)
        return BigGAN(config, classes), BigGANDiscriminator(DiscriminatorConfig(side, width, count))
    embedding = max(settings.z_dim // CLASS_SHARE, 1)
    channels = (width,) * (side.bit_length() - 2)
    config = StyleGAN2Config(
        side,
        channels,
        settings.z_dim,
        W_DIM,
        mapping_layers=MAPPING_LAYERS,
        mapping_width=W_DIM,
        n_classes=count,
        embed_dim=embedding,
        mapping_rate=MAPPING_RATE,
    )
    discriminator_config = StyleGAN2DiscriminatorConfig(
        side,
        channels,
        n_classes=count,
        embed_dim=width,
        mapping_layers=DISCRIMINATOR_MAPPING_LAYERS,
        mapping_width=width,
        cmap_dim=width,
        group=settings.together,
    )
    return StyleGAN2(config, classes), StyleGAN2Discriminator(discriminator_config)


def initialise_pair(settings: Settings, side: int, classes: tuple[str, ...]) -> Pair:
    """Build and initialise networks from the seed: BigGAN orthogonally (Brock et al. 2019), StyleGAN2 as published.

    Where the settings name a critic, the discriminator is that prior's.

    Raises:
        TrainingError: the pictures do not fit.
        WeightsError: the critic cannot be loaded.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(make_stream(settings.seed, WEIGHTS).initial_seed())
        pair = build_pair(settings, side, classes)
    for number, network in enumerate(pair if settings.arch == "biggan" else ()):
        initialise(network, settings.seed + number)
    return (pair[0], _load_trainable(settings.critic, side, classes).discriminator) if settings.critic else pair


def load_pair(weights: str | Path, arch: str, side: int, classes: tuple[str, ...]) -> Pair:
    """Load networks from a file or name that ``generators.load`` takes, with a discriminator.

    Raises:
        TrainingError: they do not fit the pictures or the architecture.
        WeightsError: they cannot be loaded.
    """
    prior = _load_trainable(weights, side, classes)
    if prior.generator.info.architecture != arch:
        raise TrainingError(f"{weights}: got a {prior.generator.info.architecture}, expected a {arch}")
    generator = GENERATORS[arch].network(prior.generator.config, classes)
    generator.load_state_dict(prior.generator.state_dict())
    return generator, prior.discriminator


def _load_trainable(weights: str | Path, side: int, classes: tuple[str, ...]) -> Prior:
    """Load a prior whose discriminator can be trained."""
    prior = load(weights)
    info = prior.generator.info
    if prior.discriminator is None or get_architecture_name(prior.discriminator) not in ARCHITECTURES:
        has = "none" if prior.discriminator is None else f"that of a {get_architecture_name(prior.discriminator)}"
        raise TrainingError(f"{weights}: got {has}, expected a discriminator of {' or '.join(ARCHITECTURES)}")
    if info.resolution != side or len(info.classes) != len(classes):
        raise TrainingError(
            f"{weights}: makes {info.resolution} px of {len(info.classes)} classes, but the pictures are of {side} px "
            f"and {len(classes)} classes; give those that it was trained on"
        )
    return prior


def describe_pair(pair: Pair) -> dict:
    """Return what ``rebuild_pair`` needs, for a checkpoint."""
    return {
        "generator": vars(pair[0].config),
        "discriminator": vars(pair[1].config),
        "judging": get_architecture_name(pair[1]),
        "classes": pair[0].info.classes,
    }


def rebuild_pair(arch: str, state: dict) -> Pair:
    """Build networks of the described shapes, whose values are to be loaded."""
    generator, discriminator = GENERATORS[arch], DISCRIMINATORS[state.get("judging", arch)]
    return (
        generator.network(generator.config(**state["generator"]), tuple(state["classes"])),
        discriminator.network(discriminator.config(**state["discriminator"])),
    )


def prepare(network: nn.Module, device: torch.device) -> nn.Module:
    """Prepare a network for training: on its device, channels-last, all parameters trainable, resampling merged."""
    network.train().requires_grad_(True).to(device, memory_format=torch.channels_last)
    for layer in network.modules():
        if isinstance(layer, Conv):
            layer.merge_resampling = layer.weight.numel() >= FEWEST_VALUES
    if isinstance(network, StyleGAN2Discriminator):
        network.minibatch_std = network.config.group
    return network


def power_step(network: nn.Module, times: int = 1) -> None:
    """Take power steps in every spectral norm."""
    for layer in network.modules():
        if isinstance(layer, SpectralNorm) and hasattr(layer, "u0"):
            for _ in range(times):
                layer.power_step()


def set_batch_momentum(network: nn.Module, momentum: float | None) -> None:
    """Set whether batch norms use the statistics of the batch.

    Args:
        network: the generator.
        momentum: the weight with which a batch's statistics are averaged into the stored ones; None to use the stored
            ones.
    """
    for layer in network.modules():
        if isinstance(layer, StoredStatistics):
            layer.momentum = momentum
