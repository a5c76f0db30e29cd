"""The tables of a recipe's stage: what is optimised, how, and under which terms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from dgp.engine.selection import SELECTIONS
from dgp.losses.terms import TERMS, Term, list_references
from dgp.optim.optimizers import OPTIMIZERS
from dgp.optim.schedules import SCHEDULES
from dgp.optim.stopping import STOPPING_RULES, StoppingRule
from dgp.registry import Options
from dgp.variables.constraints import CONSTRAINTS, Constraint

Selection = Literal[tuple(SELECTIONS)]
Schedule = Literal[tuple(SCHEDULES)]
Optimizer = Literal[tuple(OPTIMIZERS)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Move(Options):
    """How a stage optimises one variable.

    lr: learning rate; the stage's if absent.  curve: schedule of the rate.  betas, momentum: of the optimizer.
    constraint: replaces the variable's own.
    state: whether the optimizer's state is carried from the stage before, or reset.
    jitter: standard deviation of normal noise on the value that is evaluated, in deviations of w; it fades by the
        square over three quarters of the stage (Karras et al. 2020, appendix D).
    """

    optimizer: Optimizer = "adam"
    lr: NonNegativeFloat | None = None
    curve: Schedule = "constant"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    momentum: NonNegativeFloat = 0.0
    constraint: CONSTRAINTS.optional(Constraint) = None
    state: Literal["carry", "reset"] = "carry"
    jitter: PositiveFloat | None = None


class Release(Options):
    """Which layers of the generator are fine-tuned, each row with weights of its own (Pan et al. 2020, section 3.2).

    groups: number of layer groups from the coarse end; "all" of these; "whole": with the head; or their names.
    lr, ratio: group i has the learning rate ``lr * ratio ** i``.  curve: schedule of the rates.
    scale: what ``lr`` measures: steps of the weights as "stored", or as "used", which are smaller where layers are
        equalised (Karras et al. 2018), so that one ``lr`` fits networks of both kinds.
    moments: "cold": a group's optimizer state begins at its release, and its gradients are not computed before; "warm":
        every progressive group gathers moments from the first stage on, as in the published code.
    optimizer, betas, momentum: as of a variable.
    """

    groups: PositiveInt | Literal["all", "whole"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    lr: NonNegativeFloat
    ratio: NonNegativeFloat = 1.0
    curve: Schedule = "constant"
    scale: Literal["stored", "used"] = "stored"
    moments: Literal["cold", "warm"] = "cold"
    optimizer: Optimizer = "adam"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    momentum: NonNegativeFloat = 0.0


class Stage(Options):
    """Steps in which certain variables and layers are optimised under certain terms.

    rows_kept: rows of each answer that enter the stage, the best of the stage before; all if absent.
    choose: which rows are the best: those of lowest "objective", or nearest to the other rows' pictures, "medoid".
    convert: the wider space that the latents enter the stage in ("w", "w+", "w++", "feature@3"), at the same picture.
    lr: learning rate of the variables that state none.
    norm: "batch" uses stored statistics, "instance" the instance norms that the first forward pass of the stage
        captures (``use_in`` in Pan et al.'s code).
    predict: "mean" compares phi(x) with the observation; "sampled" adds noise of the degradation's model, drawn in each
        step.
    stop: rules by which a row, by itself, stops before the last step.
    resolution: pixels a side of the pictures that the stage looks at, where the prior can draw coarser ones and the
        degradation averages (`dgp.observation.coarser`); else, or absent: the prior's own. What leaves the stage are
        the same variables; steps that add detail belong to later stages. A pass of a coarse picture counts as a pass,
        though it takes less time.
    solver: "gradient" steps, or "l-bfgs" (``dgp.optim.lbfgs``), one evaluation a step.
    keep: what leaves the stage, of each row: its "best" or its "last"; after L-BFGS always the best.
    """

    name: str = ""
    steps: PositiveInt
    rows_kept: PositiveInt | None = None
    choose: Selection = "objective"
    convert: Annotated[str, Field(pattern=r"^(w|w\+|w\+\+|feature@\d+)$")] | None = None
    lr: NonNegativeFloat = 0.0
    move: dict[str, Move] = {}
    release: Release | None = None
    terms: tuple[TERMS.field(Term), ...]
    norm: Literal["batch", "instance"] = "batch"
    predict: Literal["mean", "sampled"] = "mean"
    stop: tuple[STOPPING_RULES.field(StoppingRule), ...] = ()
    resolution: PositiveInt | None = None
    solver: Literal["gradient", "l-bfgs"] = "gradient"
    keep: Literal["best", "last"] = "last"

    @field_validator("terms")
    @classmethod
    def _some_weight(cls, terms):
        if not any(term.weight for term in terms):
            raise ValueError("every term has weight 0, so there is nothing to lower")
        return terms

    @model_validator(mode="after")
    def _stops_and_solver(self):
        if fault := next(filter(None, (rule.find_fault(list_references(self.terms)) for rule in self.stop)), None):
            raise ValueError(fault)
        if self.solver == "l-bfgs" and any(move.jitter for move in self.move.values()):
            raise ValueError("l-bfgs follows an objective that stays the same; drop the jitter or use gradient steps")
        if self.solver == "l-bfgs" and not any(map(self.lr_of, self.move)) and not (self.release and self.release.lr):
            raise ValueError("l-bfgs takes lr as the length of its first trial step; got none, so set it, e.g. lr = 1")
        return self

    @property
    def stochastic(self) -> bool:
        """Whether equal rows get other losses in another step."""
        jitters = any(move.jitter for move in self.move.values())
        return jitters or self.predict == "sampled" or any(term.stochastic for term in self.terms if term.weight)

    @property
    def replayed(self) -> bool:
        """Whether its solver is resumed by telling it again what it was told, which can become too much to keep."""
        return self.solver == "l-bfgs"

    def lr_of(self, variable: str) -> float:
        """Return the learning rate of a variable."""
        lr = self.move[variable].lr
        return self.lr if lr is None else lr
