"""StyleGAN1 against the published implementation, and against its operations written out."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from generators.checkpoints.families.stylegan1 import is_generator, read_generator
from generators.errors import WeightsError
from generators.stylegan.stylegan1 import UpConv

from .networks import stylegan1


@pytest.fixture(scope="module")
def published(shared):
    folder = shared / "fixtures"
    tensors = torch.load(folder / "stylegan1_tiny128_synthesis.pt", weights_only=True)
    mapping = torch.load(folder / "stylegan1_tiny_mapping64.pt", weights_only=True)
    tensors |= {f"mapping.{name}": tensor for name, tensor in mapping.items()}
    return tensors, {n: torch.from_numpy(v) for n, v in np.load(folder / "stylegan1_tiny128_io.npz").items()}


@pytest.fixture(scope="module")
def published_latents(published):
    values = published[1]
    return {"w+": values["wplus"]} | {f"noise[{i}]": values[f"noise_{i}"] for i in range(12)}


@pytest.fixture
def small():
    return stylegan1()


def off_by(ours, theirs):
    """In parts of the largest value: activations reach 12, pictures 9."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


@torch.no_grad()
def test_pictures_and_features_are_the_published_ones(published, published_latents):
    network, assumed = read_generator(published[0], {}, "a file")
    values = published[1]
    assert len(assumed) == 2 and network.info.resolution == 128
    assert off_by(network.mapping(values["z"]), values["w"]) < 1e-5
    assert off_by(network(published_latents), values["img"]) < 1e-5
    for k in range(network.depth):
        entering = network.convert(published_latents, f"feature@{k + 1}")
        side = 4 * 2**k
        assert off_by(entering[f"feature@{k + 1}"], values[f"feat_{side}x{side}"]) < 1e-5


def test_gradients_are_the_published_ones(published, published_latents):
    values = published[1]
    network = read_generator(published[0], {}, "a file")[0].requires_grad_(False).double()
    latents = {name: value.double() for name, value in published_latents.items()}
    w_plus = latents["w+"].requires_grad_()
    (network(latents) * values["probe"]).sum().backward()
    assert off_by(w_plus.grad, values["grad_wplus"]) < 1e-5


def test_the_full_size_has_the_published_tensors(shared):
    shapes = json.loads((shared / "fixtures" / "stylegan1_key_shapes_1024.json").read_text())
    named = shapes["synthesis"] | {f"mapping.{name}": shape for name, shape in shapes["mapping"].items()}
    tensors = {name: torch.empty(shape, device="meta") for name, shape in named.items()}
    assert is_generator(tensors)
    network = read_generator(tensors, {}, "a manifest")[0]
    assert network.info.resolution == 1024 and network.num_ws == 18
    with pytest.raises(WeightsError, match="1 missing.*torgb.bias"):
        read_generator({n: t for n, t in tensors.items() if n != "torgb.bias"}, {}, "a manifest")
    with pytest.raises(WeightsError, match="1 unexpected.*extra"):
        read_generator(tensors | {"extra": tensors["torgb.bias"]}, {}, "a manifest")
    with pytest.raises(WeightsError, match="sizes 4, 16, .*is the file whole"):
        read_generator({n: t for n, t in tensors.items() if "8x8" not in n or "128" in n}, {}, "a manifest")


@torch.no_grad()
def test_both_files_of_a_conversion_and_the_synthesis_alone(small):
    state = {n: t for n, t in small.state_dict().items() if n != "mapping.w_avg"}
    both = {f"g_{n}" if n.startswith("mapping.") else f"g_synthesis.{n}": t for n, t in state.items()}
    latents = small.sample(2, generator=torch.Generator().manual_seed(0))
    assert is_generator(both) and torch.equal(read_generator(both, {}, "a file")[0](latents), small(latents))
    alone, assumed = read_generator({n: t for n, t in state.items() if "mapping" not in n}, {}, "a file")
    assert [spec.name for spec in alone.info.latents if spec.chart != "noise"] == ["w", "w+"]
    assert any("no mapping" in words for words in assumed)
    drawn = alone.sample(2000, generator=torch.Generator().manual_seed(0))
    assert drawn.keys() == {"w"} and abs(drawn["w"].mean() - 0.05) < 0.05
    assert torch.equal(alone(small.convert(latents, "w")), small(latents))
    with pytest.raises(ValueError, match="has w, w\\+ and feature@0"):
        alone.convert({"w": drawn["w"][:1]}, "z")


