"""Where to compute."""

from __future__ import annotations

from dgp.errors import InputError


def device_named(text: str) -> str:
    """What torch calls "auto" (CUDA where there is one), "cpu" or "cuda". Raises InputError."""
    import torch

    if text not in ("auto", "cpu", "cuda"):
        raise InputError(f"got device {text!r}, expected auto, cpu or cuda")
    there = torch.cuda.is_available()
    if text == "cuda" and not there:
        raise InputError("got device cuda, but torch sees no CUDA device here; use cpu")
    return ("cuda" if there else "cpu") if text == "auto" else text
