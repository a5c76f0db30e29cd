"""Resampling inside the kernel, and products of matrices on small maps, are the convolution that they stand for."""

import pytest
import torch
import torch.nn.functional as F

from generators.nn.spectral_norm import Conv


def layer(cin, cout, kernel=3):
    torch.manual_seed(0)
    return Conv(cin, cout, kernel, 1, 1e-6).requires_grad_(False)


def plain(conv, x):
    return F.conv2d(x, conv.normalised_weight(), conv.bias, padding=conv.padding)


def agree(ours, theirs, x):
    assert torch.allclose(ours, theirs, atol=1e-5)
    pull = torch.randn_like(theirs)
    a, b = (torch.autograd.grad(y, x, pull)[0] for y in (ours, theirs))
    assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 3])
def test_enlarging_and_pooling_belong_to_the_kernel(rows):
    conv, x = layer(12, 16), torch.randn(rows, 12, 16, 16, requires_grad=True)
    assert conv.should_merge(64)
    agree(conv.upsample_and_convolve(x), plain(conv, F.interpolate(x, scale_factor=2)), x)
    agree(conv.convolve_and_pool(x), F.avg_pool2d(plain(conv, x), 2), x)


def test_a_weight_that_changes_changes_every_form():
    conv, x = layer(12, 16), torch.randn(1, 12, 16, 16)
    before = conv.upsample_and_convolve(x), conv.convolve_and_pool(x)
    conv.weight.mul_(torch.rand_like(conv.weight))
    after = conv.upsample_and_convolve(x), conv.convolve_and_pool(x)
    assert not any(torch.allclose(a, b) for a, b in zip(before, after, strict=True))
    assert torch.allclose(after[1], F.avg_pool2d(plain(conv, x), 2), atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
def test_small_maps_under_large_weights(kernel):
    conv, x = layer(8, 64, kernel), torch.randn(1, 8, 4, 4, requires_grad=True)
    agree(conv(x), plain(conv, x), x)


def test_a_moving_weight_receives_its_gradient_whatever_the_form():
    conv, x = layer(12, 16).requires_grad_(), torch.randn(1, 12, 16, 16)
    for ours, theirs in (
        (conv.upsample_and_convolve, lambda x: plain(conv, F.interpolate(x, scale_factor=2))),
        (conv.convolve_and_pool, lambda x: F.avg_pool2d(plain(conv, x), 2)),
    ):
        pull = torch.randn_like(theirs(x))
        a, b = (torch.autograd.grad(f(x), conv.weight, pull)[0] for f in (ours, theirs))
        assert torch.allclose(a, b, atol=1e-3)
