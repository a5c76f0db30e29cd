"""Unknown parameters are variables of the run: bounded, one value a row, found and reported."""

import pytest
import torch

import dgp
import generators
from degradations import Degradation, Parameter
from dgp.api import observe
from dgp.errors import InputError
from dgp.inversion import Inversion
from dgp.losses.operator_parameters import OperatorParameterNll
from dgp.losses.prediction import Prediction
from dgp.observation.batch import stack_observations
from dgp.observation.estimate import Estimate, Expectation
from dgp.planning.blind_restoration import add_unknowns
from dgp.recipes.load import load_recipe
from dgp.variables.operator_parameters import expect_parameters

QUICK = ("stages.*.steps=4", "searches.0.count=12")


class Dim(Degradation):
    """share x: how much of the contrast is left."""

    linear = smooth = True
    name = "dim"
    parameters_spec = (Parameter("share", 1.0, (0.1, 1.0)),)

    def forward(self, x):
        return x * self.share


def dim(text="auto"):
    return Dim(share=Dim.parameters_spec[0].read(text))


@pytest.fixture(autouse=True)
def middle(monkeypatch):
    """What pixels show is another test's: here the middle of the range is expected."""

    def estimate(y, operator, prior, *, seed=0):
        return {n: Estimate(u.middle, (u.high - u.low) / 4) for n, u in operator.unknowns().items()}

    monkeypatch.setattr("dgp.identify.estimate.estimate", estimate)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def picture(toy):
    drawn = toy.generator.sample(1, classes=torch.tensor([1]), generator=torch.Generator().manual_seed(3))
    return toy.generator(drawn)[0].detach()


def test_the_truth_is_drawn_from_the_range_or_told(toy, picture):
    drawn = observe(picture, dim("0.2..0.4"), toy, simulate=True, seed=1)
    assert 0.2 < drawn.truth.share < 0.4
    assert observe(picture, dim("0.2..0.4"), toy, simulate=True, seed=2).truth.share != drawn.truth.share
    told = observe(picture, dim(), toy, simulate=True, truth=dim("0.5"))
    torch.testing.assert_close(told.y, picture[None] * 0.5, atol=1 / 255, rtol=0)
    assert told.degradation.spec == "dim:share=auto"


@pytest.mark.parametrize(
    ("truth", "simulate", "words"),
    [(dim("0.5"), False, "without simulating"), (dim(), True, "without unknowns"), ("sr:2", True, "same size")],
)
def test_a_truth_that_makes_no_sense_is_refused(toy, picture, truth, simulate, words):
    with pytest.raises(InputError, match=words):
        observe(picture, dim(), toy, simulate=simulate, truth=truth)


def test_a_run_finds_the_parameter_and_reports_it(toy, picture):
    """All else being given, and nothing believed beforehand, gradients lead to the true value."""
    observation = observe(picture, dim(), toy, simulate=True, truth=dim("0.3"), label=1)
    start = toy.generator.sample(1, classes=torch.tensor([1]), generator=torch.Generator().manual_seed(3))
    recipe = load_recipe("latent-mse", ("stages.*.steps=60", "stages.*.lr=0.0"))
    alone = tuple(s.model_copy(update={"terms": (*s.terms, OperatorParameterNll(weight=0))}) for s in recipe.stages)
    result = Inversion(observation, toy, recipe.model_copy(update={"stages": alone}), start=start).result()
    assert abs(result.found["share"][0] - 0.3) < 0.03
    told = result.record()["degradation"]
    assert told["estimated"]["share"]["value"] == result.found["share"][0] and told["truth"] == "dim:share=0.3"
    assert told["spec"] == "dim:share=auto" and told["at_prior_resolution"].startswith("dim:share=0.")
    assert result.fidelity["observation_psnr"] > 40  # merged by the operator that was found


def test_solutions_have_values_of_their_own_within_the_range(toy, picture):
    observation = observe(picture, dim("0.2..0.6"), toy, simulate=True)
    result = Inversion(observation, toy, load_recipe("default", QUICK), num_solutions=3).result()
    assert len(set(result.found["share"])) == 3 and all(0.2 <= v <= 0.6 for v in result.found["share"])


def test_a_picture_alone_and_among_others(toy, picture):
    """Also among pictures that leave nothing open, or something else."""
    observations = [
        observe(picture, dim(), toy, simulate=True, label=1),
        observe(picture.flip(-1), "gray", toy, simulate=True, label=0),
        observe(picture.flip(-2), dim("0.5..0.9"), toy, simulate=True, label=2),
    ]
    recipe = load_recipe("default", QUICK)
    among = Inversion(observations, toy, recipe).result()
    for observation, result in zip(observations, among, strict=True):
        alone = Inversion(observation, toy, recipe).result()
        assert alone.found.keys() == result.found.keys()
        torch.testing.assert_close(alone.tensor, result.tensor, atol=2e-3, rtol=0)
        for name, values in alone.found.items():
            assert abs(values[0] - result.found[name][0]) < 1e-3


def test_nothing_changes_where_nothing_is_unknown(toy, picture):
    observation = observe(picture, "gray", toy, simulate=True)
    recipe = load_recipe("default")
    assert add_unknowns(recipe, [observation]) is recipe and expect_parameters([observation]) == []


def test_what_is_known_beforehand_pulls(toy, picture):
    """The term is the negative logarithm of a normal density of the position."""

    batch = stack_observations([dgp.observe(picture, "identity", toy)], None, (32, 32))
    values = {"phi[share]": torch.tensor([[0.5], [0.9]]), "z": torch.zeros(2, 3)}
    for spread, expected in ((0.2, [0.0, 2.0]), (0.0, [0.0, 800.0])):
        expectations = [{"phi[share]": Expectation(0.5, spread)}]
        seen = Prediction(batch, torch.zeros(2, 3, 32, 32), values, torch.tensor([0, 0]), expectations=expectations)
        torch.testing.assert_close(OperatorParameterNll()(seen), torch.tensor(expected))


def test_what_a_file_tells_is_not_unknown(toy, picture):
    class Told(Dim):
        def file_metadata(self, opened):
            return {"share": 0.25}

    operator = Told(share=Dim.parameters_spec[0].read("auto"))
    result = dgp.restore(dgp.observe(picture, "identity", toy).picture, operator, toy, overrides=QUICK)
    estimated = result.record()["degradation"]["estimated"]["share"]
    assert (estimated["value"], estimated["spread"], estimated["source"]) == (0.25, 0, "file") and not result.found


def test_an_expectation_is_an_estimate_on_the_scale_of_the_range():
    unknown = dim("0.2..0.6").unknowns()["share"]
    expectation = Expectation.from_estimate(Estimate(0.3, 0.04), unknown)
    assert abs(expectation.position - 0.25) < 1e-6 and abs(expectation.spread - 0.1) < 1e-6
    assert Expectation.from_estimate(Estimate(0.9, 0.1), unknown).position == 1


def test_the_result_says_what_was_estimated(toy, picture, tmp_path):
    result = dgp.restore(picture, dim(), toy, simulate=True, overrides=QUICK)
    result.save(tmp_path / "blind")
    warm = Inversion(result.observation, toy, load_recipe("default", QUICK), start=result)
    assert not warm.result().found  # what was found is known now
