"""Recipes: strict, resolved, mapped onto a prior, and each one runs."""

from pathlib import Path

import pytest
import torch

import generators
from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.planning.adapt import adapt_recipe
from dgp.random_streams import random_stream
from dgp.recipes.load import load_recipe, recipe_names
from dgp.recipes.schema import Recipe

from ..families import family


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_what_it_is_and_survives_its_own_text(name):
    recipe = load_recipe(name)
    assert recipe.name == name and recipe.cites and recipe.summary
    again = Recipe.model_validate(recipe.model_dump(mode="json"))
    assert again == recipe and again.sha256 == recipe.sha256


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_runs_two_steps_a_stage(name, toy):
    prior = family("stylegan2") if "w" in load_recipe(name).requires else toy
    recipe = load_recipe(name, ["stages.*.steps=2", "trunk=discriminator"])
    recipe = recipe.model_copy(
        update={
            "searches": tuple(search.scale(0.0) for search in recipe.searches),
            "stages": tuple(s.model_copy(update={"rows_kept": None}) for s in recipe.stages),
        }
    )
    picture = prior.generator(prior.generator.sample(1, generator=random_stream(0, "picture", 0)))[0]
    operator = "gray" if recipe.operator is None or recipe.operator == "sr-pulse:32" else recipe.operator
    result = Inversion(observe(picture.clamp(-1, 1), operator, prior, simulate=True), prior, recipe).result()
    assert len(result.trace) == 2 * len(recipe.stages)
    side = prior.generator.info.resolution
    assert result.tensor.shape == (3, side, side) and result.tensor.isfinite().all()


def synthesis():
    """A synthesis network without its mapping network, and without a discriminator."""
    from generators import ModelCard, Prior
    from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config

    torch.manual_seed(0)
    network = StyleGAN1(StyleGAN1Config((8, 8, 8), w_dim=12, z_dim=None))
    return Prior("synthesis", network, None, ModelCard("synthesis"), "")


def test_the_alternative_is_one_that_the_prior_can_serve():
    with pytest.raises(RecipeError, match="use --recipe latent-mse"):
        adapt_recipe(load_recipe("default"), synthesis())
    mapped, _ = adapt_recipe(load_recipe("latent-mse"), synthesis())
    assert mapped.space == ("w",) and all(list(stage.move) == ["w"] for stage in mapped.stages)


def test_published_values_of_one_recipe():
    recipe = load_recipe("dgp-colorization")
    assert [s.steps for s in recipe.stages] == [200, 200, 300, 400, 300]
    assert [s.release.groups for s in recipe.stages] == [2, 3, 4, 5, 6]
    assert [s.release.lr for s in recipe.stages] == [5e-5, 5e-5, 5e-5, 5e-5, 2e-5]
    assert [s.release.ratio for s in recipe.stages] == [0.7, 0.7, 0.8, 0.9, 1.0]
    assert [s.lr_of("z") for s in recipe.stages] == [2e-3, 1e-3, 5e-4, 5e-5, 2e-5]
    assert (recipe.searches[0].count, recipe.searches[0].std) == (500, 0.5)


@pytest.mark.parametrize(
    ("override", "reads"),
    [
        ("stages.*.lr=0.5", lambda r: {s.lr for s in r.stages} == {0.5}),
        ("stages.1.release.groups=all", lambda r: r.stages[1].release.groups == "all"),
        ("stages.0.release.groups=['linear']", lambda r: r.stages[0].release.groups == ("linear",)),
        ("stages.*.move.z.lr=0.25", lambda r: {s.lr_of("z") for s in r.stages} == {0.25}),
        ("searches.0.count=7", lambda r: r.searches[0].count == 7),
        ("finish.kind=merge", lambda r: r.finish.kind == "merge"),
    ],
)
def test_overrides(override, reads):
    before = load_recipe("dgp-colorization")
    after = load_recipe("dgp-colorization", [override])
    assert reads(after) and not reads(before) and after.sha256 != before.sha256


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stages.*.lrr=1", "did you mean 'lr'"),
        ("stages.9.lr=1", "expected 0 to 4"),
        ("stages.0.lr=fast", "number"),
        ("stages.0.lr", "KEY=VALUE"),
        ("stages.0.steps=0", "greater than 0"),
        ("stages.0.terms.0.kind=feature", "did you mean 'features'"),
        ("stages.0.lr.x=1", "not a table"),
        ("stages.0.terms=[]", "weight 0"),
        ("stages.0.terms.0.weight=nan", "finite"),
        ("stages.0.lr=inf", "finite"),
        ("searches.0.elite=900", "elite \\(900\\) exceeds count"),
    ],
)
def test_malformed_overrides_are_refused_in_one_line(override, says):
    with pytest.raises(RecipeError, match="(?s)" + says) as caught:
        load_recipe("dgp-colorization", [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "not valid TOML"),
        ("name = 'x'\nsteps = 3", "summary"),
        ("extends = 'dgp-sr-d'\nspeed = 3", "speed"),
        ("extends = 'dgp-srd'", "did you mean 'dgp-sr-"),
        ("extends = 'mine.toml'", "extends itself"),
        ("extends = ['default']", "expected a recipe's name"),
        ("extends = 'default'\nset = 3", "set: got 3, expected a table"),
        ("every_stage = {lr = 1}\nstages = 3", "expected an array of tables"),
        ("name = '\udcff'", "UTF-8"),
    ],
)
def test_malformed_files_are_refused(text, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecipeError, match=says):
        load_recipe("mine.toml")


