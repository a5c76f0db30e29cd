"""Sample sheets with a column for each class."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from generators.base import Generator
from generators.training.loop.random_streams import SHEET, make_stream

ROWS, COLUMNS, ENLARGED = 8, 20, 2


@torch.no_grad()
def save_sheet(network: Generator, path: Path) -> None:
    """Save samples of the first 20 classes, from the same latents in every call."""
    classes = min(len(network.info.classes), COLUMNS)
    labels = torch.arange(classes).repeat(ROWS)
    x = network(network.sample(len(labels), classes=labels, generator=make_stream(0, SHEET))).float().clamp(-1, 1)
    side = x.shape[-1]
    levels = ((x + 1) * 127.5).round().byte().cpu().view(ROWS, classes, 3, side, side)
    page = levels.permute(0, 3, 1, 4, 2).reshape(ROWS * side, classes * side, 3)
    picture = Image.fromarray(page.numpy())
    picture.resize((picture.width * ENLARGED, picture.height * ENLARGED), Image.Resampling.NEAREST).save(path)
