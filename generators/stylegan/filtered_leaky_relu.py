"""Leaky ReLU on a finer grid, between two low-pass filters (Karras et al. 2021, figure 4b and appendix D)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.stylegan.ops import GAIN, SLOPE


class FilteredLeakyReLU:
    """Interpolate by ``up``, rectify, decimate by ``down``, on what a convolution that pads by kernel - 1 gives.

    size, goal: sides of the maps before that convolution and after the decimation; what lies between is centred.
    ``gain`` is what the caller multiplies what it hands in by: a leaky ReLU keeps a positive gain. Only what the
    decimation reads is computed: ``trimmed`` says how much of its input the convolution may leave out.
    """

    gain = GAIN

    def __init__(
        self, size: int, goal: int, up: int, down: int, up_taps: int, down_taps: int, kernel: int, clamp: float | None
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
        """(what of x the convolution reads, its padding)"""
        edge = max(0, -self.margin)
        return x[..., edge : x.shape[2] - edge, edge : x.shape[3] - edge], max(0, self.margin)

    def __call__(self, x: Tensor, up_filter: Tensor, down_filter: Tensor) -> Tensor:
        """x (N, C, h, w); up_filter (taps,); down_filter (taps,) or (taps, taps)."""
        if x.device.type == "cpu":
            x = x.to(up_filter.dtype)  # in half precision a CPU filters several times slower
        with torch.autocast(x.device.type, enabled=False):
            return self._apply(x, up_filter, down_filter)

    def _apply(self, x: Tensor, up_filter: Tensor, down_filter: Tensor) -> Tensor:
        channels = x.shape[1]
        line = (up_filter * self.up).to(x.dtype).expand(channels, 1, -1)
        fine = F.conv_transpose2d(x, line[..., None], stride=(self.up, 1), padding=(self.crop, 0), groups=channels)
        fine = F.conv_transpose2d(fine, line[:, :, None], stride=(1, self.up), padding=(0, self.crop), groups=channels)
        fine = F.leaky_relu_(fine, SLOPE)
        if self.clamp is not None:
            fine = F.hardtanh(fine, -self.clamp, self.clamp)  # whose gradient takes one pass, not four
        # On channels-last maps one pass over a square filter is as fast as two over its lines.
        square = torch.outer(down_filter, down_filter) if down_filter.ndim == 1 else down_filter
        return F.conv2d(fine, square.to(x.dtype).expand(channels, 1, -1, -1), stride=self.down, groups=channels)
