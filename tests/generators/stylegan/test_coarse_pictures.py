"""Coarser pictures of StyleGAN2 and MobileStyleGAN: averages of their pictures, or close to them."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

import generators
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from generators.stylegan.ops import Fir, StyledConv
from tests.generators.networks import STYLE_SHAPES, style_prior


@pytest.fixture(scope="module")
def generator():
    return style_prior("stylegan2").generator


@pytest.fixture(scope="module")
def latents(generator):
    return generator.sample(3, generator=torch.Generator().manual_seed(0))


def decibels(generator, latents, side):
    """Variance of averages of the picture over the mean square of the difference from them."""
    picture = generator(latents)
    averages = F.avg_pool2d(picture, picture.shape[-1] // side)
    return 10 * torch.log10(averages.var() / (generator.draw(latents, side) - averages).square().mean())


@torch.no_grad()
def test_coarser_pictures_of_a_trained_network_are_close_to_averages():
    """The sum of colours until the block of that size explains less than half of the variance."""
    trained = generators.load("stylegan2-cifar10").generator
    latents = trained.sample(16, generator=torch.Generator().manual_seed(0))
    assert trained.resolutions == (4, 8, 16, 32)
    assert decibels(trained, latents, 16) > 13 and decibels(trained, latents, 8) > 8


@torch.no_grad()
@pytest.mark.parametrize("name", STYLE_SHAPES)
def test_every_architecture_draws_them(name):
    generator = style_prior(name).generator
    latents = generator.sample(16, generator=torch.Generator().manual_seed(0))
    assert decibels(generator, latents, 16) > 6
    assert generator.draw(latents, 4).shape == (16, 3, 4, 4)
    assert torch.equal(generator.draw(latents, 32), generator(latents))


@torch.no_grad()
@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("up", [True, False])
def test_a_linear_layer_averages_a_blocky_map_exactly(up, halvings):
    torch.manual_seed(0)
    fir = Fir((1.0, 3.0, 3.0, 1.0)) if up else None
    layer = StyledConv(5, 4, w_dim=6, side=16, up=fir, eps=1e-8, clamp=None)
    layer.noise_strength.fill_(0.5)
    coarse = torch.randn(2, 5, 16 // 2**halvings, 16 // 2**halvings)
    blocky = F.interpolate(coarse, scale_factor=2 ** (halvings - up), mode="nearest")
    for style in (layer.style(torch.randn(2, 6)), layer.style(torch.randn(2, 4, 6))):
        layer.bias.fill_(1e4)  # keeps the activation on its straight part
        averages = F.avg_pool2d(layer(blocky, style, None), 2**halvings)
        torch.testing.assert_close(layer(coarse, style, None, halvings=halvings), averages, atol=0.02, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("chart", ["w", "w+", "w++", "feature@0", "feature@1", "feature@2"])
def test_every_chart_draws_the_same(generator, latents, chart):
    wide = generator.convert(latents, chart)
    torch.testing.assert_close(generator.draw(wide, 16), generator.draw(latents, 16), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_finer_feature_map_is_drawn_and_averaged(generator, latents):
    for entry, side in (("feature@3", 16), ("feature@4", 32)):
        expected = F.avg_pool2d(generator.draw(latents, side), side // 8)
        found = generator.draw(generator.convert(latents, entry), 8)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_noise_and_released_weights_reach_it(generator, latents):
    before = generator.draw(latents, 8)
    for name, side in (("noise[1]", 8), ("noise[5]", 32)):
        noise = torch.randn(3, 1, side, side, generator=torch.Generator().manual_seed(1))
        assert not torch.allclose(generator.draw(latents | {name: noise}, 8), before, atol=1e-3)

    class Draw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = generator

        def forward(self):
            return self.generator.draw(latents, 8)

    name = "synthesis.b32.torgb.bias"
    changed = {f"generator.{name}": dict(generator.named_parameters())[name] + 0.5}
    torch.testing.assert_close(functional_call(Draw(), changed), before + 0.5, atol=1e-5, rtol=1e-5)


def test_other_networks_have_one_size():
    other = generators.load("toy").generator
    assert other.resolutions == (32,)
    with pytest.raises(ValueError, match="draws pictures of 32 px"):
        other.draw(other.sample(1), 16)


@pytest.fixture(scope="module")
def mobile():
    torch.manual_seed(0)
    generator = MobileStyleGAN(MobileStyleGANConfig((16, 16, 16, 16, 8), z_dim=10, w_dim=12, mapping_width=12)).eval()
    for name, parameter in generator.named_parameters():
        if name.endswith("bias"):
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    return generator


@torch.no_grad()
def test_mobile_stylegan_has_averages_over_squares_of_two_exactly(mobile):
    latents = mobile.sample(2, generator=torch.Generator().manual_seed(0))
    assert mobile.resolutions == (8, 16, 32, 64, 128)
    assert copy.deepcopy(mobile).double().synthesis.b4.const.dtype == torch.float64
    torch.testing.assert_close(mobile.draw(latents, 64), F.avg_pool2d(mobile(latents), 2), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_where_only_averages_enter_a_block_it_draws_averages(mobile):
    """In a block of a linear network, whose differences are 0, the averaging of kernels is exact."""
    block = copy.deepcopy(mobile.synthesis.blocks()[2])
    generator = torch.Generator().manual_seed(1)
    x, w = torch.randn(2, 16, 8, 8, generator=generator), torch.randn(2, 3, 12, generator=generator)
    x[:, 4:] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generators.stylegan.mobile.layers.SLOPE", 1.0)
        block.requires_grad_(True)  # not the lines of frozen weights
        kernel = block.conv2.depthwise.weight
        kernel[..., [0, 2], :] = kernel[..., :, [0, 2]] = 0
        torch.testing.assert_close(block(x, w, 1), F.avg_pool2d(block(x, w), 2), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.weights
def test_a_trained_mobile_stylegan_comes_close_at_larger_squares(fetched):
    mobile = generators.load(fetched("mobilestylegan-ffhq")).generator
    latents = mobile.sample(1, truncation=0.7, generator=torch.Generator().manual_seed(3))
    assert decibels(mobile, latents, 256) > 15 and decibels(mobile, latents, 128) > 12
