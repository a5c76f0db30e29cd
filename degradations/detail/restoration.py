"""Restoration at the size of the photograph: everything that it still shows stays."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.noise.model import ROUNDING
from degradations.rows import expand_rows, rms_per_row
from degradations.solvers.sparse_change import extract_sparse_change
from degradations.solvers.sparse_solution import fill_sparsely, find_sparse_solution

NOTICEABLE = 4 * ROUNDING  # noise below this is left in the picture
REMAINING = 0.35  # share of the noise that remains after denoising, measured on photographs

Undone = tuple[Tensor, Tensor]


def remove_noise(x: Tensor, y: Tensor, deviation: Tensor) -> Undone:
    """Remove the noise of y where it is noticeable: x + the sparse part of y - x.

    Args:
        x: (N, C, H, W), a picture near the truth.
        y: (N, C, H, W).
        deviation: standard deviation of the noise of y, (N or 1, C or 1, 1, 1).

    Returns:
        The picture (N, C, H, W) and the deviation that remains.
    """
    if float(deviation.max()) < NOTICEABLE:
        return y, deviation
    return x + extract_sparse_change(y - x, deviation), (REMAINING * deviation).clamp_min(ROUNDING)


class RestoresDetail:
    """Mixin of ``Degradation``: restoration of a photograph by an answer that has only coarse content."""

    @torch.no_grad()
    def restore_detail(self, x: Tensor, y: Tensor) -> Tensor:
        """Restore a photograph at its own size, with what it does not show taken from x.

        Where ``merge`` looks for the smallest change of x, this looks for the sparsest: x is an enlarged answer
        without fine detail, so that details come from y, denoised and deconvolved where necessary. Holes are filled by
        x and a membrane of the difference at their rim.

        Args:
            x: (N, C, H, W) in [-1, 1], an answer at the size of the photograph.
            y: the observation, (1 or N, c, h, w).

        Returns:
            (N, C, H, W) in [-1, 1], dtype of x.
        """
        guess = x.float().clamp(-1, 1)
        y = self.set_known_values(y.to(guess)).expand(len(x), -1, -1, -1)
        picture, deviation = self.undo(guess, y, guess.new_full((1, 1, 1, 1), ROUNDING))
        return remove_noise(guess, picture, deviation)[0].clamp(-1, 1).to(x)

    def undo(self, x: Tensor, y: Tensor, deviation: Tensor) -> Undone:
        """Return the picture before this operator, whose noise may remain to be removed, and its deviation.

        Default: linear operators that mix pixels are inverted by ``find_sparse_solution``, other smooth ones by
        ``merge``. Operators without gradients return y, if it has the shape of x. Unobserved pixels are filled.

        Args:
            x: (N, C, H, W), the guess before this operator.
            y: (N, c, h, w), the picture after it.
            deviation: standard deviation of the noise of y, (N or 1, c or 1, 1, 1).

        Returns:
            (N, C, H, W) and (N or 1, C or 1, 1, 1).
        """
        deviation = self._add_own_noise(y, deviation)
        if self.linear and not self.pointwise:
            each = deviation if self.keeps_channels else deviation.amax(1, keepdim=True)
            picture, deviation = self._deconvolve(x, y, each)
        elif self.linear or self.smooth:
            picture, deviation = self._undo_by_merging(x, y, deviation)
        else:
            return (y if y.shape == x.shape else self.merge(x, y)), deviation
        unobserved = self.unobserved(tuple(x.shape[-2:]))
        if unobserved is None:
            return picture, deviation
        return self._fill(x, picture, ~unobserved[:, None], deviation)

    def mean_square_error(self, y: Tensor) -> Tensor:
        """Return the mean square of the errors that noise and lossy coding are expected to leave in y.

        Args:
            y: (N, c, h, w) in [-1, 1].

        Returns:
            (N,), on the scale of [-1, 1]; 0 where nothing is known.
        """
        stated = None if self.noise is None else self.noise.mean_square(y)
        return y.new_zeros(len(y)) if stated is None else stated.to(y)

    def _add_own_noise(self, y: Tensor, deviation: Tensor) -> Tensor:
        stated = None if self.noise is None else self.noise.mean_square(y)
        return deviation if stated is None else (deviation.square() + expand_rows(stated.to(y))).sqrt()

    @staticmethod
    def _fill(x: Tensor, y: Tensor, known: Tensor, deviation: Tensor) -> Undone:
        """Remove the noise of y and fill its unknown pixels."""
        y, deviation = remove_noise(x, torch.where(known, y, x), deviation)
        return fill_sparsely(x, y, known.to(y.device)), deviation

    def _deconvolve(self, x: Tensor, y: Tensor, deviation: Tensor) -> Undone:
        size = tuple(x.shape[-2:])
        adjoint = lambda v: self.adjoint(v, size)  # noqa: E731
        if x.shape[1] != (3 if self.channels(3) == y.shape[1] else y.shape[1]):
            back = torch.func.vjp(self, x)[1]
            adjoint = lambda v: back(v)[0]  # noqa: E731
        begin = self.lift(y, size) if y.shape[1] == x.shape[1] and self.scales else x
        if (unobserved := self.unobserved(size)) is not None:
            begin = torch.where(unobserved[:, None], x, begin)
        nearer = rms_per_row(y - self(begin)) < rms_per_row(y - self(x))
        start = torch.where(expand_rows(nearer), begin, x)
        picture = find_sparse_solution(self, adjoint, x, y, start=start, deviation=deviation)
        return picture, torch.full_like(deviation, ROUNDING)

    def _undo_by_merging(self, x: Tensor, y: Tensor, deviation: Tensor) -> Undone:
        """Merge, and measure by how much that amplifies noise, with a small change of random sign."""
        picture = self.merge(x, y)
        random = torch.Generator().manual_seed(0)
        sign = (torch.rand(y.shape[1:], generator=random) < 0.5).to(y) * 2 - 1
        moved = self.merge(x, y + ROUNDING * sign) - picture
        gain = moved.square().mean((2, 3), keepdim=True).sqrt() / ROUNDING
        return picture, gain * deviation.amax(1, keepdim=True)
