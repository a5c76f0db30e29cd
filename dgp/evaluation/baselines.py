"""Classical restoration without inversion, the baseline for priors."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations import Degradation, Gray, Inpaint, SuperResolution
from dgp.random_streams import random_stream
from generators import Prior

SAMPLES = 256
SIDE = 64  # pixels: coarser pictures have the same colours
PIXELS_AT_ONCE = 2**20


@torch.no_grad()
def mean_chroma(prior: Prior, samples: int = SAMPLES, most: int = 64) -> Tensor:
    """Return the mean of colour minus luminance over random pictures of a prior; the same in every call.

    Colour minus luminance has the same information as Cb and Cr, so adding it to a grey picture gives it mean chroma.

    Args:
        prior: the prior.
        samples: how many pictures are generated.
        most: how many of them are generated together at most.

    Returns:
        (3,), in the units of pictures in [-1, 1].
    """
    total, generator = torch.zeros(3, dtype=torch.float64), prior.generator
    side = next(side for side in generator.resolutions if side >= min(SIDE, generator.info.resolution))
    at_once = min(most, max(1, PIXELS_AT_ONCE // side**2))
    device = next(generator.parameters()).device
    for first in range(0, samples, at_once):
        count = min(at_once, samples - first)
        latents = generator.sample(count, generator=random_stream(0, "mean chroma", first))
        latents = {name: value.to(device) for name, value in latents.items()}
        pictures = generator.draw(latents, side).cpu().double()
        total += (pictures - Gray()(pictures)).mean((2, 3)).sum(0)
    return (total / samples).float()


@torch.no_grad()
def classical(degradation: Degradation, y: Tensor, size: tuple[int, int], chroma: Tensor) -> Tensor:
    """Restore an observation by classical methods, undoing a chain from its last link to its first.

    Colour: `chroma` is added and shrunk into the gamut at the luminance of y. Holes: biharmonic equation.
    Super-resolution: Pillow's bicubic filter. All other operators: their `lift`.

    Args:
        degradation: the operator.
        y: (1, c, h, w) in [-1, 1].
        size: (H, W) of the result.
        chroma: (3,), see `mean_chroma`.

    Returns:
        (1, 3, H, W) in [-1, 1].
    """
    links = degradation.operators()
    sizes = [tuple(size)]
    for link in links[:-1]:
        sizes.append(tuple(link.size(sizes[-1])))
    for link, before in zip(reversed(links), reversed(sizes), strict=True):
        y = _undo_link(link, y, before, chroma)
    return (y if y.shape[1] == 3 else y.expand(-1, 3, -1, -1)).clamp(-1, 1)


def _undo_link(link: Degradation, y: Tensor, size: tuple[int, int], chroma: Tensor) -> Tensor:
    if isinstance(link, Gray):
        return link.merge(y + chroma[:, None, None], y)
    if isinstance(link, Inpaint):
        return biharmonic(y, link.mask_at(size)[0, 0])
    if isinstance(link, SuperResolution):
        return bicubic(y, size)
    return y if tuple(y.shape[-2:]) == tuple(size) else link.lift(y, size)


def bicubic(y: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge by Pillow's bicubic filter on floats: (1, C, h, w) -> (1, C, H, W)."""
    planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC) for plane in y[0].float().numpy()]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))[None].clamp(-1, 1)


def biharmonic(y: Tensor, missing: Tensor) -> Tensor:
    """Fill the pixels of `missing` (H, W) bool in y (1, C, H, W) by the biharmonic equation."""
    from skimage.restoration import inpaint_biharmonic

    known = ((y[0].double() + 1) / 2).permute(1, 2, 0).numpy()
    filled = inpaint_biharmonic(known, missing.numpy(), channel_axis=-1)
    return torch.from_numpy(filled).permute(2, 0, 1)[None].mul(2).sub(1).clamp(-1, 1).to(y)
