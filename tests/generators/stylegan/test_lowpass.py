"""The filters and bands of StyleGAN3 against derivations of their own, and the tensors of the published networks."""

import numpy as np
import pytest
import scipy.signal
import scipy.special
import torch

from generators.checkpoints.families.stylegan3 import read_generator
from generators.errors import WeightsError
from generators.stylegan.bands import Schedule, layer_names
from generators.stylegan.lowpass import lowpass
from generators.stylegan.stylegan3 import Layer, StyleGAN3, StyleGAN3Config

from .networks import CONFIGURATIONS

# As the published networks name their layers: (configuration, resolution, base, most channels).
PUBLISHED = {
    ("T", 256, 16384, 512): "L0_36_512 L1_36_512 L2_36_512 L3_52_512 L4_52_512 L5_84_512 L6_84_512 L7_148_362 "
    "L8_148_256 L9_148_181 L10_276_128 L11_276_91 L12_276_64 L13_256_64 L14_256_3",
    ("R", 256, 32768, 1024): "L0_36_1024 L1_36_1024 L2_36_1024 L3_52_1024 L4_52_1024 L5_84_1024 L6_84_1024 L7_148_724 "
    "L8_148_512 L9_148_362 L10_276_256 L11_276_181 L12_276_128 L13_256_128 L14_256_3",
    ("R", 512, 65536, 1024): "L0_36_1024 L1_36_1024 L2_52_1024 L3_52_1024 L4_84_1024 L5_84_1024 L6_148_1024 L7_148_967 "
    "L8_276_645 L9_276_431 L10_532_287 L11_532_192 L12_532_128 L13_512_128 L14_512_3",
    ("T", 1024, 32768, 512): "L0_36_512 L1_36_512 L2_52_512 L3_52_512 L4_84_512 L5_148_512 L6_148_512 L7_276_323 "
    "L8_276_203 L9_532_128 L10_1044_81 L11_1044_51 L12_1044_32 L13_1024_32 L14_1024_3",
    ("R", 1024, 65536, 1024): "L0_36_1024 L1_36_1024 L2_52_1024 L3_52_1024 L4_84_1024 L5_148_1024 L6_148_1024 "
    "L7_276_645 L8_276_406 L9_532_256 L10_1044_161 L11_1044_102 L12_1044_64 L13_1024_64 L14_1024_3",
}


def full_size(configuration, resolution, base, most):
    config = StyleGAN3Config(resolution, Schedule(resolution).channels(base, most), **CONFIGURATIONS[configuration])
    with torch.device("meta"):
        return StyleGAN3(config)


@pytest.mark.parametrize("which", PUBLISHED, ids=str)
def test_layers_have_the_published_names(which):
    schedule = Schedule(which[1])
    assert layer_names(schedule.bands(), schedule.channels(*which[2:])) == PUBLISHED[which].split()


def test_the_full_size_has_the_published_tensors():
    """Counts of the published network for faces at 1024 px, configuration R, as its summary prints them."""
    network = full_size("R", 1024, 65536, 1024)
    assert sum(parameter.numel() for parameter in network.parameters()) == 15093151
    assert sum(buffer.numel() for buffer in network.buffers()) == 5600
    layer = network.synthesis.get_submodule("L2_52_1024")
    assert sum(buffer.numel() for buffer in layer.buffers()) == 24 + 12 * 12 + 1
    kinds = {name.rsplit(".L", 1)[0] if ".L" not in name else name.split(".", 2)[2] for name in network.state_dict()}
    assert kinds == {
        *(f"synthesis.input.{rest}" for rest in ("weight", "affine.weight", "affine.bias")),
        *(f"synthesis.input.{rest}" for rest in ("transform", "freqs", "phases")),
        *(f"mapping.{rest}" for rest in ("w_avg", "fc0.weight", "fc0.bias", "fc1.weight", "fc1.bias")),
        *("weight", "bias", "affine.weight", "affine.bias", "magnitude_ema", "up_filter", "down_filter"),
    }


