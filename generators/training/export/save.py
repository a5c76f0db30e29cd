"""The files of an exported run: weights that ``generators.load`` takes, a sample sheet and a model card."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from generators.checkpoints.companion_files import discriminator_stem
from generators.convert import convert
from generators.errors import TrainingError
from generators.load import load
from generators.prior import ModelCard, Prior
from generators.training.export.card import About, format_card, insert_scores
from generators.training.export.sheet import save_sheet
from generators.training.loop.average import make_inference_copy
from generators.training.loop.networks import power_step
from generators.training.loop.run import Run

LARGEST = 20_000_000  # bytes of a file
BATCHES = 100  # of samples, for the standing statistics
HALF = torch.finfo(torch.float16)


def check_size(pair: tuple[nn.Module, nn.Module]) -> None:
    """Raise TrainingError for networks that are too large for a file."""
    for network in pair:
        size = sum(value.numel() * (2 if value.ndim > 1 else 4) for value in network.parameters())
        if size > LARGEST:
            raise TrainingError(
                f"a {type(network).__name__} this wide takes {size / 1e6:.1f} MB, expected at most "
                f"{LARGEST / 1e6:.0f}; give a smaller --width"
            )


def round_to_half(network: nn.Module) -> nn.Module:
    """Return a copy with kernels and matrices in float16, where their values allow it; biases and statistics stay."""
    network = copy.deepcopy(network).cpu()
    for parameter in network.parameters():
        if parameter.ndim > 1 and parameter.abs().max() < HALF.max:
            parameter.data = parameter.data.half()
    return network


def write_scores(path: Path, lines: list[str]) -> None:
    """Write scores into the card of an exported generator, in its file and beside it. Raises WeightsError."""
    prior = load(path)
    text = insert_scores(prior.card.text, lines)
    pair = round_to_half(prior.generator), round_to_half(prior.discriminator)
    convert(
        replace(prior, generator=pair[0], discriminator=pair[1], card=replace(prior.card, text=text)),
        path,
        overwrite=True,
    )
    path.with_name(f"{prior.name.removesuffix('-G_ema')}-card.md").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class ExportedFiles:
    """The files of an export."""

    generator: Path
    discriminator: Path
    samples: Path
    card: Path


def export(run: Run, folder: Path, about: About, batches: int | None = None) -> ExportedFiles:
    """Write NAME-G_ema.safetensors, NAME-D.safetensors, NAME-samples.png and NAME-card.md.

    Args:
        run: the training run.
        folder: where to.
        about: name, data, licence, origin and limits.
        batches: of samples for the standing statistics, None for BATCHES.
    """
    path = folder / f"{about.name}-G_ema.safetensors"
    network = make_inference_copy(run.average, BATCHES if batches is None else batches)
    samples, card = folder / f"{about.name}-samples.png", folder / f"{about.name}-card.md"
    save_sheet(network, samples)
    text = format_card(about, run, samples.name)
    discriminator = copy.deepcopy(run.discriminator)
    power_step(discriminator)
    model = ModelCard(
        about.name, data=about.data, licence=about.licence, origin=about.origin, limits=about.limits, text=text
    )
    convert(
        Prior(about.name, round_to_half(network), round_to_half(discriminator), model, sha256=""), path, overwrite=True
    )
    card.write_text(text, encoding="utf-8")
    return ExportedFiles(path, path.with_stem(discriminator_stem(path.stem)), samples, card)
