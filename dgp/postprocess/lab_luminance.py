"""The lightness L* of the observation with the chroma a*, b* of the answer, in CIELAB."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from dgp.postprocess.base import POSTPROCESSES, Postprocess

if TYPE_CHECKING:
    from torch import Tensor


@POSTPROCESSES.register("lab-luminance")
class LabLuminance(Postprocess):
    """CIE L* of the observation with a*, b* of the answer: the last step of the published colourisation.

    The published code takes L* from the clean original, which is not available outside of benchmarks. Metrics under
    that convention are reported separately, as ``psnr_published`` and ``ssim_published``.
    """

    kind: str = "lab-luminance"

    def __call__(self, image, observation):
        size = tuple(image.shape[-2:])
        return replace_luminance(image, observation.degradation.lift(observation.y, size))


def replace_luminance(image: Tensor, source: Tensor) -> Tensor:
    """Replace the CIE L* of pictures by that of another picture, and keep their a*, b*.

    Args:
        image: (N, 3, H, W) in [-1, 1], sRGB; its a*, b* are kept.
        source: (1 or N, 3, H, W) in [-1, 1], sRGB; its L* is used.

    Returns:
        (N, 3, H, W) in [-1, 1], clipped to the gamut of sRGB (illuminant D65, 2-degree observer).
    """
    import torch
    from skimage.color import lab2rgb, rgb2lab

    def to_lab(x: Tensor):
        return rgb2lab((x.detach().clamp(-1, 1).double().cpu().numpy() + 1) / 2, channel_axis=1)

    lab = to_lab(image)
    lab[:, :1] = to_lab(source)[:, :1]
    with warnings.catch_warnings():
        # scikit-image warns of colours out of gamut, which are clipped below.
        warnings.filterwarnings("ignore", message=".*negative Z values")
        rgb = lab2rgb(lab, channel_axis=1)
    return (torch.from_numpy(rgb) * 2 - 1).clamp(-1, 1).to(image)
