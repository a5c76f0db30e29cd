"""Deterministic computation: equal bytes for equal inputs on one kind of machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from dgp.errors import InputError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS reads it once, when it starts
FIXED = (":4096:8", ":16:8")  # the values with which cuBLAS is deterministic


@contextlib.contextmanager
def deterministic(enabled: bool = True) -> Iterator[None]:
    """Compute deterministically in the block, and restore the settings of the process afterwards.

    PyTorch's own checks are on, so that an operation without a deterministic implementation is an error; cuDNN chooses
    its algorithms without measuring; the CPU computes with one thread. Inversions that are made in the block render one
    row at a time, so that the bits of a row do not depend on how many there are.

    Args:
        enabled: whether to do anything.

    Raises:
        InputError: CUDA is running already, without the setting that makes cuBLAS deterministic.
    """
    if not enabled:
        yield
        return
    import torch

    given = os.environ.get(CUBLAS)
    if given not in FIXED and torch.cuda.is_initialized():
        raise InputError(
            f"got {CUBLAS}={given or 'nothing'} while CUDA is running, expected {FIXED[0]}, without which cuBLAS is "
            "not deterministic; set it before Python starts"
        )
    backend, threads = torch.backends.cudnn, torch.get_num_threads()
    before = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    cudnn = backend.deterministic, backend.benchmark
    os.environ[CUBLAS] = given if given in FIXED else FIXED[0]
    try:
        torch.use_deterministic_algorithms(True)
        backend.deterministic, backend.benchmark = True, False
        torch.set_num_threads(1)
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        backend.deterministic, backend.benchmark = cudnn
        torch.set_num_threads(threads)
        if given is None:
            del os.environ[CUBLAS]
        else:
            os.environ[CUBLAS] = given


def is_deterministic() -> bool:
    """Return whether PyTorch computes deterministically now."""
    import torch

    return torch.are_deterministic_algorithms_enabled()
