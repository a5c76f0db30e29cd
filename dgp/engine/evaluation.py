"""What a step found out about its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from dgp.engine.evaluator import in_order


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of N rows.

    Attributes:
        image: their pictures, (N, 3, R, R) in [-1, 1].
        total: the objective, (N,).
        by_term: each term by name, unweighted, (N,).
        residual: mean of (phi(x) - y)^2 over what was observed, (N,); None where no stopping rule measures it.
        noise_floor: expected mean square of the noise, (N,), NaN where the degradation states none; None as above.
    """

    image: Tensor
    total: Tensor
    by_term: dict[str, Tensor]
    residual: Tensor | None = None
    noise_floor: Tensor | None = None

    def with_rows(self, index: Tensor, others: Evaluation) -> Evaluation:
        """Return the evaluation in which ``others`` replaces the rows at ``index`` (n,)."""
        place = index.to(self.total.device)
        return _combine(lambda both: both[0].index_copy(0, place, both[1]), [self, others])


def join_parts(evaluations: Sequence[Evaluation], parts: Sequence[slice | Tensor]) -> Evaluation:
    """Return the evaluations of parts of rows (``Evaluator.parts``) as one, in the order of the rows."""
    return _combine(lambda values: in_order(values, parts), evaluations)


def _combine(function: Callable[[list[Tensor]], Tensor], evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation each of whose tensors is ``function`` of those of ``evaluations``."""
    first = evaluations[0]
    names = [name for name in ("image", "total", "residual", "noise_floor") if getattr(first, name) is not None]
    found = {name: function([getattr(one, name) for one in evaluations]) for name in names}
    return Evaluation(**found, by_term={n: function([one.by_term[n] for one in evaluations]) for n in first.by_term})
