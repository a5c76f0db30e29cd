"""The bank's search hands on what lies near the observation; the mean's, the mean w."""

import dataclasses

import pytest
import torch

import generators
from degradations import Inpaint
from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe
from dgp.search.bank import choose_diverse
from dgp.search.lookup import order_by_distance
from dgp.search.offspring import cross
from generators import ModelCard, Prior
from generators import bank as banks
from generators.bank import get_bank
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config

COUNT = 60
SPECS = ["gray", "sr:4", "inpaint:center=1/3", "inpaint:pixels=0.5"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(banks, "SHARD", 30)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    latents = toy.generator.sample(
        4, classes=torch.tensor([0, 1, 2, 0]), generator=random_stream(0, "four pictures", 0)
    )
    pictures = toy.generator(latents)
    return [
        observe(p, spec, toy, simulate=True, label=label, seed=number)
        for number, (p, spec, label) in enumerate(zip(pictures, SPECS, (0, None, 2, None), strict=True))
    ]


def recipe(stages=(), **how):
    search = {"kind": "bank", "count": COUNT, "nearest": 6, "children": 4, "rounds": 2, "terms": ["mse"]}
    stage = {"steps": 1, "lr": 0.05, "move": {"z": {}}, "terms": ["mse"]}
    table = {"name": "banked", "summary": "", "cites": (), "searches": [*stages, search | how], "stages": [stage]}
    return Recipe.model_validate(table)


def starts(observations, prior, recipe, **how):
    inversion = Inversion(observations, prior, recipe, **how)
    return inversion, inversion._search()


@torch.no_grad()
def test_the_list_is_by_what_is_observed(toy, observations):
    bank = get_bank(toy, COUNT)
    pictures = bank.pictures(slice(None))
    found = order_by_distance(Inversion(observations, toy, recipe()).batch, bank)
    for observation, order in zip(observations, found, strict=True):
        distance = (observation.degradation(pictures) - observation.y).square().flatten(1).sum(1)
        told = torch.ones(COUNT, dtype=torch.bool) if observation.label is None else bank.classes == observation.label
        assert sorted(order.tolist()) == told.nonzero()[:, 0].tolist(), "the told class only"
        assert (distance[order].diff() >= -1e-3).all()


def test_of_larger_pictures_the_thumbnails_are_enlarged(toy, observations, monkeypatch):
    monkeypatch.setattr(banks, "LARGEST_SIDE", 16)
    order = order_by_distance(Inversion(observations[1], toy, recipe()).batch, get_bank(toy, COUNT))[0]
    monkeypatch.setattr(banks, "LARGEST_SIDE", 32)
    exact = order_by_distance(Inversion(observations[1], toy, recipe()).batch, get_bank(toy, COUNT))[0]
    assert len(set(order[:10].tolist()) & set(exact[:10].tolist())) >= 7


def test_what_is_missing_or_weighs_nothing_does_not_count(toy, observations):
    clean = observations[0].original
    mask = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    mask[..., :16] = True
    holed = observe(clean[0], Inpaint.of(mask), toy, simulate=True)
    weighed = observe(clean[0], "identity", toy, simulate=True)
    weighed = dataclasses.replace(weighed, weight=(~mask).float())
    spoiled = dataclasses.replace(weighed, y=torch.where(mask, -weighed.y, weighed.y))
    everything = observe(clean[0], "identity", toy, simulate=True)
    batch = Inversion([holed, weighed, spoiled, everything], toy, recipe()).batch
    lists = [order.tolist() for order in order_by_distance(batch, get_bank(toy, COUNT))]
    assert lists[0] == lists[1] == lists[2] != lists[3]


def test_answers_take_their_turns_in_the_list(toy, observations):
    bank = get_bank(toy, COUNT)
    inversion, rows = starts(observations[1], toy, recipe(rounds=0, elite=6), num_solutions=3)
    order = order_by_distance(inversion.batch, bank)[0]
    for answer in range(3):
        z = rows.of(0, answer).values["z"]
        expected = bank.drawn["z"][order[answer * 6 : answer * 6 + 6]]
        assert torch.equal(z.sort(0).values, expected.sort(0).values)
    _, alone = starts(observations[1], toy, recipe(rounds=0, elite=6))
    assert torch.equal(alone.values["z"], rows.of(0, 0).values["z"])


def test_what_the_bank_lacks_is_drawn(toy, observations):
    inversion, rows = starts(observations[0], toy, recipe(rounds=0, nearest=15, elite=15), num_solutions=2)
    embedded = toy.generator.embed(torch.tensor([0]))
    assert (rows.values["class"] == embedded).all(), "of the told class, too"
    held = {tuple(z.tolist()) for z in get_bank(toy, COUNT).drawn["z"]}
    assert sum(tuple(z.tolist()) in held for z in rows.values["z"]) == 20, "as many as it has of the class"
    assert inversion.evaluations.forward == 30


def test_a_picture_alone_and_among_others(toy, observations):
    _, together = starts(observations, toy, recipe(elite=2), num_solutions=2, seed=4)
    for number, observation in enumerate(observations):
        _, alone = starts(observation, toy, recipe(elite=2), num_solutions=2, seed=4)
        mine = (together.picture == number).nonzero()[:, 0]
        for name, value in alone.values.items():
            torch.testing.assert_close(together.values[name][mine], value)


def test_it_keeps_the_best_that_it_has_scored_and_counts_them(toy, observations):
    inversion, rows = starts(observations, toy, recipe(elite=14))
    search = inversion.recipe.searches[0]
    assert inversion.evaluations.forward == 4 * search.cost(0) == 4 * 14 and search.rows_out(0) == 14
    scores = inversion.evaluator.score(rows, search.terms).view(4, 14)
    assert (scores.diff(dim=1) >= -1e-6).all()
    _, few = starts(observations, toy, recipe(elite=1))
    assert torch.equal(few.values["z"], rows.values["z"].view(4, 14, -1)[:, 0])


def test_what_comes_before_competes(toy, observations):
    best_of = {"kind": "best-of", "count": 200, "elite": 3, "terms": ["mse"]}
    inversion, rows = starts(observations[1], toy, recipe([best_of], elite=3))
    scores = inversion.evaluator.score(rows, recipe().searches[0].terms)
    _, first = starts(observations[1], toy, recipe(elite=3))
    assert scores[0] <= inversion.evaluator.score(first, recipe().searches[0].terms)[0]
    assert inversion.evaluations.cost == 200 + 14 + 3 + 3 + 3


def test_children_are_as_likely_as_their_parents(toy):
    info, random = toy.generator.info, torch.Generator().manual_seed(0)
    families = [toy.generator.sample(8, classes=torch.arange(8) % 3, generator=random) for _ in range(200)]
    born = [cross(parents, 8, info, random)[0] for parents in families]
    z = torch.cat([children["z"] for children in born])
    assert z.shape == (1600, 20) and abs(float(z.std()) - 1) < 0.03 and abs(float(z[::2].std()) - 1) < 0.03
    parents, born = families[0], born[0]
    known = {tuple(row.tolist()) for row in parents["class"]}
    assert {tuple(row.tolist()) for row in born["class"]} <= known
    children, whose = cross(parents, 8, info, random)
    assert torch.equal(children["class"], parents["class"][whose])
    alone, _ = cross({name: value[:1] for name, value in parents.items()}, 3, info, random)
    assert alone["z"].shape == (3, 20)


def test_the_elite_is_of_different_descent_as_far_as_it_can():
    order, lineage = torch.tensor([4, 2, 0, 1, 3]), torch.tensor([0, 1, 2, 0, 2])
    assert choose_diverse(order, lineage, 3).tolist() == [4, 0, 1]
    assert choose_diverse(order, lineage, 4).tolist() == [4, 2, 0, 1]
    assert choose_diverse(order, lineage, 1).tolist() == [4]


@pytest.mark.parametrize(
    ("how", "says"),
    [({"nearest": 61}, "exceeds count"), ({"elite": 15}, "exceeds what is scored"), ({"terms": []}, "give terms")],
)
def test_impossible_options(how, says):
    with pytest.raises(ValueError, match=says):
        recipe(**how)


def test_a_budget_scales_what_is_scored():
    search = recipe(count=1000, nearest=32, rounds=4).searches[0]
    half = search.scale(0.5)
    assert (half.nearest, half.rounds, half.count) == (16, 2, 1000)


# ---- networks with w


@pytest.fixture(scope="module")
def style():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Prior("style", StyleGAN2(StyleGAN2Config(16, (8, 6, 4), 12, 10, 2, 10)), None, ModelCard("style"), "")


@pytest.fixture(scope="module")
def observed(style):
    with torch.no_grad():
        picture = style.generator(style.generator.sample(1, generator=torch.Generator().manual_seed(3)))
    return observe(picture[0].clamp(-1, 1), "gray", style, simulate=True)


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.parametrize("chart", ["direct", "mapped-gaussian", "correlated-gaussian"])
def test_it_hands_on_pictures_in_the_space_of_the_run(style, observed, space, chart, monkeypatch):
    monkeypatch.setattr("generators.statistics.latent_statistics.GAUSSIAN_DRAWS", 2000)
    table = recipe(rounds=0, elite=6).model_dump() | {"space": [space], "variables": {space: {"chart": chart}}}
    table["stages"][0]["move"] = {space: {}}
    inversion, rows = starts(observed, style, Recipe.model_validate(table))
    assert rows.values.keys() == {space}
    bank = get_bank(style, COUNT)
    index = order_by_distance(inversion.batch, bank)[0][:6]
    with torch.no_grad():
        expected = style.generator(bank.latents(index, style.generator))
    found = inversion.renderer.render(rows)
    difference = (found[:, None] - expected[None]).abs().flatten(2).amax(2)
    assert difference.amin(1).max() < 1e-3 and difference.argmin(1).unique().numel() == 6


def test_a_run_in_codes_has_no_place_for_it(style, observed):
    codes = {"codes": {"chart": {"kind": "codes", "count": 2, "block": 1}}}
    table = recipe().model_dump() | {"space": ["codes"], "variables": codes}
    table["stages"][0]["move"] = {"codes": {}}
    with pytest.raises(RecipeError, match="draw by best-of"):
        starts(observed, style, Recipe.model_validate(table))


def mean_recipe(**how):
    table = recipe().model_dump() | {"searches": [{"kind": "mean"} | how], "space": ["w"]}
    table["stages"][0]["move"] = {"w": {}}
    return Recipe.model_validate(table)


def test_the_mean_is_where_projectors_start(style, observed):
    _, rows = starts([observed, observed], style, mean_recipe(count=2), num_solutions=2)
    there = (rows.values["w"] == style.statistics.mean).all(1)
    assert len(rows) == 8 and torch.equal(there, rows.answer == 0), "further answers begin apart from the first"
    _, spread = starts(observed, style, mean_recipe(count=400, std=0.5))
    off = (spread.values["w"] - style.statistics.mean) / style.statistics.std
    torch.testing.assert_close(off.std(0), torch.full((10,), 0.5), atol=0.08, rtol=0)
    _, more = starts(observed, style, mean_recipe(count=400, std=0.5), num_solutions=2)
    assert torch.equal(more.values["w"][:400], spread.values["w"])
    assert mean_recipe(count=3).searches[0].rows_out(2) == 5 and mean_recipe().searches[0].cost(2) == 0


def test_the_mean_of_networks_without_w_is_refused(toy, observations):
    table = mean_recipe().model_dump() | {"space": ["z"]}
    table["stages"][0]["move"] = {"z": {}}
    with pytest.raises(RecipeError, match="needs w, which the prior 'toy' lacks"):
        Inversion(observations[0], toy, Recipe.model_validate(table))
