"""Stops say of each row by itself that it is done."""

import math

import pytest
import torch

from degradations.noise.model import GaussianNoise, NoiseModel
from dgp.optim.stopping import STOPPING_RULES, Below, Budget, History, NoiseFloor, Plateau

NAN = math.nan


def steps(totals, stop):
    """The first step (from 0) at which each row of totals (T, N) stops, None for never."""
    first = [None] * totals.shape[1]
    for t in range(1, len(totals) + 1):
        for row in stop.reached(History(totals[:t], {})).nonzero()[:, 0].tolist():
            first[row] = t - 1 if first[row] is None else first[row]
    return first


def test_plateau():
    falling = 0.9 ** torch.arange(12.0)
    flat = torch.tensor([1.0, 0.5] + [0.5] * 10)
    rising = torch.arange(12.0) + 1
    slow = 1 - 1e-4 * torch.arange(12.0)
    totals = torch.stack([falling, flat, rising, slow], 1)
    assert steps(totals, Plateau(patience=4, improvement=0.01)) == [None, 5, 4, 4]
    # A row does not look at its neighbours, and a step down in time counts.
    assert steps(totals[:, 1:2], Plateau(patience=4, improvement=0.01)) == [5]
    negative = -torch.arange(12.0)[:, None]
    assert steps(negative, Plateau(patience=4, improvement=0.01)) == [None]


def test_below():
    history = History(torch.ones(1, 3), {"lpips": torch.tensor([0.05, 0.06, 0.07]), "mse": torch.zeros(3)})
    assert Below(term="lpips", threshold=0.06).reached(history).tolist() == [True, True, False]
    assert Below(term="lpips", threshold=0.06).find_fault(history.losses) is None
    assert "expected one of the stage's terms: lpips, mse" in Below(term="l2", threshold=1).find_fault(history.losses)


def test_noise_floor():
    history = History(
        torch.ones(1, 4),
        {},
        residual=torch.tensor([0.01, 0.011, 0.02, 0.0]),
        noise_floor=torch.tensor([0.01, 0.01, 0.02, NAN]),
    )
    assert NoiseFloor().reached(history).tolist() == [True, False, True, False]
    assert NoiseFloor(factor=1.2).reached(history).tolist() == [True, True, True, False]
    assert NoiseFloor().measures and not Plateau().measures


def test_budget():
    for spent, done in ((8, False), (9, True), (12, True)):
        history = History(torch.ones(3, 2), {}, evaluations=spent)
        assert Budget(evaluations=9).reached(history).tolist() == [done] * 2


def test_noise_states_its_mean_square():
    y = torch.zeros(3, 1, 200, 200)
    noise = GaussianNoise(0.2)
    seen = noise.sample(y, torch.Generator().manual_seed(0))
    assert torch.allclose(noise.mean_square(y), (seen - y).square().mean((1, 2, 3)), rtol=0.02)
    assert NoiseModel().mean_square(y) is None


@pytest.mark.parametrize(
    ("table", "says"),
    [({"kind": "below"}, "term"), ({"kind": "budget"}, "evaluations"), ({"kind": "noise-flor"}, "noise-floor")],
)
def test_options_that_mean_nothing_are_refused(table, says):
    with pytest.raises(ValueError, match=says):
        STOPPING_RULES.parse(table)
