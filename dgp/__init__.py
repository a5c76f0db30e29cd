"""Restore pictures by inverting a pretrained generator.

    >>> import dgp
    >>> prior = dgp.load_prior("biggan-cifar10")
    >>> result = dgp.restore("photo.png", degradation="gray", prior=prior, seed=0)  # doctest: +SKIP
    >>> result.save("out/photo")                                                    # doctest: +SKIP

Names are fetched when first used, so that ``import dgp`` stays light.
"""

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from dgp.waiting import import_torch

_HOMES = {
    "Inversion": "dgp.inversion",
    "Step": "dgp.inversion",
    "Observation": "dgp.observation",
    "Recipe": "dgp.recipe",
    "Restoration": "dgp.restoration",
    "load_prior": "dgp.restore",
    "load_recipe": "dgp.recipe",
    "observe": "dgp.observation",
    "recipe_names": "dgp.recipe",
    "restore": "dgp.restore",
    "DgpError": "dgp.errors",
    "InputError": "dgp.errors",
    "OutputError": "dgp.errors",
    "RecipeError": "dgp.errors",
}
__all__ = sorted([*_HOMES, "__version__"])

try:
    __version__ = version("deep-generative-prior")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'dgp' has no attribute {name!r}; it offers {', '.join(__all__)}")
    import_torch()
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__


class _FrontDoor(ModuleType):
    """Keeps ``dgp.restore`` the function: importing the module of that name would put the module in its place."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value.restore if name == "restore" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _FrontDoor
