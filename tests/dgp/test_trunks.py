"""Which feature network a recipe takes: the stated one, the first at hand, or the one that is asked for."""

import dataclasses

import pytest

from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.losses.feature_networks import efficientnet
from dgp.losses.feature_networks import lpips as lpips_networks
from dgp.losses.feature_networks.table import TRUNKS, order_trunks
from dgp.losses.locality import Locality
from dgp.losses.perceptual import Lpips, LpipsPyramid, Perceptual, PerceptualPyramid
from dgp.planning.adapt import adapt_recipe
from dgp.recipes.load import load_recipe
from tests.dgp.term_scene import small_efficientnet
from tests.families import family

PTI = ("stages.*.steps=1",)


@pytest.fixture(scope="module")
def prior():
    return family("stylegan2")


@pytest.fixture
def at_hand(monkeypatch):
    """A function that says which networks are on this machine, besides the prior's discriminator."""

    def limit(*names):
        absent = lambda name: None if name in names else f"{name} is not here"  # noqa: E731
        monkeypatch.setattr(lpips_networks, "explain_absence", absent)
        monkeypatch.setattr(efficientnet, "explain_absence", lambda: absent(efficientnet.NAME))
        monkeypatch.setattr(efficientnet, "load_efficientnet", lambda device="cpu": small_efficientnet())

    return limit


def chosen(recipe):
    """The trunks of the terms of a recipe that are computed."""
    terms = [term for stage in recipe.stages for term in stage.terms if term.weight]
    return [term.trunk for term in terms if hasattr(term, "trunk")]


def test_the_order():
    assert list(TRUNKS) == ["alex", "vgg", "squeeze", "efficientnet-lite0", "discriminator"]
    assert order_trunks("vgg") == ["vgg", "alex", "squeeze", "efficientnet-lite0", "discriminator"]


@pytest.mark.parametrize(
    ("present", "taken"),
    [
        (("alex", "vgg"), ["vgg", "alex"]),
        (("alex", "squeeze", "efficientnet-lite0"), ["alex", "alex"]),
        (("squeeze", "efficientnet-lite0"), ["squeeze"] * 2),
        (("efficientnet-lite0",), ["efficientnet-lite0"] * 2),
        ((), ["discriminator"] * 2),
    ],
)
def test_a_recipe_takes_the_first_at_hand_and_says_so(prior, at_hand, present, taken):
    at_hand(*present)
    recipe, notes = adapt_recipe(load_recipe("pti", PTI), prior)
    assert chosen(recipe) == taken
    said = [note for note in notes if "stands in for the trunk" in note]
    stated = ["vgg", "alex"]
    assert len(said) == sum(own != other for own, other in zip(stated, taken, strict=True))
    assert all(TRUNKS[taken[-1]].name in note and "is not here" in note for note in said)


def test_without_any_the_ways_out_are_named(prior, at_hand):
    at_hand()
    with pytest.raises(RecipeError) as error:
        adapt_recipe(load_recipe("pti", PTI), dataclasses.replace(prior, discriminator=None))
    said = str(error.value)
    assert "vgg is not here" in said and "`dgp priors fetch efficientnet-lite0`" in said and "\n" not in said
    assert "discriminator" not in said


@pytest.mark.parametrize("name", ["squeeze", "efficientnet-lite0", "discriminator"])
def test_what_is_asked_for_is_taken(prior, at_hand, name):
    at_hand("alex", "vgg", name)
    recipe, notes = adapt_recipe(load_recipe("pti", (*PTI, f"trunk={name}")), prior)
    assert chosen(recipe) == [name] * 2 and not any("stands in" in note for note in notes)


def test_what_is_asked_for_and_missing_is_refused(prior, at_hand):
    at_hand("alex", "vgg")
    with pytest.raises(RecipeError, match="efficientnet-lite0 is not here"):
        adapt_recipe(load_recipe("pti", (*PTI, "trunk=efficientnet-lite0")), prior)


def test_a_term_states_its_own(prior, at_hand):
    at_hand("alex", "vgg", "efficientnet-lite0")
    settings = (*PTI, "stages.1.terms.1.trunk=efficientnet-lite0")
    recipe, notes = adapt_recipe(load_recipe("pti", settings), prior)
    assert chosen(recipe) == ["vgg", "efficientnet-lite0"] and not any("stands in" in note for note in notes)


@pytest.mark.parametrize("setting", ["trunk=efficientnet-lite0", "stages.1.terms.1.trunk=efficientnet-lite0"])
def test_only_lpips_is_called_lpips_and_stops_follow(prior, at_hand, setting):
    at_hand("vgg", "alex", "efficientnet-lite0")
    recipe, _ = adapt_recipe(load_recipe("pti", (*PTI, setting)), prior)
    (stop,) = recipe.stages[1].stop
    assert (stop.term, stop.threshold) == ("perceptual-efficientnet-lite0", 0.06)
    assert recipe.stages[1].terms[1] == Perceptual(trunk="efficientnet-lite0")


@pytest.mark.parametrize("trunk", TRUNKS)
def test_names_of_losses(trunk):
    own = trunk in ("alex", "vgg", "squeeze")
    for term in (Lpips(), Perceptual(), LpipsPyramid(), PerceptualPyramid()):
        found = term.with_trunk(trunk)
        assert ("lpips" in found.name) == own and (trunk in found.name) != own
        assert ("lpips" in found.networks[0]) == own and trunk in found.networks[0]
        assert own or "lpips" not in str(found.model_dump())
    assert Locality().with_trunk(trunk).name == "locality"


def test_options_of_the_term_stay(prior, at_hand):
    at_hand("efficientnet-lite0")
    term, _ = Lpips(size=40, weight=3).choose_trunk(prior, None)
    assert term == Perceptual(size=40, weight=3)
    term, _ = LpipsPyramid(l1=0.2, levels=2, above=4).choose_trunk(prior, None)
    assert term == PerceptualPyramid(l1=0.2, levels=2, above=4)


def test_a_network_that_needs_more_pixels_is_passed_over(prior, at_hand):
    at_hand("alex", "efficientnet-lite0")
    term, _ = Lpips(trunk="squeeze", size=20).choose_trunk(prior, None)
    assert term.trunk == "efficientnet-lite0"


def test_terms_that_are_not_computed_stay_as_they_are(at_hand):
    at_hand()
    prior = dataclasses.replace(family("biggan"), discriminator=None)
    recipe, notes = adapt_recipe(load_recipe("mganprior", ("trunk=stated", "stages.*.terms.1.weight=0")), prior)
    assert not any("stands in" in note for note in notes)
    assert [term.kind for term in recipe.stages[0].terms if not term.weight] == ["lpips"]


def test_traces_and_results_name_the_network(at_hand):
    at_hand("efficientnet-lite0")
    prior = family("stylegan2")
    terms = 'stages.*.terms=[{kind="lpips", trunk="vgg"}, {kind="mse"}]'
    recipe = load_recipe("latent-mse", [terms, "stages.*.steps=2", "searches.0.count=8"])
    clean = prior.generator(prior.generator.sample(1))[0].clamp(-1, 1)
    result = Inversion(observe(clean, "gray", prior, simulate=True), prior, recipe).result()
    assert set(result.trace[-1]["losses"]) >= {"perceptual-efficientnet-lite0", "mse"}
    assert not any("lpips" in name for line in result.trace for name in line["losses"])
    assert any("efficientnet-lite0 stands in for the trunk lpips-vgg" in note for note in result.notes)