def test_extends_and_settings(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("extends = 'dgp-sr-d'\nname = 'mine'\n[set]\n'stages.*.terms.1.weight' = 9.0\n")
    mine, base = load_recipe(file), load_recipe("dgp-sr-d")
    assert {s.terms[1].weight for s in mine.stages} == {9.0} and mine.searches == base.searches


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'dgp-inpainting'"):
        load_recipe("dgp-inpaintng")


def test_a_recipe_is_clipped_to_a_small_network_and_says_so(toy):
    groups = sum(g.progressive for g in toy.generator.groups())
    recipe, notes = adapt_recipe(load_recipe("dgp-inpainting-256"), toy)
    assert {s.release.groups for s in recipe.stages} == {groups}
    assert any("clipped" in note for note in notes)


def test_a_prior_without_discriminator_is_refused_with_the_alternative(toy):
    import dataclasses

    blind = dataclasses.replace(toy, discriminator=None)
    with pytest.raises(RecipeError, match="needs discriminator.*--recipe latent-mse"):
        adapt_recipe(load_recipe("dgp-colorization"), blind)
    adapt_recipe(load_recipe("latent-mse"), blind)


def test_new_tables_may_be_set():
    settings = ["stages.0.move.class.lr=0.5", "stages.0.release={groups=2, lr=0.1}", "stages.0.release.ratio=0.5"]
    stage = load_recipe("default", settings).stages[0]
    assert stage.move["class"].lr == 0.5 and stage.release.groups == 2 and stage.release.ratio == 0.5


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("stages.0.move.klass={lr=0.1}", "'klass', which no network has; did you mean 'class'"),
        ("stages.0.terms.2.on=zz", "nll.* names the variable 'zz'"),
        ("variables.zz={}", "no network has a variable 'zz'; did you mean 'z'"),
        ("variables.z={chart='warp'}", "the chart 'warp' cannot be that of 'z'"),
        ("stages.0.move.z.jitter=0.1", "deviations of w, which the prior .* lacks"),
    ],
)
def test_variables_that_no_network_has_are_refused(toy, setting, says):
    with pytest.raises(RecipeError, match=says):
        adapt_recipe(load_recipe("default", [setting]), toy)


def test_what_a_network_lacks_is_left_out_and_said(toy):
    import dataclasses

    from generators import Generator

    class Plain(type(toy.generator)):
        capture_norm = Generator.capture_norm

    generator = Plain(toy.generator.config)
    generator.info = dataclasses.replace(generator.info, latents=generator.info.latents[:1])
    recipe, notes = adapt_recipe(load_recipe("dgp-inpainting"), dataclasses.replace(toy, generator=generator))
    assert all(stage.norm == "batch" and list(stage.move) == ["z"] for stage in recipe.stages)
    assert any("stores no statistics" in note for note in notes) and any("class" in note for note in notes)


def test_unknown_layer_groups_are_refused(toy):
    with pytest.raises(RecipeError, match="no layer group 'blocks.9'"):
        adapt_recipe(load_recipe("dgp-sr-d", ["stages.0.release.groups=['blocks.9']"]), toy)


def test_a_network_without_groups_to_walk_says_so(toy):
    import dataclasses

    class Whole(type(toy.generator)):
        def groups(self):
            return [dataclasses.replace(group, progressive=False) for group in super().groups()]

    prior = dataclasses.replace(toy, generator=Whole(toy.generator.config))
    recipe, notes = adapt_recipe(load_recipe("default"), prior)
    assert not any(stage.release for stage in recipe.stages) and any("nothing is released" in note for note in notes)


@pytest.mark.parametrize(
    "setting",
    [
        "stages.0.move.z.betas=[2, 3]",
        "stages.0.move.z.momentum=-1",
        "stages.0.convert=banana",
        "stages.0.convert=feature@x",
        "stages.3.release.groups=[]",
        "stages.0.terms.0.weight=-1",
        "space=[]",
    ],
)
def test_values_that_mean_nothing_are_refused(setting):
    with pytest.raises(RecipeError, match="recipe 'default': "):
        load_recipe("default", [setting])


def test_codes_become_the_maps_that_a_stage_converts_to(toy):
    table = load_recipe("mganprior", ["stages.0.steps=2"]).model_dump()
    second = table["stages"][0] | {"convert": "feature@3", "move": {"feature@3": {"lr": 0.01}}}
    recipe = Recipe.model_validate(table | {"stages": [table["stages"][0], second]})
    picture = toy.generator(toy.generator.sample(1, generator=random_stream(0, "picture", 0)))[0]
    inversion = Inversion(observe(picture.clamp(-1, 1), "gray", toy, simulate=True), toy, recipe)
    steps = list(inversion)
    assert "feature@3" in inversion.rows.values and "codes" not in inversion.rows.values
    assert steps[2].total < 1.01 * steps[1].total, "the picture stays when its latents are converted"
