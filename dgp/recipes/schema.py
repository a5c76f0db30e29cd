"""The schema of a recipe: search, stages, finish, as data. Methods are TOML files in the folders beside this file."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from dgp.engine.stage_options import Selection, Stage
from dgp.losses.feature_networks.table import NetworkName
from dgp.losses.terms import TERMS, Term
from dgp.postprocess.base import POSTPROCESSES, Postprocess
from dgp.postprocess.merge import Merge
from dgp.registry import Options
from dgp.search.base import SEARCHES, Search
from dgp.variables.constraints import CONSTRAINTS, Constraint, Unconstrained
from dgp.variables.parametrizations import PARAMETRIZATIONS, Parametrization, default_parametrization
from generators.text import pluralise, shorten


class Variable(Options):
    """One optimised variable, named after the input of the generator that it gives.

    Names are ``z``, ``class``, ``w+``, ``noise[3]`` and the like; ``noise[*]``, ``noise[:5]`` and ``noise[-1]`` name
    several noise maps, or the last.

    chart: its parametrization: how it starts and becomes input of the generator; the input itself if absent.
    constraint: where it stays.
    """

    chart: PARAMETRIZATIONS.optional(Parametrization) = None
    constraint: CONSTRAINTS.field(Constraint) = Unconstrained()


class Accept(Options):
    """When an answer is good enough. Every answer is returned, and says whether it is.

    term: evaluated on the generator's own picture, before the finish, with its weight.  below: its upper bound.
    """

    term: TERMS.field(Term)
    below: float

    @field_validator("term")
    @classmethod
    def _some_weight(cls, term):
        if not term.weight:
            raise ValueError("a term of weight 0 tells nothing; give it a weight, or leave accept out")
        return term


class Recipe(Options):
    """One method.

    serves: degradations that it was made for (informative).
    requires: what the prior must have: "discriminator", "classes", or latents "z", "w" that it draws.
    instead: the recipe to suggest where that is missing.
    otherwise: the recipe that runs without being asked for where that is missing, "" for none; it is not inherited by
        recipes that extend this one.
    operator: the degradation that the published method uses where the user names none.
    target: whether a simulated observation is rounded as a "file" would be, or stays "float".
    space: the latents in which a run starts: the first of these that the network has.
    variables: their parametrizations and constraints; a variable that is moved and not named here has neither.
    searches: run one after the other, each on the rows that the one before returns.
    stages: run one after the other.
    budget: what one answer may cost, in passes through a network (``dgp.planning.budget``); steps and candidates are
        scaled to it.
    trunk: the feature network of every perceptual term; "stated": the one that the term states or, where that is
        missing, the first that is at hand in the order of ``dgp.losses.feature_networks.table``.
    finish: what is done with the generator's picture at the end.
    accept: when an answer is good enough; absent: not judged.
    choose: which of the rows that leave the last stage is the answer, see ``Stage``.
    classes: how the starts are spread over the classes where none is given: each in proportion to its probability given
        the observation ("likely", ``dgp.classify``), or all of them alike ("even").
    """

    name: str
    summary: str
    cites: tuple[str, ...]
    serves: tuple[str, ...] = ()
    requires: tuple[Literal["discriminator", "classes", "z", "w"], ...] = ()
    instead: str | None = None
    otherwise: str = ""
    operator: str | None = None
    target: Literal["file", "float"] = "file"
    space: tuple[str, ...] = Field(("z",), min_length=1)
    variables: dict[str, Variable] = {}
    searches: tuple[SEARCHES.field(Search), ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    budget: PositiveInt | None = None
    trunk: Literal["stated", NetworkName] = "stated"
    finish: POSTPROCESSES.field(Postprocess) = Merge()
    accept: Accept | None = None
    choose: Selection = "objective"
    classes: Literal["likely", "even"] = "likely"

    def parametrization(self, name: str) -> Parametrization:
        """Return the parametrization of a variable, stated or not."""
        stated = self.variables.get(name, Variable()).chart
        return default_parametrization(name) if stated is None else stated

    @property
    def parametrizations(self) -> dict[str, Parametrization]:
        """Of the variables that the recipe names."""
        return {name: self.parametrization(name) for name in self.variables}

    @property
    def constraints(self) -> dict[str, Constraint]:
        """Of the variables that the recipe names."""
        return {name: variable.constraint for name, variable in self.variables.items()}

    @property
    def terms(self) -> tuple[Term, ...]:
        """Terms of searches, stages and ``accept`` that have a weight."""
        parts = [*(search.scored_terms for search in self.searches), *(stage.terms for stage in self.stages)]
        parts.append((self.accept.term,) if self.accept else ())
        return tuple(term for part in parts for term in part if term.weight)

    def unmerged(self) -> Recipe:
        """Return the recipe without the step that makes the answer agree with what was observed."""
        return self.model_copy(update={"finish": self.finish.without_merge()})

    @property
    def sha256(self) -> str:
        """Hash of all fields; equal for recipes that run equally."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def steps(self) -> int:
        """Steps of all stages, at most."""
        return sum(stage.steps for stage in self.stages)

    def __repr__(self) -> str:
        parts = f"{pluralise(len(self.searches), 'search', 'searches')}, {pluralise(len(self.stages), 'stage')}"
        return shorten(f"Recipe {self.name}: {parts}, {self.steps} steps, finish {self.finish.kind}; {self.summary}")

    __str__ = __repr__
