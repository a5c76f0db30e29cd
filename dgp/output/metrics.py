"""Metrics of an answer: against the original, against the observation, and under the prior.

Pictures are tensors (3, H, W) in [-1, 1]; PSNR and SSIM are computed after mapping them to [0, 1], with data range 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dgp.errors import InputError
from dgp.losses.feature_networks import efficientnet
from dgp.losses.feature_networks.lpips import LEAST_SIDE, explain_absence, load_lpips
from generators.progress import waiting

SSIM_WINDOW = 7
EXACT = 1 / 255 + 1e-5  # largest difference in [-1, 1] that counts as rounding to 8 bits
# The metrics that every result has.
ALWAYS = ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved", "lpips", "perceptual_efficientnet")


def psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB, over all channels; infinite for identical pictures.

    Args:
        a: (C, H, W) in [-1, 1].
        b: the same shape and range.
        mask: (H, W) or (1, H, W) bool, the pixels to compare; None: all.
    """
    from skimage.metrics import peak_signal_noise_ratio

    x, y = _to_arrays(a, b)
    if mask is not None:
        chosen = _mask_array(mask, x)
        x, y = x[chosen], y[chosen]
    if np.array_equal(x, y):
        return math.inf
    return float(peak_signal_noise_ratio(y, x, data_range=1.0))


