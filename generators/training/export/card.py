"""The model card of a trained prior."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from generators.base import Generator
from generators.biggan import BigGAN
from generators.training.loop.run import Run
from generators.training.loop.settings import Settings

PAPER = {"biggan": "BigGAN (Brock et al. 2019)", "stylegan2": "StyleGAN2 (Karras et al. 2020)"}
SCORES = "<!-- scores -->"  # where ``insert_scores`` writes


@dataclass(frozen=True)
class About:
    """Facts about a prior that the run does not record; each is a text of one line."""

    name: str
    data: str = "unknown"
    licence: str = "unknown"
    origin: str = "trained by the project from random initialisation"
    limits: str = "small pictures of the classes that it was trained on"


def format_card(about: About, run: Run, samples: str) -> str:
    """Return the model card in Markdown; ``samples`` is the name of the sheet beside it."""
    settings, generator, pictures = run.settings, run.generator, run.pictures
    classes, side = ", ".join(pictures.classes[:20]), pictures.side
    rows = {
        "data": f"{about.data}; {len(pictures):,} pictures",
        "classes": classes + (", ..." if len(pictures.classes) > 20 else ""),
        "network": describe_network(generator, settings),
        "training": describe_training(settings, run.losses.name, run.seen),
        "precision": f"{'bfloat16 convolutions, ' if settings.bf16 else ''}float32 weights; stored as float16",
        "hardware, time": f"{describe_hardware(generator.device)}; {format_duration(run.seconds)}",
        "origin, licence": f"{about.origin}; {about.licence}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""# {about.name}

A class-conditional {PAPER[settings.arch]} for {side}x{side} pictures and its discriminator.

| | |
|---|---|
{table}

{SCORES}

## Limits

{about.limits[0].upper() + about.limits[1:]}. What it invents is not evidence of what was there. It has the
biases of its data.

![samples, a column a class]({samples})
"""


def insert_scores(card: str, lines: list[str]) -> str:
    """Return the card with these lines as its section of scores."""
    before, _, after = card.partition(SCORES)
    after = after.partition("\n## Limits")
    section = "\n".join(["", "", "## Scores", "", *lines, ""]) if lines else "\n"
    return f"{before}{SCORES}{section}{after[1]}{after[2]}"


def describe_network(generator: Generator, settings: Settings) -> str:
    """Describe the sizes of a generator."""
    config = generator.config
    if isinstance(generator, BigGAN):
        embedding = f"class embedding of {config.shared_dim}, " if config.shared_dim else ""
        chunks = "hierarchical" if config.hier else "not hierarchical"
        attention = f"attention in blocks {config.attention}" if config.attention else "no attention"
        return f"{config.ch} channels a unit, z of {config.dim_z}, {embedding}{chunks}, {attention}"
    return (
        f"{' '.join(map(str, config.channels))} channels from 4 px on, z of {config.z_dim}, w of {config.w_dim}, "
        f"{config.mapping_layers} mapping layers"
    )


def describe_training(settings: Settings, loss: str, seen: int) -> str:
    """Describe losses, data and optimisation of a run."""
    words = [loss]
    if settings.critic:
        words.append(f"discriminator begun as that of {Path(settings.critic).stem}")
    if settings.r1:
        words.append(f"R1 of {settings.r1:g} every {settings.r1_every} steps")
    if settings.teaching:
        alone = f", of the first {settings.lessons:,} nothing else" if settings.lessons else ""
        words.append(f"distance to the pictures of {Path(settings.teacher).stem}, weight {settings.teaching:g}{alone}")
    words.append(f"{seen:,} generated pictures in batches of {settings.batch}")
    words.append(f"{settings.d_steps} discriminator step{'s' if settings.d_steps > 1 else ''} each")
    words.append(f"Adam (0, {settings.beta2:g}) at {settings.lr:g}")
    if settings.d_lr:
        words.append(f"the discriminator's (0, {settings.d_beta2 or settings.beta2:g}) at {settings.d_lr:g}")
    if settings.decay:
        words.append(f"falling to zero over the last {settings.decay:,}")
    words.append("flips" + (f", DiffAugment at strength {settings.augment:g}" if settings.augment else ""))
    averaged = f"averaged weights (half-life up to {settings.half_life:,} pictures)"
    standing = ", standing batch statistics" if settings.arch == "biggan" else ""
    return ", ".join(words) + "; " + averaged + standing


def describe_hardware(device: torch.device) -> str:
    """Describe the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()})"


def format_duration(seconds: float) -> str:
    """Return "90 minutes" or "2.5 hours"."""
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
