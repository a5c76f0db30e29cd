"""A recipe: search, stages, finish, as data. Published methods and ours are TOML files in ``dgp/recipes``."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

import dgp.recipes.builtin  # noqa: F401
from dgp.engine.selection import CHOICES
from dgp.errors import RecipeError
from dgp.losses.terms import TERMS, Term, named
from dgp.optim.optimizers import OPTIMIZERS
from dgp.optim.schedules import CURVES
from dgp.optim.stopping import STOPS, Stop
from dgp.postprocess.base import POSTPROCESSES, Postprocess
from dgp.postprocess.merge import Merge
from dgp.recipes.overrides import Overrides, apply_overrides, merge_tables, parse_overrides
from dgp.recipes.unused_overrides import refuse_unused
from dgp.registry import Frozen, first_fault
from dgp.search.base import SEARCHES, Search
from dgp.variables.constraints import CONSTRAINTS, Constraint, Unconstrained
from dgp.variables.parametrizations import CHARTS, Chart, default_chart
from generators.brief import clipped, counted

Choice = Literal[tuple(CHOICES)]
Curve = Literal[tuple(CURVES)]
Optimizer = Literal[tuple(OPTIMIZERS)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Variable(Frozen):
    """One input of the generator, by whose name it goes (``z``, ``class``, ``w+``, ``noise[3]``; ``noise[*]``,
    ``noise[:5]`` and ``noise[-1]`` mean several or the last), and what is optimised in its place.

    chart: how it begins and enters the generator; as it is, where none is stated.
    """

    chart: CHARTS.optional(Chart) = None
    constraint: CONSTRAINTS.field(Constraint) = Unconstrained()


class Move(Frozen):
    """How a stage moves one variable.

    lr: learning rate; the stage's own if absent.  betas, momentum: of the optimiser.
    constraint: instead of the variable's own.  state: whether the optimiser's state is carried from the stage before.
    jitter: normal noise on what is looked at, in deviations of w, fading by the square over three quarters of the
    stage (Karras et al. 2020, appendix D).
    """

    optimizer: Optimizer = "adam"
    lr: NonNegativeFloat | None = None
    curve: Curve = "constant"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    momentum: NonNegativeFloat = 0.0
    constraint: CONSTRAINTS.optional(Constraint) = None
    state: Literal["carry", "reset"] = "carry"
    jitter: PositiveFloat | None = None


class Release(Frozen):
    """Which layers of the generator move, each row with weights of its own (Pan et al. 2020, section 3.2).

    groups: how many groups from the coarse end; "all" of these; "whole", with the head; or their names.
    lr, ratio: group i moves with ``lr * ratio ** i``.
    scale: whose steps ``lr`` measures: of the weights as "stored", or as "used", which is less where layers are
        equalised (Karras et al. 2018): then one ``lr`` fits networks of both kinds.
    moments: "cold" begins a group's optimiser state at its release and spares its gradients until then; "warm"
        lets every progressive group gather moments from the first stage on, as the published code does.
    """

    groups: PositiveInt | Literal["all", "whole"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    lr: NonNegativeFloat
    ratio: NonNegativeFloat = 1.0
    curve: Curve = "constant"
    scale: Literal["stored", "used"] = "stored"
    moments: Literal["cold", "warm"] = "cold"
    optimizer: Optimizer = "adam"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    momentum: NonNegativeFloat = 0.0


class Stage(Frozen):
    """Some steps in which certain variables and layers move under certain terms.

    rows_kept: how many rows of each answer enter the stage, the best by the stage before; all if absent.
    choose: what the best are: those of lowest "objective", or nearest to the other rows' pictures, "medoid".
    convert: the wider chart that the latents enter the stage in ("w", "w+", "w++", "feature@3"), at the same picture.
    lr: of the variables that state none.  norm: "batch" uses stored statistics, "instance" the instance norms
    that the first forward of the stage captures (Pan et al.'s code, ``use_in``).  predict: "mean" compares phi(x) with
    the observation, "sampled" adds noise of the degradation's model, drawn anew in each step.  stop: where a row stops
    before the last step, each by itself.  solver: "gradient" steps, or "l-bfgs" (``dgp.optim.lbfgs``), of which a step is
    one evaluation.  keep: what leaves the stage, of each row; the best in any case after L-BFGS.
    """

    name: str = ""
    steps: PositiveInt
    rows_kept: PositiveInt | None = None
    choose: Choice = "objective"
    convert: Annotated[str, Field(pattern=r"^(w|w\+|w\+\+|feature@\d+)$")] | None = None
    lr: NonNegativeFloat = 0.0
    move: dict[str, Move] = {}
    release: Release | None = None
    terms: tuple[TERMS.field(Term), ...]
    norm: Literal["batch", "instance"] = "batch"
    predict: Literal["mean", "sampled"] = "mean"
    stop: tuple[STOPS.field(Stop), ...] = ()
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
        if fault := next(filter(None, (stop.fault(named(self.terms)) for stop in self.stop)), None):
            raise ValueError(fault)
        if self.solver == "l-bfgs" and any(move.jitter for move in self.move.values()):
            raise ValueError("l-bfgs follows an objective that stays the same; drop the jitter or use gradient steps")
        if self.solver == "l-bfgs" and not any(map(self.lr_of, self.move)) and not (self.release and self.release.lr):
            raise ValueError("l-bfgs takes lr as the length of its first trial step; got none, so set it, e.g. lr = 1")
        return self

    @property
    def stochastic(self) -> bool:
        """Whether equal rows are seen differently from step to step."""
        jitters = any(move.jitter for move in self.move.values())
        return jitters or self.predict == "sampled" or any(term.stochastic for term in self.terms if term.weight)

    def lr_of(self, variable: str) -> float:
        lr = self.move[variable].lr
        return self.lr if lr is None else lr


class Accept(Frozen):
    """What makes an answer good enough. Every answer is handed out, and says whether it is.

    term: looked at in the generator's own picture, before the finish, with its weight.  below: the most that it may be.
    """

    term: TERMS.field(Term)
    below: float

    @field_validator("term")
    @classmethod
    def _some_weight(cls, term):
        if not term.weight:
            raise ValueError("a term of weight 0 tells nothing; give it a weight, or leave accept out")
        return term


class Recipe(Frozen):
    """One method.

    serves: degradations for which it was made (informative).  requires: what the prior must have
    ("discriminator", "classes"; "z", "w": to be drawn from it).  instead: the recipe to suggest where that is missing.
    space: the latents in which a run begins: the first of these that the network has.
    variables: their charts and constraints; those that are moved and not named here are unconstrained inputs.
    searches: one after the other, each from what the one before hands on.
    budget: what one answer may cost, in passes through a network (``dgp.planning.budget``): steps and candidates are scaled so.
    accept: when an answer is good enough; absent, none is judged.
    choose: which of the rows that the last stage leaves is the answer, see ``Stage``.
    trunk: "stated", or "discriminator", which puts the prior's discriminator in the place of every perceptual network.
    operator: the degradation that the published method uses where the user names none.
    target: whether a simulated observation is rounded as a "file" would be, or stays "float".
    """

    name: str
    summary: str
    cites: tuple[str, ...]
    serves: tuple[str, ...] = ()
    requires: tuple[Literal["discriminator", "classes", "z", "w"], ...] = ()
    instead: str | None = None
    operator: str | None = None
    target: Literal["file", "float"] = "file"
    space: tuple[str, ...] = Field(("z",), min_length=1)
    variables: dict[str, Variable] = {}
    searches: tuple[SEARCHES.field(Search), ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    budget: PositiveInt | None = None
    trunk: Literal["stated", "discriminator"] = "stated"
    finish: POSTPROCESSES.field(Postprocess) = Merge()
    accept: Accept | None = None
    choose: Choice = "objective"

    def chart(self, name: str) -> Chart:
        """Of a variable, stated or not."""
        stated = self.variables.get(name, Variable()).chart
        return default_chart(name) if stated is None else stated

    @property
    def charts(self) -> dict[str, Chart]:
        """Of the variables that are named."""
        return {name: self.chart(name) for name in self.variables}

    @property
    def constraints(self) -> dict[str, Constraint]:
        """Of the variables that are named."""
        return {name: variable.constraint for name, variable in self.variables.items()}

    def unmerged(self) -> Recipe:
        """The same, without making the answer agree with what was observed."""
        return self.model_copy(update={"finish": self.finish.without_merge()})

    @property
    def sha256(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    # What a recipe file says of its other tables.

    def __repr__(self) -> str:
        parts = f"{counted(len(self.searches), 'search', 'searches')}, {counted(len(self.stages), 'stage')}"
        return clipped(f"Recipe {self.name}: {parts}, {self.steps} steps, finish {self.finish.kind}; {self.summary}")

    __str__ = __repr__


DIRECTIVES = {"extends": str, "every_stage": dict, "set": dict}


def _builtin_files() -> dict[str, Traversable]:
    """Return the TOML files of this package by recipe name; each folder beside this file is a collection of them."""
    folders = (folder for folder in files("dgp.recipes").iterdir() if folder.is_dir())
    found = (file for folder in folders for file in folder.iterdir() if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in found}


def recipe_names() -> list[str]:
    return sorted([*_builtin_files()] + [entry.name for entry in entry_points(group="dgp.recipes")])


def load_recipe(recipe: str | Path | Recipe, overrides: Overrides = ()) -> Recipe:
    """A recipe by name, from a TOML file, or as it is, changed by ``overrides`` (``--set`` on the command line):
    ``key.path=value`` texts, one such text, or a mapping of keys to values (``dgp.recipes.overrides``).

    Raises RecipeError: unknown name (with the nearest), malformed file, unknown key or value, or an override that
    changes nothing of what runs.
    """
    source = recipe.name if isinstance(recipe, Recipe) else str(recipe)
    base = recipe if isinstance(recipe, Recipe) else validated(_table(source), source)
    pairs = parse_overrides(overrides)
    if not pairs:
        return base
    changed = _changed(base, pairs, source)
    for number, (key, _) in enumerate(pairs):
        others = [pair for place, pair in enumerate(pairs) if place != number]
        try:
            without = _changed(base, others, source)
        except RecipeError:  # the others depend on it
            continue
        refuse_unused(key, changed, without)
    return changed


def _changed(base: Recipe, pairs: list[tuple[str, Any]], source: str) -> Recipe:
    return validated(apply_overrides(base.model_dump(), pairs), source)


def validated(table: dict, source: str) -> Recipe:
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError(
            f"recipe {source!r}: {first_fault(error)}; `dgp recipes show default` prints a complete one"
        ) from None


def _table(name: str, seen: tuple[str, ...] = ()) -> dict:
    """The resolved tables of a recipe file: ``extends`` followed, ``[every_stage]`` poured into each stage.

    seen: the recipes that extend this one.
    """
    if name in seen:
        raise RecipeError(f"recipe {seen[0]!r} extends itself ({' -> '.join((*seen, name))}); drop one `extends`")
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RecipeError(f"no recipe file {name!r}; expected a TOML file, or one of: {', '.join(recipe_names())}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe {name!r} cannot be read: {error}; expected TOML in UTF-8") from None
    elif (builtin := _builtin_files().get(name)) is not None:
        text = builtin.read_text(encoding="utf-8")
    else:
        offered = [entry for entry in entry_points(group="dgp.recipes") if entry.name == name]
        if not offered:
            near = difflib.get_close_matches(name, recipe_names(), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(recipe_names())}"
            raise RecipeError(f"no recipe named {name!r}; {hint}")
        text = offered[0].load()
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {name!r} is not valid TOML: {error}") from None
    base, common, settings = (_popped(table, key, kind, name) for key, kind in DIRECTIVES.items())
    if base:
        table = merge_tables(_table(base, (*seen, name)), table)
    if common:
        table["stages"] = [merge_tables(common, stage) for stage in _popped(table, "stages", list, name)]
    return apply_overrides(validated(table, name).model_dump(), settings.items()) if settings else table


def _popped(table: dict, key: str, kind: type, name: str) -> Any:
    """``table[key]``, empty where it is absent, taken out of the table."""
    value = table.pop(key, kind())
    if not isinstance(value, kind):
        expected = {str: "a recipe's name", dict: "a table", list: "an array of tables"}[kind]
        raise RecipeError(f"recipe {name!r}: {key}: got {value!r}, expected {expected}")
    return value
