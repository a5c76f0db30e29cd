"""Test the units of parameters, and where they are shown."""

import pytest

from degradations import Parameter, SpecError, describe, names, parse
from degradations.scaling import units

# Exponents, coefficients and qualities, which are in no unit.
DIMENSIONLESS = ("gamma.gamma", "jpeg.quality", "lens.k", "lens.k2", "perspective.across", "perspective.down")
KNOWN = {value for name, value in vars(units).items() if name.isupper() and isinstance(value, str)}
EVERY = [(name, parameter) for name in names() for parameter in describe(name).parameters]


@pytest.mark.parametrize(("name", "parameter"), EVERY, ids=[f"{name}.{p.name}" for name, p in EVERY])
def test_every_number_has_a_unit(name, parameter):
    assert parameter.unit in KNOWN
    if parameter.kind in ("float", "fraction"):
        assert (parameter.unit == units.NONE) == (f"{name}.{parameter.name}" in DIMENSIONLESS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "blur:99",
            "blur: sigma=99.0 is out of range; expected a number from 0.001 to 64, in pixels of the photograph",
        ),
        (
            "noise:2",
            "noise: sigma=2.0 is out of range; expected a share of the range from black to white, from 0.00001 to 1",
        ),
        ("affine:angle=200", "affine: angle=200.0 is out of range; expected a number from -180 to 180, in degrees"),
        ("fade:contrast=2", "fade: contrast=2.0 is out of range; expected a share of the contrast, from 0.05 to 1"),
        ("sr:1000", "sr: factor=1000.0 is out of range; expected a number from 1 to 256"),
        ("poisson:0", "poisson: photons=0.0 is out of range; expected a number of photons from 1 to 1000000000"),
        (
            "crop:center=2",
            "crop: center=2 is out of range; expected a fraction of each side such as 1/3 or 0.25, from 0 to 1",
        ),
        ("dither:100", "dither: levels=100 is out of range; expected a whole number from 2 to 64"),
        ("inpaint:box=4", "inpaint: box=4 is not left-top-right-bottom in pixels of the photograph, such as 8-4-24-20"),
        (
            "scanlines:period=1",
            "scanlines: period=1 is out of range; expected a whole number from 2 to 1024, in pixels of the photograph",
        ),
    ],
)
def test_messages_name_the_unit(spec, message):
    with pytest.raises(SpecError) as caught:
        parse(spec)
    assert str(caught.value) == message


def test_repr_names_the_unit():
    assert "from 0.001 to 64, in pixels of the photograph, default 1." in repr(parse("blur").parameter("sigma"))
    assert "a number from 0 to 2, in volts, optional." in repr(Parameter("gain", bounds=(0, 2), unit="volts"))
    assert "a whole number from 0, optional" in repr(parse("photo").parameter("seed"))
