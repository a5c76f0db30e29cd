"""The base class of every operator. An author writes ``forward``; everything else has a default."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations.core import notebook
from degradations.core.parametrized import Parametrized
from degradations.core.picture_storage import PictureStorage
from degradations.core.visibility import find_unobserved
from degradations.detail.parts import Parts
from degradations.detail.restoration import RestoresDetail
from degradations.errors import DegradationError, SizeError
from degradations.files.pictures import Size, round_to_8_bits
from degradations.noise.adapted import AdaptsNoise
from degradations.noise.model import Generators, NoiseModel
from degradations.noise.precision import compute_noise_floor, compute_precision
from degradations.scaling.scalable import Scalable
from degradations.solvers.near_projection import project_near
from degradations.solvers.nonlinear_projection import project_curved
from degradations.solvers.projection import project


class Degradation(AdaptsNoise, PictureStorage, RestoresDetail, Parts, Scalable, Parametrized):
    """A differentiable operator y = phi(x), deterministic, with its noise model kept apart.

    x: (N, C, H, W) float in [-1, 1], usually C = 3 -> y: (N, c, h, w), in [-1, 1] up to ``overshoot``. Rows (the
    leading axis) are independent: the result for a row does not depend on the others.

    The parameters, their values for each row (``bind``) and the text form (``spec``) come from ``Parametrized``, the
    conversion from and to picture files (``read``, ``picture``) from ``PictureStorage``, the same operator for shrunk
    pictures (``scaled``, ``shrink``) from ``Scalable``, and the restoration of photographs at their own size
    (``restore_detail``) from ``RestoresDetail``, in parts (``part``, ``reach``, ``alignment``, ``detail_margin``) by
    ``Parts``.

    Attributes:
        linear: phi(a x + b z) = a phi(x) + b phi(z).
        smooth: phi is differentiable in x. The contract suite tests both, and ``merge`` relies on them.
        pointwise: each pixel of y comes from the same pixel of x, and mid-grey (0) stays mid-grey.
        keeps_places: pixels that are missing in x are missing in y and no others, at least nearly; so is ``pointwise``.
        well_posed: ``merge`` should invert phi exactly. Where False (blur), that would amplify the rounding of y, and
            ``merge`` comes only as close as the rounding.
        scales: a resized y is the y of a resized x, so that pictures of any size can be fitted. Where False, ``scaled``
            raises an exception unless the operator defines ``_scaled``.
        multiscale: averages of phi(x) over squares of pixels come from those of x, at least nearly, and only detail is
            lost in them (``coarsened``). True of blur and of changes of colour; False where detail is the evidence, as
            of noise or JPEG.
        keeps_size: y has the height and width of x.
        keeps_channels: y has the channels of x.
        overshoot: by how much y may leave [-1, 1].
        parameters_spec: the parameters, each an attribute; the first may be written without its name (``sr:4``).
        noise: the noise that ``measure`` adds to phi(x), or None. An object with ``sample`` and ``nll`` is enough; the
            other methods of a ``NoiseModel`` are then supplied.
        example: a spec for help texts and for the contract suite, where the name alone is not enough.
        strengths: up to three specs from weak to strong, for the sheet of all operators; None: made from ``example``.
        name: the registered name.
        asked: the text that was parsed, or None.
        assets: the files and random masks that ``build`` used: name -> {"sha256": ..., "path": ... or None}.
        remarks: how ``build`` interpreted them, in words.
    """

    linear = False
    smooth = True
    pointwise = False
    keeps_places = False
    well_posed = True
    scales = True
    multiscale = False
    keeps_size = False
    keeps_channels = False
    overshoot = 0.0
    noise: NoiseModel | None = None
    strengths: tuple[str, ...] | None = None

    # ---- the operator

    def forward(self, x: Tensor) -> Tensor:
        """Return phi(x). Deterministic, differentiable in x and in the parameters.

        Args:
            x: pictures, (N, C, H, W) float in [-1, 1].

        Returns:
            y, (N, c, h, w), same dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, x)")

    def channels(self, c: int) -> int:
        """Return the number of channels of y for an x of c channels. Default: found with a small picture."""
        return c if self.keeps_channels else self._probe(c, (32, 32)).shape[1]

    def size(self, hw: Size) -> Size:
        """Return the size (h, w) of y for an x of (H, W). Default: found with a picture of this size."""
        return tuple(hw) if self.keeps_size else tuple(self._probe(3, hw).shape[-2:])

    def _probe(self, c: int, hw: Size) -> Tensor:
        like = next((b for b in [*self.buffers(), *self.parameters()] if b.is_floating_point()), torch.zeros(()))
        with torch.no_grad():
            return self(torch.zeros(self._count_bound_rows(), c, *hw, dtype=like.dtype, device=like.device))

    def operators(self) -> tuple[Degradation, ...]:
        """Return the operators it consists of, in the order in which they are applied: itself, or a chain's links."""
        return (self,)

    def build(self, picture: Image.Image | None = None, seed: int = 0, size: Size | None = None) -> Self:
        """Resolve whatever depends on the degraded file, a seed or a size, such as a random mask.

        Args:
            picture: the degraded picture as it was opened, with its alpha channel.
            seed: for random parts without a seed of their own.
            size: (H, W) of x; default: that of the picture.

        Returns:
            An operator that is ready to use. Default: itself.
        """
        return self

    def without_holes(self) -> Degradation:
        """Return the operator with all pixels visible: without masks and wear. Default: itself."""
        return self

    # ---- linear algebra

    def adjoint(self, y: Tensor, size: Size) -> Tensor:
        """Return A^T y of a linear operator. Default: the vector-Jacobian product of ``forward``.

        Args:
            y: (N, c, h, w).
            size: (H, W) of x.

        Returns:
            (N, C, H, W), where C is 3 if the operator maps 3 channels to c, else c.

        Raises:
            DegradationError: the operator is not linear.
        """
        if not self.linear:
            raise DegradationError(f"{self._title()} is not linear, so it has no adjoint; differentiate it instead")
        c = 3 if self.channels(3) == y.shape[1] else y.shape[1]
        with torch.enable_grad():
            x = y.new_zeros(len(y), c, *size, requires_grad=True)
            return torch.autograd.grad(self(x), x, y, create_graph=y.requires_grad)[0]

    def lift(self, y: Tensor, size: Size) -> Tensor:
        """Convert y linearly to the picture that a discriminator looks at, the same way for the target and phi(x).

        Default: bilinear resizing, and grey repeated to three channels.

        Args:
            y: (N, c, h, w).
            size: (H, W) of x.

        Returns:
            (N, 3, H, W).
        """
        if y.shape[1] not in (1, 3):
            raise SizeError(
                f"{self._title()} gives y of {y.shape[1]} channels, and pictures have 1 or 3; "
                "define lift(self, y, size), which shows such a y"
            )
        if tuple(y.shape[-2:]) != tuple(size):
            y = F.interpolate(y, size=tuple(size), mode="bilinear", align_corners=False)
        return y.expand(-1, 3, -1, -1)

    # ---- simulation

    def measure(self, x: Tensor, generator: Generators = None) -> Tensor:
        """Return the true observation of x before rounding: the operator (or the real filter or codec), then noise.

        Args:
            x: (N, C, H, W) in [-1, 1].
            generator: one torch.Generator, or a list of N.
        """
        y = self(x)
        return y if self.noise is None else self.noise.sample(y, generator)

    @torch.no_grad()
    def simulate(self, x: Tensor, generator: Generators = None) -> Tensor:
        """Return ``measure`` as an 8-bit file would hold it; equal to ``read(picture(y))``."""
        return self.set_known_values(round_to_8_bits(self.measure(x, generator)))

    # ---- projection onto the observation

    @torch.no_grad()
    def merge(self, x: Tensor, y: Tensor) -> Tensor:
        """Change x as little as possible so that phi(x) agrees with y to within the noise.

        Computed in float64. Linear operators: the nearest such picture (``projection``), or, where they are not
        ``well_posed``, a near one (``near_projection``). Smooth operators: the nearest that damped steps find
        (``nonlinear_projection``). Any other operator returns x.

        Args:
            x: (N, C, H, W) in [-1, 1].
            y: the observation, (1 or N, c, h, w).

        Returns:
            (N, C, H, W) in [-1, 1], dtype of x.
        """
        exact = self._in_double()
        picture = x.double().clamp(-1, 1)
        y = self.set_known_values(y).double().expand(len(x), -1, -1, -1)
        near = None if self.well_posed else compute_noise_floor(self.noise, exact(picture))
        floor = compute_precision(self.noise, y)
        if self.well_posed and self.noise is not None:
            y = self.noise.within(exact(picture), y)
        if self.linear:
            hw = tuple(x.shape[-2:])
            pull = lambda v: exact.adjoint(v, hw)  # noqa: E731
            if x.shape[1] != (3 if self.channels(3) == y.shape[1] else y.shape[1]):
                pull = lambda v: torch.func.vjp(exact, picture)[1](v)[0]  # noqa: E731
            if near is not None:
                return project_near(exact, pull, picture, y, within=near).to(x)
            return project(exact, pull, picture, y, floor=floor).to(x)
        if self.smooth:
            picture = project_curved(exact, picture, y, within=near)
        return picture.to(x)

    # ---- visibility: see ``core.visibility``

    def unobserved(self, size: Size) -> Tensor | None:
        """Return the pixels of x about which y carries no information.

        Returns:
            (N or 1, H, W) bool, or None: every pixel is observed.
        """
        unobserved = self.propagate_unobserved(tuple(size), None)
        return unobserved if unobserved is not None and bool(unobserved.any()) else None

    def uninformative(self, hw: Size) -> Tensor | None:
        """Return the pixels of a y of (h, w) that carry no information about x: (N or 1, h, w) bool, or None.

        Default: for pointwise operators the unobserved pixels, else None.
        """
        return self.unobserved(hw) if self.pointwise else None

    def propagate_unobserved(self, size: Size, uninformative: Tensor | None, channels: int = 3) -> Tensor | None:
        """Return the pixels of x on which only uninformative pixels of y depend.

        Args:
            size: (H, W) of x.
            uninformative: (N or 1, h, w) bool; None: every pixel of y counts.
            channels: of x.

        Returns:
            (N or 1, H, W) bool or None. Default: where random gradients vanish; None for operators without gradients.
        """
        if not (self.linear or self.smooth):
            return None
        rows = self._count_bound_rows() if uninformative is None else max(len(uninformative), self._count_bound_rows())
        fallback = torch.device("cpu") if uninformative is None else uninformative.device
        device = next((b.device for b in self.buffers()), fallback)
        return find_unobserved(self._in_double(), (rows, channels, *size), uninformative, device)

    # ---- notebooks

    def _repr_png_(self) -> bytes | None:
        return notebook.render_png(self)

    def _repr_html_(self) -> str:
        return notebook.render_html(self)
