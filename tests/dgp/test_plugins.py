"""Losses, searches and parametrizations of other people, registered through ``dgp.plugins``."""

import importlib.util
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest
import torch

import dgp.plugins
import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.plugins import (
    CONSTRAINTS,
    PARAMETRIZATIONS,
    POSTPROCESSES,
    SEARCHES,
    STOPPING_RULES,
    TERMS,
    Parametrization,
    Search,
    Term,
    concatenate,
)
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe

REGISTRIES = (CONSTRAINTS, POSTPROCESSES, PARAMETRIZATIONS, SEARCHES, STOPPING_RULES, TERMS)


@pytest.fixture(autouse=True)
def own_registries(monkeypatch):
    """Each test has registries of its own, with all kinds of this package."""
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_classes", registry.classes())


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observation(toy):
    drawn = toy.generator.sample(1, classes=torch.tensor([1]), generator=random_stream(0, "a picture", 0))
    return observe(toy.generator(drawn)[0], "gray", toy, simulate=True, label=1)


def recipe(searches=({"kind": "best-of", "count": 4, "terms": ["mse"]},), terms=("mse",), **others):
    stage = {"steps": 2, "lr": 0.05, "move": {"z": {}}, "terms": list(terms)}
    table = {"name": "plugged", "summary": "", "cites": (), "searches": list(searches), "stages": [stage]}
    return Recipe.model_validate(table | others)


def example():
    """The example of the module's docstring."""
    text = dgp.plugins.__doc__
    start = text.index("    from dgp.plugins import TERMS, Term")
    return textwrap.dedent(text[start : text.index("\nA recipe", start)])


