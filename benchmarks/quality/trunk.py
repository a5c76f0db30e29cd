"""How EfficientNet-Lite0 ranks distortions, beside PSNR and SSIM, and what it reads on photographs.

    python benchmarks/quality/trunk.py photos/ cifar10-train.zip > trunk.json

A two-alternative forced choice: of two distortions of a picture, a distance should choose the one that people prefer.
No people were asked; the preferred one is known by construction, in three groups of pairs:

- "same kind": two strengths of one kind (blur, noise, JPEG, shift, colour shift, warp, exposure); the weaker one,
- "mild and strong": the second strength of one kind, and the fourth of blur, noise, JPEG or colour shift; the former,
- "misaligned": a shift, warp or exposure that is hardly seen without the original beside it, and a blur, noise or JPEG
  of visible strength whose mean square error is nevertheless only half as large; the former.

Photographs are cropped to squares of 256 pixels; names ``n01234567_class.jpg`` give their ImageNet classes, which the
network reads as its authors evaluated it: the centre 224/256 of the square, at 224 pixels. Accuracies are means over
pictures with bootstrap intervals of 95%. The maps and sizes of the network were chosen on every second and every fifth
photograph ("chosen on"), and on other small pictures. The script prints JSON; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import compress
from operator import not_
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from dgp.evaluation import statistics
from dgp.losses.feature_networks.efficientnet import EfficientNetNetwork, load_efficientnet, to_input
from dgp.output.metrics import psnr, ssim

Picture = np.ndarray  # (H, W, 3), float64 in [0, 1]
STEPS = 12  # of the bisection for a strength
MEASURES = ("efficientnet-lite0", "PSNR", "SSIM")
PHOTOGRAPHS_READ = {"first": 35, "within five": 43, "photographs": 43}  # of the 43 that the project is measured with


def blur(x: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    return ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="reflect")


def noise(x: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    return x + sigma * rng.standard_normal(x.shape)


def jpeg(x: Picture, loss: float, rng: np.random.Generator) -> Picture:
    file = io.BytesIO()
    to_image(x).save(file, "JPEG", quality=round(100 - loss))
    return np.asarray(Image.open(file)) / 255


def move(x: Picture, field: np.ndarray) -> Picture:
    """Return a picture sampled at its positions plus ``field`` (2, H, W), in pixels, by cubic splines."""
    at = np.mgrid[: x.shape[0], : x.shape[1]] + field
    return np.stack([ndimage.map_coordinates(x[..., c], at, order=3, mode="mirror") for c in range(3)], -1)


def shift(x: Picture, length: float, rng: np.random.Generator) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    return move(x, length * np.array([np.sin(angle), np.cos(angle)])[:, None, None])


def warp(x: Picture, length: float, rng: np.random.Generator) -> Picture:
    smooth = ndimage.gaussian_filter(rng.standard_normal((2, *x.shape[:2])), (0, x.shape[0] / 10, x.shape[1] / 10))
    return move(x, length * smooth / np.sqrt(np.square(smooth).sum(0).mean()))


def colour(x: Picture, length: float, rng: np.random.Generator) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    blue, red = length * np.cos(angle), length * np.sin(angle)
    return x + np.array([1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue])


def exposure(x: Picture, loss: float, rng: np.random.Generator) -> Picture:
    return x * (1 - loss)


@dataclass(frozen=True)
class Kind:
    """A distortion and five strengths of it, from hardly visible to strong; ``scales``: in pixels at a side of 64."""

    distort: Callable[[Picture, float, np.random.Generator], Picture]
    strengths: tuple[float, ...]
    scales: bool = False

    def apply(self, x: Picture, strength: float, seed: int) -> Picture:
        """Return a distorted picture, rounded to 8 bits; the same seed draws the same direction, field or noise."""
        factor = (x.shape[0] / 64) ** 0.5 if self.scales else 1
        found = self.distort(x, strength * factor, np.random.default_rng(seed))
        return np.round(found.clip(0, 1) * 255) / 255


KINDS = {
    "blur": Kind(blur, (0.6, 0.8, 1.1, 1.5, 2.0), scales=True),
    "noise": Kind(noise, (0.02, 0.035, 0.06, 0.1, 0.17)),
    "jpeg": Kind(jpeg, (30, 55, 72, 84, 91)),
    "shift": Kind(shift, (0.5, 1.0, 1.5, 2.0, 3.0), scales=True),
    "colour": Kind(colour, (0.02, 0.04, 0.07, 0.11, 0.17)),
    "warp": Kind(warp, (0.3, 0.5, 0.8, 1.2, 1.8), scales=True),
    "exposure": Kind(exposure, (0.07, 0.13, 0.2, 0.3, 0.4)),
}
STRONG = ("blur", "noise", "jpeg", "colour")
HARDLY_SEEN = (("shift", 1), ("shift", 2), ("warp", 2), ("warp", 3), ("exposure", 1), ("exposure", 2))
SEEN = ("blur", "noise", "jpeg")


def pairs(x: Picture, seed: int) -> Iterator[tuple[str, Picture, Picture]]:
    """Yield the group of a pair, the distortion that people prefer, and the other one."""
    made = {name: [kind.apply(x, strength, seed) for strength in kind.strengths] for name, kind in KINDS.items()}
    for own in made.values():
        for weak, strong in zip(own, own[1:], strict=False):
            yield "same kind", weak, strong
    for name in STRONG:
        for other in KINDS.keys() - {name}:
            yield "mild and strong", made[other][1], made[name][3]
    for name, number in HARDLY_SEEN:
        for other in SEEN:
            if (worse := match_error(x, KINDS[other], 0.5 * mse(made[name][number], x), seed)) is not None:
                yield "misaligned", made[name][number], worse


def match_error(x: Picture, kind: Kind, error: float, seed: int) -> Picture | None:
    """Return a distortion whose mean square error is at most ``error``, nearly; None if it would hardly be seen."""
    low, high = kind.strengths[1], kind.strengths[-1]
    if mse(kind.apply(x, low, seed), x) > error:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if mse(kind.apply(x, middle, seed), x) <= error else (low, middle)
    return kind.apply(x, low, seed)


def mse(a: Picture, b: Picture) -> float:
    return float(np.square(a - b).mean())


def to_image(x: Picture) -> Image.Image:
    return Image.fromarray(np.round(x.clip(0, 1) * 255).astype(np.uint8))


def to_tensor(x: Picture) -> Tensor:
    return torch.from_numpy(x * 2 - 1).permute(2, 0, 1).float()


def crop_square(picture: Image.Image, share: float, side: int) -> Image.Image:
    """Return the centred square, ``share`` of the shorter side of a picture, at ``side`` pixels."""
    length = int(share * min(picture.size))
    left, top = ((n - length) // 2 for n in picture.size)
    box = (left, top, left + length, top + length)
    return picture.convert("RGB").crop(box).resize((side, side), Image.Resampling.BICUBIC)


def photographs(folder: Path) -> dict[str, Picture]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return {path.stem: np.asarray(crop_square(Image.open(path), 1, 256)) / 255 for path in paths}


def small_pictures(archive: Path, count: int) -> dict[str, Picture]:
    """Return pictures of a zip file, drawn at random but the same in every call."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith((".jpg", ".png")))
        chosen = np.random.default_rng(0).choice(len(names), count, replace=False)
        opened = {names[i]: Image.open(io.BytesIO(file.read(names[i]))) for i in sorted(chosen)}
        return {name: np.asarray(picture.convert("RGB")) / 255 for name, picture in opened.items()}


