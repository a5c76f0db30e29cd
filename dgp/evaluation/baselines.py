"""What can be had without inverting anything: the baselines that a prior has to beat."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations import Degradation, Gray, Inpaint, SuperResolution
from dgp.variables.rows import stream
from generators import Prior

SAMPLES = 256


@torch.no_grad()
def mean_chroma(prior: Prior, samples: int = SAMPLES, at_once: int = 64) -> Tensor:
    """The average colour minus its luminance (3,) of the prior's own pictures; the same every time.

    Colour minus luminance holds what Cb and Cr hold, so that adding it to a grey picture is "mean chroma".
    """
    total = torch.zeros(3, dtype=torch.float64)
    device = next(prior.generator.parameters()).device
    for first in range(0, samples, at_once):
        count = min(at_once, samples - first)
        latents = prior.generator.sample(count, generator=stream(0, "mean chroma", first))
        pictures = prior.generator({name: value.to(device) for name, value in latents.items()}).cpu().double()
        total += (pictures - Gray()(pictures)).mean((2, 3)).sum(0)
    return (total / samples).float()


@torch.no_grad()
def classical(degradation: Degradation, y: Tensor, size: tuple[int, int], chroma: Tensor) -> Tensor:
    """y (1, c, h, w) -> (1, 3, H, W) in [-1, 1], undone link by link from the last to the first.

    gray: `chroma` (3,) is added and shrunk into gamut at y's luminance. inpaint: biharmonic equation.
    sr: Pillow's bicubic enlargement. Everything else: its own `lift`.
    """
    links = list(getattr(degradation, "links", [degradation]))
    sizes = [tuple(size)]
    for link in links[:-1]:
        sizes.append(tuple(link.size(sizes[-1])))
    for link, before in zip(reversed(links), reversed(sizes), strict=True):
        y = _undo(link, y, before, chroma)
    return (y if y.shape[1] == 3 else y.expand(-1, 3, -1, -1)).clamp(-1, 1)


def _undo(link: Degradation, y: Tensor, size: tuple[int, int], chroma: Tensor) -> Tensor:
    if isinstance(link, Gray):
        return link.merge(y + chroma[:, None, None], y)
    if isinstance(link, Inpaint):
        return biharmonic(y, link.mask_at(size)[0, 0])
    if isinstance(link, SuperResolution):
        return bicubic(y, size)
    return y if tuple(y.shape[-2:]) == tuple(size) else link.lift(y, size)


def bicubic(y: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, C, h, w) -> (1, C, H, W), Pillow's bicubic filter on floats."""
    planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC) for plane in y[0].float().numpy()]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))[None].clamp(-1, 1)


def biharmonic(y: Tensor, missing: Tensor) -> Tensor:
    """(1, C, H, W) with the pixels of `missing` (H, W) bool filled by the biharmonic equation."""
    from skimage.restoration import inpaint_biharmonic

    known = ((y[0].double() + 1) / 2).permute(1, 2, 0).numpy()
    filled = inpaint_biharmonic(known, missing.numpy(), channel_axis=-1)
    return torch.from_numpy(filled).permute(2, 0, 1)[None].mul(2).sub(1).clamp(-1, 1).to(y)
