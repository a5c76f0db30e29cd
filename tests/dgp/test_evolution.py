"""Evolution: nevergrad's methods with whole populations, and what the search hands on."""

import typing
import warnings

import numpy as np
import pytest
import torch

import generators
from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.planning.adapt import adapt_recipe
from dgp.planning.budget import cost
from dgp.random_streams import random_stream
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from dgp.search import evolution
from dgp.search.ask_tell import BROKEN, AskTell, Optimizer, default_population, least_population
from dgp.search.coordinates import choose_coordinates
from generators import ModelCard, Prior
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config

OPTIMIZERS = typing.get_args(Optimizer)
WIDE = 512


def descent(optimizer, seed, generations=8, dimension=WIDE, population=None):
    """Losses (generations, B) of a quadratic whose optimum lies within the first population's shell."""
    population = population or default_population(dimension)
    search = AskTell(optimizer, dimension, population, generations, seed)
    optimum, losses = torch.linspace(-1, 1, dimension, dtype=torch.float64), []
    for _ in range(generations):
        losses.append((search.ask() - optimum).square().mean(1))
        search.tell(losses[-1])
    return torch.stack(losses)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_method_learns_in_512_dimensions_by_its_seed_alone(optimizer):
    descent(optimizer, seed=3, generations=1)  # what is imported may draw
    state = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = descent(optimizer, seed=3, generations=40 if optimizer in ("tbpsa", "random") else 12)
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))
    assert losses.shape[1] == 22 and losses.min() < losses[0].min()
    np.random.seed(1)
    assert torch.equal(descent(optimizer, seed=3, generations=3), losses[:3])
    assert not torch.equal(descent(optimizer, seed=4, generations=1), losses[:1])


@pytest.mark.parametrize(
    ("optimizer", "population"), [("cma", 22), ("diagonal-cma", 9), ("diagonal-cma", 50), ("ngopt", 22)]
)
def test_any_population_of_cma_halves_the_loss_in_wide_spaces(optimizer, population):
    losses = descent(optimizer, 0, generations=20, population=population)
    assert losses[-1].mean() < 0.5 * losses[0].mean()


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {"random", "tbpsa", "one-plus-one"}))
def test_points_that_moved_are_what_is_learnt_from(optimizer):
    search, optimum = AskTell(optimizer, 20, 12, 20, 0, refines=True), torch.full((20,), 3.0)
    distances = []
    for _ in range(20):
        asked = search.ask()
        distances.append((asked - optimum).norm(dim=1).mean())
        moved = (asked + optimum) / 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            search.tell((moved - optimum).square().mean(1), moved)
    assert distances[-1] < 0.3 * distances[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_that_are_no_numbers_are_the_worst(optimizer):
    search = AskTell(optimizer, 6, 8, 5, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for broken in (torch.nan, torch.inf, -torch.inf, 10 * BROKEN):
            losses = search.ask().square().sum(1)
            losses[::3] = broken
            search.tell(losses)
    assert search.ask().isfinite().all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("cma", 20, 3), "got a population of 3, expected at least 4 for cma"),
        (("cma", 5000, 8), "got cma over 5000 numbers, expected at most 2048; use diagonal-cma"),
    ],
)
def test_what_no_method_can_do_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        AskTell(*settings, 5, 0)
    assert least_population("one-plus-one") == 1


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    latents = toy.generator.sample(3, classes=torch.tensor([0, 1, 2]), generator=random_stream(0, "three pictures", 0))
    pictures = toy.generator(latents)
    specs = zip(pictures, ("gray", "sr:4", "inpaint:center=1/3"), (0, None, 2), strict=True)
    return [observe(picture, spec, toy, simulate=True, label=label) for picture, spec, label in specs]


def recipe(before=(), variables=None, moved="class", **options):
    search = {"kind": "evolution", "optimizer": "cma", "population": 6, "generations": 3, "elite": 4, "terms": ["mse"]}
    variables = {"z": {"constraint": "sphere"}, "class": {}} if variables is None else variables
    return Recipe.model_validate(
        {
            "name": "evolved",
            "summary": "",
            "cites": (),
            "space": options.pop("space", ("z",)),
            "variables": variables,
            "searches": [*before, search | options],
            "stages": [{"steps": 1, "move": {moved: {}}, "terms": ["mse"]}],
        }
    )


INNER = {"steps": 3, "move": {"z": 0.1, "class": 0.05}}
# Where a gradient is nearly nothing, rounding decides which way Adam goes.
SHORT = {"steps": 3, "move": {"z": 0.02, "class": 0.01}}
WAYS = [{}, {"inner": SHORT}, {"inner": SHORT, "feedback": "original", "final": "fresh"}, {"through": "measure"}]


