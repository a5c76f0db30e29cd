"""Clean pictures to damage: what the prior gives, among some photographs, so that its own faults do not count."""

from __future__ import annotations

import functools
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dgp.identify.spectrum import cosines
from generators import Prior
from generators.progress import report
from generators.statistics.bank import LARGEST, bank_of

# Which scikit-image brings along, CC0 or public domain; those apart are never trained on.
PHOTOGRAPHS, APART = ("astronaut", "coffee", "rocket"), ("chelsea",)
RENDERED = 48  # pictures of priors that are larger than the thumbnails of their bank
STORED = 0.6  # share of the pictures that were once stored as JPEG, as most clean pictures were
SOFTEST = 0.55  # px: how far pictures of the prior are softened at most
KEPT_QUALITY = (70, 99)


def sources(
    prior: Prior,
    which: range,
    seed: int,
    share: float = 0.25,
    photographs: tuple[str, ...] = PHOTOGRAPHS,
    side: int | None = None,
) -> Tensor:
    """(n, 3, s, s) in [-1, 1]: ``which`` of the prior's bank, but for a ``share`` of parts of photographs.

    side: s, of parts of the pictures; default: R, their whole. Each is mirrored at random, and rounded anew, so that
    steps between 8-bit levels tell nothing, and a share of them has been stored as JPEG before, as most pictures have.
    """
    count, random = len(which), np.random.default_rng([seed, which.start])
    pictures = _softened(_drawn(prior, which, random), random)
    if side is not None and side < pictures.shape[-1]:
        pictures = _part(pictures, side, random)
    real = torch.from_numpy(random.random(count) < share)
    pictures[real] = random_crops(photographs, int(real.sum()), pictures.shape[-1], random)
    turned = torch.from_numpy(random.random(count) < 0.5)
    pictures[turned] = pictures[turned].flip(-1)
    pictures += torch.from_numpy(random.uniform(-1, 1, pictures.shape).astype(np.float32)) / 255
    for place in np.flatnonzero(random.random(count) < STORED):
        pictures[place] = _stored(pictures[place], random)
    return pictures.clamp(-1, 1)


def _drawn(prior: Prior, which: range, random: np.random.Generator) -> Tensor:
    rows = slice(which.start, which.stop)
    if prior.generator.info.resolution <= LARGEST:
        return bank_of(prior, which.stop).pictures(rows)
    bank, shown = bank_of(prior, RENDERED), []
    with torch.no_grad():
        for i in range(RENDERED):
            shown.append(prior.generator(bank.latents(torch.tensor([i]), prior.generator)))
            report("drawing pictures of the prior", i + 1, RENDERED)
    return torch.cat(shown).float().cpu().clamp(-1, 1)[torch.from_numpy(random.integers(0, RENDERED, len(which)))]


def _softened(pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Each by a gaussian of its own: generators put too much energy into the finest detail (Durall, Keuper & Keuper
    2020), so that real pictures would look blurred beside theirs."""
    n = pictures.shape[-1]
    waves = torch.pi * torch.arange(n) / n
    width = torch.from_numpy(random.uniform(0, SOFTEST, len(pictures)).astype(np.float32))
    fall = (-(width[:, None] * waves).square() / 2).exp()
    basis = cosines(n)
    return basis.T @ (fall[:, None, :, None] * fall[:, None, None] * (basis @ pictures @ basis.T)) @ basis


def _part(pictures: Tensor, side: int, random: np.random.Generator) -> Tensor:
    """A random square of each."""
    places = random.integers(0, pictures.shape[-1] - side + 1, (len(pictures), 2))
    return torch.stack([p[:, i : i + side, j : j + side] for p, (i, j) in zip(pictures, places, strict=True)])


def random_crops(photographs: tuple[str, ...], count: int, side: int, random: np.random.Generator) -> Tensor:
    """(count, 3, side, side): random squares of photographs, made smaller by random factors."""
    found = np.empty((count, side, side, 3), dtype=np.uint8)
    for place in range(count):
        photograph = _photograph(photographs[random.integers(len(photographs))])
        most = min(photograph.size)
        cut = round(float(np.exp(random.uniform(np.log(min(most, 2 * side)), np.log(most)))))
        left, top = (int(random.integers(0, n - cut + 1)) for n in photograph.size)
        how = Image.Resampling.LANCZOS if random.random() < 0.5 else Image.Resampling.BICUBIC
        found[place] = photograph.resize((side, side), how, (left, top, left + cut, top + cut))
    return torch.from_numpy(found).permute(0, 3, 1, 2).float() / 127.5 - 1


@functools.cache
def _photograph(name: str) -> Image.Image:
    from skimage import data

    return Image.fromarray(getattr(data, name)()[..., :3])


def _stored(picture: Tensor, random: np.random.Generator) -> Tensor:
    """Through a JPEG file of good quality."""
    pixels = ((picture + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    sampling = 2 if random.random() < 0.5 else 0
    Image.fromarray(pixels).save(file, "JPEG", quality=int(random.integers(*KEPT_QUALITY)), subsampling=sampling)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 127.5 - 1
