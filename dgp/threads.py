"""How PyTorch's threads wait for each other on the CPU."""

from __future__ import annotations

import os
import sys

# Each says how threads wait: OpenMP's own setting, GCC's and Intel's.
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def import_torch() -> None:
    """Import PyTorch so that its threads sleep, rather than spin, while they wait for each other.

    Spinning threads slow a run down many times where other programs are at work. The policy is read once, when PyTorch
    is loaded; the number of threads, and with it every result, stays what it was. Nothing is changed where PyTorch is
    loaded already, or where the environment says how threads shall wait. The environment is left as it was.
    """
    if "torch" in sys.modules or any(name in os.environ for name in SETTINGS):
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        import torch

        torch.get_num_threads()  # some OpenMP libraries read their settings when they are first asked something
    finally:
        del os.environ["OMP_WAIT_POLICY"]
