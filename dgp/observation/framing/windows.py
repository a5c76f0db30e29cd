"""Windows around holes: each group of holes that lie close together is filled in a square of its own."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from dgp.observation.boxes import CONTEXT, Box, window_box

MAX_HOLES = 64  # connected holes; more of them (scratches, scattered pixels) are filled together
MAX_WINDOWS = 8
NEAR = 1.3  # a common window may be so many times larger than the larger of two


def group_holes(missing: np.ndarray, resolution: int) -> list[tuple[np.ndarray, Box]]:
    """Divide missing pixels into groups, each with a window around it.

    Args:
        missing: (H, W) bool, at least one pixel True.
        resolution: side of the prior's square, the smallest side of a window.

    Returns:
        (mask (H, W) bool of a group, its window), the largest group first; empty if no window holds a group.
    """
    from scipy.ndimage import find_objects, label

    together = window_box(missing, resolution)
    single = [] if together is None else [(missing, together)]
    labels, count = label(missing, structure=np.ones((3, 3)))
    if not 1 < count <= MAX_HOLES:
        return single
    extents = [(x.start, y.start, x.stop, y.stop) for y, x in find_objects(labels)]
    groups = _merge_neighbours([({number + 1}, extent) for number, extent in enumerate(extents)], resolution)
    if len(groups) > MAX_WINDOWS:
        return single
    masks = [np.isin(labels, list(numbers)) for numbers, _ in groups]
    windows = [window_box(mask, resolution) for mask in masks]
    if None in windows:
        return single
    return sorted(zip(masks, windows, strict=True), key=lambda group: -int(group[0].sum()))


def _merge_neighbours(groups: list[tuple[set[int], Box]], resolution: int) -> list[tuple[set[int], Box]]:
    """Join groups of holes, given by their numbers and extents, as long as a common window is not much larger."""
    while True:
        for one, other in combinations(groups, 2):
            extent = _join(one[1], other[1])
            if _side(extent, resolution) <= NEAR * max(_side(one[1], resolution), _side(other[1], resolution)):
                groups = [group for group in groups if group is not one and group is not other]
                groups.append((one[0] | other[0], extent))
                break
        else:
            return groups


def _join(one: Box, other: Box) -> Box:
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _side(extent: Box, resolution: int) -> int:
    """Return the side of the window around an extent."""
    return max(CONTEXT * max(extent[2] - extent[0], extent[3] - extent[1]), resolution)
