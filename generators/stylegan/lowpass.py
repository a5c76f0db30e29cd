"""Low-pass filters by the window method, with Kaiser's window (Karras et al. 2021, appendix C.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# On the CPU even if the network is built on the meta device, since the values are compared with those of a file.
EXACT = {"dtype": torch.float64, "device": "cpu"}


def kaiser_shape(taps: int, width: float, rate: float) -> float:
    """Return Kaiser's beta for a transition band of ``width`` at sampling rate ``rate``, by his empirical formulas."""
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95  # dB
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def lowpass(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor:
    """Design a low-pass filter with sum 1.

    Args:
        taps: length of the filter.
        cutoff: frequency at which half of the amplitude passes, in the unit of ``rate``.
        width: of the transition band, in the unit of ``rate``.
        rate: sampling rate.
        radial: whether the filter is the radially symmetric jinc function, whose spectrum is a disc, under the product
            of two windows (Karras et al. 2021, equations 9 and 10).

    Returns:
        float32: (taps,), to be applied along both axes, or (taps, taps) if radial.
    """
    window = torch.kaiser_window(taps, periodic=False, beta=kaiser_shape(taps, width, rate), **EXACT)
    at = (torch.arange(taps, **EXACT) - (taps - 1) / 2) / rate
    if radial:
        distance = torch.hypot(at[:, None], at)
        ideal = torch.special.bessel_j1(2 * math.pi * cutoff * distance) / (math.pi * distance)
        # At the centre of filters of odd length the formula is 0 / 0; this is its limit.
        response = torch.where(distance == 0, cutoff**2, ideal) * torch.outer(window, window)
    else:
        response = torch.sinc(2 * cutoff * at) * window
    return (response / response.sum()).float()
