"""Notes for the user about detail that an answer will lack."""

from __future__ import annotations

from dgp.observation.full_size.effective_resolution import lacks_detail
from generators import Prior
from generators.model_zoo import PUBLIC

SUGGESTED = 3  # priors that are named at most


def describe_lack_of_detail(observation, prior: Prior) -> tuple[str, ...]:
    """Return a note if the answer will have much less detail than its size, else nothing.

    Args:
        observation: the observation; its degradation has known values, or estimates.
        prior: the prior.
    """
    found = observation.effective_resolution
    if not lacks_detail(found.luma, found.output):
        return ()
    (width, height), (across, down) = found.output, found.luma
    resolution = prior.generator.info.resolution
    note = (
        f"the answer will have the detail of a picture of {across}x{down}, not of its {width}x{height}: finer detail "
        f"is lost in {observation.asked}, and the prior gives only {found.prior[0]}x{found.prior[1]}"
    )
    larger = list_larger_priors(resolution, max(width, height))
    if larger:
        note += f"; a larger prior would add some, such as {', '.join(larger)} (`dgp priors fetch NAME`)"
    return (note,)


def list_larger_priors(resolution: int, wanted: int) -> list[str]:
    """Return names of published priors that are larger, those nearest to the wanted resolution first.

    Args:
        resolution: of the present prior.
        wanted: longest side of the picture.
    """
    sizes = {name: entry.resolution for name, entry in PUBLIC.items() if entry.generator}
    larger = [name for name, side in sizes.items() if side is not None and side > resolution]
    return sorted(larger, key=lambda name: abs(sizes[name] - wanted))[:SUGGESTED]
