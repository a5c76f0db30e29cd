"""Test merging with operators that are smooth but not linear."""

import warnings

import pytest
import torch

from degradations import Chain, Degradation, parse

LEVEL = 1 / 127.5


class Curve(Degradation):
    """A tone curve, given as a function."""

    def __init__(self, curve):
        super().__init__()
        self.curve = curve

    def forward(self, x):
        return self.curve(x)


def brightness(x):
    return ((x + 1) / 2).clamp(0, 1)


TANH = Curve(lambda x: torch.tanh(2 * x))
SINE = Curve(lambda x: torch.sin(1.5 * x))
DARKER = Curve(lambda x: 2 * brightness(x) ** 2.2 - 1)
BRIGHTER = Curve(lambda x: 2 * brightness(x).clamp_min(1e-12) ** (1 / 2.2) - 1)
FILM = Curve(lambda x: torch.tanh(1.5 * x).mean(1, keepdim=True))
MONOTONE = {
    "tanh": TANH,
    "sine": SINE,
    "darker": DARKER,
    "brighter": BRIGHTER,
    "film": FILM,
    "darker+sr": Chain([DARKER, parse("sr:2")]),
    "sr+tanh": Chain([parse("sr:2"), TANH]),
    "tanh+gray": Chain([TANH, parse("gray")]),
}


def pictures(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def starts(truth):
    """Near the truth, far from it, saturated, black: a row each."""
    near = truth[0] + 0.2 * pictures(*truth.shape[1:], seed=1)
    far = pictures(*truth.shape[1:], seed=2)
    return torch.stack([near.clamp(-1, 1), far, far.sign(), -torch.ones_like(far)])


def rms(phi, x, y):
    return (phi(x) - y).flatten(1).square().mean(1).sqrt()


@pytest.mark.parametrize("name", MONOTONE)
def test_what_a_picture_can_give_is_met(name):
    phi, truth = MONOTONE[name], pictures(1, 3, 12, 12).expand(4, -1, -1, -1)
    x, y = starts(truth), phi(truth)
    merged = phi.merge(x, y)
    assert merged.abs().max() <= 1
    assert (rms(phi, merged, y) < LEVEL / 2).all()
    for row in (0, 3):  # near, and black: the fewest steps and the most
        alone = phi.merge(x[row : row + 1], y[row : row + 1])
        assert rms(phi, alone, phi(merged[row : row + 1])) < LEVEL / 100
        # Where a curve is nearly flat, as in the black of the darker ones, y hardly says what x is.
        assert (alone - merged[row : row + 1]).square().mean().sqrt() < 1e-3


def test_flat_and_folded_curves_are_never_made_worse():
    truth = pictures(1, 3, 12, 12).expand(4, -1, -1, -1)
    for curve in (lambda x: x**3, lambda x: torch.sin(6 * x), lambda x: x.clamp(-0.2, 0.2), lambda x: x * 0 + 0.3):
        phi = Curve(curve)
        for y in (phi(truth), truth, torch.full_like(truth, 0.9)):
            x = starts(truth)
            assert (rms(phi, phi.merge(x, y), y) <= rms(phi, x, y) + 1e-6).all()


class Quantised(Degradation):
    smooth = False

    def forward(self, x):
        return (x * 4).round() / 4


def test_chains_that_are_not_smooth_are_never_made_worse():
    truth = pictures(1, 3, 12, 12).expand(4, -1, -1, -1)
    for links in ([TANH, Quantised()], [Quantised(), TANH], [parse("sr:2"), Quantised()], [FILM, Quantised()]):
        phi, x = Chain(links), starts(truth)
        y = phi(truth)
        assert (rms(phi, phi.merge(x, y), y) <= rms(phi, x, y) + 1e-6).all()


def test_the_change_is_the_smallest():
    """At the nearest picture with this y, the change is a combination of the slopes of y: where nothing is
    clipped, it has no part along the pictures that have the same y."""
    phi, x = Chain([TANH, parse("sr:2")]), pictures(2, 3, 8, 8).double() * 0.4
    y = phi(pictures(2, 3, 8, 8, seed=1).double() * 0.4)
    merged = phi.merge(x, y)
    assert merged.abs().max() < 1
    assert rms(phi, merged, y).max() < 1e-5
    change, at = (merged - x)[:1], merged[:1]
    jacobian = torch.autograd.functional.jacobian(lambda v: phi(v.view_as(at)).flatten(), at.flatten())
    along = change.flatten() - torch.linalg.pinv(jacobian) @ (jacobian @ change.flatten())
    assert along.norm() < 0.03 * change.norm()


def test_what_is_met_stays_and_what_is_not_seen_stays():
    phi, x = Chain([TANH, parse("inpaint:center=1/2")]), pictures(2, 3, 8, 8)
    assert torch.equal(phi.merge(x, phi(x)), x)
    hole = phi.unobserved((8, 8))[:, None].expand_as(x)
    merged = phi.merge(x, phi(pictures(2, 3, 8, 8, seed=1)))
    assert torch.equal(merged[hole], x[hole])


class Backwards(torch.autograd.Function):
    """As plugins write them: no derivative forwards."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, g):
        return g * (1 - torch.tanh(ctx.saved_tensors[0]) ** 2)


def test_one_way_of_differentiating_is_enough_and_nothing_is_said():
    phi, x, truth = Curve(Backwards.apply), pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merged = phi.merge(x, phi(truth))
        parse("gray+sr:2").merge(x, parse("gray+sr:2")(truth))
    torch.testing.assert_close(merged, truth, rtol=0, atol=1e-4)


class Salt:
    """A noise with what the contract asks for, and no more."""

    def sample(self, y, generator=None):
        return y + 0.01

    def nll(self, y_hat, y):
        return (y_hat - y).abs().flatten(1).mean(1)


@pytest.mark.parametrize("spec", ["sr:2", "gray+sr:2"])
def test_noise_need_not_say_how_large_it_is(spec):
    phi, x = parse(spec), pictures(1, 3, 8, 8)
    last = phi.links[-1] if isinstance(phi, Chain) else phi
    last.noise = Salt()
    phi = Chain(phi.links) if isinstance(phi, Chain) else phi
    y = phi(pictures(1, 3, 8, 8, seed=1))
    assert rms(phi, phi.merge(x, y), y) < 1e-5
