"""Where to compute."""

from __future__ import annotations

from dgp.errors import InputError


def device_named(text: str) -> str:
    """What torch calls "auto" (CUDA where there is one), "cpu" or "cuda". Raises InputError."""
    import torch

    if text not in ("auto", "cpu", "cuda"):
        raise InputError(f"got device {text!r}, expected auto, cpu or cuda")
    if text == "auto":
        return usual()
    if text == "cuda" and not torch.cuda.is_available():
        raise InputError("got device cuda, but torch sees no CUDA device here; use cpu")
    return text


def usual() -> str:
    """Return what "auto" means on this machine."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
