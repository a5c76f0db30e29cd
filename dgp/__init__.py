"""Restore pictures by inverting a pretrained generator.

    >>> import dgp
    >>> prior = dgp.load_prior("biggan-cifar10")
    >>> result = dgp.restore("photo.png", degradation="gray", prior=prior, seed=0)  # doctest: +SKIP
    >>> result.save("out/photo")                                                    # doctest: +SKIP

Names are imported when they are first used, so that ``import dgp`` stays light. Plugins import from ``dgp.plugins``.
"""

import logging
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from dgp.threads import import_torch

# Without any handler, Python would print warnings on stderr; programs that want the records add handlers of their own.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_MODULES = {
    "Checkpoint": "dgp.checkpoint.checkpoint",
    "Inversion": "dgp.inversion",
    "StepOutput": "dgp.engine.stage",
    "Observation": "dgp.observation.observation",
    "Recipe": "dgp.recipes.schema",
    "Restoration": "dgp.output.restoration",
    "load_prior": "dgp.api",
    "load_recipe": "dgp.recipes.load",
    "observe": "dgp.api",
    "recipe_names": "dgp.recipes.load",
    "restore": "dgp.api",
    "CheckpointError": "dgp.errors",
    "DgpError": "dgp.errors",
    "InputError": "dgp.errors",
    "Interrupted": "dgp.errors",
    "OutputError": "dgp.errors",
    "RecipeError": "dgp.errors",
}
__all__ = sorted([*_MODULES, "__version__"])

try:
    __version__ = version("deep-generative-prior")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'dgp' has no attribute {name!r}; it offers {', '.join(__all__)}")
    import_torch()
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
