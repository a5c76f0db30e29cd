"""Clean scenes at the scale of photographs, on which damage is simulated."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.files.pictures import luma
from dgp.identify.pictures.dead_leaves import draw_canvas
from dgp.identify.pictures.photographs import crop_at_random, open_photograph
from dgp.identify.pictures.storage import store_as_jpeg
from generators.caching import cache_folder, load_or_compute
from generators.progress import report

# Pictures in scikit-image that are CC0 or in the public domain; those in APART are used for calibration only.
PHOTOGRAPHS = ("astronaut", "coffee", "rocket", "brick", "grass", "gravel", "hubble_deep_field")
WEIGHTS = (6, 6, 3, 1, 1, 1, 1)  # how often each is used; textures without objects are rare in photographs
APART = ("chelsea", "camera")
GREY = ("brick", "grass", "gravel", "camera")
CANVASES, CANVAS_SIDE = 10, 512
SHARE = 0.5  # of scenes from photographs; the others are dead leaves
SCALES = 1.4, 3  # by how much a part is scaled down, so that grain of its own disappears
SOFTNESS = 0.8  # pixels: largest standard deviation of the blur of an undamaged photograph
GRAIN = 1.5  # levels: largest standard deviation of the noise of an undamaged photograph
STORED = 0.65  # share of the scenes that were stored as JPEG
QUALITIES = (75, 99)
VERSION = 1  # of ``dead_leaves``; raise it with every change, so that cached pictures are not used any more


@functools.cache
def masters(apart: bool) -> tuple[list[Image.Image], np.ndarray]:
    """Return large pictures, RGB, and the probability of each; pictures of dead leaves are drawn once and cached.

    Args:
        apart: whether they are those for calibration, which have no pixel in common with the others.
    """
    names = APART if apart else PHOTOGRAPHS
    photographs = [open_photograph(name) for name in names]
    weights = np.array([1.0] * len(names) if apart else WEIGHTS)
    count = CANVASES // 2 if apart else CANVASES

    def draw() -> dict[str, Tensor]:
        random, canvases = np.random.default_rng(int(apart)), []
        for number in range(count):
            # colours that occur together in a part of a photograph
            part = crop_at_random(photographs[number % min(3, len(names))], 24, random, smallest=48).reshape(-1, 3)
            canvases.append(torch.from_numpy(np.array(draw_canvas(CANVAS_SIDE, part, random))))
            report("drawing pictures to learn from (only once)", number + 1, count)
        return {"canvases": torch.stack(canvases)}

    key = hashlib.sha256(repr([names, count, CANVAS_SIDE, VERSION]).encode()).hexdigest()[:16]
    path = cache_folder() / "scenes" / f"{key}.safetensors"
    canvases = load_or_compute(path, lambda found: len(found.get("canvases", ())) == count, draw)["canvases"]
    share = np.concatenate([weights / weights.sum() * SHARE, np.full(count, (1 - SHARE) / count)])
    return photographs + [Image.fromarray(canvas.numpy()) for canvas in canvases], share


def draw_scenes(count: int, side: int, seed: int, *, apart: bool = False, coloured: bool = False) -> Tensor:
    """Return clean scenes.

    Each is a random part of a photograph or of a picture of dead leaves, at a random scale, mirrored and turned at
    random, with random saturation and contrast. Undamaged photographs are a little soft and have a little grain, and
    most were stored as JPEG of good quality, so that none of this is mistaken for damage.

    Args:
        count: n.
        side: s, in pixels.
        seed: seed of all random choices.
        apart: whether to take the pictures for calibration.
        coloured: whether to leave out pictures without colour.

    Returns:
        (n, 3, s, s) in [-1, 1].
    """
    random = np.random.default_rng([seed, int(apart), side])
    pictures, share = masters(apart)
    if coloured:
        names = APART if apart else PHOTOGRAPHS
        share = share * np.array([name not in GREY for name in names] + [True] * (len(pictures) - len(names)))
        share = share / share.sum()
    scenes = torch.empty(count, 3, side, side)
    for number, which in enumerate(random.choice(len(pictures), count, p=share)):
        part = crop_at_random(pictures[which], side, random, smallest=SCALES[0] * side, largest=SCALES[1] * side)
        scenes[number] = torch.from_numpy(part.copy()).permute(2, 0, 1).float() / 127.5 - 1
    turned, mirrored = (torch.from_numpy(random.random(count) < 0.5) for _ in range(2))
    scenes[turned] = scenes[turned].mT
    scenes[mirrored] = scenes[mirrored].flip(-1)
    scenes = _soften(_vary_tones(scenes, random), random)
    grain = GRAIN * random.random((count, 1, 1, 1)) ** 2
    scenes += torch.from_numpy((grain * random.standard_normal(scenes.shape)).astype(np.float32)) / 127.5
    scenes += torch.from_numpy(random.uniform(-0.5, 0.5, scenes.shape).astype(np.float32)) / 127.5
    for index in np.flatnonzero(random.random(count) < STORED):
        sampling = 2 if random.random() < 0.6 else 0
        scenes[index] = store_as_jpeg(scenes[index], int(random.integers(*QUALITIES)), sampling)
    return scenes.clamp_(-1, 1)


def _vary_tones(scenes: Tensor, random: np.random.Generator) -> Tensor:
    """Change saturation, gamma and brightness at random, within what undamaged photographs have."""
    n = len(scenes)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(random.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))

    grey = luma(scenes)
    scenes = ((grey + draw(0.4, 1.3) * (scenes - grey)).clamp(-1, 1) + 1) / 2
    return scenes.pow(draw(-0.4, 0.4).exp()).mul(draw(0.8, 1.0)) * 2 - 1


def _soften(scenes: Tensor, random: np.random.Generator) -> Tensor:
    """Blur each scene by a random Gaussian, in the frequency domain."""
    side = scenes.shape[-1]
    down, across = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    square = (2 * torch.pi) ** 2 * (down.square() + across.square())
    width = torch.from_numpy((SOFTNESS * random.random((len(scenes), 1, 1, 1)) ** 2).astype(np.float32))
    transformed = torch.fft.rfft2(scenes) * (-width.square() * square / 2).exp()
    return torch.fft.irfft2(transformed, s=(side, side))
