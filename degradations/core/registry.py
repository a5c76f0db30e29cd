"""Operators by name: ours, those of installed packages, and those of plugin files.

Installed packages offer theirs through the entry-point group ``dgp.degradations``.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.errors import PluginError, SpecError, find_line, summarize

GROUP = "dgp.degradations"

_classes: dict[str, type[Degradation]] = {}
_broken: dict[str, str] = {}  # entry point -> why it cannot be used
_scanned = False
_files: dict[tuple[str, str], tuple[str, ...]] = {}  # (path, sha256) -> names


@dataclass(frozen=True)
class Description:
    """The description of an operator in help texts.

    Attributes:
        name: the registered name.
        summary: the first line of the docstring.
        parameters: what it accepts.
        linear, smooth: see ``Degradation``.
        example: a spec.
        source: the module of its class.
        text: the whole docstring.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    linear: bool
    smooth: bool
    example: str
    source: str
    text: str

    def __repr__(self) -> str:
        takes = ", ".join(parameter.name for parameter in self.parameters) or "nothing"
        return f"Description {self.name}: {self.summary} Takes {takes}; for example {self.example}"[:400]


def register(name: str) -> Callable[[type[Degradation]], type[Degradation]]:
    """Return a class decorator that registers an operator by name.

    Args:
        name: lower-case letters, digits and hyphens.

    Raises:
        PluginError: the name is taken or malformed, the class is no Degradation, or a parameter has the name of an
            attribute of Degradation.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise PluginError(f"{name!r} cannot name a degradation; use small letters, digits and hyphens, a letter first")

    def add(cls: type[Degradation]) -> type[Degradation]:
        if not (isinstance(cls, type) and issubclass(cls, Degradation)):
            raise PluginError(
                f"{name!r} was given to {cls!r}; only subclasses of degradations.Degradation can be registered"
            )
        for parameter in cls.parameters_spec:
            if hasattr(Degradation, parameter.name) or not parameter.name.isidentifier():
                raise PluginError(f"{name}: a parameter cannot be called {parameter.name!r}; rename it")
        taken = _classes.get(name)
        # a notebook cell that is run again defines the same class again
        rerun = (
            taken is not None
            and cls.__module__ == "__main__" == taken.__module__
            and cls.__qualname__ == taken.__qualname__
        )
        if taken not in (None, cls) and not rerun:
            raise PluginError(f"the name {name!r} is taken by {taken.__module__}.{taken.__qualname__}; choose another")
        _classes[name] = cls
        cls.name = name
        return cls

    return add


def _scan() -> None:
    """Import the operators of installed packages, once. A broken one is recorded and does not affect the others."""
    global _scanned
    if _scanned:
        return
    _scanned = True
    for entry in entry_points(group=GROUP):
        before = dict(_classes)
        try:
            loaded = entry.load()
            if isinstance(loaded, type) and issubclass(loaded, Degradation) and loaded not in _classes.values():
                register(entry.name)(loaded)
        except (Exception, SystemExit) as error:  # noqa: BLE001  third-party code may fail in any way
            _classes.clear()
            _classes.update(before)
            _broken[entry.name] = f"plugin {entry.name!r} ({entry.value}) cannot be used: {summarize(error)}"


def names() -> list[str]:
    """Return every registered name, sorted, without the plugins that ``broken`` lists."""
    _scan()
    return sorted(_classes)


def broken() -> dict[str, str]:
    """Return the plugins of installed packages that cannot be used: name -> the reason, in one line."""
    _scan()
    return dict(_broken)


def find(name: str) -> type[Degradation]:
    """Return the class registered as ``name``.

    Raises:
        SpecError: there is none; the nearest name is suggested.
        PluginError: an installed package offers it but fails to import.
    """
    if name not in _classes:
        _scan()
    if name in _classes:
        return _classes[name]
    if name in _broken:
        raise PluginError(_broken[name])
    near = difflib.get_close_matches(name.lower(), _classes, 1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(_classes))}"
    if re.search(r"[./\\]", name):
        hint = f"a value that contains + , or : must be quoted; {hint}"
    failed = "".join(f" ({reason})" for reason in _broken.values())
    raise SpecError(f"no degradation is called {name!r}; {hint}{failed}")


def describe(name: str) -> Description:
    """Return the description of the operator called ``name``; raises like ``find``."""
    cls = find(name)
    text = inspect.cleandoc(cls.__doc__ or "No description.")
    return Description(
        name=name,
        summary=text.splitlines()[0],
        parameters=cls.parameters_spec,
        linear=cls.linear,
        smooth=cls.smooth,
        example=cls.example or name,
        source=cls.__module__,
        text=text,
    )


def load_plugin(path: str | Path, other_names: Callable[[], Collection[str]] = tuple) -> tuple[tuple[str, ...], str]:
    """Run a Python file that registers operators. Only load files that you trust: they can do anything you can do.

    Args:
        path: the file.
        other_names: returns the names in registries of other kinds, to which the file may add instead.

    Returns:
        The names it registered, and the sha256 of the file. A file that was loaded before is not run again.

    Raises:
        PluginError: no such file, it raises an exception, or it registers nothing.
    """
    path = Path(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise PluginError(f"plugin {path}: {reason}; expected a Python file that registers a degradation") from None
    sha256 = hashlib.sha256(source).hexdigest()
    key = (str(path.resolve()), sha256)
    if key in _files:
        return _files[key], sha256
    module = types.ModuleType(f"degradations_plugin_{sha256[:16]}")
    module.__file__ = str(path)
    before, others = dict(_classes), len(other_names())
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  the caller wants the file to be run
    except (Exception, SystemExit) as error:
        _classes.clear()
        _classes.update(before)
        del sys.modules[module.__name__]
        raise PluginError(f"plugin {path} failed: {summarize(error)}{find_line(error, str(path))}") from error
    added = tuple(name for name in _classes if name not in before)
    if not added and len(other_names()) == others:
        raise PluginError(f'plugin {path} registers nothing; decorate its class with @degradations.register("name")')
    _files[key] = added
    return added, sha256