@pytest.mark.parametrize("which", list(PUBLISHED)[::3], ids=str)
def test_a_manifest_of_the_full_size_is_read_strictly(which):
    shapes = {name: tensor.to("meta") for name, tensor in full_size(*which).state_dict().items()}
    network, assumed = read_generator(shapes, {}, "a manifest")
    assert network.info.resolution == which[1] and network.num_ws == 16 and len(assumed) == 1
    assert network.config.use_radial_filters == (which[0] == "R")
    without = next(name for name in shapes if name.endswith("13_1024_32.bias") or name.endswith("13_256_64.bias"))
    with pytest.raises(WeightsError, match=rf"1 missing \({without}"):
        read_generator({name: t for name, t in shapes.items() if name != without}, {}, "a manifest")
    with pytest.raises(WeightsError, match="missing"):
        read_generator(shapes, {"margin_size": 12}, "a manifest")
    with pytest.raises(WeightsError, match="margin_size 1.5, expected a whole number"):
        read_generator(shapes, {"margin_size": 1.5}, "a manifest")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_filters_of_every_layer_are_those_of_the_formulas(configuration):
    """Frequencies from the paper's own words: cutoffs from 2 and stopbands from 2^2.1 cycles grow geometrically up to
    half of the resolution and 2^0.3 times that; rates are the next power of two above twice the stopband."""
    side = 128
    config = StyleGAN3Config(side, (*[4] * 14, 3), w_dim=8, z_dim=8, mapping_width=8, **CONFIGURATIONS[configuration])
    layers = [layer for layer in StyleGAN3(config).synthesis.layers() if isinstance(layer, Layer)]
    grown = np.minimum(np.arange(14) / 12, 1)
    cutoff = 2 * (side / 2 / 2) ** grown
    stopband = 2**2.1 * (side / 2 * 2**0.3 / 2**2.1) ** grown
    rate = 2 ** np.ceil(np.log2(np.minimum(2 * stopband, side)))
    band = 2 * (np.maximum(stopband, rate / 2) - cutoff)
    for i, layer in enumerate(layers):
        fine = 2 * rate[i]
        before = max(i - 1, 0)
        up = scipy.signal.firwin(int(6 * fine / rate[before]), cutoff[before], width=band[before], fs=fine)
        assert np.abs(layer.up_filter.numpy() - up).max() < 1e-6
        if configuration == "R" and i < 12:
            down = jinc(12, cutoff[i], band[i], fine)
        else:
            down = scipy.signal.firwin(12, cutoff[i], width=band[i], fs=fine)
        assert np.abs(layer.down_filter.numpy() - down).max() < 1e-6


def jinc(taps, cutoff, width, rate):
    at = (np.arange(taps) - (taps - 1) / 2) / rate
    distance = np.hypot(*np.meshgrid(at, at))
    window = scipy.signal.windows.kaiser(
        taps, scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, width / (rate / 2)))
    )
    filtered = scipy.special.j1(2 * np.pi * cutoff * distance) / distance * np.outer(window, window)
    return filtered / filtered.sum()


def test_filters_pass_what_is_below_the_cutoff_and_stop_what_is_above():
    taps, cutoff, width, rate = 48, 10.0, 4.0, 64.0
    line, disc = lowpass(taps, cutoff, width, rate), lowpass(taps, cutoff, width, rate, radial=True)
    assert torch.equal(disc, disc.t()) and torch.allclose(disc, disc.flip(0), atol=1e-9)
    at = torch.arange(taps) - (taps - 1) / 2
    for frequency, low, high in ((4.0, 0.99, 1.01), (10.0, 0.45, 0.55), (16.0, 0.0, 0.01)):
        wave = torch.cos(2 * torch.pi * frequency * at / rate)
        assert low <= (line * wave).sum().abs() <= high
        for angle in (0.0, 0.3, 0.785):
            x, y = at * np.cos(angle), at * np.sin(angle)
            turned = torch.cos(2 * torch.pi * frequency * (x[:, None] + y) / rate)
            assert low - 0.05 <= (disc * turned).sum().abs() <= high + 0.05
