"""What stages that look at coarser pictures save, and what they cost: seconds and the final objective at full size.

    python benchmarks/speed/coarse_stages.py --prior mobilestylegan-ffhq --resolution 128 --seeds 2
    python benchmarks/speed/coarse_stages.py --prior random-256 --resolution 64 --seeds 4

Pictures of the prior from seeds, degraded, are inverted by best-of, steps in w, and a few steps in w at the prior's own
size, alike in all arms: "own" looks at the prior's own size throughout, "coarse" at coarser pictures until the last
stage, "coarse, longer" too, but takes several times as many coarse steps. Every arm has the same starts and seeds, and
runs on one thread. Process time tells more than wall time where the machine has other work. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from random_prior import randomise

import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.recipes.schema import Recipe
from generators import ModelCard, Prior
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config


def random_stylegan2(side: int) -> Prior:
    """Return a StyleGAN2 with random weights and a quarter of config F's channels (Karras et al. 2020)."""
    channels = tuple(min(128, 2**13 // 2**k) for k in range(2, side.bit_length()))
    network = StyleGAN2(StyleGAN2Config(side, channels, 128, 128, mapping_layers=2, mapping_width=128))
    randomise(network, 1)
    for name, parameter in network.named_parameters():
        if name.endswith("affine.bias"):
            parameter.data.fill_(1.0)
    network.mapping.w_avg.copy_(network.mean_of_w())
    return Prior(f"random-{side}", network, None, ModelCard("benchmark"), sha256="")


def make_recipe(resolution: int | None, *, candidates: int, coarse: int, fine: int) -> Recipe:
    """Return the recipe of an arm.

    Args:
        resolution: of the search and of the first stage; None: the prior's own.
        candidates: of the search.
        coarse: steps of the first stage.
        fine: steps of the last stage.
    """
    stage = {"move": {"w": {"curve": "cosine"}}, "terms": ["mse"], "keep": "best"}
    return Recipe.model_validate(
        {
            "name": "coarse stages",
            "summary": "",
            "cites": (),
            "space": ("w",),
            "searches": [{"kind": "best-of", "count": candidates, "terms": ["mse"], "resolution": resolution}],
            "stages": [
                stage | {"steps": coarse, "lr": 0.05, "resolution": resolution},
                stage | {"steps": fine, "lr": 0.02},
            ],
            "finish": {"kind": "none"},
        }
    )


def measure(prior: Prior, spec: str, seed: int, recipe: Recipe) -> dict[str, float]:
    """Invert one picture; return seconds, the objective and the error of the picture, both at full size."""
    random = torch.Generator().manual_seed(1000 + seed)
    with torch.no_grad():
        picture = prior.generator(prior.generator.sample(1, truncation=0.7, generator=random))[0].clamp(-1, 1)
    observation = observe(picture, spec, prior, simulate=True)
    wall, process = time.perf_counter(), time.process_time()
    inversion = Inversion(observation, prior, recipe, seed=seed)
    for _ in inversion:
        pass
    seconds = {"wall_s": time.perf_counter() - wall, "process_s": time.process_time() - process}
    result = inversion.result()
    with torch.no_grad():
        residual = observation.degradation(result.prior_tensor[None]) - observation.y
    error = float((result.prior_tensor.clamp(-1, 1) - picture).square().mean())
    return seconds | {"objective": float(residual.square().mean()), "psnr": psnr(error), "notes": result.notes}


def psnr(error: float) -> float:
    """Return the PSNR in dB of a mean square error of pictures in [-1, 1]."""
    return 10 * float(torch.tensor(4 / error).log10())


def summarise(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the seeds."""
    return {name: statistics.fmean(run[name] for run in runs) for name in ("wall_s", "process_s", "objective", "psnr")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prior", default="random-256", help="a name or path, or random-SIDE")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--degradations", nargs="+", default=["sr:32", "sr:8", "gray"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--steps", type=int, nargs=2, default=(12, 3), metavar=("EARLY", "LAST"))
    parser.add_argument("--longer", type=int, default=3, help="factor of the early steps in the third arm")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kind, _, side = options.prior.partition("-")
    prior = random_stylegan2(int(side)) if kind == "random" else generators.load(options.prior)
    early, last = options.steps
    arms = {
        "own": (None, early),
        "coarse": (options.resolution, early),
        "coarse, longer": (options.resolution, options.longer * early),
    }
    recipes = {
        name: make_recipe(resolution, candidates=options.candidates, coarse=steps, fine=last)
        for name, (resolution, steps) in arms.items()
    }
    found = {spec: {name: [] for name in arms} for spec in options.degradations}
    for seed in range(options.seeds):
        for spec, of_arms in found.items():
            for name, runs in of_arms.items():
                runs.append(measure(prior, spec, seed, recipes[name]))
    means = {spec: {name: summarise(runs) for name, runs in of_arms.items()} for spec, of_arms in found.items()}
    print(json.dumps({"options": vars(options), "threads": 1, "means": means, "runs": found}, indent=1))


if __name__ == "__main__":
    main()