@pytest.mark.parametrize("options", WAYS)
def test_answers_are_found_together_as_each_would_be_alone_at_the_planned_cost(toy, observations, options):
    inversion = Inversion(observations, toy, recipe(**options), seed=3, num_solutions=2)
    (search,) = inversion.recipe.searches
    rows = inversion._search()
    assert inversion.evaluations.cost == 6 * search.cost(0)
    assert len(rows) == 6 * search.rows_out(0)
    for number, observation in enumerate(observations):
        alone = Inversion(observation, toy, recipe(**options), seed=3, num_solutions=2)._search()
        mine = rows.take((rows.picture == number).nonzero()[:, 0])
        assert torch.equal(alone.answer, mine.answer)
        for name, value in alone.values.items():
            assert torch.allclose(value, mine.values[name], atol=2e-3), name


@pytest.mark.parametrize("inner", [None, INNER])
def test_the_elite_is_the_best_of_all_generations_and_legal(toy, observations, inner, monkeypatch):
    seen, look = [], evolution.Evolution._evaluate
    monkeypatch.setattr(
        evolution.Evolution, "_evaluate", lambda self, *given: (seen.append(out := look(self, *given)), out)[1]
    )
    inversion = Inversion(observations[1], toy, recipe(inner=inner), seed=1)
    elite = inversion._search()
    scores = torch.cat([scores for _, scores in seen])
    assert torch.allclose(
        inversion.evaluator.score(elite, ["mse"] and inversion.recipe.searches[0].terms),
        scores.sort().values[:4],
        atol=1e-5,
    )
    assert torch.allclose(elite.values["z"].norm(dim=1), torch.tensor(20.0).sqrt())
    assert seen[0][1].min() > scores.min()


def test_classes_begin_evenly_and_the_best_spread(toy, observations, monkeypatch):
    populations, ask = [], evolution.Lineage.ask
    monkeypatch.setattr(evolution.Lineage, "ask", lambda self: (populations.append(out := ask(self)), out)[1])
    untold = Inversion(observations[1], toy, recipe(population=8, elite=2), seed=1)
    elite = untold._search()
    classes = [len(rows.values["class"].unique(dim=0)) for rows in populations]
    assert classes[0] == min(8, len(toy.generator.info.classes)) and max(classes[1:]) <= 2
    assert {tuple(c.tolist()) for c in elite.values["class"]} <= {
        tuple(c.tolist()) for c in populations[0].values["class"]
    }
    told = Inversion(observations[0], toy, recipe(), seed=1)._search()
    assert torch.allclose(told.values["class"], toy.generator.embed(torch.zeros(4, dtype=torch.long)))


@pytest.mark.parametrize(("feedback", "moved"), [("refined", True), ("original", False)])
def test_feedback_says_which_points_are_told(toy, observations, monkeypatch, feedback, moved):
    told, tell = [], AskTell.tell
    monkeypatch.setattr(
        AskTell, "tell", lambda self, losses, points=None: (told.append(points), tell(self, losses, points))
    )
    Inversion(observations[0], toy, recipe(inner=INNER, feedback=feedback), seed=1)._search()
    assert len(told) == 3 and all((points is not None) == moved for points in told)


def test_what_a_search_before_hands_on_is_the_centre_and_competes(toy, observations):
    before = {"kind": "best-of", "count": 40, "elite": 2, "terms": ["mse"]}
    inversion = Inversion(observations, toy, recipe([before], std=0.1), seed=2)
    first, second = inversion.recipe.searches
    given = first.run(inversion.evaluator, inversion.source, None)
    spent = inversion.evaluations.cost
    found = second.run(inversion.evaluator, inversion.source, given)
    assert inversion.evaluations.cost - spent == 3 * second.cost(2)
    best = inversion.evaluator.score(given, first.terms)[::2]
    assert (inversion.evaluator.score(found, first.terms)[::4] <= best + 1e-6).all()
    angle = torch.cosine_similarity(found.values["z"][::4], given.values["z"][::2])
    assert (angle > 0.8).all() and torch.equal(found.values["class"][::4], given.values["class"][::2])


def mapped_prior():
    torch.manual_seed(0)
    return Prior("mapped", StyleGAN2(StyleGAN2Config(16, (8, 6, 4), 12, 10, 2, 10)), None, ModelCard("mapped"), "")


