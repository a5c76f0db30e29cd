"""Leaving out the last step: the generator's picture as it is, and what the merge did for the observation."""

import torch

import dgp
import generators
from dgp.recipes.load import load_recipe

QUICK = ("budget=120",)


def test_without_the_merge_the_answer_is_the_generators():
    toy = generators.load("toy")
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    recipe = load_recipe("default", QUICK)
    merged, left = (dgp.restore(picture, "sr:2", toy, recipe=r, simulate=True) for r in (recipe, recipe.unmerged()))
    assert torch.equal(left.tensor, left.prior_tensor) and torch.equal(left.tensor, merged.prior_tensor)
    assert not torch.equal(merged.tensor, left.tensor)
    before, after = merged.fidelity["before"], merged.fidelity
    assert before["observation_psnr"] == left.fidelity["observation_psnr"] < after["observation_psnr"]
    assert after["exact"] and not before["exact"]


def test_recipes_that_do_not_merge_stay_as_they_are():
    recipe = load_recipe("dgp-sr-d")
    assert recipe.unmerged() == recipe
    assert load_recipe("aligned").unmerged().finish.merge is False