def distances(x: Picture) -> dict[str, Callable[[Picture], float]]:
    """Return functions from a distortion of x to its distance from x, by the name of the measure."""
    original, network = to_tensor(x), EfficientNetNetwork(load_efficientnet())
    maps = network.maps(original[None])
    measures = (
        lambda y: float(network.distance(network.maps(to_tensor(y)[None]), maps)),
        lambda y: -psnr(to_tensor(y), original),
        lambda y: -ssim(to_tensor(y), original),
    )
    return dict(zip(MEASURES, measures, strict=True))


@torch.no_grad()
def judge(x: Picture, seed: int) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Return the share of pairs that each measure decides rightly, by group and in the mean of the groups.

    Returns:
        (measure -> group -> share, group -> number of pairs).
    """
    found, told = list(pairs(x, seed)), {}
    unique = {id(y): y for _, *both in found for y in both}
    for name, distance in distances(x).items():
        known = {key: distance(y) for key, y in unique.items()}
        right: dict[str, list[float]] = {}
        for group, better, worse in found:
            ours, theirs = known[id(better)], known[id(worse)]
            right.setdefault(group, []).append(float(ours < theirs) + 0.5 * (ours == theirs))
        shares = {group: float(np.mean(values)) for group, values in right.items()}
        told[name] = shares | {"mean of groups": float(np.mean(list(shares.values())))}
    return told, {group: len(values) for group, values in right.items()}


def rank(pictures: dict[str, Picture]) -> dict:
    """Return accuracies of the measures on pictures, and of the network minus the others, paired by picture."""
    began = time.process_time()
    told = {name: judge(x, number) for number, (name, x) in enumerate(pictures.items())}
    measures = {m: {name: shares[m] for name, (shares, _) in told.items()} for m in MEASURES}
    counts = [count for _, count in told.values()]
    ours, *others = MEASURES
    return {
        "pictures": len(pictures),
        "side": next(iter(pictures.values())).shape[0],
        "pairs": {group: sum(count.get(group, 0) for count in counts) for group in counts[0]},
        "accuracy": {m: statistics.means(shares) for m, shares in measures.items()},
        "differences": {f"{ours} - {m}": statistics.differences(measures[ours], measures[m]) for m in others},
        "cpu seconds": round(time.process_time() - began, 1),
    }


@torch.no_grad()
def read(folder: Path) -> dict:
    """Return how many photographs the network names rightly; their names tell the class."""
    from torchvision.models import EfficientNet_B0_Weights

    classes = [name.replace("_", " ") for name in EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]]
    network, wrong, first, within = load_efficientnet(), {}, 0, 0
    paths = [path for path in sorted(folder.iterdir()) if path.stem.partition("_")[2].replace("_", " ") in classes]
    for path in paths:
        truth = path.stem.partition("_")[2].replace("_", " ")
        x = to_tensor(np.asarray(crop_square(Image.open(path), 224 / 256, 224)) / 255)[None]
        best = [classes[k] for k in network(to_input(x))[0].topk(5).indices.tolist()]
        first, within = first + (best[0] == truth), within + (truth in best)
        if best[0] != truth:
            wrong[truth] = best[0]
    return {"first": first, "within five": within, "photographs": len(paths), "expected": PHOTOGRAPHS_READ} | {
        "read as another": wrong
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("small", type=Path, help="zip file of pictures of 32 pixels")
    parser.add_argument("--count", type=int, default=60, help="how many of the small pictures are used (default 60)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    large = list(photographs(arguments.photographs).items())
    chosen_on = [number % 2 == 0 or number % 5 == 0 for number in range(len(large))]
    results = {
        "read": read(arguments.photographs),
        "photographs, chosen on": rank(dict(compress(large, chosen_on))),
        "photographs, held out": rank(dict(compress(large, map(not_, chosen_on)))),
        "small pictures": rank(small_pictures(arguments.small, arguments.count)),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
