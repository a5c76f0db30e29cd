"""Every operator of the contract's list, and chains of them: forward, merge and noise are those of the CPU."""

import pytest
import torch

from degradations import parse

from ..degradations.test_contract import SPECS
from .conftest import off_by

SIZE = (32, 32)


def drawn(seed=0, rows=3):
    return torch.rand(rows, 3, *SIZE, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9


def built(spec):
    if "deepinv" in spec:
        pytest.importorskip("deepinv")
    return parse(spec).build(seed=3, size=SIZE)


def near(ours, theirs, operator):
    """Where levels are rounded, a value half between two of them may go either way."""
    ours, theirs = ours.detach().cpu(), theirs.detach().cpu()
    assert ours.shape == theirs.shape and ours.isfinite().all()
    difference = (ours - theirs).abs()
    return difference.max() < 1e-4 if operator.smooth else difference.mean() < 1e-2


@pytest.mark.parametrize("spec", SPECS)
def test_forward_and_gradient(spec, device):
    operator, x = built(spec), drawn()
    there = built(spec).to(device)
    x.requires_grad_()
    moved = x.detach().to(device).requires_grad_()
    y, ours = operator(x), there(moved)
    assert near(ours, y, operator)
    if y.requires_grad:
        y.square().sum().backward()
        ours.square().sum().backward()
        assert near(moved.grad / moved.grad.abs().amax(), x.grad / x.grad.abs().amax(), operator)


@pytest.mark.parametrize("spec", SPECS)
def test_merge_lift_and_what_was_not_seen(spec, device):
    operator, x = built(spec), drawn(1)
    y = operator(drawn()).detach()
    there = built(spec).to(device)
    merged, ours = operator.merge(x, y), there.merge(x.to(device), y.to(device))
    size = tuple(x.shape[-2:])
    # Projections are iterated to a tolerance; both end as near to y.
    assert off_by(ours, merged) < (1e-3 if operator.linear and operator.well_posed else 0.1)
    assert near(there.lift(y.to(device), size), operator.lift(y, size), operator)
    hidden, gone = operator.unobserved(size), there.unobserved(size)
    assert (hidden is None) == (gone is None) and (hidden is None or torch.equal(hidden.cpu(), gone.cpu()))


@pytest.mark.parametrize("spec", SPECS)
def test_measured_and_simulated(spec, device):
    """Noise is drawn on the CPU, so that a seed gives the same everywhere."""
    operator, x, there = built(spec), drawn(), built(spec).to(device)
    stream = lambda: [torch.Generator().manual_seed(seed) for seed in range(len(x))]  # noqa: E731
    assert (there.measure(x.to(device), stream()).cpu() - operator.measure(x, stream())).abs().mean() < 1e-2
    simulated = there.simulate(x.to(device), stream()).cpu() - operator.simulate(x, stream())
    assert simulated.abs().mean() < 1e-2


def bindable(operator):
    """Its parameters that can have a value a row, with the value that each has."""
    named = {p.name: getattr(operator, p.name, None) for p in operator.parameters_spec if p.bindable}
    return {name: float(value) for name, value in named.items() if value}


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "deepinv" not in spec and bindable(parse(spec))])
def test_bound_to_rows(spec, device):
    operator, x, there = built(spec), drawn(), built(spec).to(device)
    values = {name: torch.full((len(x),), value) for name, value in bindable(operator).items()}
    ours = there.bind({name: value.to(device) for name, value in values.items()})(x.to(device))
    assert near(ours, operator.bind(values)(x), operator)
