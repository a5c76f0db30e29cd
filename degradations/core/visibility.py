"""Which pixels of a picture an observation carries no information about.

It is one idea, seen from both sides of y = phi(x):

- a pixel of y is *uninformative* where its value does not depend on x, such as the mid-grey inside a hole or beside a
  rotated picture (``Degradation.uninformative``);
- a pixel of x is *unobserved* where every pixel of y that depends on it is uninformative, or no pixel of y depends on
  it (``Degradation.unobserved``).

``Degradation.propagate_unobserved`` leads from the first set to the second through one operator. A chain applies it
from its last operator to its first, beginning with a y whose pixels all count. Where each pixel of y comes from the
same pixel of x, the two sets are equal, which is the default of ``uninformative``. ``Degradation.alpha_mask`` is the
set of uninformative pixels again, for operators whose files mark them as transparent.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TRIALS = 2  # a gradient may vanish by chance at one random picture, and hardly at two


def find_unobserved(
    phi: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int, int],
    uninformative: Tensor | None,
    device: torch.device,
) -> Tensor:
    """Find the pixels of x on which no informative pixel of phi(x) depends, by random gradients.

    Args:
        phi: differentiable, on float64 batches.
        shape: (N, C, H, W) of x.
        uninformative: pixels of y that do not count, (N or 1, h, w) bool; None: all count.
        device: where to compute.

    Returns:
        (N, H, W) bool, true where the gradients of random sums of y vanish.
    """
    random = torch.Generator().manual_seed(0)
    unobserved = torch.ones(shape[0], *shape[2:], dtype=torch.bool, device=device)
    for _ in range(TRIALS):
        x = (torch.rand(shape, generator=random, dtype=torch.float64) - 0.5).to(device)
        with torch.enable_grad():
            y = phi(x.requires_grad_())
            weight = torch.randn(y.shape, generator=random, dtype=torch.float64).to(device)
            if uninformative is not None:
                weight = weight * ~uninformative[:, None]
            unobserved &= torch.autograd.grad(y, x, weight)[0].abs().amax(1) == 0
    return unobserved
