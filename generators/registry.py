"""The registry of priors by name: registered functions, fetched files, and entry points of installed packages."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib.metadata import entry_points

from generators.errors import UnknownPrior, WeightsError
from generators.model_zoo import PUBLIC
from generators.prior import Prior

GROUP = "dgp.generators"
_makers: dict[str, Callable[[], Prior]] = {}
_finders: list[Callable[[], dict[str, Callable[[], Prior]]]] = []


def register(name: str):
    """Decorate a function that makes a Prior, to register it under a name.

    Raises:
        WeightsError: the name is taken.
    """

    def add(maker: Callable[[], Prior]):
        if name in _makers:
            raise WeightsError(f"the prior {name!r} is already registered by {_makers[name].__module__}")
        _makers[name] = maker
        return maker

    return add


def register_finder(function: Callable[[], dict[str, Callable[[], Prior]]]):
    """Decorate a function that returns, at the time of the call, functions that make Priors, by name."""
    _finders.append(function)
    return function


def find_makers() -> dict[str, Callable[[], Prior]]:
    """Return what the registered finders find now: functions that make Priors, by name."""
    return {name: maker for look in _finders for name, maker in look().items()}


def names() -> list[str]:
    """Return all names that ``load`` accepts, sorted."""
    return sorted({*_makers, *find_makers(), *(entry.name for entry in entry_points(group=GROUP))})


def make(name: str) -> Prior:
    """Make the prior of a name.

    Raises:
        UnknownPrior: there is no such name; the message suggests the nearest.
        WeightsError: a prior of an installed package fails to import, takes a name in use, or is not a Prior.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            try:
                maker = entry.load()
            except Exception as error:  # third-party code may raise anything
                raise WeightsError(f"the prior {name!r} of {entry.value} failed to import: {error!r}") from error
            if _makers.setdefault(name, maker) is not maker:
                raise WeightsError(
                    f"the prior {name!r} of {entry.value} is already registered by "
                    f"{_makers[name].__module__}; uninstall one of the two"
                )
    makers = find_makers() | _makers
    if name not in makers:
        if name in PUBLIC:
            raise UnknownPrior(f"{name} has not been fetched; `dgp priors fetch {name}` gets it, or says where from")
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected a file, a folder, or one of {', '.join(names())}"
        raise UnknownPrior(f"no prior named {name!r}; {hint}")
    prior = makers[name]()
    if not isinstance(prior, Prior):
        raise WeightsError(f"{name!r} of {makers[name].__module__} gave a {type(prior).__name__}, expected a Prior")
    return prior
