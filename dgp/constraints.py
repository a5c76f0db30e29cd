"""What keeps a variable legal after each step. A constraint sees the variable and its value at the start of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat

from dgp.kinds import Frozen, Kinds

if TYPE_CHECKING:
    from torch import Tensor

CONSTRAINTS = Kinds("constraint", "dgp.constraints")


class Constraint(Frozen):
    """anchor: whether it looks at the variable as it was when the run began, or the stage."""

    kind: str
    anchor: ClassVar[Literal["run", "stage"]] = "run"

    def apply(self, value: Tensor, start: Tensor) -> Tensor:
        """value, start (N, ...) -> the nearest legal value (N, ...), each row on its own."""
        raise NotImplementedError


@CONSTRAINTS.register("none")
class Unconstrained(Constraint):
    kind: str = "none"

    def apply(self, value, start):
        return value


@CONSTRAINTS.register("clamp")
class Clamp(Constraint):
    """Every entry within ``[-limit, limit]``."""

    kind: str = "clamp"
    limit: PositiveFloat = 2.0

    def apply(self, value, start):
        return value.clamp(-self.limit, self.limit)


@CONSTRAINTS.register("sphere")
class Sphere(Constraint):
    """The shell on which a Gaussian lives (Menon et al. 2020, section 3.3): radius ``sqrt(d)``, or, with
    ``radius = "start"``, the norm that each row's vector had at the start, as PULSE's code keeps it."""

    kind: str = "sphere"
    radius: str = "sqrt-d"

    def model_post_init(self, _):
        if self.radius not in ("sqrt-d", "start"):
            raise ValueError(f"radius is 'sqrt-d' or 'start', got {self.radius!r}")

    def apply(self, value, start):
        norm = value.norm(dim=-1, keepdim=True).clamp_min(1e-9)
        radius = value.shape[-1] ** 0.5 if self.radius == "sqrt-d" else start.norm(dim=-1, keepdim=True)
        return value * (radius / norm)
