"""The Fourier features that StyleGAN3 begins with."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from generators.nn.equalised import EqualisedLayer
from generators.stylegan.bands import Band
from generators.stylegan.ops import Dense


class FourierInput(EqualisedLayer, nn.Module):
    """Fourier features: sine waves over the plane, rotated and shifted by w, then mixed linearly.

    See Karras et al. 2021, section 3.1 and appendix F.1.

    Attributes:
        transform: (3, 3), a further transform of the picture. It maps points of the picture, whose side is 1 and whose
            centre is the origin, to points of the plane.
    """

    def __init__(self, channels: int, w_dim: int, band: Band):
        super().__init__()
        self.size, self.rate, self.bandwidth = band.size, band.rate, band.cutoff
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Dense(w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        direction = torch.randn(channels, 2)
        radius = torch.hypot(direction[:, :1], direction[:, 1:])
        within = torch.exp(-radius.square() / 4)  # radius^2 is exponential, so that points are uniform in the disc
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", direction / radius * within * self.bandwidth)
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def weight_gains(self) -> dict[str, float]:
        return {"weight": 1 / math.sqrt(len(self.weight))}

    def forward(self, w: Tensor) -> Tensor:
        """Return the features (N, channels, size, size) for w (N, w_dim)."""
        with torch.autocast(w.device.type, enabled=False):
            placed = self.make_transform(self.affine(w.to(self.weight.dtype))) @ self.transform
            phases = self.phases + (self.freqs @ placed[:, :2, 2:])[..., 0]
            freqs = self.freqs @ placed[:, :2, :2]
            # Frequencies that the transform moves beyond the band are attenuated, to zero at half of the sampling rate.
            beyond = (freqs.norm(dim=2) - self.bandwidth) / (self.rate / 2 - self.bandwidth)
            amplitudes = (1 - beyond).clamp(0, 1)
            middle = (self.size - 1) / 2
            at = (torch.arange(self.size, device=w.device, dtype=freqs.dtype) - middle) / self.rate
            along_x, along_y = at[:, None] * freqs[:, None, :, 0], at[:, None] * freqs[:, None, :, 1]
            cycles = along_x[:, None] + along_y[:, :, None] + phases[:, None, None]
            waves = torch.sin(2 * math.pi * cycles) * amplitudes[:, None, None]
            mixed = waves @ (self.weight / math.sqrt(len(self.weight))).t()
        return mixed.permute(0, 3, 1, 2)

    @staticmethod
    def make_transform(turn_and_shift: Tensor) -> Tensor:
        """Return matrices (N, 3, 3) that shift and then rotate.

        Args:
            turn_and_shift: (N, 4): cosine and sine (up to a common factor), shift in x and in y.
        """
        cosine, sine, x, y = (turn_and_shift / turn_and_shift[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        turned = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).view(-1, 3, 3)
        shifted = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
        return turned @ shifted
