"""The search over unknown parameters: every start keeps its picture and takes the setting that serves it best."""

from dataclasses import replace

import pytest
import torch

from degradations import Degradation, Identity, Parameter
from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.observation.estimate import Estimate
from dgp.planning.blind_restoration import add_unknowns
from dgp.recipes.schema import Recipe
from generators import load


class Dim(Degradation):
    """share x: how much of the contrast is left."""

    linear = smooth = True
    name = "dim"
    parameters_spec = (Parameter("share", 1.0, (0.1, 1.0)),)

    def forward(self, x):
        return x * self.share


def dim(text="auto"):
    return Dim(share=Dim.parameters_spec[0].read(text))


SEARCH = {"kind": "unknowns", "population": 12, "generations": 4, "terms": ["mse"]}
FIRST = {"kind": "best-of", "count": 8, "elite": 3, "terms": ["mse"]}


def recipe(*searches):
    stage = {"steps": 1, "lr": 0.05, "move": {"z": {}}, "terms": ["mse"]}
    table = {"name": "unknown", "summary": "", "cites": (), "searches": list(searches), "stages": [stage]}
    return Recipe.model_validate(table)


@pytest.fixture(scope="module")
def toy():
    return load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    with torch.no_grad():
        drawn = toy.generator.sample(3, generator=torch.Generator().manual_seed(2))
        pictures = toy.generator(drawn)
    dimmed = [
        observe(p, dim(), toy, simulate=True, truth=dim(t)) for p, t in zip(pictures, ("0.3", "0.9"), strict=False)
    ]
    return [*dimmed, observe(pictures[2], Identity(), toy, simulate=True)]


def run(observations, toy, *searches):
    inversion = Inversion(observations, toy, add_unknowns(recipe(*searches), observations))
    before = inversion.recipe.searches[0].run(inversion.evaluator, inversion.source, None)
    return inversion, before, inversion.recipe.searches[1].run(inversion.evaluator, inversion.source, before)


def test_settings_serve_the_starts_better_and_their_pictures_stay(toy, observations):
    inversion, before, after = run(observations, toy, FIRST, SEARCH)
    terms, evaluator = inversion.recipe.searches[1].terms, inversion.evaluator
    for number in range(2):
        then, now = before.of(number, 0), after.of(number, 0)
        assert sorted(map(tuple, then.values["z"].tolist())) == sorted(map(tuple, now.values["z"].tolist()))
        scores = evaluator.score(now, terms)
        assert (scores.diff() >= -1e-6).all() and scores[0] < evaluator.score(then, terms).min()
        y, x = evaluator.batch.observations[number].y, evaluator.renderer.render(now)[0]
        best = float((x * y).sum() / x.square().sum())  # least squares
        found = 0.1 + 0.9 * float(now.values["phi[share]"][0])
        assert abs(found - min(1.0, max(0.1, best))) < 0.05
    same = before.of(2, 0), after.of(2, 0)
    assert all(torch.equal(same[0].values[name], same[1].values[name]) for name in same[0].values)


def test_a_picture_alone_and_among_others(toy, observations):
    _, _, together = run(observations, toy, FIRST, SEARCH)
    _, _, alone = run(observations[:1], toy, FIRST, SEARCH)
    for name, value in alone.values.items():
        torch.testing.assert_close(together.of(0, 0).values[name], value)


def test_the_estimate_holds_it_as_far_as_it_is_trusted(toy, observations):
    held = SEARCH | {"terms": ["mse", {"kind": "unknowns", "weight": 1000.0}]}
    known = replace(observations[0], estimates={"share": Estimate(0.8, 0.05)})
    _, _, after = run([known], toy, FIRST, held)
    torch.testing.assert_close(after.values["phi[share]"], torch.full((3, 1), 0.7 / 0.9), atol=1e-3, rtol=0)


def test_it_renders_once_and_is_refused_where_it_stands_alone(toy, observations):
    inversion, before, _ = run(observations[:1], toy, FIRST, SEARCH)
    assert inversion.evaluations.forward == 8, "only the search before has rendered"
    with pytest.raises(RecipeError, match="put a search before it"):
        inversion.recipe.searches[1].run(inversion.evaluator, inversion.source, None)
    with pytest.raises(ValueError, match="population of 2"):
        recipe(FIRST, SEARCH | {"population": 2})
    with pytest.raises(ValueError, match="give terms"):
        recipe(FIRST, SEARCH | {"terms": []})
