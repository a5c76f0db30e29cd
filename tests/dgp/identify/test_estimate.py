"""Unknown parameters are read off the observation, with an honest spread, and what was learnt is kept."""

import pytest
import torch

from degradations import Chain, Degradation, Parameter
from degradations.noise.model import normal_like
from dgp.identify import estimate as module
from dgp.identify.estimate import estimate, estimator
from generators import load


class Dim(Degradation):
    """share x: how much of the contrast is left."""

    name = "dim"
    parameters_spec = (Parameter("share", 1.0, (0.1, 1.0)),)

    def forward(self, x):
        return x * self.share


class Grainy(Degradation):
    """Noise whose deviation is searched by ratios."""

    name = "grainy"
    parameters_spec = (Parameter("sigma", 0.1, (0.01, 0.5), transform="log"),)

    def forward(self, x):
        return x

    def measure(self, x, generator=None):
        return x + self.sigma * normal_like(x, generator)


def unknown(kind, text="auto"):
    (parameter,) = kind.parameters_spec
    return kind(**{parameter.name: parameter.read(text)})


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_COUNT", 240)
    monkeypatch.setattr(module, "MIN_COUNT", 240)
    monkeypatch.setattr(module, "STEPS", 150)
    monkeypatch.setattr("generators.bank.SHARD", 60)
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def toy():
    return load("toy")


def pictures(toy, count, seed=5):
    with torch.no_grad():
        return toy.generator(toy.generator.sample(count, generator=torch.Generator().manual_seed(seed)))


def test_both_parameters_of_a_chain_are_found_with_a_spread_that_covers(toy):
    operator = Chain([unknown(Dim), unknown(Grainy)])
    x, random = pictures(toy, 40), torch.Generator().manual_seed(0)
    sigma = 0.01 * 50 ** torch.rand(40, generator=random)
    share = 0.1 + 0.9 * torch.rand(40, generator=random)
    y = operator.bind({"sigma": sigma, "share": share}).simulate(x, random)
    found = estimator(operator, toy)(y)
    assert all(row.keys() == {"share", "sigma"} for row in found)
    value, spread = (torch.tensor([getattr(row["sigma"], what) for row in found]) for what in ("value", "spread"))
    assert ((value / sigma).log().abs()).median() < 0.2
    assert ((value - sigma).abs() < 2.5 * spread).float().mean() > 0.7 and (spread > 0).all()
    guess = torch.tensor([row["share"].value for row in found])
    assert (guess - share).abs().mean() < 0.75 * (share - share.mean()).abs().mean()
    assert all(0.1 <= row["share"].value <= 1 and 0.01 <= row["sigma"].value <= 0.5 for row in found)


def test_the_same_again_from_what_was_kept_and_rows_alone(toy, monkeypatch):
    operator = unknown(Grainy)
    y = operator.bind({"sigma": torch.tensor([0.05, 0.2])}).simulate(pictures(toy, 2), torch.Generator())
    state = torch.get_rng_state()
    first = estimator(operator, toy)(y)
    assert torch.equal(state, torch.get_rng_state()), "torch's own random numbers are left alone"
    monkeypatch.setattr(module, "_train", None)
    for row, before in zip(y, first, strict=True):
        again = estimate(row[None], operator, toy)["sigma"]
        assert (again.value, again.spread) == pytest.approx((before["sigma"].value, before["sigma"].spread), rel=1e-4)
    with pytest.raises(TypeError):
        estimate(y[:1], unknown(Grainy, "0.02..0.5"), toy)  # another range is another network


def test_nothing_unknown_nothing_simulated(toy, monkeypatch):
    monkeypatch.setattr(module, "simulate_statistics", None)
    assert estimate(torch.zeros(1, 3, 32, 32), Dim(share=0.5), toy) == {}
