"""Spectral normalisation (Miyato et al. 2018) as the published BigGAN evaluates it.

The weight is divided by ``sigma = v W^T u^T`` after one power step from the stored ``u0``, which never changes; u and v
are constants for the gradient. The stored ``sv0`` is a log of the training run and is not used. Networks without
spectral normalisation have no ``u0``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class OverSigma(torch.autograd.Function):
    """``weight / sigma`` in as few passes over the weight as it takes: at full width each is as dear as a convolution."""

    @staticmethod
    def forward(ctx, weight: Tensor, u0: Tensor, eps: float) -> Tensor:
        matrix = weight.flatten(1)
        v = F.normalize(u0 @ matrix, eps=eps)
        projected = v @ matrix.t()
        u = F.normalize(projected, eps=eps)
        sigma = (projected @ u.t()).squeeze()
        normalised = weight / sigma
        ctx.save_for_backward(normalised, sigma, u, v)
        return normalised

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        """(G - <G, W / sigma> u^T v) / sigma."""
        normalised, sigma, u, v = ctx.saved_tensors
        pulled = gradient * normalised
        # Under an instance norm this nearly cancels: a dot product in float32 would keep too few digits of it.
        along = pulled.sum()
        torch.div(gradient, sigma, out=pulled)
        pulled.view(len(pulled), -1).addr_(u[0] * (-along / sigma), v[0])
        return pulled, None, None


class SpectralNorm(nn.Module):
    """Mix-in for layers with a ``weight``: ``self.effective()`` is the weight over its largest singular value."""

    weight: Tensor

    def init_spectral(self, rows: int, singular_values: int, eps: float) -> None:
        """singular_values: how many ``u`` are stored (0: no normalisation); only the first is used."""
        self.eps = eps
        self._folded: tuple[Tensor, int, Tensor] | None = None
        for i in range(singular_values):
            self.register_buffer(f"u{i}", torch.randn(1, rows))
            self.register_buffer(f"sv{i}", torch.ones(1))

    def effective(self) -> Tensor:
        """The normalised weight. Of a weight that takes no gradient it is computed once, and again when it changes."""
        if not hasattr(self, "u0"):
            return self.weight
        if self.weight.requires_grad:
            return self._normalised()
        if self._folded is None or self._folded[0] is not self.weight or self._folded[1] != self.weight._version:
            with torch.no_grad():
                self._folded = self.weight, self.weight._version, self._normalised()
        return self._folded[2]

    def _normalised(self) -> Tensor:
        return OverSigma.apply(self.weight, self.u0.detach(), self.eps)

    def _apply(self, fn, recurse=True):
        self._folded = None
        return super()._apply(fn, recurse)

    def __getstate__(self):
        # A copy's weight counts its versions anew, so that a copied cache could pass for its own.
        return self.__dict__ | {"_folded": None}


class Conv(SpectralNorm, nn.Conv2d):
    """A convolution that keeps the size."""

    def __init__(self, cin: int, cout: int, kernel: int, singular_values: int, eps: float, bias: bool = True):
        nn.Conv2d.__init__(self, cin, cout, kernel, padding=kernel // 2, bias=bias)
        self.init_spectral(cout, singular_values, eps)

    def forward(self, x):
        return F.conv2d(x, self.effective(), self.bias, padding=self.padding)


class Linear(SpectralNorm, nn.Linear):
    def __init__(self, cin: int, cout: int, singular_values: int, eps: float, bias: bool = True):
        nn.Linear.__init__(self, cin, cout, bias)
        self.init_spectral(cout, singular_values, eps)

    def forward(self, x):
        return F.linear(x, self.effective(), self.bias)


class Embedding(SpectralNorm, nn.Embedding):
    def __init__(self, count: int, width: int, singular_values: int, eps: float):
        nn.Embedding.__init__(self, count, width)
        self.init_spectral(count, singular_values, eps)

    def forward(self, labels):
        return F.embedding(labels, self.effective())
