"""The main measurements of a result in a few words, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping

from dgp.observation.full_size.resolution_notes import ENOUGH

SHOWN = (
    ("psnr", "PSNR {:.2f} dB"),
    ("ssim", "SSIM {:.3f}"),
    ("psnr_unobserved", "PSNR in the hole {:.2f} dB"),
)


def describe_measurements(
    metrics: Mapping, fidelity: Mapping, full_size: Mapping | None, resolution: Mapping
) -> list[str]:
    """Return the main measurements of a result, each in a few words.

    Where there is a photograph at its own size, they are those at that size.

    Args:
        metrics, fidelity, full_size, resolution: the entries "metrics", "fidelity", "full_size" and
            "effective_resolution" of result.json.
    """
    words = [text.format(metrics[name]["value"]) for name, text in SHOWN if metrics[name]["value"] is not None]
    if full_size is not None:
        words += _describe_full_size(full_size)
        fidelity = full_size["fidelity"]
    if fidelity["exact"] or fidelity["observation_psnr"] is not None:
        met = "exact" if fidelity["exact"] else f"{fidelity['observation_psnr']:.1f} dB"
        words.append("data consistency at {}x{}: {}".format(*fidelity["size"], met))
    if any(seen < ENOUGH * all_ for seen, all_ in zip(resolution["luma"], resolution["output"], strict=True)):
        words.append("detail of a picture of {}x{}".format(*resolution["luma"]))
    return words


def _describe_full_size(full_size: Mapping) -> list[str]:
    metrics = full_size["metrics"]
    if "psnr" not in metrics or metrics["psnr"]["value"] is None:
        return []
    text = "PSNR at {}x{} {:.2f} dB".format(*full_size["size"], metrics["psnr"]["value"])
    before = metrics.get("psnr_untouched", {"value": None})["value"]
    return [text if before is None else f"{text} (the input {before:.2f} dB)"]
