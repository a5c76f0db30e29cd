"""Public names for plugins: the base classes of terms, searches, parametrizations and the like, and their registries.

A plugin is a Python file (``--plugin my_losses.py`` on the command line, an ``import`` in Python) or an installed
package with an entry point. It defines a subclass and registers it under a kind:

    from dgp.plugins import TERMS, Term

    @TERMS.register("total-variation")
    class TotalVariation(Term):
        \"\"\"L = mean |x_i - x_(i+1)| along rows and columns of the picture.\"\"\"

        kind: str = "total-variation"

        def __call__(self, prediction):
            x = prediction.image                       # (N, 3, R, R) in [-1, 1]
            across = (x[..., 1:] - x[..., :-1]).abs().flatten(1).mean(1)
            down = (x[..., 1:, :] - x[..., :-1, :]).abs().flatten(1).mean(1)
            return across + down                       # (N,): one value a row

A recipe, or ``--set``, then names the kind: ``terms = [{ kind = "total-variation", weight = 0.1 }, ...]``. The fields
of the class are pydantic fields: annotated, immutable, and set in the same table.

What to subclass, and what to define:

    ====================  ====================  =================================  ==========================
    class                 registry              entry-point group                  defines
    ====================  ====================  =================================  ==========================
    Term                  TERMS                 dgp.terms                          __call__(prediction) -> (N,)
    Search                SEARCHES              dgp.searches                       run, rows_out, cost
    Parametrization       PARAMETRIZATIONS      dgp.charts                         initialize, to_latents
    Constraint            CONSTRAINTS           dgp.constraints                    project(value, start)
    StoppingRule          STOPPING_RULES        dgp.stops                          reached(history) -> (N,) bool
    Postprocess           POSTPROCESSES         dgp.finishes                       __call__(image, observation)
    FaceDetector          DETECTORS             dgp.face_detectors                 find(picture) -> list of Face
    ====================  ====================  =================================  ==========================

An entry point names the class, in setup.cfg for example:

    [options.entry_points]
    dgp.terms =
        total-variation = my_package.losses:TotalVariation

A face detector is no part of a recipe: ``--detector`` names it (in Python: ``detector``).

Degradations are registered with ``degradations.register`` and priors with ``generators.register``.
"""

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.faces.detector import DETECTORS, FaceDetector
from dgp.faces.landmarks import Face
from dgp.losses.prediction import OperatorGroup, Prediction, mean_per_row
from dgp.losses.terms import TERMS, Term
from dgp.optim.stopping import STOPPING_RULES, History, StoppingRule
from dgp.postprocess.base import POSTPROCESSES, Postprocess
from dgp.registry import Options, Registry
from dgp.search.base import SEARCHES, ScoringSearch, Search, SearchSpace
from dgp.variables.constraints import CONSTRAINTS, Constraint
from dgp.variables.parametrizations import PARAMETRIZATIONS, ImageTransform, Parametrization
from dgp.variables.rows import Rows, concatenate

REGISTRIES = (TERMS, SEARCHES, PARAMETRIZATIONS, CONSTRAINTS, STOPPING_RULES, POSTPROCESSES, DETECTORS)

__all__ = [
    "CONSTRAINTS",
    "Constraint",
    "DETECTORS",
    "Evaluator",
    "Face",
    "FaceDetector",
    "POSTPROCESSES",
    "Postprocess",
    "History",
    "ImageTransform",
    "OperatorGroup",
    "Options",
    "PARAMETRIZATIONS",
    "Parametrization",
    "Prediction",
    "REGISTRIES",
    "Registry",
    "RowSource",
    "Rows",
    "SEARCHES",
    "STOPPING_RULES",
    "ScoringSearch",
    "Search",
    "SearchSpace",
    "StoppingRule",
    "TERMS",
    "Term",
    "concatenate",
    "mean_per_row",
]
