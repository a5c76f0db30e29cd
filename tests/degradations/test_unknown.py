"""Test parameters to be estimated: their text, their initial values, and their known values."""

import pytest
import torch

from degradations import Chain, Degradation, Parameter, SpecError, Unknown, register
from degradations.core.registry import _classes
from degradations.core.spec import parse


@pytest.fixture(autouse=True)
def bend():
    @register("bend")
    class Bend(Degradation):
        """x - amount (x - x^3) / width."""

        smooth = True
        parameters_spec = (
            Parameter("amount", 0.3, (0, 1)),
            Parameter("width", 2.0, (0.1, 10), plausible=(0.5, 4), transform="log"),
            Parameter("shift", 0.0, (-1, 1)),
            Parameter("turns", 1, (1, 9), kind="int"),
        )

        def forward(self, x):
            return x - self.amount * (x - x**3) / self.width

    yield Bend
    del _classes["bend"]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("bend:auto", "bend:amount=auto"),
        ("bend:amount=?", "bend:amount=auto"),
        ("bend:width=0.5..4", "bend:width=auto"),
        ("bend:shift=-0.5..-.25", "bend:shift=-0.5..-0.25"),
        ("bend:width=1..3,amount=0.2", "bend:amount=0.2,width=1..3"),
        ("bend:auto+gray+bend:width=.75..1.5", "bend:amount=auto+gray+bend:width=0.75..1.5"),
    ],
)
def test_the_spec_parses_back_to_the_same_unknowns(text, spec):
    operator = parse(text)
    assert operator.spec == spec
    again = parse(operator.spec)
    assert again.unknowns() == operator.unknowns() and again.unknowns() and again.same_as(operator)


def test_an_unknown_stands_in_the_middle_until_it_is_bound():
    operator, x = parse("bend:width=1..4"), torch.rand(2, 3, 5, 4)
    assert operator.width == 2.0  # of ratios
    assert torch.equal(operator(x), parse("bend:width=2")(x))
    bound = operator.bind({"width": torch.tensor([1.0, 3.0])})
    assert not bound.unknowns() and operator.unknowns()
    torch.testing.assert_close(bound(x)[1:], parse("bend:width=3")(x[1:]))


def test_what_is_given_is_a_number_and_what_stands_is_still_unknown():
    chain = parse("bend:auto+gray+bend:width=1..3")
    assert set(chain.unknowns()) == {"bend.amount", "bend2.width"}
    given = chain.with_values({"bend.amount": 0.25, "bend2.width": 3.0})
    assert given.spec == "bend:amount=0.25+gray+bend:width=3" and not given.unknowns()
    stands = chain.with_initial_values({"bend2.width": 1.5})
    assert stands.spec == chain.spec and stands.links[2].width == 1.5
    assert isinstance(chain, Chain) and chain.links[2].width != 1.5


@pytest.mark.parametrize("transform", ["linear", "log"])
def test_positions_and_values_are_inverse(transform):
    unknown = Unknown("width", 0.5, 4.0, transform, "auto")
    positions = torch.linspace(0, 1, 7, dtype=torch.float64, requires_grad=True)
    values = unknown.value(positions)
    torch.testing.assert_close(unknown.position(values), positions)
    assert values[0].item() == 0.5 and abs(values[-1].item() - 4) < 1e-12
    assert all(abs(unknown.value(p) - v) < 1e-12 for p, v in zip(positions.tolist(), values.tolist(), strict=True))
    assert (torch.autograd.grad(values.sum(), positions)[0] > 0).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bend:width=4..1", "empty range"),
        ("bend:width=2..2", "empty range"),
        ("bend:amount=0..2", "out of range"),
        ("bend:width=0.01..1", "out of range"),
        ("bend:turns=auto", "not possible for"),
        ("bend:turns=1..3", "not possible for"),
        ("bend:width=1..", "not a number"),
        ("bend:width=auto,width=2", "twice"),
    ],
)
def test_refusals_are_one_line(text, words):
    with pytest.raises(SpecError, match=words) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


def test_a_scale_of_ratios_does_not_begin_at_nothing():
    parameter = Parameter("width", 1.0, (0, 10), transform="log")
    with pytest.raises(SpecError, match="above 0"):
        parameter.read("auto")
    assert parameter.read("1..2").low == 1


def test_names_that_are_not_unknown_are_refused():
    with pytest.raises(SpecError, match="no unknown parameter 'width'"):
        parse("bend:auto").with_values({"width": 1.0})
    with pytest.raises(SpecError, match="out of range"):
        parse("bend:auto").with_values({"amount": 7.0})
