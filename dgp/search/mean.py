"""The start of projectors: the mean of w (Karras et al. 2020, appendix D)."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat, PositiveInt

from dgp.search.base import SEARCHES, Search
from dgp.variables.rows import concatenate


@SEARCHES.register("mean")
class Mean(Search):
    """Starts ``count`` rows of each answer at w = mean + std * sigma * n, n ~ N(0, 1), sigma of each entry of w.

    With a Gaussian of w as the chart of the first variable, mean and sigma are the Gaussian's: v = std * n. What the
    search before returned follows after them. Networks without w are refused.

    std: 0 starts all rows at the mean.
    apart: least std of the second and all further answers to a picture, which would otherwise repeat the first.
    """

    kind: str = "mean"
    count: PositiveInt = 1
    std: NonNegativeFloat = 0.0
    apart: NonNegativeFloat = 0.5

    def run(self, evaluator, source, rows):
        generator, size = source.prior.generator, source.prior.statistics.size
        found = []
        for picture, answer in source.owners:
            random = source.stream(picture, answer, "mean")
            labels = source.draw_labels(picture, self.count, random)
            drawn = generator.sample(self.count, classes=labels, generator=random)
            latents = {name: value for name, value in drawn.items() if name not in ("z", "class")}
            std = max(self.std, self.apart) if answer else self.std
            deviation = std * torch.randn(self.count, size, generator=random) if std else torch.zeros(self.count, size)
            w = source.parametrization.w_at(deviation, source.prior).to(generator.device)
            values = source.start_at(latents | {"w": w}, picture, self.count, random)
            found.append(source.rows(picture, answer, values))
            if rows is not None:
                found.append(rows.of(picture, answer))
        return concatenate(found)

    def find_obstacle(self, prior):
        return None if prior.statistics else f"search mean needs w, which the prior {prior.name!r} lacks; use best-of"

    def rows_out(self, rows):
        return self.count + rows

    def cost(self, rows):
        return 0
