"""The recipe ``ilo`` splits the network where the published code does, and keeps the picture that the latter drops.

Golden values and tolerances: ../shared/fixtures/ilo_split_and_l1.npz and the specification beside them.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe
from generators.statistics.gaussians import Gaussian
from generators.statistics.latent_statistics import Statistics


def golden(shared, name):
    with np.load(shared / "fixtures" / f"{name}.npz") as archive:
        return {key: torch.from_numpy(archive[key]) for key in archive.files}


@pytest.fixture(scope="module")
def prior(shared):
    prior = generators.load(shared / "fixtures" / "rosinality_tiny64_ckpt.pt")
    gaussian = Gaussian(torch.full((32,), -0.3), torch.full((32,), 0.8))
    return replace(prior, statistics=Statistics(prior.generator, "", gaussian))


def rest(io):
    return {"w+": io["wplus"][:1]} | {f"noise[{i}]": io[f"noise_{i}"][:1] for i in range(9)}


@torch.no_grad()
def test_where_the_network_is_split(shared, prior):
    given, latents = golden(shared, "ilo_split_and_l1"), rest(golden(shared, "rosinality_tiny64_G_io"))
    assert (prior.generator(latents) - given["img_full"]).abs().max() <= 1e-4
    for k in (1, 2, 3):
        entering = prior.generator.convert(latents, f"feature@{k}")
        assert (entering[f"feature@{k}"] - given[f"gen_out_{k - 1}"]).abs().max() <= 1e-4
        assert (prior.generator(entering) - given["img_full"]).abs().max() <= 1e-4
        dropped = {name: value for name, value in entering.items() if not name.startswith("rgb@")}
        assert (prior.generator(dropped) - given[f"img_from_layer_{k}"]).abs().max() <= 1e-4
        assert (given[f"img_from_layer_{k}"] - given["img_full"]).square().mean().sqrt() > 0.1 * given["img_full"].std()


def test_rounds_begin_at_the_picture_where_the_last_one_ended(shared, prior):
    given, latents = golden(shared, "ilo_split_and_l1"), rest(golden(shared, "rosinality_tiny64_G_io"))
    begin = latents | {"w+": prior.statistics.gaussian.from_w(latents["w+"])}
    recipe = load_recipe("ilo", ["stages.*.lr=0", "stages.*.steps=1", "stages.*.terms.1.weight=0"])
    seen = observe(torch.zeros(3, 64, 64), "identity", prior)
    steps = list(Inversion(seen, prior, recipe, start=begin))
    assert len(steps) == 4
    for step in steps:
        assert (step.image - given["img_full"]).abs().max() <= 1e-4
        assert step.losses["geocross(w+)"].item() == pytest.approx(steps[0].losses["geocross(w+)"].item(), rel=1e-6)
