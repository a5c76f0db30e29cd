"""BigGAN-deep against both published implementations: same weights and inputs, same outputs."""

import json

import numpy as np
import pytest
import torch

from generators.checkpoints.families import biggan_deep, biggan_deep_hf

from .test_biggan_parity import relative

HF = ("tiny32", "deep128_ch8")
TRUNCATIONS = (0.02, 0.4, 0.43, 0.5, 0.7, 0.58, 1.0)


def opened(shared, name):
    """(what the file's configuration says, its arrays by group)."""
    with np.load(shared / f"fixtures/{name}.npz") as archive:
        said = json.loads(bytes(archive["config_json"]).decode())
        arrays = {k: torch.from_numpy(archive[k]) for k in archive.files if not k.endswith("_json")}
    return said, lambda prefix: {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}


def hf(shared, name, **more):
    """(network of HuggingFace's file, what went in and came out)."""
    said, part = opened(shared, f"biggan_hf_{name}")
    network, assumed = biggan_deep_hf.read_generator(part("state/"), said | more, name)
    assert assumed == ()
    return network.eval().requires_grad_(False), part("io/")


@pytest.mark.parametrize("name", HF)
@torch.no_grad()
def test_pictures_at_every_truncation(shared, name):
    network, io = hf(shared, name, interpolation="swapped")
    assert torch.equal(network.embed(io["class_one_hot"].argmax(1)), io["embed"])
    latents = {"z": io["z"], "class": io["embed"]}
    for t in TRUNCATIONS:
        picture = network(latents | {"truncation": torch.full((2,), t)})
        assert (picture - io[f"image_trunc_{t}"]).abs().max() <= 5e-5
    assert (network(latents) - io["image_trunc_1.0"]).abs().max() <= 5e-5
    mixed = network(latents | {"truncation": torch.tensor([0.43, 0.02])})
    assert (mixed[0] - io["image_trunc_0.43"][0]).abs().max() <= 5e-5
    assert (mixed[1] - io["image_trunc_0.02"][1]).abs().max() <= 5e-5


@torch.no_grad()
def test_truncations_between_steps_are_interpolated_rightly_unless_told(shared):
    """What was published for 0.58 is of the step at 0.56; on a step and midway, where shares are equal, both agree."""
    network, io = hf(shared, "tiny32")
    assert network.config.interpolation == "linear"
    latents = {"z": io["z"], "class": io["embed"]}
    at = lambda t: network(latents | {"truncation": torch.full((2,), t)})  # noqa: E731
    for t in (0.02, 0.4, 0.43, 0.5, 0.7, 1.0):
        assert (at(t) - io[f"image_trunc_{t}"]).abs().max() <= 5e-5
    assert (at(0.56) - io["image_trunc_0.58"]).abs().max() <= 5e-5
    assert (at(0.58) - io["image_trunc_0.58"]).abs().max() > 0.05
    assert (at(0.5799) - at(0.58)).abs().max() < 0.02


@torch.no_grad()
def test_the_published_sizes_are_known_without_a_configuration(shared):
    _, part = opened(shared, "biggan_hf_deep128_ch8")
    told, _ = hf(shared, "deep128_ch8")
    network, assumed = biggan_deep_hf.read_generator(part("state/"), {}, "file")
    assert network.config == told.config and len(assumed) == 2


@torch.no_grad()
def test_pictures_in_the_authors_layout(shared):
    said, part = opened(shared, "biggan_ajbrock_deep_r64_ch8_G")
    network, _ = biggan_deep.read_generator(part("state/"), said, "file")
    io = part("io/")
    assert torch.equal(network.embed(io["y"]), io["y_embed"])
    for released in (True, False):
        network.requires_grad_(released)
        assert (network({"z": io["z"], "class": io["y"]}) - io["image"]).abs().max() <= 2e-5


@torch.no_grad()
def test_features_and_logits_in_the_authors_layout(shared):
    said, part = opened(shared, "biggan_ajbrock_deep_r64_ch8_D")
    network, _ = biggan_deep.read_discriminator(part("state/"), said, "file")
    io = part("io/")
    *maps, pooled = network.features(io["image"])
    assert len(maps) == 9
    for i, feature in enumerate(maps):
        assert relative(feature, io[f"feat_{i}"]) <= 1e-4
    assert relative(pooled, io["pooled"]) <= 1e-4
    assert relative(network.logit(io["image"], io["y"]), io["logit_cond"]) <= 1e-4
    assert relative(network.logit(io["image"]), io["logit_uncond"]) <= 1e-4


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("size", [128, 256, 512])
def test_full_size_networks_load_strictly(shared, size, told):
    keys = json.loads((shared / f"fixtures/biggan_keys_hf_deep{size}.json").read_text())
    with torch.device("meta"):
        tensors = {name: torch.empty(entry["shape"]) for name, entry in keys["tensors"].items()}
        network, assumed = biggan_deep_hf.read_generator(tensors, keys["config"] if told else {}, "file")
    assert bool(assumed) != told and network.info.resolution == size
    assert sum(p.numel() for p in network.parameters()) == keys["n_params"]
    assert network.config.dim_z == network.config.shared_dim == 128 and network.config.truncations == 51
    # The attention is where maps have 64 pixels a side; a group for each size.
    assert 4 * 2 ** sum(k <= network.config.attention[0] for k in network.config.enlarging) == 64
    assert sum(group.progressive for group in network.groups()) == 1 + len(network.config.enlarging)
