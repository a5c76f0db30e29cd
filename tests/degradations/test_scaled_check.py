"""Test that the check "scaled" finds operators that do not follow the scale of the picture."""

import pytest
import torch

from degradations import Degradation, GaussianNoise, Parameter, parse
from degradations.blur.convolution import convolve
from degradations.conformance import check, find_skipped
from degradations.scaling import laws


def find(operator, size=(32, 32)):
    return [text for text in check(operator, size) if text.startswith("scaled: ")]


class BoxBlur(Degradation):
    linear = True
    well_posed = False

    def forward(self, x):
        return convolve(x, x.new_ones(1, 1, 5, 5) / 25)


class Shift(Degradation):
    linear = True

    def forward(self, x):
        return x.roll(4, -1)


class TiedShift(Shift):
    scales = False


class HalfShift(Shift):
    def scaled(self, factor):
        return self if factor == 1 else parse(f"affine:right={4 * factor}")


class Grain(Degradation):
    parameters_spec = (Parameter("amount", 0.1, (0.01, 0.9)),)

    @property
    def noise(self):
        return GaussianNoise(2 * self.amount)

    def forward(self, x):
        return x


class AveragedGrain(Grain):
    parameters_spec = (Parameter("amount", 0.1, (0.001, 0.9), law=laws.deviation),)


class Copies(Degradation):
    linear = True

    def scaled(self, factor):
        return Copies()

    def forward(self, x):
        return x


class Vignette(Degradation):
    parameters_spec = (Parameter("strength", 0.5, (0, 0.9)),)

    def forward(self, x):
        down, across = (torch.linspace(-1, 1, n, dtype=x.dtype) ** 2 for n in x.shape[-2:])
        return (x + 1) * (1 - self.strength / 2 * (down[:, None] + across)) - 1


@pytest.mark.parametrize(
    ("operator", "says"),
    [
        (BoxBlur(), "differs from the shrunk y by 0.09"),
        (Shift(), "scaled(0.5) on a shrunk picture differs from the shrunk y by 0.1"),
        (Grain(), "the noise of scaled(0.5) has a deviation of 0.1"),
        (Copies(), "scaled(1) is not the operator itself"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Degradation) else "",
)
def test_violations_are_found(operator, says):
    (text,) = find(operator)
    assert says in text


@pytest.mark.parametrize(
    "operator", [TiedShift(), AveragedGrain(), Vignette()], ids=lambda operator: type(operator).__name__
)
def test_others_pass(operator):
    assert check(operator) == []


def test_ones_own_scaled_is_used():
    shift, scaled = Shift(), HalfShift().scaled(0.5)
    x = torch.linspace(-1, 1, 32)[None, None, None].expand(1, 3, 32, 32)
    inside = shift.shrink(shift(x), (16, 16))[..., 4:14], scaled(shift.shrink(x, (16, 16)))[..., 4:14]
    torch.testing.assert_close(*inside, rtol=0, atol=1e-4)


def test_tied_operators_are_named_as_skipped():
    assert (
        find_skipped("sensing:0.5") == find_skipped("sensing:0.5+blur:1") == ["scaled"] and find_skipped("gray") == []
    )
