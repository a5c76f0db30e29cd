"""The base class of losses, and their registry.

Third parties add kinds by ``@TERMS.register("name")`` or by the entry-point group ``dgp.terms`` (see ``dgp.plugins``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import NonNegativeFloat
from torch import Tensor

from dgp.losses.prediction import Prediction
from dgp.registry import Options, Registry
from generators import Prior

TERMS = Registry(
    "term",
    "dgp.terms",
    {
        "mse": "dgp.losses.pixel",
        "l1": "dgp.losses.pixel",
        "cosine": "dgp.losses.pixel",
        "data": "dgp.losses.noise_likelihood",
        "features": "dgp.losses.features",
        "features-cosine": "dgp.losses.features",
        "features-decoupled": "dgp.losses.features",
        "perceptual": "dgp.losses.perceptual",
        "perceptual-pyramid": "dgp.losses.perceptual",
        "lpips": "dgp.losses.perceptual",
        "lpips-pyramid": "dgp.losses.perceptual",
        "nll": "dgp.losses.latent",
        "class-nll": "dgp.losses.latent",
        "layer-spread": "dgp.losses.latent",
        "geocross": "dgp.losses.latent",
        "noise-regulariser": "dgp.losses.latent",
        "locality": "dgp.losses.locality",
        "uncovered": "dgp.losses.uncovered",
        "unknowns": "dgp.losses.operator_parameters",
    },
)


class Term(Options):
    """One weighted loss: a function of a Prediction that returns one value a row.

    A subclass defines ``__call__``; the properties tell the engine what the term needs.

    weight: factor in the objective. A term of weight 0 is not computed.
    """

    kind: str
    weight: NonNegativeFloat = 1.0

    @property
    def name(self) -> str:
        """Name of the loss in traces and in the losses of a step."""
        return self.kind

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that it reads; the term is left out where one of them is absent."""
        return ()

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks that each evaluation passes, besides the generator."""
        return ()

    @property
    def least_side(self) -> int:
        """Pixels a side that a picture must have."""
        return 1

    @property
    def stochastic(self) -> bool:
        """Whether it draws random numbers."""
        return False

    def adapt(self, prior: Prior) -> Term:
        """Return the same term for this prior, whose networks may be smaller than those it was written for."""
        return self

    def choose_trunk(self, prior: Prior, asked: str | None) -> tuple[Term, str | None]:
        """Return the same term with a feature network that is at hand, and a line on the change, or None.

        A term without an exchangeable network returns itself.

        Args:
            prior: with which the term is computed.
            asked: the name of the network to take, present or not; None: the term's own, or else the first in the
                order of ``dgp.losses.feature_networks.table`` that can be used.
        """
        return self, None

    def find_obstacle(self, prior: Prior) -> str | None:
        """Return why the term cannot be computed with this prior, or on this machine, in one line; None if it can."""
        return None

    def __call__(self, prediction: Prediction) -> Tensor:
        """Return the unweighted loss of each row, (N,)."""
        raise NotImplementedError


class VariableTerm(Term):
    """A term on one variable, which its name mentions."""

    on: str

    @property
    def name(self):
        return f"{self.kind}({self.on})"

    @property
    def variables(self):
        return (self.on,)


def name_terms(terms: Sequence[Term]) -> dict[str, Term]:
    """Return the terms whose weight is not 0, by the names of their losses; a name that is taken gets a number."""
    found: dict[str, Term] = {}
    for term in terms:
        if term.weight:
            found[term.name if term.name not in found else f"{term.name}#{len(found)}"] = term
    return found


def list_references(terms: Sequence[Term]) -> dict[str, str]:
    """Return what stopping rules may call the terms, and the names of their losses: both names and kinds."""
    names = name_terms(terms)
    kinds: dict[str, str] = {}
    for name, term in names.items():
        kinds.setdefault(term.kind, name)
    return kinds | {name: name for name in names}
