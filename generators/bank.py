"""A bank of pictures of a prior with their latents, in which searches look up starting points.

A bank is drawn in shards of fixed size, one file each, so that a larger bank extends a smaller or interrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.base import Generator
from generators.caching.cache_folder import cache_folder
from generators.caching.disk_cache import load_or_compute
from generators.prior import Prior
from generators.progress import report
from generators.text import format_shapes

# Latents depend on the size of a shard: with another size, the same seed draws other latents.
SHARD = 500
LARGEST_SIDE = 64  # pixels a side

# The largest bank of each prior, by seed.
_banks: WeakKeyDictionary[Prior, dict[int, Bank]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Bank:
    """Latents and small versions of the pictures that they render, all on the CPU; see ``get_bank``.

    Attributes:
        thumbnails: (n, 3, s, s) uint8.
        drawn: what ``sample`` draws except the class, by name, each (n, ...).
        classes: (n,) int64, or None for a prior without classes.
    """

    thumbnails: Tensor
    drawn: dict[str, Tensor]
    classes: Tensor | None

    def __len__(self) -> int:
        return len(self.thumbnails)

    def first(self, count: int) -> Bank:
        """Return the first ``count`` entries."""
        classes = None if self.classes is None else self.classes[:count]
        return Bank(self.thumbnails[:count], {n: v[:count] for n, v in self.drawn.items()}, classes)

    def pictures(self, rows: slice, device: torch.device | str = "cpu") -> Tensor:
        """Return the thumbnails of some rows, (n, 3, s, s) float32 in [-1, 1]."""
        return (self.thumbnails[rows].to(device) - 127.5).div_(127.5)

    def latents(self, index: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the latents at ``index`` (n,) int64, as ``generator`` would sample them, each (n, ...)."""
        like = generator.sample(1, generator=torch.Generator())
        found = {name: value[index].to(like[name]) for name, value in self.drawn.items()}
        return found if self.classes is None else found | {"class": generator.embed(self.classes[index])}

    def __repr__(self) -> str:
        classes = "without classes" if self.classes is None else "with classes"
        side = self.thumbnails.shape[-1]
        return f"Bank: {len(self)} pictures of {side}x{side} px, {classes}, drawn {format_shapes(self.drawn)}"


def thumbnail_side(prior: Prior) -> int:
    """Return the side of a prior's thumbnails in pixels."""
    return min(prior.generator.info.resolution, LARGEST_SIDE)


def get_bank(prior: Prior, count: int, *, seed: int = 0) -> Bank:
    """Return the first ``count`` entries of a prior's bank; its classes are spread evenly, in random order.

    Entries are drawn once. They stay in memory as long as the prior, and on disk where the prior has a sha256. An entry
    takes its latents and 3 s^2 bytes, s = min(R, 64): 3.6 kB for a 32-px prior with 128 latents.

    Args:
        prior: whose pictures are drawn.
        count: number of entries.
        seed: another seed gives another bank.
    """
    banks = _banks.setdefault(prior, {})
    bank = banks.get(seed)
    if bank is None or len(bank) < count:
        parts = [] if bank is None else [bank]
        shards = -(-count // SHARD)
        for number in range(0 if bank is None else len(bank) // SHARD, shards):
            parts.append(_load_shard(prior, number, seed, shards))
        bank = banks[seed] = _concatenate(parts)
    return bank.first(count)


def _concatenate(parts: list[Bank]) -> Bank:
    drawn = {name: torch.cat([part.drawn[name] for part in parts]) for name in parts[0].drawn}
    classes = None if parts[0].classes is None else torch.cat([part.classes for part in parts])
    return Bank(torch.cat([part.thumbnails for part in parts]), drawn, classes)


def _load_shard(prior: Prior, number: int, seed: int, shards: int) -> Bank:
    side, names = thumbnail_side(prior), ["thumbnails"]
    names += [s.name for s in prior.generator.info.latents if s.sampled and s.name != "class"]
    names += ["class"] if prior.generator.info.classes else []

    def fits(found: dict[str, Tensor]) -> bool:
        shaped = found.get("thumbnails", torch.empty(0)).shape == (SHARD, 3, side, side)
        return shaped and found.keys() == set(names) and all(len(value) == SHARD for value in found.values())

    def make() -> dict[str, Tensor]:
        return _draw_shard(prior, number, seed, shards)

    if prior.sha256:
        name = f"{prior.sha256}-{seed}-{side}-{SHARD}x{number:04}.safetensors"
        found = load_or_compute(cache_folder() / "bank" / name, fits, make)
    else:
        found = make()
    rest = {name: value for name, value in found.items() if name not in ("thumbnails", "class")}
    return Bank(found["thumbnails"], rest, found.get("class"))


@torch.no_grad()
def _draw_shard(prior: Prior, number: int, seed: int, shards: int) -> dict[str, Tensor]:
    generator, random = prior.generator, torch.Generator().manual_seed(seed)
    classes = len(generator.info.classes)
    labels = None
    if classes:
        turns = torch.arange(number * SHARD, (number + 1) * SHARD)
        labels = torch.randperm(classes, generator=random)[turns % classes]
    random = torch.Generator().manual_seed(seed * 1_000_003 + number)
    latents = generator.sample(SHARD, classes=labels, generator=random)
    at_once, thumbnails = max(1, 2**18 // generator.info.resolution**2), []
    for start in range(0, SHARD, at_once):
        part = {name: value[start : start + at_once] for name, value in latents.items()}
        thumbnails.append(make_thumbnails(generator(part), thumbnail_side(prior)).cpu())
        there = number * SHARD + min(start + at_once, SHARD)
        report("drawing pictures of the prior, stored for later", there, shards * SHARD)
    kept_latents = {name: value.float().cpu() for name, value in latents.items() if name != "class"}
    return {"thumbnails": torch.cat(thumbnails)} | kept_latents | ({"class": labels} if classes else {})


def make_thumbnails(pictures: Tensor, side: int) -> Tensor:
    """Resize pictures by antialiased bilinear resampling and round them to 8 bits.

    Args:
        pictures: (n, 3, R, R) in [-1, 1].
        side: s <= R, in pixels.

    Returns:
        (n, 3, s, s) uint8.
    """
    if pictures.shape[-1] != side:
        pictures = F.interpolate(pictures.float(), side, mode="bilinear", antialias=True)
    return pictures.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
