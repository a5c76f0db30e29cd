"""The choice of the device to compute on."""

from __future__ import annotations

from dgp.errors import InputError


def resolve_device(name: str) -> str:
    """Return the torch device for "auto" (CUDA if available, else the CPU), "cpu" or "cuda".

    Raises:
        InputError: an unknown name, or "cuda" without a CUDA device.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"got device {name!r}, expected auto, cpu or cuda")
    if name == "auto":
        return default_device()
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("got device cuda, but torch finds no CUDA device here; use cpu")
    return name


def default_device() -> str:
    """Return "cuda" if torch finds a CUDA device, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
