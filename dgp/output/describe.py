"""The main measurements of a result in a few words, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping

from dgp.observation.full_size.effective_resolution import lacks_detail

SHOWN = (
    ("psnr", "PSNR{at} {:.2f} dB"),
    ("ssim", "SSIM {:.3f}"),
    ("psnr_unobserved", "PSNR in the hole {:.2f} dB"),
)


def describe_measurements(
    metrics: Mapping, fidelity: Mapping, full_size: Mapping | None, resolution: Mapping | None
) -> list[str]:
    """Return the main measurements of a result, each in a few words.

    Where there is a photograph at its own size, they are those at that size.

    Args:
        metrics, fidelity, full_size, resolution: the entries "metrics", "fidelity", "full_size" and
            "effective_resolution" of result.json; the last two may be None.
    """
    at = ""
    if full_size is not None:
        fidelity = full_size["fidelity"]
        if full_size["metrics"]:
            metrics, at = full_size["metrics"], " at {}x{}".format(*full_size["size"])
    words = []
    for name, text in SHOWN:
        value, before = (metrics.get(key, {"value": None})["value"] for key in (name, f"{name}_untouched"))
        if value is not None:
            words.append(text.format(value, at=at if name == "psnr" else ""))
            words[-1] += "" if before is None or name != "psnr" else f" (the input {before:.2f} dB)"
    if fidelity["exact"] or fidelity["observation_psnr"] is not None:
        met = "exact" if fidelity["exact"] else f"{fidelity['observation_psnr']:.1f} dB"
        if fidelity.get("noise_psnr") is not None and fidelity["within_noise"]:
            met = f"within the noise ({met})"
        words.append("data consistency at {}x{}: {}".format(*fidelity["size"], met))
    if resolution and lacks_detail(resolution["luma"], resolution["output"]):
        words.append("detail of a picture of {}x{}".format(*resolution["luma"]))
    return words
