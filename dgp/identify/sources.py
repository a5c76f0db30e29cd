"""Clean pictures for simulation: pictures of the prior, mixed with photographs so that its artefacts do not matter."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dgp.identify.pictures.photographs import crop_at_random, open_photograph
from dgp.identify.pictures.storage import store_as_jpeg
from dgp.identify.spectrum import blur
from generators import Prior, get_bank
from generators.bank import LARGEST_SIDE
from generators.progress import report

# Photographs in scikit-image, CC0 or in the public domain; those in APART are used for calibration only.
PHOTOGRAPHS, APART = ("astronaut", "coffee", "rocket"), ("chelsea",)
RENDERED = 48  # pictures of a prior whose resolution is larger than the thumbnails of its bank
STORED = 0.6  # share of the pictures that were stored as JPEG of good quality before, as most clean pictures were
MAX_BLUR = 0.55  # pixels: largest standard deviation of the blur of the prior's pictures
KEPT_QUALITY = (70, 99)


def sources(
    prior: Prior,
    which: range,
    seed: int,
    share: float = 0.25,
    photographs: tuple[str, ...] = PHOTOGRAPHS,
    side: int | None = None,
) -> Tensor:
    """Return clean pictures, of which some are crops of photographs instead of pictures of the prior.

    Each is mirrored at random. Noise below a level hides the rounding to 8 bits, and a share of the pictures is stored
    as JPEG, so that neither is mistaken for damage.

    Args:
        prior: the prior.
        which: indices into the prior's bank of pictures.
        seed: seed of all random choices.
        share: share of photographs.
        photographs: names of pictures in scikit-image.
        side: s, to crop the pictures at random; None: R, no cropping.

    Returns:
        (n, 3, s, s) in [-1, 1].
    """
    count, random = len(which), np.random.default_rng([seed, which.start])
    pictures = _soften(_prior_pictures(prior, which, random), random)
    if side is not None and side < pictures.shape[-1]:
        pictures = _crop_at_random(pictures, side, random)
    real = torch.from_numpy(random.random(count) < share)
    pictures[real] = random_crops(photographs, int(real.sum()), pictures.shape[-1], random)
    mirrored = torch.from_numpy(random.random(count) < 0.5)
    pictures[mirrored] = pictures[mirrored].flip(-1)
    pictures += torch.from_numpy(random.uniform(-1, 1, pictures.shape).astype(np.float32)) / 255
    for index in np.flatnonzero(random.random(count) < STORED):
        sampling = 2 if random.random() < 0.5 else 0
        pictures[index] = store_as_jpeg(pictures[index], int(random.integers(*KEPT_QUALITY)), sampling)
    return pictures.clamp(-1, 1)


def _prior_pictures(prior: Prior, which: range, random: np.random.Generator) -> Tensor:
    """Return pictures of the prior; of large ones, only some different ones are rendered."""
    rows = slice(which.start, which.stop)
    if prior.generator.info.resolution <= LARGEST_SIDE:
        return get_bank(prior, which.stop).pictures(rows)
    bank, rendered = get_bank(prior, RENDERED), []
    with torch.no_grad():
        for i in range(RENDERED):
            rendered.append(prior.generator(bank.latents(torch.tensor([i]), prior.generator)))
            report("generating pictures of the prior", i + 1, RENDERED)
    return torch.cat(rendered).float().cpu().clamp(-1, 1)[torch.from_numpy(random.integers(0, RENDERED, len(which)))]


def _soften(pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Blur each picture by a random Gaussian.

    Generators put too much energy into the finest detail (Durall, Keuper & Keuper 2020), so that real pictures would be
    taken for blurred ones.
    """
    return blur(pictures, torch.from_numpy(random.uniform(0, MAX_BLUR, len(pictures)).astype(np.float32)))


def _crop_at_random(pictures: Tensor, side: int, random: np.random.Generator) -> Tensor:
    """Return a random square of each picture."""
    corners = random.integers(0, pictures.shape[-1] - side + 1, (len(pictures), 2))
    return torch.stack([p[:, i : i + side, j : j + side] for p, (i, j) in zip(pictures, corners, strict=True)])


def random_crops(photographs: tuple[str, ...], count: int, side: int, random: np.random.Generator) -> Tensor:
    """Return random squares of photographs, scaled down by random factors, (count, 3, side, side) in [-1, 1]."""
    found = np.empty((count, side, side, 3), dtype=np.uint8)
    for index in range(count):
        photograph = open_photograph(photographs[random.integers(len(photographs))])
        found[index] = crop_at_random(photograph, side, random, smallest=2 * side)
    return torch.from_numpy(found).permute(0, 3, 1, 2).float() / 127.5 - 1
