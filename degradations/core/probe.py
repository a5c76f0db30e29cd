"""A trial run of third-party operators before work begins, so that faults in their code are reported as such."""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from degradations.core.base import Degradation, Size
from degradations.core.notebook import make_test_picture
from degradations.errors import DegradationError, PluginError, find_line, summarize


def is_foreign(operator: Degradation) -> bool:
    """Return whether the operator's class comes from a plugin, an installed package or a script."""
    return type(operator).__module__.partition(".")[0] != __name__.partition(".")[0]


def try_out(operator: Degradation, *sizes: Size, built: bool = True) -> None:
    """Run an operator, link by link, on a test picture of each size until one succeeds.

    An exception of our own family is not reported: the operator may need another size, or need to be built.

    Args:
        operator: the operator to try.
        *sizes: (H, W) of the test pictures.
        built: whether ``build`` was called; if not, third-party links with a ``build`` of their own are not run.

    Raises:
        PluginError: a third-party link has no ``forward``, or one that fails at every size, changes its input, or does
            not return finite (1, c, h, w) floats on its input's device. The message names the link by its spec; its own
            error is the cause.
    """
    for number, size in enumerate(sizes, 1):
        try:
            _run_links(operator, size, built)
        except PluginError:
            if number == len(sizes):
                raise
        else:
            return


def _run_links(operator: Degradation, size: Size, built: bool) -> None:
    x = make_test_picture(size)
    for link in operator.operators():
        if not built and is_foreign(link) and type(link).build is not Degradation.build:
            return
        try:
            with torch.no_grad():
                x = _run_link(link, x)
        except DegradationError as refusal:
            if isinstance(refusal, PluginError):
                raise
            return


def _run_link(link: Degradation, x: Tensor) -> Tensor:
    if not is_foreign(link):
        return link(x)
    spec = f", written as {link.asked}," if link.asked not in (None, link._title()) else ""
    unusable = f"degradation {link._title()!r}{spec} of {_describe_origin(link)} cannot be used:"
    if type(link).forward is Degradation.forward:
        raise PluginError(f"{unusable} it defines no forward(self, x); write one that gives y")
    before = x.clone()
    try:
        y = link(x)
    except DegradationError:
        raise
    except (Exception, SystemExit) as error:  # third-party code may fail in any way
        file = getattr(sys.modules.get(type(link).__module__), "__file__", None)
        shape = "x".join(map(str, x.shape))
        raise PluginError(
            f"{unusable} on an x of {shape} its forward raised {summarize(error)}{find_line(error, file)}; correct it"
        ) from error
    if not torch.equal(x, before):
        raise PluginError(f"{unusable} its forward changes x itself; begin it with x = x.clone()")
    if not isinstance(y, Tensor) or y.ndim != 4 or len(y) != 1 or not y.numel() or not y.is_floating_point():
        got = f"a {str(y.dtype)[6:]} tensor of {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise PluginError(f"{unusable} its forward gave {got} for one row; expected floats (1, c, h, w)")
    if y.device != x.device or y.layout != torch.strided:
        got = f"on {y.device}" if y.device != x.device else f"of layout {y.layout}"
        raise PluginError(f"{unusable} its forward gave a tensor {got}; expected a dense one on {x.device}, as x is")
    if not bool(y.isfinite().all()):
        what = "NaN" if bool(y.isnan().any()) else "infinite values"
        raise PluginError(f"{unusable} its forward gave {what} for a picture in [-1, 1]; expected finite values")
    return y


def _describe_origin(link: Degradation) -> str:
    module = type(link).__module__
    if module.startswith("degradations_plugin_"):
        return f"plugin {getattr(sys.modules.get(module), '__file__', module)}"
    return module
