"""What equalised layers multiply their stored numbers by."""

import math

import pytest
import torch

from dgp.engine.release import plan_release
from dgp.engine.stage_options import Release
from generators.stylegan.ops import Dense, ToRGB
from generators.stylegan.stylegan2 import StyleGAN2
from tests.families import FAMILIES

STYLED = [name for name in FAMILIES if name.startswith("stylegan")]


def test_a_dense_layer_is_a_plain_one_of_its_numbers_times_their_gains():
    layer, x = Dense(12, 5, rate=0.1, bias=0.3), torch.randn(4, 12)
    gains = layer.weight_gains()
    plain = torch.nn.functional.linear(x, layer.weight * gains["weight"], layer.bias * gains["bias"])
    torch.testing.assert_close(layer(x), plain)


def test_colours_are_those_of_plain_weights_times_their_gains():
    layer, x, w = ToRGB(12, 6, None), torch.randn(2, 12, 4, 4), torch.randn(2, 6)
    weight = layer.weight[None, :, :, 0, 0] * layer.weight_gains()["weight"] * layer.affine(w)[:, None]
    plain = torch.einsum("noi,nihw->nohw", weight, x) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x, w), plain)


@pytest.mark.parametrize("family", STYLED)
def test_weights_of_unit_variance_are_as_large_as_those_of_plain_networks_when_used(family):
    network = FAMILIES[family]().generator
    gains, shapes = network.gains(), {name: p.shape for name, p in network.named_parameters()}
    kernels = [name for name in gains if name.endswith("weight") and len(shapes[name]) == 4]
    assert gains.keys() <= shapes.keys() and len(kernels) > 3
    for name in kernels:
        fan_in = math.prod(shapes[name][1:])
        assert 1 / math.sqrt(fan_in) <= gains[name] * 1.0001 and gains[name] <= 1.5 / math.sqrt(fan_in)


def test_a_rate_of_what_is_used_moves_weights_as_used_alike():
    network = FAMILIES["stylegan2"]().generator
    assert isinstance(network, StyleGAN2)
    stored, used = (plan_release(Release(lr=1e-3, scale=scale), network) for scale in ("stored", "used"))
    gains = network.gains()
    assert stored.keys() == used.keys() and {update.lr for update in stored.values()} == {1e-3}
    assert all(update.lr * gains.get(name, 1.0) == pytest.approx(1e-3) for name, update in used.items())
    biggan = FAMILIES["biggan"]().generator
    assert biggan.gains() == {}
