"""The units of parameters, each in a short form for tables and JSON and, where that is not enough, in words."""

from __future__ import annotations

PIXELS = "px"
RANGE = "of black to white"
BRIGHTNESS = "of the brightness"
LIGHT = "of the light"
LINE = "of a line"
COLOR = "of the colour"
CONTRAST = "of the contrast"
PICTURE = "of the pixels"
SIDE = "of each side"
DEGREES = "degrees"
TIMES = "times"
PHOTONS = "photons"
NONE = ""  # counts, seeds, exponents, coefficients and qualities

IN_WORDS = {PIXELS: "pixels of the photograph", RANGE: "of the range from black to white"}


def name_amount(unit: str) -> str:
    """Return what a number in a unit is called, with the article: "a share of the light,", "a number"."""
    if unit.startswith("of "):
        return f"a share {IN_WORDS.get(unit, unit)},"
    return "a number of photons" if unit == PHOTONS else "a number"


def name_unit(unit: str) -> str:
    """Return ", in" and the unit in words, to end a phrase such as "a number from 0 to 1"; "" for other amounts."""
    return "" if unit in (NONE, TIMES) or name_amount(unit) != "a number" else f", in {IN_WORDS.get(unit, unit)}"
