"""The three networks of MTCNN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Kernel sides of the convolutions, each with the side of the max-pooling after it (stride 2) or None.
PROPOSAL = ((3, 2), (3, None), (3, None))
REFINEMENT = ((3, 3), (3, 3), (2, None))
OUTPUT = ((3, 3), (3, 3), (3, 2), (2, None))


class Network(nn.Module):
    """Convolutions with PReLU and max-pooling, perhaps a hidden layer, and linear heads; all weights are given.

    Args:
        layout: kernel side and pooling side of each convolution.
        arrays: weights in the order of the layers: kernel (k, k, in, out), bias and slope of each convolution; for a
            network with a hidden layer its matrix (in, out), bias and slope; then matrix and bias of each head. The
            inputs of the hidden layer are ordered by column, row, channel.
    """

    def __init__(self, layout: Sequence[tuple[int, int | None]], arrays: Sequence[np.ndarray]):
        super().__init__()
        self.layout, left = layout, [torch.from_numpy(np.array(array, np.float32)) for array in arrays]
        self.convolutions = [self._take(left, 3) for _ in layout]
        self.hidden = self._take(left, 3) if left[0].ndim == 2 else None
        self.heads = [self._take(left, 2) for _ in range(len(left) // 2)]

    @staticmethod
    def _take(left: list[Tensor], count: int) -> list[Tensor]:
        return [left.pop(0) for _ in range(count)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of the heads, the last as the probability of a face.

        Args:
            x: (N, 3, H, W), RGB in about [-1, 1], as (level - 127.5) / 128.

        Returns:
            Each (N, values, h, w), or (N, values) from a network with a hidden layer.
        """
        for (_, pool), (kernel, bias, slope) in zip(self.layout, self.convolutions, strict=True):
            x = F.prelu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias), slope.flatten())
            if pool is not None:
                x = F.max_pool2d(x, pool, 2, ceil_mode=True)
        if self.hidden is None:
            found = [F.conv2d(x, kernel.permute(3, 2, 0, 1), bias) for kernel, bias in self.heads]
        else:
            matrix, bias, slope = self.hidden
            flat = F.prelu(x.permute(0, 3, 2, 1).flatten(1) @ matrix + bias, slope)
            found = [flat @ kernel + bias for kernel, bias in self.heads]
        return [*found[:-1], found[-1].softmax(1)[:, 1]]


@dataclass(frozen=True, eq=False)
class Cascade:
    """The networks of MTCNN.

    Attributes:
        propose: of pictures of any size, for squares of 12 pixels at a stride of 2: corrections of the box, and the
            probability of a face.
        refine: of squares of 24 pixels: the same.
        output: of squares of 48 pixels: corrections, the landmarks (x of all five, then y, as fractions of the box),
            and the probability.
    """

    propose: Network
    refine: Network
    output: Network
