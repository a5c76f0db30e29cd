"""Low-pass filters by the window method with Kaiser's window (Karras et al. 2021, appendix C.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# On the CPU even where a network is made without memory, to be compared with a file.
EXACT = {"dtype": torch.float64, "device": "cpu"}


def kaiser_shape(taps: int, width: float, rate: float) -> float:
    """Kaiser's beta for a transition band of ``width`` at sampling rate ``rate``, by his empirical formulas."""
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95  # dB
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def lowpass(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor:
    """A filter of sum 1, float32: (taps,) to be applied along both axes or, radially symmetric, (taps, taps).

    cutoff, width of the transition band and sampling rate are in the same unit.  radial: the jinc function, whose
    spectrum is a disc, under a window that is the product of two (ibid., equations 9 and 10).
    """
    window = torch.kaiser_window(taps, periodic=False, beta=kaiser_shape(taps, width, rate), **EXACT)
    at = (torch.arange(taps, **EXACT) - (taps - 1) / 2) / rate
    if radial:
        distance = torch.hypot(at[:, None], at)
        ideal = torch.special.bessel_j1(2 * math.pi * cutoff * distance) / (math.pi * distance)
        # The centre, which odd filters have, holds the limit.
        response = torch.where(distance == 0, cutoff**2, ideal) * torch.outer(window, window)
    else:
        response = torch.sinc(2 * cutoff * at) * window
    return (response / response.sum()).float()
