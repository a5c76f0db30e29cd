"""Contract of parameters: bound to rows, differentiated, and left unknown."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from degradations.conformance.distance import max_difference
from degradations.core.base import Degradation
from degradations.core.chain import Chain
from degradations.core.parameter import Parameter
from degradations.core.registry import names
from degradations.core.spec import parse
from degradations.core.unknown import Unknown
from degradations.errors import SpecError

POSITIONS = (0.21, 0.43, 0.73)  # in the range; not its middle, where the identity warp has a kink


def binding(phi, x, draw, tolerance):
    """Check that a bound parameter gives each row the result of an operator with its value, and a gradient."""
    for found in _bindable(phi):
        values = _values(found.parameter, getattr(found.link, found.parameter.name))
        wrong = list(_rows(phi, found, values, x))
        yield from wrong
        if phi.smooth and not wrong:
            yield from _gradient(phi, found.key, values[1], x=x, draw=draw)


def unknown(phi, x, draw, tolerance):
    """Check that every bindable parameter can be unknown, written, parsed, and given a value."""
    if isinstance(phi, Chain) or phi.name not in names():
        return
    for parameter in (found.parameter for found in _bindable(phi)):
        try:
            asked = parameter.unknown("auto")
        except SpecError as refusal:
            yield f"{parameter.name} can be bound, but not left unknown: {refusal}"
            continue
        open_ = phi._shallow_copy()
        open_._unknown[parameter.name] = asked
        again = parse(open_.spec)
        if again.spec != open_.spec or list(again.unknowns()) != [parameter.name]:
            yield f"{open_.spec!r} parses to something that is written {again.spec!r}"
            continue
        found = again.with_values({parameter.name: asked.middle})
        if parse(found.spec).unknowns():
            yield f"{parameter.name} stays unknown in {found.spec!r} once it is given"


@dataclass(frozen=True)
class _Bindable:
    """A bindable parameter: the name that ``bind`` takes, the parameter, and the operator that has it."""

    key: str
    parameter: Parameter
    link: Degradation


def _bindable(phi) -> list[_Bindable]:
    """Return all bindable parameters that have a value."""
    if not isinstance(phi, Chain):
        every = [(p.name, p, phi) for p in phi.parameters_spec if p.bindable]
    else:
        every = [(key, phi.links[i].parameter(name), phi.links[i]) for i, name, key in phi._qualified_names()]
    return [_Bindable(key, p, link) for key, p, link in every if getattr(link, p.name) is not None]


def _values(parameter, now: float) -> list[float]:
    low, high = parameter.plausible or parameter.bounds or sorted((0.8 * now, 1.2 * now or 1.0))
    if parameter.transform == "log":
        low = max(low, high / 1000)
    span = Unknown(parameter.name, low=low, high=high, transform=parameter.transform, asked="auto")
    return [span.value(position) for position in POSITIONS]


def _single(phi, bindable, value):
    """Make the operator with another value, so that the constructor computes everything from that value."""
    parameter, link = bindable.parameter, bindable.link
    values = {p.name: getattr(link, p.name) for p in link.parameters_spec if getattr(link, p.name) is not None}
    is_built = type(link).build is not Degradation.build or any(True for _ in link.buffers())
    if is_built:  # keep a mask that was drawn, or a kernel that was read
        single = link._shallow_copy()
        single.__dict__[parameter.name] = value
    else:
        single = type(link)(**{**values, parameter.name: value})
        if "noise" in vars(link):
            single.noise = link.noise
    return single if phi is link else phi._with_links(single if one is link else one for one in phi.links)


def _rows(phi, bindable, values, x):
    """Compare each row of the bound operator with an operator that has the row's value."""
    key = bindable.key
    rows = x[:1].expand(len(values), -1, -1, -1)
    bound = phi.bind({key: torch.tensor(values, dtype=x.dtype)})
    together = bound(rows)
    measured = bound.measure(rows, [torch.Generator().manual_seed(i) for i in range(len(values))])
    for i, value in enumerate(values):
        single = _single(phi, bindable, value)
        alone = single(x[:1])
        if alone.shape != together[i : i + 1].shape:
            yield f"{key} changes the size of y; declare it fixed=True"
            return
        if max_difference(alone, together[i : i + 1]) > 1e-4:
            yield (
                f"{key} bound to {value:.4g} gives another result than an operator with {key}={value:.4g} "
                f"(differs by {max_difference(alone, together[i : i + 1]):.1e})"
            )
            return
        if max_difference(single.measure(x[:1], [torch.Generator().manual_seed(i)]), measured[i : i + 1]) > 1e-3:
            yield f"{key} bound to {value:.4g} gives another measure than an operator with {key}={value:.4g}"
            return


def _gradient(phi, key, value, *, x, draw):
    """Compare the derivative of a random projection of y with differences in float64."""
    exact, picture = phi._in_double(), x[:1].double() * 0.8
    weight = draw(*exact(picture).shape, dtype=torch.float64)

    def at(v):
        return (exact.bind({key: v.reshape(1)})(picture) * weight).sum()

    point = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    step = 1e-7 * max(abs(value), 1e-2)
    with torch.no_grad():
        here = at(point)
        left, right = float((here - at(point - step)) / step), float((at(point + step) - here) / step)
    answer = at(point)
    slope = float(torch.autograd.grad(answer, point, allow_unused=True)[0] or 0) if answer.requires_grad else 0.0
    doubt = 1e-3 * max(abs(left), abs(right), 1e-3 * float(weight.norm()))
    # a warp has a kink wherever a sample passes a pixel centre; either one-sided derivative is accepted there
    if not min(left, right) - doubt <= slope <= max(left, right) + doubt:
        yield f"the derivative in {key} is {slope:.6g} at {value:.4g}; differences of values give {right:.6g}"
