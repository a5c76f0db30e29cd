"""The resolution of a stage, as a prior and the observations allow it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dgp.losses.terms import Term
from dgp.observation.coarser import choose_side
from dgp.observation.observation import Observation
from dgp.recipes.schema import Recipe
from dgp.search.base import ScoringSearch
from generators import Generator
from generators.text import shorten


def clip_resolution(
    asked: int | None, terms: Iterable[Term], generator: Generator, where: str, notes: list[str]
) -> int | None:
    """Return the resolution of a stage, or of a search, that a generator can draw; None: its own.

    Args:
        asked: pixels a side in the recipe, None: the generator's own.
        terms: of the stage, which need pictures of some size.
        generator: draws them.
        where: names the stage in notes.
        notes: gains a line where coarser pictures were asked for than are drawn.
    """
    own = generator.info.resolution
    if asked is None or asked >= own:
        return None
    least = max([asked, *(term.least_side for term in terms if term.weight)])
    found = next((side for side in generator.resolutions if side >= least), own)
    note = f"{where}: looks at {found} px in place of {asked} px, which this network or a term cannot"
    if len(generator.resolutions) == 1:
        note = f"this network draws its pictures at {own} px only, and every stage looks at those"
    if found != asked and note not in notes:
        notes.append(note)
    return None if found == own else found


def explain_sides(recipe: Recipe, generator: Generator, observations: Sequence[Observation]) -> list[str]:
    """Return a line for every degradation that its observation cannot be looked at as coarsely as the recipe asks."""
    parts = [*recipe.stages, *(search for search in recipe.searches if isinstance(search, ScoringSearch))]
    asked = sorted({part.resolution for part in parts if part.resolution})
    found = []
    for one in observations:
        for resolution in asked:
            side = choose_side(one, resolution, generator.resolutions)
            if side != resolution:
                found.append(
                    f"{shorten(one.asked, 60)} tells of detail that pictures of {resolution} px lack; stages that ask "
                    f"for them look at {side} px"
                )
    return list(dict.fromkeys(found))