@torch.no_grad()
def test_truncation_is_towards_the_mean_of_w(small):
    network, _ = read_generator({n: t for n, t in small.state_dict().items() if n != "mapping.w_avg"}, {}, "a file")
    streams = [torch.Generator().manual_seed(s) for s in range(400)]
    whole = network.mapping(network.sample(400, generator=streams)["z"])
    streams = [torch.Generator().manual_seed(s) for s in range(400)]
    half = network.sample(400, truncation=0.5, generator=streams)["w"]
    assert torch.allclose(half, (whole + network.mapping.w_avg) / 2, atol=1e-6)
    assert (whole.mean(0) - network.mapping.w_avg).abs().max() < 5 * whole.std() / 20


@torch.no_grad()
@pytest.mark.parametrize("size", [64, 128])
def test_enlarging_is_the_published_operations(size):
    torch.manual_seed(0)
    layer = UpConv(6, 4, size).double()
    layer.bias.normal_()
    x = torch.randn(2, 6, size // 2, size // 2, dtype=torch.float64)
    weight = layer.weight * 2**0.5 / 54**0.5
    if size < 128:
        y = F.conv2d(F.interpolate(x, scale_factor=2), weight, padding=1)
    else:
        kernel = sum(F.pad(weight, (a, 1 - a, b, 1 - b)) for a in (0, 1) for b in (0, 1))
        y = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
    line = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    blur = torch.outer(line, line).expand(4, 1, 3, 3)
    expected = F.conv2d(y, blur, padding=1, groups=4) + layer.bias[:, None, None]
    for released in (False, True):
        layer.weight.requires_grad_(released)
        assert torch.allclose(layer(x), expected, atol=1e-12)


def test_frozen_weights_are_formed_once_and_again_on_a_change(small, monkeypatch):
    latents = small.sample(1, generator=torch.Generator().manual_seed(0))
    formed = []
    original = UpConv.merge_upsampling
    monkeypatch.setattr(UpConv, "merge_upsampling", lambda self, weight: formed.append(1) or original(self, weight))
    with torch.inference_mode():
        before = small(latents)
    assert torch.equal(small(latents), before) and len(formed) == 2
    twin = copy.deepcopy(small)
    twin.blocks["8x8"].conv0_up.weight.mul_(2)
    changed = twin(latents)
    assert torch.equal(small(latents), before) and not torch.allclose(changed, before, atol=1e-2)
    name = "blocks.8x8.conv0_up.weight"
    moved = {name: (small.get_parameter(name) * 2).requires_grad_()}
    released = torch.func.functional_call(small, moved, (latents,))
    assert torch.allclose(released, changed, atol=1e-5)
    released.sum().backward()
    assert moved[name].grad.abs().max() > 0 and torch.equal(small(latents), before)


@torch.no_grad()
def test_noise_maps_stand_in_by_name(small):
    latents = small.sample(2, generator=torch.Generator().manual_seed(0))
    stored = {f"noise[{i}]": getattr(small, f"noise{i}").expand(2, -1, -1, -1) for i in range(6)}
    assert [spec.shape for spec in small.info.latents if spec.chart == "noise"] == [
        t.shape[1:] for t in stored.values()
    ]
    assert torch.allclose(small(latents | stored), small(latents), atol=1e-6)
    for name in stored:
        assert not torch.allclose(small(latents | {name: stored[name] + 1}), small(latents), atol=1e-3)
