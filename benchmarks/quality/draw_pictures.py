"""Write pictures that a prior draws from given seeds, as the originals of an evaluation.

    python benchmarks/quality/draw_pictures.py mobilestylegan-ffhq drawn/ --count 10
    dgp evaluate drawn/ -d sr:32 -r default,pulse -p mobilestylegan-ffhq

The prior can draw them exactly, which no photograph is: they tell how well a search finds what is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import dgp
from dgp.observation.images import to_pil


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prior")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7000, help="of the first picture (default: %(default)s)")
    parser.add_argument("--truncation", type=float, default=0.7, help="default: %(default)s")
    options = parser.parse_args(arguments)
    prior = dgp.load_prior(options.prior)
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seed, options.seed + options.count):
        random = torch.Generator().manual_seed(seed)
        latents = prior.generator.sample(1, truncation=options.truncation, generator=random)
        to_pil(prior.generator(latents).clamp(-1, 1)).save(options.folder / f"{seed}.png")


if __name__ == "__main__":
    main()
