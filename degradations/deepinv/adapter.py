"""Operators of deepinv (https://deepinv.github.io) as degradations, with their noise and their adjoints.

    from deepinv.physics import Blur, GaussianNoise

    phi = degradations.from_deepinv(Blur(filter, padding="circular", noise_model=GaussianNoise(0.05)))

deepinv's pictures are in [0, 1]. For a linear operator A we keep ``y = A x`` with x in [-1, 1], which is ``2 y' - A 1``
of deepinv's y': the same picture wherever A keeps mid-grey, and mid-grey where a pixel is missing. Other operators
become ``2 A((x + 1) / 2) - 1``.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from degradations.core.base import Degradation, Size
from degradations.deepinv.noise import convert_noise
from degradations.errors import DegradationError, PluginError, SizeError, SpecError, summarize
from degradations.files.pictures import expect_pictures

Shape = tuple[int, int, int]
PRECISION = {
    torch.float64: nn.Module.double,
    torch.float32: nn.Module.float,
    torch.bfloat16: nn.Module.bfloat16,
    torch.float16: nn.Module.half,
}


@dataclass(frozen=True)
class FittedPhysics:
    """An operator of deepinv that was tried at one shape of x.

    Attributes:
        physics: the operator.
        white: its result for a white picture, (1, c, h, w) in deepinv's range.
        adjoint: whether its A_adjoint is exact at this shape.
    """

    physics: nn.Module
    white: Tensor
    adjoint: bool


def physics_module():
    """Return the module ``deepinv.physics``.

    Raises:
        PluginError: deepinv is not installed, or cannot be imported.
    """
    try:
        import deepinv
    except ModuleNotFoundError as error:
        if error.name != "deepinv":
            raise PluginError(f"deepinv cannot be used: {error}; install the missing package") from error
        raise PluginError(
            "deepinv is not installed; install it with: pip install 'deep-generative-prior[deepinv]'"
        ) from None
    return deepinv.physics


class Adapter(Degradation):
    """The base class of adapters to deepinv. Subclasses define ``fit_to`` and ``linear``.

    If deepinv returns y as a vector, (N, m) or (N, C, m), it becomes (N, m, 1, 1): measurements, one for each channel.
    They are neither rounded nor kept in picture files.
    """

    overshoot = float("inf")
    well_posed = False  # unknown, so the cautious choice

    def fit_to(self, shape: Shape, dtype: torch.dtype, device: torch.device) -> FittedPhysics:
        """Return deepinv's operator for an x of (C, H, W)."""
        raise NotImplementedError

    def _scaled(self, factor):
        """Refuse: the library's operators are made for one size, and do not say how they change with it."""
        raise DegradationError(f"{self._title()} is tied to the size of its pictures, and cannot be scaled")

    def _fit(self, x: Tensor) -> FittedPhysics:
        return self.fit_to(tuple(expect_pictures(x).shape[1:]), x.dtype, x.device)

    def forward(self, x):
        physics = self._fit(x).physics
        if self.linear:
            return apply_physics(physics, x)
        return 2 * apply_physics(physics, (x + 1) / 2) - 1

    def adjoint(self, y, size):
        """Apply deepinv's ``A_adjoint`` where it is exact at this size, else the derivative."""
        if self.linear:
            c = 3 if self.channels(3) == y.shape[1] else y.shape[1]
            fit = self.fit_to((c, *size), y.dtype, y.device)
            if fit.adjoint:
                return fit.physics.A_adjoint(y.reshape(len(y), *_original_shape(fit, c, size, y)))
        return super().adjoint(y, size)

    def set_known_values(self, y):
        """Set the pixels that deepinv's masks remove to mid-grey, whatever level a file has there."""
        if not self.pointwise:
            return y
        projected = self(y)
        return projected if torch.equal(self(projected), projected) else y

    def _in_double(self):  # the operator computes in the dtype of x
        return self

    def measure(self, x, generator=None):
        if self.linear and self.noise is not None and self.noise.depends_on_level:
            white = self._fit(x).white
            if not bool(((white - 1).abs().minimum(white.abs()) < 1e-3).all()):
                raise DegradationError(
                    f"{self._title()}: its noise depends on the brightness, but its y is no picture (white becomes "
                    f"{float(white.max()):.3g}); use a GaussianNoise"
                )
        return super().measure(x, generator)

    @torch.no_grad()
    def simulate(self, x, generator=None):
        """Return ``measure``, rounded to 8 bits if y is a picture."""
        return super().simulate(x, generator) if self.channels(x.shape[1]) in (1, 3) else self.measure(x, generator)

    def lift(self, y, size):
        """Show measurements that are no picture as A^T y."""
        return super().lift(y, size) if y.shape[1] in (1, 3) or not self.linear else self.adjoint(y, size)


def apply_physics(physics: nn.Module, x: Tensor) -> Tensor:
    """Compute A x in deepinv's own range.

    Args:
        physics: deepinv's operator.
        x: (N, C, H, W).

    Returns:
        (N, c, h, w).

    Raises:
        PluginError: the operator fails, or returns something else.
    """
    shape = "x".join(map(str, x.shape))
    title = f"deepinv's {type(physics).__name__} cannot be used: on an x of {shape}"
    try:
        y = physics.A(x)
    except Exception as error:  # third-party code may fail in any way
        raise PluginError(f"{title} it raised {summarize(error)}; give a picture or values that it accepts") from error
    if not isinstance(y, Tensor) or not y.is_floating_point() or not 2 <= y.ndim <= 4 or len(y) != len(x):
        got = f"a {str(y.dtype)[6:]} tensor of {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise PluginError(f"{title} it gave {got}; expected floats, one picture or vector for each row")
    return y if y.ndim == 4 else y.reshape(len(y), -1, 1, 1)


