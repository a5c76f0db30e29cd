"""Layers with spectral normalisation (Miyato et al. 2018), as the published BigGAN evaluates it.

The weight is divided by ``sigma = v W^T u^T`` after one power step from the stored ``u0``, which does not change; u and
v are constants for the gradient. The stored ``sv0`` is a log of the training run and is not used. Networks without
spectral normalisation have no ``u0``. Networks normalised by ``torch.nn.utils.spectral_norm`` store v too, as ``v0``,
and take no power step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nn.once_differentiable import once_differentiable
from generators.nn.weight_cache import WeightCache


def identity(weight: Tensor) -> Tensor:
    """Return the weight as it is."""
    return weight


def merge_pooling(weight: Tensor) -> Tensor:
    """Merge 2x2 average pooling into a kernel: (out, in, 3, 3) -> (out, in, 4, 4), to be used with stride 2."""
    return F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, 1)


def merge_upsampling(weight: Tensor) -> Tensor:
    """Merge nearest-neighbour upsampling into a kernel: (out, in, 3, 3) -> (in, out, 4, 4), transposed, stride 2."""
    return 4 * merge_pooling(weight).flip(2, 3).transpose(0, 1)


class DivideBySigma(torch.autograd.Function):
    """``weight / sigma`` in few passes over the weight; at full width a pass costs about as much as a convolution."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, u0: Tensor, v0: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        matrix = weight.flatten(1)
        v = F.normalize(u0 @ matrix, eps=eps) if v0 is None else v0.clone()
        projected = v @ matrix.t()
        u = F.normalize(projected, eps=eps) if v0 is None else u0.clone()
        sigma = (projected @ u.t()).squeeze()
        return weight / sigma, sigma, u, v

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, *_) -> tuple[Tensor, None, None, None]:
        """Return (G - <G, W / sigma> u^T v) / sigma for the gradient G."""
        normalised, sigma, u, v = ctx.saved_tensors
        along = torch.dot(gradient.flatten(), normalised.flatten())
        pulled = (gradient / sigma).flatten(1)
        return pulled.addmm_(u.t() * (-along / sigma), v).view(gradient.shape), None, None, None


class SpectralNorm(WeightCache, nn.Module):
    """Mix-in for layers whose weight is divided by its largest singular value."""

    def init_spectral_norm(self, rows: int, singular_values: int, eps: float) -> None:
        """Register the vectors of the power iteration.

        Args:
            rows: of the weight as a matrix.
            singular_values: how many ``u`` are stored (0: no normalisation); only the first is used.
            eps: lower bound of the norms that vectors are divided by.
        """
        self.eps = eps
        for i in range(singular_values):
            self.register_buffer(f"u{i}", torch.randn(1, rows))
            self.register_buffer(f"sv{i}", torch.ones(1))

    def store_right_vector(self) -> None:
        """Store v as ``v0`` (1, columns); ``u0`` is then u itself, and no power step is taken."""
        self.register_buffer("v0", torch.randn(1, self.weight[0].numel()))

    def normalised_weight(self, transform: Callable[[Tensor], Tensor] = identity) -> Tensor:
        """Return ``transform`` of the normalised weight, cached as long as the weight does not change."""
        return self.get_derived(transform.__name__, lambda _: transform(self._normalise_weight()))

    @torch.no_grad()
    def power_step(self) -> None:
        """Take one step of the power iteration and store it, as before each training step (ibid., algorithm 1)."""
        matrix = self.weight.flatten(1)
        projected = F.normalize(self.u0 @ matrix, eps=self.eps) @ matrix.t()
        self.sv0.fill_(projected.norm())
        self.u0.copy_(F.normalize(projected, eps=self.eps))
        self.__dict__.pop("_derived_weights", None)  # derived with the previous u0

    def _normalise_weight(self) -> Tensor:
        if not hasattr(self, "u0"):
            return self.weight
        with torch.autocast(self.weight.device.type, enabled=False):
            v0 = getattr(self, "v0", None)
            return DivideBySigma.apply(self.weight, self.u0.detach(), None if v0 is None else v0.detach(), self.eps)[0]


class Conv(SpectralNorm, nn.Conv2d):
    """Convolution with spectral normalisation that keeps the size, optionally after upsampling or before pooling.

    Attributes:
        merge_resampling: whether resampling is merged into the kernel; None for where it saves time with few rows.
            Training sets it, since its batches are large.
    """

    merge_resampling: bool | None = None

    def __init__(self, cin: int, cout: int, kernel: int, singular_values: int, eps: float, bias: bool = True):
        nn.Conv2d.__init__(self, cin, cout, kernel, padding=kernel // 2, bias=bias)
        self.init_spectral_norm(cout, singular_values, eps)

    def forward(self, x):
        n, _, h, w = x.shape
        if n == 1 and x.device.type == "cpu" and 4 * h * w <= self.out_channels:
            # oneDNN would reorder this large weight in every call, a matrix product does not.
            columns = F.unfold(x, self.kernel_size, padding=self.padding)
            product = (self.normalised_weight().flatten(1) @ columns).view(1, -1, h, w)
            return product if self.bias is None else product + self.bias[:, None, None]
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)

    def upsample_and_convolve(self, x):
        """Return ``forward`` of x upsampled by two (nearest neighbour), at less than half the cost."""
        if self.should_merge(4 * x[0, 0].numel()):
            return F.conv_transpose2d(x, self.normalised_weight(merge_upsampling), self.bias, stride=2, padding=1)
        return self(F.interpolate(x, scale_factor=2))

    def convolve_and_pool(self, x):
        """Return ``forward`` of x averaged over 2x2, at less than half the cost."""
        if self.should_merge(x[0, 0].numel() // 4):
            return F.conv2d(x, self.normalised_weight(merge_pooling), self.bias, stride=2, padding=1)
        return F.avg_pool2d(self(x), 2)

    def should_merge(self, positions: int) -> bool:
        """Return whether to merge resampling into the kernel, for so many positions in one row's output.

        The merged kernel is larger by 16/9, so the map must be large enough to pay for computing it. A weight that is
        trained would need a new one in each step. With tiny kernels the calls cost more than is saved.
        """
        if self.merge_resampling is not None:
            return self.merge_resampling
        return not self.weight.requires_grad and self.weight.numel() >= 2**10 and positions >= 4 * self.out_channels


class Linear(SpectralNorm, nn.Linear):
    """Linear layer with spectral normalisation."""

    def __init__(self, cin: int, cout: int, singular_values: int, eps: float, bias: bool = True):
        nn.Linear.__init__(self, cin, cout, bias)
        self.init_spectral_norm(cout, singular_values, eps)

    def forward(self, x):
        return F.linear(x, self.normalised_weight(), self.bias)


class Embedding(SpectralNorm, nn.Embedding):
    """Embedding with spectral normalisation."""

    def __init__(self, count: int, width: int, singular_values: int, eps: float):
        nn.Embedding.__init__(self, count, width)
        self.init_spectral_norm(count, singular_values, eps)

    def forward(self, labels):
        return F.embedding(labels, self.normalised_weight())
