"""The import of PyTorch with threads that sleep while they wait."""

from __future__ import annotations

import os
import sys

# The environment variables that set how threads wait: OpenMP's standard one, GCC's and Intel's.
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def import_torch() -> None:
    """Import PyTorch so that its CPU threads sleep, rather than spin, while they wait for each other.

    Spinning threads make a run several times slower when other programs use the same cores. OpenMP reads the policy
    once, when PyTorch is loaded. The number of threads does not change, so results do not change either. Nothing is
    done if PyTorch is loaded already, or if the environment sets a policy. The environment is restored afterwards.
    """
    if "torch" in sys.modules or any(name in os.environ for name in SETTINGS):
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        import torch

        torch.get_num_threads()  # some OpenMP libraries read their settings at the first call rather than when loaded
    finally:
        del os.environ["OMP_WAIT_POLICY"]
