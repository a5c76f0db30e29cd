"""Coarser pictures: of StyleGAN2 the colours that are added up until a block, of MobileStyleGAN averages."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

import generators
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from tests.generators.networks import style_prior


@pytest.fixture(scope="module")
def generator():
    return style_prior("stylegan2").generator


@pytest.fixture(scope="module")
def latents(generator):
    return generator.sample(3, generator=torch.Generator().manual_seed(0))


def sum_of_colours(generator, latents, count):
    """The sum over the first blocks, each enlarged by the network's filter to the size of the last."""
    w_plus, blocks = generator.w_plus(latents), generator.synthesis.blocks()[:count]
    state, found = generator.stem(latents), None
    for k, block in enumerate(blocks):
        state = generator.block(k, state, latents)
        hidden = state.hidden
        own = block.torgb(hidden, w_plus[:, generator._first_slot(k) + len(block.convolutions())])
        found = own if found is None else block.fir.upsample(found) + own
    return found


@torch.no_grad()
def test_a_coarser_picture_is_the_sum_of_colours(generator, latents):
    assert generator.resolutions == (4, 8, 16, 32)
    for count, side in enumerate(generator.resolutions[:-1], 1):
        picture = generator.draw(latents, side)
        assert picture.shape == (3, 3, side, side)
        torch.testing.assert_close(picture, sum_of_colours(generator, latents, count), atol=1e-5, rtol=1e-5)
    assert torch.equal(generator.draw(latents, 32), generator(latents))


@torch.no_grad()
@pytest.mark.parametrize("chart", ["w", "w+", "w++", "feature@0", "feature@1", "feature@2"])
def test_every_chart_draws_the_same(generator, latents, chart):
    wide = generator.convert(latents, chart)
    torch.testing.assert_close(generator.draw(wide, 16), generator.draw(latents, 16), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_finer_feature_map_is_drawn_and_averaged(generator, latents):
    for entry, side in (("feature@3", 32), ("feature@4", 32), ("feature@2", 16)):
        expected = F.avg_pool2d(generator.draw(latents, side), side // 8)
        found = generator.draw(generator.convert(latents, entry), 8)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_noise_and_released_weights_reach_it(generator, latents):
    before = generator.draw(latents, 8)
    noise = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(generator.draw(latents | {"noise[1]": noise}, 8), before, atol=1e-3)

    class Draw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = generator

        def forward(self):
            return self.generator.draw(latents, 8)

    name = "synthesis.b4.torgb.bias"
    changed = {f"generator.{name}": dict(generator.named_parameters())[name] + 0.5}
    # The filter that enlarges pads with zeros.
    inner = [picture[..., 1:-1, 1:-1] for picture in (functional_call(Draw(), changed), before + 0.5)]
    torch.testing.assert_close(*inner, atol=1e-5, rtol=1e-5)


def test_networks_without_skip_outputs_have_one_size(latents):
    other = style_prior("stylegan2 resnet").generator
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


def decibels(mobile, latents, side):
    """Variance of averages of the picture over the mean square of the difference from them."""
    picture = mobile(latents)
    averages = F.avg_pool2d(picture, picture.shape[-1] // side)
    return 10 * torch.log10(averages.var() / (mobile.draw(latents, side) - averages).square().mean())


@torch.no_grad()
def test_mobile_stylegan_has_averages_over_squares_of_two_exactly(mobile):
    latents = mobile.sample(2, generator=torch.Generator().manual_seed(0))
    assert mobile.resolutions == (8, 16, 32, 64, 128)
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
