"""Train the networks for photographs that come with the package.

    python benchmarks/quality/train_photograph.py damages
    python benchmarks/quality/train_photograph.py blur:sigma=auto noise:sigma=auto

``damages`` is the network of ``-d auto``; a degradation names an estimator of its unknown parameters (those that come
with the package: ``estimator.BUNDLED_SPECS``). Scenes (free photographs in scikit-image and dead leaves:
``dgp.identify.pictures``) are damaged at random. The files are written into the package. The same seed gives the same
file on the same machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import degradations
from dgp.identify.photograph.damage_network import BUNDLED
from dgp.identify.photograph.estimator import bundled_path, train_estimator
from dgp.identify.photograph.training import train_damages
from dgp.progress import display
from generators.caching.disk_cache import serialise


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors in half precision."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(serialise({name: value.half() for name, value in tensors.items()}))
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="'damages', or degradations with unknown parameters")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.networks:
        with display(True, name):
            if name == "damages":
                write(BUNDLED, train_damages(options.seed))
            else:
                operator = degradations.parse(name)
                write(bundled_path(operator), train_estimator(operator, options.seed))


if __name__ == "__main__":
    main()
