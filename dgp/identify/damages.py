"""The damages that ``-d auto`` distinguishes, and the pairs of them that commute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import degradations
from degradations import Degradation
from dgp.identify.chains import Names
from dgp.identify.scratches import RandomScratches


@dataclass(frozen=True)
class Damage:
    """A damage, in one or several variants.

    Attributes:
        name: the name in reports.
        simulated: the specs by which it is simulated, one for each variant, with ranges of visible strength.
        restored: the degradations under which a picture is restored, one for each variant.
    """

    name: str
    simulated: tuple[str, ...]
    restored: tuple[str, ...]


RESCALED = tuple(f"rescale:{factor}{up}" for factor in (2, 3, 4) for up in ("", ",up=bilinear", ",up=nearest"))
JPEG = "jpeg"
SCRATCHES = "scratches"
LOW_RESOLUTION = "low resolution"
DAMAGES = (
    Damage("missing colour", ("gray",), ("gray",)),
    Damage("fading", ("fade:contrast=0.3..0.75,black=0..0.4",), ("fade:contrast=auto,black=auto",)),
    Damage(
        "blur",
        ("blur:sigma=0.7..3", "defocus:radius=1.3..4", "motion-blur:length=3.5..10,angle=0..180"),
        ("blur:sigma=auto", "defocus:radius=auto", "motion-blur:length=auto,angle=auto"),
    ),
    Damage(LOW_RESOLUTION, RESCALED, RESCALED),
    Damage("noise", ("noise:sigma=0.02..0.25", "poisson:photons=8..400"), ("noise:sigma=auto", "poisson:photons=auto")),
    Damage(
        JPEG,
        ("jpeg:quality=8..65", "jpeg:quality=8..65,subsampling=444"),
        ("jpeg:quality=auto", "jpeg:quality=auto,subsampling=444"),
    ),
    Damage(SCRATCHES, (SCRATCHES,), ("inpaint:mask=auto",)),
)
NAMES: Names = tuple(damage.name for damage in DAMAGES)

# Chains that differ by a swap of these cannot be distinguished, as their strengths are unknown: the luma of a noisy
# picture is a luma with noise, and fading it only weakens the noise; a scratch hides its pixels whenever it came; blur
# and resampling are both filters. The order does matter for noise or JPEG and a filter, and for fading and JPEG, since
# fading changes the steps of the quantised amplitudes.
COMMUTING = frozenset(
    {frozenset(("fading", other)) for other in ("blur", LOW_RESOLUTION, "noise")}
    | {frozenset(("blur", LOW_RESOLUTION))}
    | {frozenset(pair) for pair in combinations(NAMES, 2) if "missing colour" in pair or SCRATCHES in pair}
)


def get_damage(name: str) -> Damage:
    """Return the damage of this name."""
    return DAMAGES[NAMES.index(name)]


def build_operator(chain: Names, variants: Sequence[int]) -> Degradation:
    """Return the operator that simulates a chain, with unknown strengths; `variants` has an index for each damage."""
    specs = [get_damage(name).simulated[which] for name, which in zip(chain, variants, strict=True)]
    links = [RandomScratches() if spec == SCRATCHES else degradations.parse(spec) for spec in specs]
    return degradations.Chain(links) if links else degradations.Identity()
