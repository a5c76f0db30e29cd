"""Progressive release: which parameters of the generator a stage fine-tunes, and at which learning rates."""

from __future__ import annotations

from dgp.engine.stage_options import Release
from dgp.optim.schedules import SCHEDULES
from dgp.optim.update import Update
from generators import Generator


def plan_release(release: Release, generator: Generator) -> dict[str, Update]:
    """Return the updates of the released parameters by name (Pan et al. 2020, section 3.2).

    Group i, from the coarse end, has the learning rate ``lr * ratio ** i``. With "warm" moments every other
    progressive group is among them at the rate 0, so that its optimizer gathers moments.
    """
    groups = generator.groups()
    if isinstance(release.groups, tuple):
        rate = {
            group.name: release.lr * release.ratio**i for i, group in enumerate(groups) if group.name in release.groups
        }
    else:
        walked = [group for group in groups if group.progressive or group.head and release.groups == "whole"]
        count = release.groups if isinstance(release.groups, int) else len(walked)
        rate = {group.name: release.lr * release.ratio**i for i, group in enumerate(walked[:count])}
    if release.moments == "warm":
        rate = {group.name: 0.0 for group in groups if group.progressive} | rate
    gains = generator.gains() if release.scale == "used" else {}
    schedule = SCHEDULES[release.curve]
    return {
        name: Update(rate[group.name] / gains.get(name, 1.0), release, schedule)
        for group in groups
        if group.name in rate
        for name in group.parameters
    }
