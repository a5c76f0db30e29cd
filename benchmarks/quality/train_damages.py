"""Train the network that recognises damage in photographs, which comes with the package.

    python benchmarks/quality/train_damages.py dgp/identify/photograph/bundled/damages.safetensors

Scenes (photographs in scikit-image that are free, and dead leaves: ``dgp.identify.pictures``) are damaged by every
chain of damages; The same seed gives the same file on the same machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dgp.identify.photograph.training import train_damages
from dgp.progress import display
from generators.caching.disk_cache import serialise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="the safetensors file to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with display(True, "training"):
        tensors = train_damages(options.seed)
    options.output.write_bytes(serialise({name: value.half() for name, value in tensors.items()}))
    print(f"factor {float(tensors['factor']):.2f}, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
