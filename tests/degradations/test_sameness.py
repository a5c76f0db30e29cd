"""Test which operators may process each other's rows: those with equal contents, whatever their specs."""

import copy

import numpy as np
import pytest
import torch

from degradations import Chain, Degradation, GaussianNoise, Identity, Inpaint, Parameter, parse

SPECS = ("gray", "sr:factor=4,filter=box", "inpaint:center=1/3", "gray+sr:2+inpaint:center=1/3")


def one_hole(column):
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[..., column] = True
    return mask


class Scaled(Degradation):
    """Its state is no parameter, so that every one is written `Scaled`."""

    def __init__(self, state):
        super().__init__()
        self.state = state

    def forward(self, x):
        return x


class Gain(Degradation):
    parameters_spec = (Parameter("gain", 0.5, (0.1, 1)),)

    def forward(self, x):
        return self.gain * x


@pytest.mark.parametrize("spec", SPECS)
def test_equal_text_gives_interchangeable_operators(spec):
    a, b = (parse(spec).build(seed=0, size=(12, 12)) for _ in range(2))
    assert a.same_as(b)
    assert a.same_as(copy.deepcopy(b))
    assert all(not a.same_as(parse(other)) for other in SPECS if other != spec)


def test_how_it_was_asked_for_does_not_count():
    assert parse("sr:4").same_as(parse("sr:factor=4,filter=bicubic"))
    assert parse("inpaint:center=1/4").same_as(Inpaint(center=0.25))
    assert not parse("sr:4").same_as("sr:4")
    assert not Identity().same_as(type("Other", (Identity,), {})())


@pytest.mark.parametrize(
    ("state", "other"),
    [
        (0.5, 0.25),
        (None, 0),
        ([1, 2], [1, 3]),
        ({"a": torch.zeros(2)}, {"a": torch.ones(2)}),
        ({"a": 1}, {"b": 1}),
        (torch.zeros(2), torch.zeros(3)),
        (torch.zeros(2), torch.zeros(2).double()),
        (np.zeros(2), np.ones(2)),
        (GaussianNoise(0.1), GaussianNoise(0.2)),
        (Gain(gain=0.2), Gain(gain=0.3)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_state_that_the_spec_does_not_show(state, other):
    a, b = Scaled(state), Scaled(other)
    assert a.spec == b.spec
    assert not a.same_as(b)
    assert a.same_as(Scaled(copy.deepcopy(state)))
    assert not Chain([a, parse("sr:2")]).same_as(Chain([b, parse("sr:2")]))
    assert Chain([a, parse("sr:2")]).same_as(Chain([Scaled(copy.deepcopy(state)), parse("sr:2")]))


def test_functions_and_random_streams_equal_only_themselves():
    def act(x):
        return x

    assert Scaled(act).same_as(Scaled(act))
    assert not Scaled(act).same_as(Scaled(lambda x: x))
    stream = torch.Generator()
    assert Scaled(stream).same_as(Scaled(stream))
    assert not Scaled(stream).same_as(Scaled(torch.Generator()))


def test_masks_are_compared_by_their_pixels():
    assert Inpaint.of(one_hole(3)).same_as(Inpaint.of(one_hole(3)))
    assert not Inpaint.of(one_hole(3)).same_as(Inpaint.of(one_hole(4)))
    drawn = [parse("inpaint:pixels=0.5").build(seed=seed, size=(8, 8)) for seed in (0, 0, 1)]
    assert drawn[0].same_as(drawn[1])
    assert not drawn[0].same_as(drawn[2])
    assert not drawn[0].same_as(parse("inpaint:pixels=0.5"))


def test_noise_counts():
    a, b, c = Gain(), Gain(), Gain()
    a.noise, b.noise = GaussianNoise(0.1), GaussianNoise(0.1)
    assert a.same_as(b)
    assert not a.same_as(c)


def test_bound_values_are_compared():
    a, b, c = (Gain().bind({"gain": torch.tensor(values)}) for values in ([0.2, 0.4], [0.2, 0.4], [0.2, 0.5]))
    assert a.same_as(b)
    assert not a.same_as(c)
    assert not a.same_as(Gain())
    assert not Gain(gain=0.2).same_as(Gain().bind({"gain": torch.tensor([0.2])}))
    chains = [Chain([phi, parse("sr:2")]) for phi in (a, b, c)]
    assert chains[0].same_as(chains[1])
    assert not chains[0].same_as(chains[2])
