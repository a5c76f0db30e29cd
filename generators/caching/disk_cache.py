"""Tensors that are computed once and stored on disk, and computed again where a file is damaged."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from generators.caching.cache_folder import write_atomic
from generators.safetensors_files import read_safetensors


def load_or_compute(path: Path, fits: Callable[[dict[str, Tensor]], bool], make: Callable[[], dict[str, Tensor]]):
    """Return the tensors stored at ``path``, or compute and store them.

    A folder that cannot be written to causes a warning: the tensors are then computed again next time.

    Args:
        path: of a safetensors file.
        fits: whether stored tensors are the expected ones (names, shapes).
        make: computes the tensors.
    """
    found = read(path)
    if found is None or not fits(found):
        found = make()
        try:
            write_atomic(path, serialise(found))
        except OSError as error:
            warnings.warn(f"{path}: cannot be written ({error.strerror}); set DGP_CACHE", stacklevel=3)
    return found


def serialise(tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a safetensors file whose metadata holds the sha256 of its contents."""
    from safetensors.torch import save

    return save({name: value.contiguous() for name, value in tensors.items()}, {"sha256": _digest(tensors)})


def read(path: Path) -> dict[str, Tensor] | None:
    """Return the tensors of a file of ``serialise``, or None for a file that is missing or damaged."""
    try:
        tensors, metadata = read_safetensors(path)
    except (OSError, ValueError):
        return None
    return tensors if metadata.get("sha256") == _digest(tensors) else None


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
