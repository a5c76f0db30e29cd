"""StyleGAN2 against the published implementations: rosinality's and NVIDIA's, same weights and inputs."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import generators
from generators.checkpoints.families.stylegan2 import is_discriminator, is_generator, read_discriminator, read_generator
from generators.errors import WeightsError

SIDES = (4, 8, 8, 16, 16, 32, 32)


def values(path):
    return {name: torch.from_numpy(value) for name, value in np.load(path).items()}


@pytest.fixture(scope="module")
def rosinality(shared):
    return generators.load(shared / "fixtures" / "rosinality_tiny64_ckpt.pt")


@pytest.fixture(scope="module")
def io(shared):
    return values(shared / "fixtures" / "rosinality_tiny64_G_io.npz")


@pytest.fixture(scope="module", params=["c0", "c10"])
def nvidia(request, shared):
    folder = shared / "fixtures"
    prior = generators.load(folder / f"nv_ada_tiny32_{request.param}_stripped.pkl")
    return prior, values(folder / f"nv_ada_tiny32_{request.param}_io.npz")


def near(ours, theirs, allowed=1e-4):
    return (ours - theirs).abs().max() <= allowed


def same_gradient(ours, theirs):
    """In parts of the largest value."""
    return (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def noises(io):
    return {f"noise[{i}]": io[f"noise_{i}"] for i in range(9)}


@torch.no_grad()
def test_rosinality_pictures_and_features(rosinality, io):
    g, given, z = rosinality.generator, noises(io), {"z": io["z"]}
    assert g.info.resolution == 64 and g.num_ws == 10 and g.config.demodulation_fan_in == 1
    assert near(g.convert(z, "w")["w"], io["w"], 1e-5)
    assert near(g(z), io["img_z_fixednoise"]) and near(g(z | given), io["img_z_noiselist"])
    assert near(g({"w+": io["wplus"]} | given), io["img_wplus"])
    assert near(g(g.convert({"w+": io["wplus"]} | given, "w++")), io["img_wplus"])
    for k in range(1, g.depth):
        entering = g.convert(z | given, f"feature@{k}")
        assert near(entering[f"feature@{k}"], io["feat_conv1" if k == 1 else f"feat_convs_{2 * k - 3}"])
        assert near(entering[f"rgb@{k}"], io["rgb_to_rgb1" if k == 1 else f"rgb_to_rgbs_{k - 2}"])


@torch.no_grad()
def test_rosinality_truncation_and_style_mixing(rosinality, io):
    g, given = rosinality.generator, noises(io)
    first, second = g.convert({"z": io["z"]}, "w+")["w+"], g.convert({"z": io["z2"]}, "w+")["w+"]
    truncated = torch.lerp(io["mean_latent"], g.convert({"z": io["z"]}, "w")["w"], 0.7)
    assert near(g({"w": truncated} | given), io["img_trunc07"])
    mixed = {"w+": torch.cat([first[:, :3], second[:, 3:]], 1)}
    assert near(g(mixed | given), io["img_mix_inject3"])
    assert torch.equal(g.mapping.w_avg, rosinality.statistics.mean)


@pytest.mark.parametrize("released", [False, True])
def test_rosinality_gradients(rosinality, io, released):
    g = rosinality.generator.requires_grad_(released)
    latents = {"w+": io["wplus"]} | noises(io)
    latents = {name: value.clone().requires_grad_() for name, value in latents.items()}
    picture = g(latents)
    wanted = torch.autograd.grad((picture * io["probe"]).sum() + picture.square().mean(), list(latents.values()))
    g.requires_grad_(False)
    expected = [io["grad_wplus"], *(io[f"grad_noise_{i}"] for i in range(9))]
    assert all(same_gradient(a, b) for a, b in zip(wanted, expected, strict=True))


def test_rosinality_discriminator(rosinality, shared):
    d, found = rosinality.discriminator, values(shared / "fixtures" / "rosinality_tiny64_D_io.npz")
    d.minibatch_std = d.config.group
    try:
        for rows in (1, 2, 4, 8):
            assert near(d.logit(found["x"][:rows]), found[f"logit_b{rows}"], 1e-5)
        features = d.features(found["x"][:4])
        for ours, name in zip(features[1:], ("convs_1", "convs_2", "convs_3", "convs_4"), strict=False):
            assert near(ours, found[f"b4_feat_{name}"], 1e-5)
        assert near(F.leaky_relu(features[0], 0.2), found["b4_feat_convs_0"], 1e-5)
        assert near(F.leaky_relu(features[-2], 0.2), found["b4_feat_final_conv"], 1e-5)
        assert near(features[-1], found["b4_feat_final_linear_0"], 1e-5)
        x = found["x"][:4].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(d.logit(x).sum(), x)
        assert same_gradient(gradient, found["grad_x_b4"])
        with pytest.raises(ValueError, match="6 rows for minibatch_std 4"):
            d.logit(found["x"][:6])
    finally:
        d.minibatch_std = 1
    assert near(d.logit(found["x"][:1]), found["logit_b1"], 1e-5)


@torch.no_grad()
def test_nvidia_pictures_and_features(nvidia):
    prior, found = nvidia
    g = prior.generator
    latents = {"z": found["z"]} | ({"class": found["c"].argmax(1)} if g.info.classes else {})
    assert near(g.convert(latents, "w+")["w+"], found["ws"], 1e-5)
    assert near(g(latents), found["img"])
    silent = {f"noise[{i}]": torch.zeros(1, 1, side, side) for i, side in enumerate(SIDES)}
    assert near(g(latents | silent), found["img_none"])
    w = g.convert(latents, "w")["w"]
    assert near(g({"w": torch.lerp(g.mapping.w_avg, w, 0.7)}), found["img_full_psi07"])
    cut = g.convert({"w": w}, "w+")["w+"]
    cut[:, :4] = torch.lerp(g.mapping.w_avg, cut[:, :4], 0.5)
    assert near(cut, found["ws_psi05_cut4"], 1e-5)
    assert near(g({"w+": found["wplus"]}), found["img_wplus"])
    for k, side in enumerate((4, 8, 16)):
        entering = g.convert({"w+": found["wplus"]}, f"feature@{k + 1}")
        assert near(entering[f"feature@{k + 1}"], found[f"feat_b{side}_x"])
        assert near(entering[f"rgb@{k + 1}"], found[f"feat_b{side}_img"])


def test_nvidia_gradients(nvidia):
    prior, found = nvidia
    w_plus = found["wplus"].clone().requires_grad_()
    picture = prior.generator({"w+": w_plus})
    (gradient,) = torch.autograd.grad((picture * found["probe"]).sum() + picture.square().mean(), w_plus)
    assert same_gradient(gradient, found["grad_wplus"])


@torch.no_grad()
def test_nvidia_discriminator(nvidia):
    prior, found = nvidia
    d = prior.discriminator
    classes = found["c"].argmax(1) if d.config.n_classes else None
    d.minibatch_std = d.config.group
    try:
        assert near(d.logit(found["D_x"], classes), found["D_logit"], 1e-5)
        features = d.features(found["D_x"])
    finally:
        d.minibatch_std = 1
    for ours, side in zip(features[1:], (32, 16, 8), strict=False):
        active = ours if d.config.architecture == "resnet" else F.leaky_relu(ours, 0.2)
        assert near(active, found[f"D_feat_b{side}"], 1e-5)
    if classes is not None:
        assert near(d.mapping(None, classes), found["D_cmap"], 1e-5)


def test_each_filter_has_its_style(shared):
    g = generators.load(shared / "fixtures" / "nv_ada_tiny32_c0_stripped.pkl").generator
    found = values(shared / "fixtures" / "rsr_wpp_tiny32_io.npz")
    # The published tensor has 32 rows a slot, whether a layer has so many filters or not.
    live = torch.cat([torch.arange(rows) + 32 * slot for slot, rows in enumerate(g.rows)])
    rows = found["wpp"][:, live].requires_grad_()
    picture = g({"w++": rows})
    (gradient,) = torch.autograd.grad((picture * found["probe"]).sum(), rows)
    assert near(picture, found["img"]) and same_gradient(gradient, found["grad"][:, live])
    assert found["grad"].abs().sum() == found["grad"][:, live].abs().sum()


def manifests(shared):
    folder = shared / "fixtures"
    for name, shapes in json.loads((folder / "rosinality_key_shapes.json").read_text()).items():
        yield name, name[0], shapes
    for name, found in json.loads((folder / "nv_ada_key_shapes.json").read_text()).items():
        for kind in "GD":
            yield name, kind, found[kind]


def test_full_size_networks_have_the_published_tensors(shared):
    resolutions = {}
    for name, kind, shapes in manifests(shared):
        tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        assert is_generator(tensors) == (kind == "G") and is_discriminator(tensors) == (kind == "D")
        read = read_generator if kind == "G" else read_discriminator
        network = read(tensors, {}, name)[0]
        resolutions[name, kind] = network.config.resolution
        if kind == "G":
            counted = sum(parameter.numel() for parameter in network.parameters())
            constants = ("kernel", "resample_filter", "noise_const", "w_avg")
            stored = {k: t for k, t in tensors.items() if not k.endswith(constants) and not k.startswith("noises.")}
            assert counted == sum(tensor.numel() for tensor in stored.values())
        lost = sorted(key for key in tensors if key.endswith("affine.bias") or key.endswith("modulation.bias"))[:1]
        lost += [key for key in tensors if key.endswith(("fc.bias", "final_linear.0.bias"))]
        with pytest.raises(WeightsError, match="1 missing"):
            read({key: tensor for key, tensor in tensors.items() if key != lost[0]}, {}, name)
        with pytest.raises(WeightsError, match="1 unexpected .*surplus"):
            read(tensors | {"surplus": torch.empty(1, device="meta")}, {}, name)
    assert resolutions["ffhq1024", "D"] == resolutions["G_1024_cm2", "G"] == 1024
    assert resolutions["cifar10_cond", "G"] == 32 and resolutions["D_256_cm1", "D"] == 256
