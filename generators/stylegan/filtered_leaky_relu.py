"""Leaky ReLU on a finer grid, between two low-pass filters (Karras et al. 2021, figure 4b and appendix D)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.stylegan.ops import GAIN, SLOPE


class FilteredLeakyReLU:
    """Upsample, apply leaky ReLU, downsample: the alias-free nonlinearity of StyleGAN3.

    It follows a convolution that pads by kernel - 1. Only the pixels that the downsampling filter reads are computed;
    ``crop_input`` says which part of its input the convolution may leave out.

    Args:
        size: side of the map before that convolution.
        goal: side of the map after downsampling; margins are cropped symmetrically.
        up: factor of upsampling.
        down: factor of downsampling.
        up_taps: length of the upsampling filter.
        down_taps: length of the downsampling filter.
        kernel: of the convolution.
        clamp: bound of the activation, or None.

    Attributes:
        gain: by which the caller multiplies the input (leaky ReLU commutes with a positive factor).
    """

    gain = GAIN

    def __init__(
        self,
        size: int,
        goal: int,
        *,
        up: int,
        down: int,
        up_taps: int,
        down_taps: int,
        kernel: int,
        clamp: float | None,
    ):
        read = (goal - 1) * down + down_taps
        surplus = (size + kernel - 2) * up + up_taps - read
        if surplus < 0 or surplus % 2:
            raise ValueError(f"maps of {size} and {goal} do not fit filters of {up_taps} and {down_taps} taps")
        crop = surplus // 2
        unread = max(0, -(-(crop - up_taps + 1) // up))
        self.up, self.down, self.clamp = up, down, clamp
        self.crop = crop - unread * up
        self.margin = kernel - 1 - unread

    def crop_input(self, x: Tensor) -> tuple[Tensor, int]:
        """Return (the part of x that the convolution needs, its padding)."""
        edge = max(0, -self.margin)
        return x[..., edge : x.shape[2] - edge, edge : x.shape[3] - edge], max(0, self.margin)

    def __call__(self, x: Tensor, up_filter: Tensor, down_filter: Tensor) -> Tensor:
        """Apply the nonlinearity.

        Args:
            x: (N, C, h, w).
            up_filter: (taps,).
            down_filter: (taps,), or (taps, taps) for a radial filter.
        """
        if x.device.type == "cpu":
            x = x.to(up_filter.dtype)  # on a CPU, filtering in half precision is several times slower
        with torch.autocast(x.device.type, enabled=False):
            return self._apply(x, up_filter, down_filter)

    def _apply(self, x: Tensor, up_filter: Tensor, down_filter: Tensor) -> Tensor:
        channels = x.shape[1]
        line = (up_filter * self.up).to(x.dtype).expand(channels, 1, -1)
        fine = F.conv_transpose2d(x, line[..., None], stride=(self.up, 1), padding=(self.crop, 0), groups=channels)
        fine = F.conv_transpose2d(fine, line[:, :, None], stride=(1, self.up), padding=(0, self.crop), groups=channels)
        fine = F.leaky_relu_(fine, SLOPE)
        if self.clamp is not None:
            fine = F.hardtanh(fine, -self.clamp, self.clamp)  # its gradient takes one pass, that of clamp takes four
        # On channels-last maps one pass over a square filter is as fast as two over its lines.
        square = torch.outer(down_filter, down_filter) if down_filter.ndim == 1 else down_filter
        return F.conv2d(fine, square.to(x.dtype).expand(channels, 1, -1, -1), stride=self.down, groups=channels)
