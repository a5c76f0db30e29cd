"""Contract of other scales: ``scaled`` does to a shrunk picture what the operator does to the picture itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from degradations.conformance.pictures import make_natural_pictures
from degradations.core.chain import Chain
from degradations.core.registry import names
from degradations.errors import DegradationError
from degradations.scaling.shrinking import scale_size, shrink_picture

FACTORS = (0.5, 0.25)
# Largest root mean square difference, as a share of the range from black to white. JPEG of quality 20 after sr:2, the
# worst of our own operators, has 0.067 here; a blur of 5 px that does not shrink 0.09, a shift by 3 px 0.11.
ERROR = 0.075
NOISE_ERROR = 0.25  # largest relative error of the standard deviation of noise
LEVELS = 0.006  # such a share, one and a half levels of a file, that the deviation may be off as well, as codecs do it
DRAWS = 4


@torch.no_grad()
def scaled(phi, x, draw, tolerance):
    """Compare degrading and then shrinking with shrinking and then degrading by the scaled operator."""
    if not can_be_scaled(phi):
        return
    if phi.scaled(1.0) is not phi:
        yield "scaled(1) is not the operator itself"
    yield from _unknowns(phi)
    pictures = make_soft_pictures(tuple(x.shape[-2:]), len(x)).to(x)
    for factor in FACTORS:
        found = list(_compare(phi, phi.scaled(factor), pictures, factor))
        yield from found
        if found:
            return


def make_soft_pictures(size, count):
    """Return (count, 3, H, W) with detail of two pixels and more, as photographs have, which survives shrinking."""
    half = shrink_picture(make_natural_pictures(size, count, 3), scale_size(size, 0.5))
    return F.interpolate(half, size=size, mode="bilinear", align_corners=False)


def can_be_scaled(phi) -> bool:
    """Return whether the operator has a scaled form; those that are tied to one size raise an exception."""
    try:
        for factor in FACTORS:
            phi.scaled(factor)
    except DegradationError:
        return False
    return True


def _compare(phi, small, pictures, factor):
    shrunk = shrink_picture(pictures, scale_size(tuple(pictures.shape[-2:]), factor))
    expected = _draw(small.measure, shrunk)
    size = tuple(expected.shape[-2:])
    got = _draw(lambda x, random: small.set_known_values(phi.shrink(phi.measure(x, random), size)), pictures)
    if got.shape != expected.shape:
        shapes = tuple(got.shape[1:]), tuple(expected.shape[1:])
        yield f"y shrunk by {factor} has shape {shapes[0]}, that of scaled({factor}) {shapes[1]}"
        return
    variances = got.var(0), expected.var(0)
    chance = sum(float(variance.mean()) for variance in variances) / DRAWS
    error = max(float((got.mean(0) - expected.mean(0)).square().mean()) - chance, 0) ** 0.5 / 2
    if error > ERROR + _rounding(small, small(shrunk), variances[1]):
        yield (
            f"scaled({factor}) on a shrunk picture differs from the shrunk y by {error:.3f} of black to white (root "
            f"mean square); expected at most {ERROR:g}"
        )
    noise, stated = (float(variance.mean()) ** 0.5 / 2 for variance in variances)
    if abs(stated - noise) > NOISE_ERROR * noise + LEVELS:
        yield (
            f"the noise of scaled({factor}) has a deviation of {stated:.4f} of black to white, shrunk noise has "
            f"{noise:.4f}; expected it within {NOISE_ERROR:.0%}"
        )


def _rounding(small, y, variance) -> float:
    """Return the deviation, as a share of black to white, of a noise that rounds and draws nothing; 0 for others."""
    stated = None if small.noise is None or bool(variance.any()) else small.noise.mean_square(y)
    return 0.0 if stated is None else float(stated.mean()) ** 0.5 / 2


def _draw(measure, x):
    """Return several observations of the same pictures, (DRAWS, N, c, h, w)."""
    return torch.stack([measure(x, torch.Generator().manual_seed(seed)) for seed in range(DRAWS)])


def _unknowns(phi):
    """Check that each unknown parameter of a single operator keeps its name, unless nothing of it is left."""
    if isinstance(phi, Chain) or phi.name not in names():
        return
    for parameter in (p for p in phi.parameters_spec if p.bindable and (p.plausible or p.bounds)):
        unknown = phi._shallow_copy()
        unknown._unknown[parameter.name] = parameter.unknown("auto")
        left = unknown.scaled(FACTORS[0]).unknowns()
        if left and parameter.name not in left:
            yield f"{parameter.name} is unknown, and scaled({FACTORS[0]}) has {', '.join(left)} instead"