def load_example(tmp_path):
    file = tmp_path / "my_losses.py"
    file.write_text(example())
    spec = importlib.util.spec_from_file_location("my_losses", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_registers_and_runs(toy, observation, tmp_path):
    module = load_example(tmp_path)
    assert TERMS.find("total-variation") is module.TotalVariation and "total-variation" in TERMS.names()
    terms = ("mse", {"kind": "total-variation", "weight": 0.1})
    inversion = Inversion(observation, toy, recipe(terms=terms))
    steps = list(inversion)
    assert len(steps) == 2
    for step in steps:
        across, down = (step.image.diff(dim=axis).abs().flatten(1).mean(1) for axis in (3, 2))
        torch.testing.assert_close(step.losses["total-variation"], across + down)
        torch.testing.assert_close(step.total, step.losses["mse"] + 0.1 * step.losses["total-variation"])
    assert inversion.result().tensor.isfinite().all()
    plain = list(Inversion(observation, toy, recipe()))
    assert torch.equal(plain[0].image, steps[0].image) and not torch.equal(plain[1].image, steps[1].image)


def test_the_example_survives_the_recipes_own_text(tmp_path):
    load_example(tmp_path)
    written = recipe(terms=("mse", {"kind": "total-variation", "weight": 0.1}))
    again = Recipe.model_validate(written.model_dump(mode="json"))
    assert again == written and again.sha256 == written.sha256
    with pytest.raises(ValueError, match="wieght"):
        recipe(terms=({"kind": "total-variation", "wieght": 0.1},))


def register_search():
    @SEARCHES.register("first-draws")
    class FirstDraws(Search):
        """Starts at the first draws of each answer."""

        kind: str = "first-draws"
        count: int = 2

        def run(self, evaluator, source, rows):
            return concatenate([source.draw(picture, answer, self.count) for picture, answer in source.owners])

        def rows_out(self, rows):
            return self.count

        def cost(self, rows):
            return 0

    return FirstDraws


def test_a_search_runs(toy, observation):
    register_search()
    inversion = Inversion(observation, toy, recipe([{"kind": "first-draws", "count": 3}]), num_solutions=2)
    steps = list(inversion)
    starts = torch.cat([inversion.source.draw(0, answer, 3).values["z"] for answer in (0, 1)])
    classes = toy.generator.embed(torch.ones(6, dtype=torch.long))
    with torch.no_grad():
        torch.testing.assert_close(steps[0].image, toy.generator({"z": starts, "class": classes}))
    assert steps[0].answer.tolist() == [0, 0, 0, 1, 1, 1] and len(steps) == 2
    result = inversion.result()
    assert len(result.tensors) == 2 and result.tensors.isfinite().all()


def register_parametrization():
    @PARAMETRIZATIONS.register("scaled")
    class Scaled(Parametrization):
        """The input over a factor."""

        kind: str = "scaled"
        factor: float = 4.0

        def initialize(self, name, drawn, *, count, prior, random):
            return drawn | {name: drawn[name] / self.factor}

        def to_latents(self, name, values, prior):
            return {name: self.factor * values[name]}

        def from_latent(self, latent, prior):
            return latent / self.factor

    return Scaled


def test_a_parametrization_runs(toy, observation):
    register_parametrization()
    plain = Inversion(observation, toy, recipe())
    scaled = Inversion(observation, toy, recipe(variables={"z": {"chart": {"kind": "scaled", "factor": 4}}}))
    ours, theirs = list(scaled), list(plain)
    torch.testing.assert_close(ours[0].image, theirs[0].image)
    # A step of Adam is as long in both variables, and four times as long in the input.
    assert not torch.allclose(ours[1].image, theirs[1].image, atol=1e-3)
    result = scaled.result()
    torch.testing.assert_close(scaled.renderer.inputs(scaled.rows)["z"], 4 * scaled.rows.values["z"])
    torch.testing.assert_close(result.latents["z"][:1], 4 * scaled.rows.values["z"].detach())
    again = Inversion(observation, toy, scaled.recipe, start=result)
    torch.testing.assert_close(next(iter(again)).image, result.prior_tensors, atol=1e-5, rtol=0)


def test_a_name_that_is_taken_is_refused(tmp_path):
    load_example(tmp_path)
    with pytest.raises(ValueError, match="term 'total-variation' is already registered by my_losses"):
        load_example(tmp_path)
    for registry in REGISTRIES:
        for kind, home in registry.builtin.items():
            with pytest.raises(ValueError, match=f"'{kind}' is already registered by {home}"):
                registry.register(kind)(type("Mine", (Term,), {"__module__": "mine"}))
            assert registry.find(kind).__module__ == home


def test_a_name_is_taken_before_the_module_behind_it_is_imported():
    code = """
        import sys
        from dgp.plugins import SEARCHES, Search

        try:
            SEARCHES.register("mean")(type("Mean", (Search,), {}))
        except ValueError as error:
            print(error)
        print("dgp.search.mean" in sys.modules, SEARCHES.find("mean").__module__)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "the search 'mean' is already registered by dgp.search.mean",
        "False dgp.search.mean",
    ]


@pytest.mark.parametrize("place", ["terms", "searches", "chart"])
def test_an_unknown_kind_suggests_the_nearest(place, tmp_path):
    load_example(tmp_path), register_search(), register_parametrization()
    make, says = {
        "terms": (lambda: recipe(terms=("total-variatoin",)), "no term named .*did you mean 'total-variation'"),
        "searches": (lambda: recipe(["first-drawn"]), "no search named .*did you mean 'first-draws'"),
        "chart": (lambda: recipe(variables={"z": {"chart": "scale"}}), "no chart named .*did you mean 'scaled'"),
    }[place]
    with pytest.raises(ValueError, match=says):
        make()
    with pytest.raises(ValueError, match="expected one of .*total-variation"):
        TERMS.find("qqqq")


def test_kinds_of_installed_packages_are_found(monkeypatch, toy, observation):
    offered = EntryPoint("first-draws", "installed_package:FirstDraws", "dgp.searches")
    found = register_search()
    del SEARCHES._classes["first-draws"]
    monkeypatch.setattr(EntryPoint, "load", lambda self: found)
    monkeypatch.setattr("dgp.registry.entry_points", lambda group: [offered] if group == offered.group else [])
    assert "first-draws" in SEARCHES.names() and "first-draws" not in TERMS.names()
    assert SEARCHES.find("first-draws") is found
    assert Inversion(observation, toy, recipe(["first-draws"])).result().tensor.isfinite().all()


def test_a_plugin_file_may_register_a_term_alone(tmp_path):
    import degradations
    from dgp.runs.plugins import load_plugins

    file, empty = tmp_path / "mine.py", tmp_path / "empty.py"
    file.write_text(
        'from dgp.plugins import TERMS, Term\n\n\n@TERMS.register("of-a-file")\nclass OfAFile(Term):\n'
        '    kind: str = "of-a-file"\n'
    )
    empty.write_text("x = 1\n")
    (entry,) = load_plugins((str(file),))
    assert entry["names"] == [] and len(entry["sha256"]) == 64 and TERMS.find("of-a-file").__name__ == "OfAFile"
    with pytest.raises(degradations.PluginError, match="registers nothing"):
        load_plugins((str(empty),))