@pytest.mark.parametrize("space", ["w", "w+"])
def test_mapped_latents_are_searched_in_units_of_their_own_spread(space):
    prior = mapped_prior()
    picture = prior.generator(prior.generator.sample(1, generator=random_stream(0, "p", 0)))[0].clamp(-1, 1)
    inversion = Inversion(
        observe(picture, "gray", prior, simulate=True),
        prior,
        recipe(space=(space,), variables={}, optimizer="diagonal-cma", population=None, moved=space),
    )
    source, (search,) = inversion.source, inversion.recipe.searches
    drawn = source.draw(0, 0, 3).values[space]
    assert search.population == default_population(drawn[0].numel())
    own = choose_coordinates(source, space, drawn, around=None, std=0.5)
    assert torch.allclose(own.to_values(own.to_points(drawn)), drawn, atol=1e-5)
    points = torch.randn(4000, drawn[0].numel(), generator=random_stream(0, "points", 0))
    std, mean = torch.std_mean(own.to_values(points), 0)
    assert torch.allclose(std, 0.5 * prior.statistics.std.expand_as(std), rtol=0.1)
    assert torch.allclose(mean, prior.statistics.mean.expand_as(mean), atol=0.1 * prior.statistics.std.max().item())
    assert inversion._search().values[space].isfinite().all()


def test_a_variable_that_begins_everywhere_alike_is_searched_around_it(toy, observations):
    source = Inversion(observations[0], toy, recipe()).source
    alike = torch.tensor([[1.0, 0.0, -2.0]]).expand(5, 3)
    own = choose_coordinates(source, "warp", alike, around=None, std=0.1)
    assert torch.equal(own.centre, alike[0]) and torch.equal(own.spread, torch.full((3,), 0.1))


def test_a_warp_is_searched_over_what_gradients_find_of_z(toy, observations):
    inner, variables = {"steps": 2, "move": {"z": 0.02}}, {"z": {}, "warp": {"chart": "warp"}}
    # Warps so small that the square stays in the picture: outside it, z has no gradient.
    searched = recipe(over="warp", inner=inner, variables=variables, std=0.2)
    inversion = Inversion(observations[0], toy, searched, seed=1)
    elite, drawn = inversion._search(), inversion.source.draw(0, 0, 6, searched.searches[0].std).values
    assert not torch.isclose(elite.values["warp"], torch.zeros(4)).any()
    assert torch.cdist(elite.values["z"], drawn["z"]).min() > 0.01  # of 12 keys: 0.15 or more


def test_a_budget_cuts_generations_and_gradient_steps(toy):
    whole = recipe(inner=INNER | {"steps": 40}, generations=40).searches[0]
    part = whole.scale(0.25)
    assert part.inner.steps == 20 and 0.2 < part.cost(0) / whole.cost(0) < 0.3
    assert whole.scale(0).generations == whole.scale(0).inner.steps == 1 and whole.scale(1) == whole
    plain = recipe(generations=40).searches[0]
    assert plain.scale(0.25).generations == 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"population": 2}, "got a population of 2, expected at least 4"),
        ({"elite": 30}, "elite \\(30\\) exceeds the 18 points looked at"),
        ({"terms": [{"kind": "mse", "weight": 0.0}]}, "no term has a weight"),
        ({"optimizer": "powell"}, "optimizer"),
    ],
)
def test_options_that_cannot_be_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        recipe(**options)


def test_a_variable_that_the_run_lacks_is_refused(toy):
    with pytest.raises(RecipeError, match="the search varies 'warp', expected one of: class, z"):
        adapt_recipe(recipe(over="warp"), toy)


@pytest.mark.parametrize("name", ["basin-cma", "nevergrad-hybrid"])
@pytest.mark.parametrize("published", [False, True])
def test_published_recipes_lower_their_objective_within_a_budget(toy, observations, name, published):
    rule = ["searches.0.feedback=original", "searches.0.final=fresh"] if published else []
    small = load_recipe(name, ["trunk=discriminator", "budget=1200", *rule])
    inversion = Inversion(observations[0], toy, small)
    totals = [step.total.min().item() for step in inversion]
    assert cost(inversion.recipe) <= 1200 and len(inversion.rows) == (inversion.recipe.searches[0].rows_out(0))
    assert inversion.scores.min() < totals[0]


def test_basin_cma_on_a_network_without_classes_moves_z_alone():
    mapped, notes = adapt_recipe(
        load_recipe("basin-cma", ["searches.0.terms=[{kind='l1'}]", "stages.0.terms=[{kind='l1'}]"]), mapped_prior()
    )
    assert (
        list(mapped.searches[0].inner.move) == ["z"]
        and "search: class cannot be moved, as this prior lacks it" in notes
    )