def ssim(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """Return the structural similarity (SSIM).

    Uniform window of 7x7, sample covariance, mean over the channels, data range 1 on [0, 1].

    Args:
        a: (C, H, W) in [-1, 1].
        b: the same shape and range.
        mask: (H, W) or (1, H, W) bool, the pixels over which the SSIM map is averaged, with mirrored borders; None: all
            but the 3-pixel border, as in scikit-image.

    Raises:
        InputError: a side of less than 7 pixels.
    """
    return _ssim(a, b, mask, data_range=1.0)


def ssim_published(a: Tensor, b: Tensor) -> float:
    """Return SSIM by the convention of the published DGP numbers: data in [0, 1], but a data range of 2.

    That was scikit-image's default for floats. The values are higher than those of `ssim`, and comparable only with
    numbers of the same convention.
    """
    return _ssim(a, b, None, data_range=2.0)


def lpips_or_reason(a: Tensor, b: Tensor) -> tuple[float | None, str | None]:
    """Return LPIPS with AlexNet features (Zhang et al. 2018, weights of version 0.1), or why it cannot be computed.

    Nothing is downloaded: without the weights there is no value.

    Args:
        a: (3, H, W) in [-1, 1].
        b: the same shape and range.

    Returns:
        (LPIPS, None), or (None, the reason).
    """
    if reason := explain_absence("alex"):
        return None, reason
    if min(a.shape[-2:]) < (needed := LEAST_SIDE["alex"]):
        return None, f"{a.shape[-1]}x{a.shape[-2]} pixels are too small for its network, which needs {needed}"
    with waiting("comparing by LPIPS"), torch.no_grad():
        return float(load_lpips("alex")(a[None].float().cpu(), b[None].float().cpu())), None


def perceptual_efficientnet_or_reason(a: Tensor, b: Tensor) -> tuple[float | None, str | None]:
    """Return the distance of the feature maps of EfficientNet-Lite0, or why it cannot be computed.

    It has LPIPS' formula, but another network and equal weights of its channels: its values are not LPIPS. Nothing is
    downloaded: without the weights there is no value.

    Args:
        a: (3, H, W) in [-1, 1].
        b: the same shape and range.

    Returns:
        (distance, None), or (None, the reason).
    """
    if reason := efficientnet.explain_absence():
        return None, reason
    network = efficientnet.EfficientNetNetwork(efficientnet.load_efficientnet())
    with waiting("comparing by EfficientNet-Lite0"), torch.no_grad():
        ours, theirs = (network.maps(x[None].float().cpu()) for x in (a, b))
        return float(network.distance(ours, theirs)), None


def measure(restored: Tensor, original: Tensor | None, unobserved: Tensor | None = None) -> dict[str, dict]:
    """Return the entry `metrics` of result.json.

    Args:
        restored: (3, H, W) or (1, 3, H, W) in [-1, 1].
        original: the same shape and range, or None if unknown.
        unobserved: (H, W) or (1, H, W) bool, the pixels of which nothing was observed; None: there are none.

    Returns:
        name -> {"value", "region", "higher_is_better"}, with a "reason" if the value is None. Without an original,
        each of the names `ALWAYS` -> {"value": None, "reason"}.
    """
    if original is None:
        return {name: {"value": None, "reason": "no original"} for name in ALWAYS}
    entries = {}

    def add(name, value, reason=None, *, region="all", higher=True):
        if value is not None and not math.isfinite(value):
            value, reason = None, "identical pictures: infinite" if value > 0 else "not a number"
        entries[name] = {"value": value, "region": region, "higher_is_better": higher}
        if value is None:
            entries[name]["reason"] = reason

    small = min(original.shape[-2:]) < SSIM_WINDOW
    absent = f"smaller than the {SSIM_WINDOW}x{SSIM_WINDOW} window" if small else None
    a, b = (x.reshape(x.shape[-3:]) for x in (restored, original))
    hidden = "everything was observed" if unobserved is None or not bool(unobserved.any()) else None

    add("psnr", psnr(a, b))
    for name, function in (("ssim", ssim), ("ssim_published", ssim_published)):
        add(name, None, absent) if absent else add(name, function(a, b))
    for name, function, reason in (
        ("psnr_unobserved", psnr, hidden),
        ("ssim_unobserved", ssim, hidden or absent),
    ):
        add(name, None if reason else function(a, b, unobserved), reason, region="unobserved")
    add("lpips", *lpips_or_reason(a, b), higher=False)
    add("perceptual_efficientnet", *perceptual_efficientnet_or_reason(a, b), higher=False)
    return entries


def observation_fidelity(predicted: Tensor, y: Tensor, unobserved: Tensor | None = None) -> dict:
    """Return the entry `fidelity` of result.json: how well the degraded answer agrees with the observation.

    Args:
        predicted: phi(x), (1, c, h, w) or (c, h, w) in [-1, 1].
        y: the observation, same shape and range.
        unobserved: pixels of y to leave out, bool; ignored if it has another size than y. None: compare all.

    Returns:
        "observation_psnr": in dB, or None with a "reason"; "exact": whether all values agree within half an 8-bit
        level; "size": [w, h] of y.
    """
    return {**_fidelity(predicted, y, unobserved), "size": [y.shape[-1], y.shape[-2]]}


def _fidelity(predicted: Tensor, y: Tensor, unobserved: Tensor | None) -> dict:
    p, q = (t.detach().cpu().double().reshape(t.shape[-3:]) for t in (predicted, y))
    difference = (p - q).abs()
    if unobserved is not None and tuple(unobserved.shape[-2:]) == tuple(q.shape[-2:]):
        seen = ~unobserved.reshape(unobserved.shape[-2:]).cpu().bool()
        difference = difference[:, seen]
    if not difference.numel():
        return {"observation_psnr": None, "exact": False, "reason": "nothing was observed"}
    mse = float((difference / 2).square().mean())
    exact = bool(difference.max() <= EXACT)
    if mse == 0:
        return {"observation_psnr": None, "exact": exact, "reason": "identical: infinite"}
    if not math.isfinite(mse):
        return {"observation_psnr": None, "exact": False, "reason": "not a number"}
    return {"observation_psnr": -10 * math.log10(mse), "exact": exact}


def typicality(z: Tensor) -> dict[str, float]:
    """Return the norm of a latent under N(0, I), and how typical it is.

    Args:
        z: (d,), a latent that the prior samples from N(0, I).

    Returns:
        "norm": Euclidean norm; "typicality": two-sided p-value of the norm under the chi distribution with d degrees
        of freedom. Near 0, the generator has hardly been trained in this region.
    """
    from scipy.stats import chi

    z = z.detach().cpu().double().flatten()
    norm = float(z.norm())
    return {
        "norm": norm,
        "typicality": min(1.0, float(2 * min(chi.cdf(norm, z.numel()), chi.sf(norm, z.numel())))),
    }


def _to_arrays(a: Tensor, b: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures as (H, W, C) in [0, 1]; in float64, as float32 has rounding noise where they are equal."""
    if a.shape != b.shape or a.ndim != 3:
        raise InputError(f"got pictures of shape {tuple(a.shape)} and {tuple(b.shape)}, expected two (C, H, W)")
    x, y = ((t.detach().cpu().double() + 1).div(2).permute(1, 2, 0).numpy() for t in (a, b))
    return x, y


def _mask_array(mask: Tensor, picture: np.ndarray) -> np.ndarray:
    chosen = mask.detach().cpu().bool().reshape(mask.shape[-2:]).numpy()
    if chosen.shape != picture.shape[:2] or not chosen.any():
        raise InputError(
            f"got a mask of shape {chosen.shape} with {int(chosen.sum())} pixels, "
            f"expected at least one in {picture.shape[:2]}"
        )
    return chosen


def _ssim(a: Tensor, b: Tensor, mask: Tensor | None, data_range: float) -> float:
    from skimage.metrics import structural_similarity

    x, y = _to_arrays(a, b)
    if min(x.shape[:2]) < SSIM_WINDOW:
        raise InputError(f"got a picture of {x.shape[1]}x{x.shape[0]}, expected at least {SSIM_WINDOW} pixels a side")
    options = {"win_size": SSIM_WINDOW, "channel_axis": 2, "data_range": data_range}
    if mask is None:
        return float(structural_similarity(x, y, **options))
    return float(structural_similarity(x, y, full=True, **options)[1][_mask_array(mask, x)].mean())
