"""What overrides reach, and the refusal of those that reach nothing."""

import pytest

from dgp.errors import RecipeError
from dgp.recipes.load import load_recipe
from dgp.recipes.unused_overrides import rate_notes


def rates(recipe):
    return [{name: stage.lr_of(name) for name in stage.move} for stage in recipe.stages]


def test_the_rate_of_a_stage_is_that_of_all_its_variables():
    before, after = load_recipe("default"), load_recipe("default", "stages.*.lr=0.02")
    assert {rate for stage in rates(after) for rate in stage.values()} == {0.02}
    assert [list(stage) for stage in rates(after)] == [list(stage) for stage in rates(before)]
    assert after.stages[2].move["z"].curve == "cosine", "nothing but the rate changes"
    one = load_recipe("default", "stages.1.lr=0.02")
    assert rates(one)[0] == rates(before)[0] and set(rates(one)[1].values()) == {0.02}


def test_a_rate_that_is_set_after_it_is_kept():
    recipe = load_recipe("default", ["stages.*.lr=0.02", "stages.0.move.z.lr=0.3"])
    assert rates(recipe)[0] == {"z": 0.3, "w": 0.02}


def test_a_star_reaches_the_places_that_have_the_rest_of_the_key():
    before, after = load_recipe("default"), load_recipe("default", "stages.*.release.lr=0.5")
    assert [bool(stage.release) for stage in after.stages] == [bool(stage.release) for stage in before.stages]
    assert {stage.release.lr for stage in after.stages if stage.release} == {0.5}
    wide = load_recipe("default", "stages.*.move.w+.lr=0.5")
    assert [list(stage.move) for stage in wide.stages] == [list(stage.move) for stage in before.stages]
    new = load_recipe("default", "stages.*.move.class.lr=0.5")
    assert all("class" in stage.move for stage in new.stages), "where none has it, all get it"


@pytest.mark.parametrize(
    ("recipe", "settings", "use"),
    [
        ("pti", ["stages.1.lr=3"], "no variable is optimised there; use stages.1.release.lr"),
        ("default", ["stages.*.lr=3", "stages.*.move.*.lr=0.1"], "use stages.*.move.*.lr"),
        ("default", ["stages.0.move.z.momentum=0.9"], "has no momentum; set stages.0.move.z.optimizer"),
        ("dgp-sr-d", ["stages.*.release.momentum=0.9"], "has no momentum; set stages.*.release.optimizer"),
    ],
)
def test_a_key_that_changes_nothing_is_refused_with_the_one_that_would(recipe, settings, use):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, settings)
    assert f"--set {settings[0].partition('=')[0]} changes nothing" in str(caught.value) and use in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        ["stages.0.move.z.momentum=0.9", "stages.0.move.z.optimizer=sgd"],
        ["stages.0.steps=25"],  # as it is already
        ["stages.*.steps=3", "stages.0.steps=3"],
        ["stages.3.release.betas=[0.5, 0.9]"],
    ],
)
def test_others_are_not(settings):
    load_recipe("default", settings)


def test_released_layers_keep_their_rate_and_that_is_told():
    recipe = load_recipe("default", "stages.*.lr=0.02")
    assert [s.release.lr for s in recipe.stages[3:]] == [2e-4, 2e-4, 5e-4]
    (note,) = rate_notes("stages.*.lr=0.02", recipe)
    assert "stages.*.release.lr" in note
    assert not rate_notes("stages.0.lr=0.02", recipe), "that stage releases nothing"
    assert not rate_notes(["stages.*.lr=0.02", "stages.*.release.lr=1e-3"], recipe)


def test_one_text_several_and_a_mapping_are_alike():
    texts = ["stages.*.steps=3", "searches.0.count=7"]
    several = load_recipe("default", texts)
    assert several == load_recipe("default", tuple(texts))
    assert several == load_recipe("default", {"stages.*.steps": 3, "searches.0.count": 7})
    assert load_recipe("default", texts[0]) == load_recipe("default", texts[:1])
    for wrong in ("steps", ["steps"], [3]):
        with pytest.raises(RecipeError, match="KEY=VALUE"):
            load_recipe("default", wrong)
