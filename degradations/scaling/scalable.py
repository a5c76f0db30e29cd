"""The same operator for shrunk pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.errors import DegradationError
from degradations.scaling.laws import compute_noise_gain
from degradations.scaling.shrinking import Size, shrink_mask, shrink_picture, shrink_seen


class Scalable:
    """Mixin of ``Degradation``: ``scaled`` converts the operator, ``shrink`` its observations, to a smaller picture."""

    def scaled(self, factor: float) -> Scalable:
        """Return the operator that does to a shrunk picture what this one does to the picture itself.

        shrink(self(x)) ~ scaled(shrink(x)), where "shrink" is Pillow's antialiased bilinear reduction, and the noise is
        that which is left after it. How y is shrunk: ``shrink``; by how much: ``scale_of_y``. Unknown parameters keep
        their names, and positions in their range keep their meaning. A subclass may define ``_scaled`` instead, which
        is called for factors below 1 only.

        Args:
            factor: of the sides of x, in (0, 1]; 1 returns the operator itself.

        Returns:
            An operator; ``Identity()``, which has no unknown parameters, if it leaves nothing to be seen at that scale.

        Raises:
            DegradationError: the factor is out of range, or the operator is tied to one size.
        """
        if not 0 < factor <= 1:
            raise DegradationError(f"got a factor of {factor:g}; expected one above 0, at most 1, as pictures shrink")
        return self if factor == 1 else self._scaled(factor)

    def _scaled(self, factor: float) -> Scalable:
        """Return ``scaled`` for a factor below 1. Default: each parameter follows its law, and the noise is averaged.

        Parameters in pixels shrink, others stay, unless they declare another ``law``. A noise that is a property
        follows the parameters.
        """
        if not self.scales:
            raise DegradationError(f"{self._title()} is tied to the size of its pictures, and cannot be scaled")
        twin = self._scale_parameters(factor)
        if twin.noise is not None and not isinstance(getattr(type(self), "noise", None), property):
            twin.noise = twin.noise.averaged(compute_noise_gain(self.scale_of_y(factor)))
        return twin

    def coarsened(self, size: Size, factor: float) -> Scalable | None:
        """Return the operator for the averages of x over squares of pixels, where they show all of y but its detail.

        phi(x), averaged, is then close to coarsened(averages of x), so that early steps of a search may look at small
        pictures and at an averaged y. Unlike ``scaled``, which finds a similar operator, this one may not disagree with
        y anywhere.

        Args:
            size: (H, W) of x.
            factor: of its sides, in (0, 1]; 1 returns the operator itself.

        Returns:
            An operator; None where y tells of detail that the averages lack. Default: ``scaled`` if the operator is
            ``multiscale``, its parameters are known and its noise, if any, is that of a y which keeps its size.
        """
        if factor == 1:
            return self
        if not self.multiscale or self.unknowns() or (self.noise is not None and self.scale_of_y(factor) < 1):
            return None
        return self.scaled(factor)

    def stretched(self, size: tuple[int, int]) -> Scalable:
        """Return the operator for a picture that was stretched to another size (H, W).

        Default: itself. Operators that hold a value for each pixel, such as drawn wear, resize those.
        """
        return self

    def scale_of_y(self, factor: float) -> float:
        """Return the factor by which the sides of y shrink if those of x shrink by ``factor``. Default: the same."""
        return factor

    def shrink(self, y: Tensor, size: Size) -> Tensor:
        """Shrink an observation; the result is one of the scaled operator.

        Args:
            y: (N, c, h, w).
            size: height and width of the result.

        Returns:
            (N, c', *size). Default: averages of the informative pixels by Pillow's antialiased bilinear filter; where
            there are hardly any (``shrinking.shrink_mask``), averages of all pixels.
        """
        if tuple(y.shape[-2:]) == tuple(size):
            return y
        uninformative = self._find_missing(tuple(y.shape[-2:]))
        return self._average(y, None if uninformative is None else (~uninformative[:, None]).to(y), size)

    def _find_missing(self, hw: Size) -> Tensor | None:
        """Return the pixels of y that are left out of averages: (N or 1, h, w) bool, or None."""
        return self.uninformative(hw)

    def _average(self, y: Tensor, seen: Tensor | None, size: Size) -> Tensor:
        """Return averages of y where ``seen`` is 1, (N or 1, 1, h, w) of 0 and 1; None: everywhere."""
        whole = shrink_picture(y, size)
        return whole if seen is None else torch.where(shrink_mask(seen == 0, size), whole, shrink_seen(y, seen, size))