def is_linear(physics: nn.Module) -> bool:
    """Return whether deepinv declares an operator as linear."""
    return isinstance(physics, physics_module().LinearPhysics)


@torch.no_grad()
def fit(physics: nn.Module, shape: Shape, dtype: torch.dtype, device: torch.device) -> FittedPhysics:
    """Move an operator to a device and a dtype, and try it at one shape."""
    PRECISION[dtype](physics.to(device))  # not .to(dtype), which makes complex buffers real
    white = apply_physics(physics, torch.ones(1, *shape, dtype=dtype, device=device))
    return FittedPhysics(physics, white, is_linear(physics) and _has_adjoint(physics, shape, dtype, device))


def _has_adjoint(physics: nn.Module, shape: Shape, dtype: torch.dtype, device: torch.device) -> bool:
    """Return whether <A u, v> = <u, A_adjoint v> at this shape.

    Some operators of deepinv have an A_adjoint of another size, or an approximate one.
    """
    random = torch.Generator().manual_seed(0)
    u = torch.randn(1, *shape, generator=random, dtype=dtype).to(device)
    try:
        image = physics.A(u)
        v = torch.randn(image.shape, generator=random, dtype=dtype).to(device)
        back = physics.A_adjoint(v)
    except Exception:  # noqa: BLE001  an A_adjoint that cannot run is no adjoint; the derivative is used instead
        return False
    if back.shape != u.shape or back.dtype != u.dtype:
        return False
    tolerance = 1e-6 if dtype == torch.float64 else 1e-4
    return abs(float((image * v).sum() - (u * back).sum())) <= tolerance * float(image.norm() * v.norm())


def _original_shape(fit: FittedPhysics, c: int, size: Size, y: Tensor) -> tuple[int, ...]:
    """Return the shape that deepinv gave y before it became (N, m, 1, 1)."""
    if tuple(y.shape[-2:]) != (1, 1):
        return tuple(y.shape[1:])
    return tuple(fit.physics.A(y.new_zeros(1, c, *size)).shape[1:])


class FromDeepinv(Adapter):
    """An existing operator object of deepinv; see ``from_deepinv``."""

    name = None

    def __init__(self, physics: nn.Module, size: Size | None = None, smooth: bool | None = None):
        super().__init__()
        self.physics = copy.deepcopy(physics)
        self.linear = is_linear(physics)
        self.pointwise = self.well_posed = isinstance(physics, physics_module().Inpainting)
        self.smooth = self.linear if smooth is None else smooth
        self.noise = convert_noise(physics.noise_model)
        self.only_size = size

    @property
    def spec(self):
        """A record of the operator. The object cannot be recovered from this text."""
        digest = hashlib.sha256(type(self.physics).__qualname__.encode())
        for name, value in self.physics.state_dict().items():
            digest.update(
                f"{name}{tuple(value.shape)}".encode() + value.detach().cpu().resolve_conj().numpy().tobytes()
            )
        return f"deepinv:{type(self.physics).__name__},object=sha256-{digest.hexdigest()}"

    def _title(self):
        return f"deepinv:{type(self.physics).__name__}"

    def fit_to(self, shape, dtype, device):
        return _fit_copy(self.physics, shape, dtype, device)

    def channels(self, c):
        return self._probe(c, self.only_size or (32, 32)).shape[1]


@lru_cache(maxsize=8)
def _fit_copy(physics: nn.Module, shape: Shape, dtype: torch.dtype, device: torch.device) -> FittedPhysics:
    return fit(copy.deepcopy(physics), shape, dtype, device)


def from_deepinv(physics: nn.Module, size: Size | None = None, smooth: bool | None = None) -> Degradation:
    """Adapt an operator of deepinv, with its noise model, to a Degradation.

    Args:
        physics: a ``deepinv.physics.Physics`` that takes pictures (N, C, H, W) in [0, 1].
        size: (H, W) of x, if it accepts one size only; default: its ``img_size``.
        smooth: whether an operator that is not linear is differentiable; default: False.

    Raises:
        SpecError: no such object, a noise whose strength is not one number, or a sensor model.
        PluginError: deepinv is not installed.
    """
    library = physics_module()
    if not isinstance(physics, library.Physics):
        raise SpecError(f"got a {type(physics).__name__}; expected an object of a class of deepinv.physics")
    levels = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    if not torch.equal(physics.sensor(levels), levels):
        raise SpecError(
            f"deepinv's {type(physics).__name__} has a sensor model, which is not supported; "
            "write the sensor as a degradation of its own, after this one"
        )
    size = size or getattr(physics, "img_size", None)
    if size is not None and len(size) < 2:
        raise SizeError(f"got a size of {tuple(size)}; expected (H, W)")
    return FromDeepinv(physics, None if size is None else tuple(size[-2:]), smooth)
