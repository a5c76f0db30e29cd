"""Measurements of an answer at the photograph's own size, beside those of the untouched photograph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dgp.observation.full_size.photograph import LARGEST_WHOLE, Misfit, Photograph, read_image
from dgp.observation.images import to_tensor
from dgp.observation.observation import Observation
from dgp.output import metrics
from generators.progress import waiting

MARGIN = 0.1  # dB by which an answer may be below the untouched photograph
NOISE_MARGIN = 1.1  # an answer agrees within the noise if its misfit is at most so many times larger,
ROUNDING = 1.5 / 255  # and so much more, of the range from black to white


@dataclass(frozen=True)
class FullSize:
    """Measurements at the output's size.

    Attributes:
        size: (width, height) of the output.
        fidelity: agreement of the degraded answer with the photograph; see ``metrics.observation_fidelity``.
        untouched: the same for the photograph taken as the answer; None where it is no picture of the output's size.
        metrics: against the clean picture, where it is known; "psnr_untouched" and "ssim_untouched" are those of the
            photograph taken as the answer.
        unchanged: whether the answer is the photograph as it is.
    """

    size: tuple[int, int]
    fidelity: dict
    untouched: dict | None
    metrics: dict[str, dict]
    unchanged: bool

    @property
    def harm(self) -> str | None:
        """How the answer is worse than the untouched photograph, in words; None where it is not."""
        told = {name: entry["value"] for name, entry in self.metrics.items()}
        if (before := told.get("psnr_untouched")) is not None:
            after = told["psnr"]
            if after is not None and after < before - MARGIN:
                at = "{}x{}".format(*self.size)
                return f"its PSNR at {at} is {after:.2f} dB, that of the photograph as it is {before:.2f} dB"
            return None
        if self.untouched is None or self.fidelity["exact"] or self.fidelity["within_noise"] or "psnr" in told:
            return None
        after, before = self.fidelity["observation_psnr"], self.untouched["observation_psnr"]
        if after is not None and (before is None or after < before - MARGIN):
            than = "exactly" if before is None else f"at {before:.1f} dB"
            return (
                f"degraded again, it agrees with the photograph at {after:.1f} dB, and the photograph as it is agrees "
                f"{than}"
            )
        return None

    def record(self) -> dict:
        """Return the entry of result.json."""
        return {
            "size": list(self.size),
            "fidelity": self.fidelity,
            "untouched": self.untouched,
            "metrics": self.metrics,
            "unchanged": self.unchanged,
            "worse_than_untouched": self.harm,
        }


@waiting("measuring at the photograph's size")
def measure_at_full_size(observation: Observation, image: Image.Image) -> FullSize | None:
    """Measure an answer at the output's size; None where there is no photograph at its own size.

    Args:
        observation: the observation, with known parameters.
        image: the answer at the output's size.
    """
    photograph = observation.geometry.photograph
    if photograph is None or not photograph.mergeable:
        return None
    untouched = picture_of(photograph)
    fidelity = _fidelity(photograph, image)
    return FullSize(
        size=image.size,
        fidelity=fidelity,
        untouched=None if untouched is None else _fidelity(photograph, untouched),
        metrics=_metrics(observation, image, untouched),
        unchanged=untouched is not None and image.convert("RGB").tobytes() == untouched.tobytes(),
    )


def picture_of(photograph: Photograph) -> Image.Image | None:
    """Return the photograph as an answer that changes nothing; None if it is not of the output's size."""
    if photograph.picture.size != photograph.size:
        return None
    return photograph.picture.convert("RGB")


def _fidelity(photograph: Photograph, image: Image.Image) -> dict:
    return _describe(photograph.misfit(read_image(image))) | {"size": list(photograph.picture.size)}


def _describe(misfit: Misfit) -> dict:
    if not misfit.count:
        reason = "nothing was observed"
        return {"observation_psnr": None, "exact": False, "within_noise": False, "noise_psnr": None, "reason": reason}
    exact, mean, noise = misfit.largest <= metrics.EXACT, misfit.squares / misfit.count, misfit.noise / misfit.count
    about = {
        "exact": exact,
        "within_noise": mean**0.5 <= NOISE_MARGIN * noise**0.5 + ROUNDING,
        "noise_psnr": -10 * math.log10(noise) if noise > 0 else None,
    }
    if mean == 0:
        return {"observation_psnr": None, "reason": "identical: infinite"} | about
    return {"observation_psnr": -10 * math.log10(mean)} | about


def _metrics(observation: Observation, image: Image.Image, untouched: Image.Image | None) -> dict[str, dict]:
    if observation.clean is None:
        return {}
    hidden = observation.geometry.photograph.operator.uninformative(image.size[::-1])
    unobserved = None if hidden is None or untouched is None else hidden[0].cpu().numpy()
    found = _compare(image, observation.clean, unobserved)
    if untouched is not None:
        found |= {f"{name}_untouched": entry for name, entry in _compare(untouched, observation.clean, None).items()}
    return found


def _compare(image: Image.Image, clean: Image.Image, unobserved: np.ndarray | None) -> dict[str, dict]:
    """Return PSNR and SSIM of a picture against the clean one, and PSNR of its unobserved pixels (H, W) bool."""
    a, b = (np.asarray(one.convert("RGB")) for one in (image, clean))
    found = {"psnr": _entry(*_psnr(a, b), "all")}
    if unobserved is not None and unobserved.any():
        found["psnr_unobserved"] = _entry(*_psnr(a[unobserved], b[unobserved]), "unobserved")
    if min(image.size) < metrics.SSIM_WINDOW or a.size > 3 * LARGEST_WHOLE:
        found["ssim"] = _entry(None, "too small or too large a picture", "all")
    else:
        found["ssim"] = _entry(metrics.ssim(to_tensor(image.convert("RGB"))[0], to_tensor(clean)[0]), None, "all")
    return found


def _psnr(a: np.ndarray, b: np.ndarray) -> tuple[float | None, str | None]:
    """Return the PSNR of 8-bit values, or the reason why there is none."""
    mse = np.mean([np.square(p.astype(np.float32) - q).mean(dtype=np.float64) for p, q in zip(a, b, strict=True)])
    return (-10 * math.log10(mse / 255**2), None) if mse > 0 else (None, "identical pictures: infinite")


def _entry(value: float | None, reason: str | None, region: str) -> dict:
    entry = {"value": value, "region": region, "higher_is_better": True}
    return entry if value is not None else entry | {"reason": reason}
