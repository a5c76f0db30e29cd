"""The units of parameters, each in a short form for tables and JSON and, where that is not enough, in words."""

from __future__ import annotations

PIXELS = "px"
RANGE = "of black to white"
BRIGHTNESS = "of the brightness"
LIGHT = "of the light"
COLOR = "of the colour"
CONTRAST = "of the contrast"
PICTURE = "of the pixels"
SIDE = "of each side"
DEGREES = "degrees"
TIMES = "times"
PHOTONS = "photons"
NONE = ""  # counts, seeds, exponents, coefficients and qualities

IN_WORDS = {PIXELS: "pixels of the photograph", RANGE: "the range from black to white"}


def describe_unit(unit: str) -> str:
    """Return the end of a phrase such as "a number from 0 to 1", with the unit: ", in degrees", or "" if there is none.

    Shares, whose units begin with "of", follow directly: "a number from 0 to 1 of the light".
    """
    if unit == NONE:
        return ""
    if unit == RANGE:
        return f" of {IN_WORDS[RANGE]}"
    return f" {unit}" if unit.startswith("of ") or unit == TIMES else f", in {IN_WORDS.get(unit, unit)}"
