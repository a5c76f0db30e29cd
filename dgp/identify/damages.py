"""The damages among which ``-d auto`` chooses, and which of them commute."""

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
    """One candidate.

    name: in reports.
    seen: what is simulated, one spec for each strength that no parameter varies smoothly; strong enough to be seen.
    cure: under which degradation a picture is restored, one spec for each of ``seen``.
    """

    name: str
    seen: tuple[str, ...]
    cure: tuple[str, ...]


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

# Chains that differ by a swap of these are told apart by nothing, as families: of a noisy picture the luma is a luma
# with noise, and its fading leaves less noise; what a scratch hides is hidden wherever it came; blur and resampling
# are both filters. What is left: noise and JPEG come before or after a filter, and fading moves a JPEG off its lattice.
COMMUTING = frozenset(
    {frozenset(("fading", other)) for other in ("blur", LOW_RESOLUTION, "noise")}
    | {frozenset(("blur", LOW_RESOLUTION))}
    | {frozenset(pair) for pair in combinations(NAMES, 2) if "missing colour" in pair or SCRATCHES in pair}
)


def get_damage(name: str) -> Damage:
    return DAMAGES[NAMES.index(name)]


def build_operator(chain: Names, variants: Sequence[int]) -> Degradation:
    """What damages pictures as a chain says, its strengths unknown. variants: which of ``seen``, of each damage."""
    specs = [get_damage(name).seen[which] for name, which in zip(chain, variants, strict=True)]
    links = [RandomScratches() if spec == SCRATCHES else degradations.parse(spec) for spec in specs]
    return degradations.Chain(links) if links else degradations.Identity()
