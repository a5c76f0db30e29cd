"""What is done with the generator's picture at the end."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from dgp.registry import Options, Registry

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from dgp.observation.observation import Observation

FINISHES = Registry(
    "finish",
    "dgp.finishes",
    dict.fromkeys(("none", "merge", "lab-luminance"), "dgp.postprocess.postprocess")
    | {"composite": "dgp.postprocess.composite"},
)


class Finish(Options):
    kind: str

    def __call__(self, image: Tensor, observation: Observation) -> Tensor:
        """image (N, 3, R, R) in [-1, 1], N answers to one observation -> the same shape and range."""
        raise NotImplementedError

    def unmerged(self) -> Finish:
        """The same, without making the answer agree with what was observed."""
        return self

    def picture(self, image: Tensor, observation: Observation, cover: Tensor | None) -> Image.Image:
        """One answer (3, R, R), as the finish has left it, at the input's own size.

        cover (1, R, R) in [0, 1]: how much of each pixel the generator made; None: all.
        """
        return observation.geometry.restore(image)


@FINISHES.register("none")
class Untouched(Finish):
    """The generator's picture as it is."""

    kind: str = "none"

    def __call__(self, image, observation):
        return image


@FINISHES.register("merge")
class Merge(Finish):
    """The smallest change that makes the picture agree with what was observed (``Degradation.merge``)."""

    kind: str = "merge"

    def unmerged(self):
        return Untouched()

    def __call__(self, image, observation):
        return observation.degradation.merge(image, observation.y)


@FINISHES.register("lab-luminance")
class LabLuminance(Finish):
    """CIE L* of the observation with a*, b* of the answer: the published colourisation's last step.

    The published code takes L* from the clean original, which ordinary runs do not have; its metrics under that
    convention are reported apart, as ``psnr_published`` and ``ssim_published``.
    """

    kind: str = "lab-luminance"

    def __call__(self, image, observation):
        size = tuple(image.shape[-2:])
        return with_luminance(image, observation.degradation.lift(observation.y, size))


def with_luminance(image: Tensor, source: Tensor) -> Tensor:
    """Replace CIE L* of pictures, and keep their a*, b*.

    Args:
        image: (N, 3, H, W) in [-1, 1], whose a*, b* are kept.
        source: (1 or N, 3, H, W) in [-1, 1], whose L* is taken.

    Returns:
        (N, 3, H, W) in [-1, 1], clipped to the gamut of sRGB (D65, 2 degrees).
    """
    import torch
    from skimage.color import lab2rgb, rgb2lab

    def lab(x: Tensor):
        return rgb2lab((x.detach().clamp(-1, 1).double().cpu().numpy() + 1) / 2, channel_axis=1)

    joined = lab(image)
    joined[:, :1] = lab(source)[:, :1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*negative Z values")  # they are out of gamut, and are clipped
        rgb = lab2rgb(joined, channel_axis=1)
    return (torch.from_numpy(rgb) * 2 - 1).clamp(-1, 1).to(image)
