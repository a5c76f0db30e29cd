"""The start of projectors: the mean of the mapped latents (Karras et al. 2020, appendix D)."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat, PositiveInt

from dgp.search.base import SEARCHES, Search
from dgp.variables.rows import Rows, joined, stream


@SEARCHES.register("mean")
class Mean(Search):
    """``count`` starts of each answer at the mean w of the prior.

    std: how far from it, in standard deviations of each of w's entries; 0 starts all of them at the mean.
    apart: the same of the second answer to a picture and all further ones, which would else be the first once more.
    What a search before this one hands on follows after them. Networks without w are refused.
    """

    kind: str = "mean"
    count: PositiveInt = 1
    std: NonNegativeFloat = 0.0
    apart: NonNegativeFloat = 0.5

    def run(self, problem, rows):
        statistics, generator = problem.prior.statistics, problem.prior.generator
        found = []
        for picture, key in enumerate(problem.keys):
            for answer in range(problem.answers):
                random = stream(problem.seed, f"{key} mean", answer)
                drawn = generator.sample(
                    self.count, classes=problem.labels(picture, self.count, random), generator=random
                )
                given = {name: value for name, value in drawn.items() if name not in ("z", "class")}
                w = statistics.mean.expand(self.count, -1)
                if std := max(self.std, self.apart) if answer else self.std:
                    w = w + std * statistics.std * torch.randn(w.shape, generator=random)
                values = problem.placed(given | {"w": w.to(generator.device)}, picture, self.count, random)
                found.append(Rows(torch.full((self.count,), picture), torch.full((self.count,), answer), values))
                if rows is not None:
                    found.append(rows.of(picture, answer))
        return joined(found)

    def refuse(self, prior):
        return None if prior.statistics else f"search mean needs w, which the prior {prior.name!r} lacks; use best-of"

    def rows_out(self, rows):
        return self.count + rows

    def cost(self, rows):
        return 0
