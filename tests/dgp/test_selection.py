"""Which rows of an answer are kept."""

import types

import pytest
import torch

import dgp
from dgp.engine.selection import SELECTIONS
from dgp.recipes.load import load_recipe
from dgp.variables.rows import Rows


@pytest.fixture(scope="module")
def toy():
    return dgp.load_prior("toy")


SHORT = ("stages.*.steps=1", "searches.0.count=6")


def renderer(images):
    return types.SimpleNamespace(render=lambda rows: images)


def rows_of(counts):
    picture = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    return Rows(picture, torch.zeros_like(picture), {"z": torch.zeros(len(picture), 1)})


def test_the_medoid_is_the_row_nearest_to_the_others_of_its_answer():
    levels = torch.tensor([0.9, 0.1, 0.0, 0.2, -1.0, -0.9, 1.0])  # of an answer of four rows, and one of three
    images = levels[:, None, None, None].expand(-1, 3, 4, 4)
    distances = SELECTIONS["medoid"](rows_of([4, 3]), torch.zeros(7), renderer(images))
    expected = [
        sum((a - b) ** 2 for b in block) / (len(block) - 1) for block in (levels[:4], levels[4:]) for a in block
    ]
    assert torch.allclose(distances, torch.tensor(expected), atol=1e-6)
    assert rows_of([4, 3]).best(distances, 1).tolist() == [3, 5]


def test_rows_without_an_objective_are_neither_chosen_nor_asked():
    levels = torch.tensor([0.0, 0.1, torch.nan, 5.0, 5.0])
    scores = torch.tensor([1.0, 1.0, torch.nan, torch.inf, torch.nan])
    distances = SELECTIONS["medoid"](rows_of([5]), scores, renderer(levels[:, None, None, None].expand(-1, 3, 2, 2)))
    assert torch.allclose(distances[:2], torch.tensor(0.01)) and distances[2:].isinf().all()
    alone = SELECTIONS["medoid"](rows_of([2]), torch.tensor([torch.nan, 3.0]), renderer(torch.zeros(2, 3, 2, 2)))
    assert alone.tolist() == [torch.inf, 0.0]


def test_a_recipe_chooses_by_objective_unless_it_says_otherwise(toy):
    grey = torch.zeros(3, 32, 32)
    kept = {}
    for choose in ("objective", "medoid"):
        recipe = load_recipe("default", (*SHORT, "stages.1.rows_kept=6", "stages.2.rows_kept=6", f"choose={choose}"))
        inversion = dgp.Inversion(dgp.observe(grey, "gray", toy, label=0), toy, recipe)
        result = inversion.result()
        ranked = SELECTIONS[choose](inversion.rows, inversion.scores, inversion.renderer)
        assert len(ranked) == 6
        winner = inversion.rows.values["z"][ranked.argmin()]
        assert torch.equal(result.latents["z"][0], winner.detach())
        kept[choose] = result.scores[0], float(inversion.scores.min())
    assert kept["objective"][0] == kept["objective"][1] <= kept["medoid"][0]
