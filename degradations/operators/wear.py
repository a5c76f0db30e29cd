"""Wear of prints: scratches, creases, dust and torn-off pieces, drawn as a mask and its tones."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from degradations.core.base import Size

Drawn = tuple[Tensor, Tensor]


class _Sheet:
    """The canvas on which wear is drawn: tones, and the pixels that they cover."""

    def __init__(self, size: Size, seed: int):
        self.h, self.w = size
        self.side = min(size)
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.levels, self.where = Image.new("L", (self.w, self.h)), Image.new("L", (self.w, self.h))

    def draw_level(self, bright: float) -> int:
        """Draw a random tone: bare paper with probability ``bright``, else dirt."""
        return int(self.random.integers(215, 256) if self.random.random() < bright else self.random.integers(0, 30))

    def draw_place(self) -> np.ndarray:
        return self.random.uniform((0, 0), (self.w, self.h))

    def stroke(self, points: np.ndarray, width: int, level: int) -> None:
        for image, value in ((self.levels, level), (self.where, 255)):
            ImageDraw.Draw(image).line([tuple(p) for p in points], value, width, joint="curve")

    def fill(self, points: np.ndarray, level: int) -> None:
        corners = [tuple(p) for p in points]
        for image, value in ((self.levels, level), (self.where, 255)):
            ImageDraw.Draw(image).polygon(corners, value)
            ImageDraw.Draw(image).point(corners, value)

    def finish(self) -> Drawn:
        rough = np.asarray(self.levels, np.float32) + self.random.normal(0, 3, (self.h, self.w)).astype(np.float32)
        paint = torch.from_numpy(rough.clip(0, 255).round() / 127.5 - 1)[None, None]
        return torch.from_numpy(np.asarray(self.where) > 0)[None, None], paint.float()


def draw_wear(
    size: Size, seed: int, *, scratches: int = 0, creases: int = 0, dust: int = 0, tears: int = 0, blobs: int = 0
) -> Drawn:
    """Draw the given numbers of each kind of wear with PCG64; widths and lengths scale with the shorter side.

    Scratches are thin and nearly straight, light or dark. Creases go from edge to edge, a light line beside a dark one.
    Dust is spots of a few pixels. Tears are pieces missing from the edge, of one even tone. Blobs are round spots with
    a diameter of 2 pixels up to a thirty-second of the shorter side (12 pixels of 384).

    Args:
        size: (H, W).
        seed: of the random numbers.
        scratches, creases, dust, tears, blobs: numbers of each.

    Returns:
        mask (1, 1, H, W) bool, and paint (1, 1, H, W) float32 in [-1, 1], the tones inside the mask.
    """
    sheet = _Sheet(size, seed)
    random, side = sheet.random, sheet.side
    for _ in range(tears):
        _tear(sheet)
    for _ in range(creases):
        _crease(sheet)
    for _ in range(scratches):
        start, angle = sheet.draw_place(), random.uniform(0, np.pi)
        length, bend = random.uniform(0.15, 0.8) * side, random.normal(0, 0.15)
        steps = np.linspace(-0.5, 0.5, 24) * length
        turned = angle + bend * steps / max(side, 1)
        path = start + np.stack([np.cos(turned), np.sin(turned)], 1) * steps[:, None]
        sheet.stroke(path, 1 + int(random.random() * max(1, side / 200)), sheet.draw_level(0.75))
    for _ in range(dust):
        centre, radius = sheet.draw_place(), random.uniform(0.5, max(1.0, side / 150))
        round_ = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        wobble = radius * random.uniform(0.6, 1.2, 12)[:, None]
        sheet.fill(centre + np.stack([np.cos(round_), np.sin(round_)], 1) * wobble, sheet.draw_level(0.6))
    for _ in range(blobs):
        centre, radius = sheet.draw_place(), random.uniform(1, max(1.5, side / 64))
        round_ = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        stretched = radius * np.stack([np.cos(round_), np.sin(round_) * random.uniform(0.75, 1)], 1)
        sheet.fill(centre + stretched * random.uniform(0.93, 1.07, 24)[:, None], sheet.draw_level(0.7))
    return sheet.finish()


def _crease(sheet: _Sheet) -> None:
    random, side = sheet.random, sheet.side
    across = random.random() < 0.5
    far = (sheet.w if across else sheet.h) - 1
    at, slope = random.uniform(0.15, 0.85) * (sheet.h if across else sheet.w), random.normal(0, 0.08)
    along = np.linspace(0, far, max(2, far // 6 + 1))
    sideways = at + slope * (along - far / 2) + np.cumsum(random.normal(0, side / 800, len(along)))
    width = max(1, round(side / 160))
    for shift, level in ((width, int(random.integers(20, 70))), (0, int(random.integers(215, 250)))):
        path = np.stack([along, sideways + shift], 1)
        sheet.stroke(path if across else path[:, ::-1], width, level)


def _tear(sheet: _Sheet) -> None:
    random, side = sheet.random, sheet.side
    centre = sheet.draw_place()
    edge = int(random.integers(4))
    centre[edge % 2] = 0 if edge < 2 else (sheet.w, sheet.h)[edge % 2]
    round_ = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = random.uniform(0.06, 0.18) * side * (1 + 0.3 * np.cos(3 * round_ + random.uniform(0, 6)))
    radius = radius * random.uniform(0.92, 1.08, 40)
    sheet.fill(centre + np.stack([np.cos(round_), np.sin(round_)], 1) * radius[:, None], sheet.draw_level(0.8))
