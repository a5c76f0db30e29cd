"""MobileStyleGAN: the operations it is made of, by themselves, and the published network against its golden values."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import generators
from generators.stylegan.mobile import separable_conv
from generators.stylegan.mobile.layers import invert_haar
from generators.stylegan.mobile.separable_conv import SeparableConv
from tests.generators.stylegan.networks import mobile_stylegan

ROOT = 0.5**0.5


def literal_haar(x):
    """Transposed convolutions of each channel, first of columns, then of lines."""
    average, rows, columns, diagonals = x.chunk(4, 1)

    def wave(part, sign, axis):
        kernel = (
            part.new_tensor([ROOT, sign * ROOT]).view(1, 1, *((2, 1), (1, 2))[axis]).expand(part.shape[1], 1, -1, -1)
        )
        return F.conv_transpose2d(part, kernel, stride=((2, 1), (1, 2))[axis], groups=part.shape[1])

    low, high = wave(average, 1, 0) + wave(rows, -1, 0), wave(columns, 1, 0) + wave(diagonals, -1, 0)
    return wave(low, 1, 1) + wave(high, -1, 1)


def literal(network, w_plus):
    """The network operation by operation."""
    slots = iter(w_plus.unbind(1))
    scales = lambda affine: (F.linear(next(slots), affine.weight, affine.bias) * affine.gain)[:, :, None, None]  # noqa: E731

    def convolve(x, layer):
        x = x * scales(layer.affine)
        if hasattr(layer, "depthwise"):
            x = F.conv2d(x, layer.depthwise.weight, padding=1, groups=x.shape[1])
        x = F.conv2d(x, layer.weight, padding=layer.weight.shape[-1] // 2)
        return F.leaky_relu(x + layer.noise + layer.bias[None, :, None, None], 0.2)

    first, *others = network.synthesis.blocks()
    x = convolve(first.const.expand(len(w_plus), -1, -1, -1), first.conv1)
    for block in others:
        x = convolve(convolve(literal_haar(x * scales(block.up)), block.conv1), block.conv2)
    colours = network.synthesis.torgb
    return literal_haar(F.conv2d(x * scales(colours.affine), colours.weight, colours.bias))


@pytest.mark.parametrize("frozen", [True, False])
def test_it_is_what_its_operations_are_one_by_one(frozen):
    network = mobile_stylegan().double().requires_grad_(not frozen)
    assert network.num_ws == 8 and network.info.resolution == 32
    w_plus = torch.randn(2, 8, 16, dtype=torch.float64, requires_grad=True)
    ours, expected = network({"w+": w_plus}), literal(network, w_plus)
    torch.testing.assert_close(ours, expected)
    inputs = [w_plus, *([] if frozen else network.synthesis.parameters())]
    gradients = [torch.autograd.grad(picture.square().mean(), inputs) for picture in (ours, expected)]
    torch.testing.assert_close(*gradients)


@torch.no_grad()
def test_a_scale_of_zero_is_a_map_of_zero():
    network = mobile_stylegan().double()
    layer = network.synthesis.b8.conv2.affine
    layer.weight.zero_(), layer.bias.zero_()
    latents = {"w": torch.randn(1, 16, dtype=torch.float64)}
    torch.testing.assert_close(network(latents), literal(network, network.w_plus(latents)))


@pytest.mark.parametrize("enlarged", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("size", [1, 12 * 16 * 6, 2**19])
def test_lines_in_any_number_make_the_same_map(enlarged, scaled, size, monkeypatch):
    """Two lines at a time, six (which leaves four for the end), or all."""
    monkeypatch.setattr(separable_conv, "STRIPE_SIZE", size)
    torch.manual_seed(0)
    draw = lambda *shape: torch.randn(shape, dtype=torch.float64)  # noqa: E731
    side, channels = (8, 32) if enlarged else (16, 8)
    x = draw(2, channels, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    up = draw(2, 32).requires_grad_() if enlarged else None
    scale = draw(2, 12).requires_grad_() if scaled else None
    depthwise, pointwise, bias, noise = draw(8, 1, 3, 3), draw(12, 8), draw(12), draw(1, 1, 16, 16)
    ours = SeparableConv.apply(x, up, depthwise, pointwise, bias, noise, scale)
    y = invert_haar(x * up[:, :, None, None]) if enlarged else x
    y = F.conv2d(F.conv2d(y, depthwise, padding=1, groups=8), pointwise[:, :, None, None], bias)
    expected = F.leaky_relu(y + noise, 0.2) * (scale[:, :, None, None] if scaled else 1)
    torch.testing.assert_close(ours, expected)
    inputs, weights = [t for t in (x, up, scale) if t is not None], torch.randn_like(expected)
    torch.testing.assert_close(*(torch.autograd.grad(picture, inputs, weights) for picture in (ours, expected)))


def test_haar_is_that_of_the_published_graph():
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(invert_haar(x), literal_haar(x))
    assert invert_haar(x).square().sum().item() == pytest.approx(x.square().sum().item()), "orthonormal"


def test_released_weights_take_gradients_and_leave_the_others():
    network = mobile_stylegan()
    w = {"w": torch.randn(1, 16, generator=torch.Generator().manual_seed(0))}
    frozen = network(w)
    released = copy.deepcopy(network)
    released.synthesis.b8.requires_grad_(True)
    picture = released(w)
    torch.testing.assert_close(picture, frozen, atol=1e-4, rtol=1e-4)
    picture.square().mean().backward()
    gradients = {name for name, p in released.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert gradients == set(released.groups()[2].parameters)


@pytest.fixture(scope="module")
def published(fetched):
    return generators.load(fetched("mobilestylegan-ffhq") / "SynthesisNetwork.xml")


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "fixtures" / "mobilestylegan_ffhq_io.npz") as file:
        return {name: torch.from_numpy(file[name]).float() for name in file}


@pytest.mark.weights
def test_golden_values(published, golden):
    g = published.generator
    assert g.info.resolution == 1024 and g.num_ws == 23 and g.config.channels == (512,) * 5 + (256, 128, 64)
    torch.testing.assert_close(g.convert({"z": golden["z"]}, "w")["w"], golden["w"], atol=1e-5, rtol=0)
    w = golden["w"][:1].requires_grad_()
    picture = g({"w": w})
    torch.testing.assert_close(F.avg_pool2d(picture, 8), golden["image_pooled8"][:1], atol=1e-4, rtol=0)
    crop = picture[..., 480:544, 480:544]
    torch.testing.assert_close(crop, golden["image_crop_480_544"][:1], atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(picture.square().mean(), w)
    expected = golden["grad_w_of_mean_square"][:1]
    assert (gradient - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.weights
@torch.no_grad()
def test_its_statistics_are_those_of_a_stylegan(published):
    w = published.generator.convert(published.generator.sample(500), "w")["w"]
    statistics = published.statistics
    assert (statistics.mean - w.mean(0)).abs().mean() < 0.1 * statistics.std.mean()
    assert 0.8 < (w.std(0) / statistics.std).mean() < 1.2
    half = published.generator.sample(1, truncation=0.5, generator=torch.Generator().manual_seed(0))["w"]
    whole = published.generator.sample(1, generator=torch.Generator().manual_seed(0))
    expected = (published.generator.convert(whole, "w")["w"] + statistics.mean) / 2
    torch.testing.assert_close(half, expected, atol=1e-5, rtol=0)
