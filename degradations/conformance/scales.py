"""Contract of other scales: ``scaled`` does to a shrunk picture what the operator does to the picture itself."""

from __future__ import annotations

from degradations.conformance.pictures import make_soft_pictures
from degradations.errors import DegradationError

FACTORS = (0.5, 0.25)
SIDES = 4  # the pictures have this many times the sides of x, so that they show detail when they are shrunk
ERROR = 0.05  # root mean square difference of both ways, from 0 to 1 for black to white
NOISE_ERROR = 0.2  # relative error of the standard deviation of shrunk noise
LEAST_NOISE = 0.002  # standard deviation of the noise, from 0 to 1, below which its error does not count
DRAWS = 4


def scales(phi, x, draw, tolerance):
    """Compare degrading at full size and shrinking with shrinking and the scaled operator."""
    factor = FACTORS[0]
    size = tuple(x.shape[-2:])
    pictures = make_soft_pictures(size, len(x)).to(x)
    try:
        every = {factor: phi.scaled(factor) for factor in FACTORS}
    except DegradationError:
        return  # tied to one size
    if phi.scaled(1.0) is not phi:
        yield "scaled(1) is not the operator itself"
    for factor, small in every.items():
        yield from _names(phi, small)
        yield from _maps(phi, small, pictures, factor)
        yield from _noise(phi, small, pictures, factor)
