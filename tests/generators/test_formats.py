"""Files as others write them: what belongs together is found, and what is beside the networks does no harm."""

import argparse
import json

import pytest
import torch

import generators
from generators import WeightsError
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config
from tests.generators.nvidia_pickles import Network, dumps

CLAMPED = {"conv_clamp": 0.5}


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    generator = StyleGAN2(StyleGAN2Config(16, (8, 6, 4), 12, 10, 2, 10, 3, 5, conv_clamp=0.5))
    judge = StyleGAN2Discriminator(StyleGAN2DiscriminatorConfig(16, (8, 6, 4), 3, 4, 2, 10, 6, conv_clamp=0.5))
    return generator.requires_grad_(False), judge.requires_grad_(False)


def persistent(class_name, tensors, **kwargs):
    """The network as NVIDIA's classes nest it."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    inner = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = tensor
    modules = {name: persistent("Part", below) for name, below in inner.items()}
    return Network(class_name, buffers=own, modules=modules, kwargs=kwargs)


def picture(generator):
    latents = generator.sample(
        2, classes=1 if generator.info.classes else None, generator=torch.Generator().manual_seed(0)
    )
    return generator(latents)


def test_nvidia_pickles(tmp_path, pair):
    generator, judge = pair
    content = {
        "G": None,
        "D": persistent("Discriminator", judge.state_dict(), c_dim=3, epilogue_kwargs={}, **CLAMPED),
        "G_ema": persistent("Generator", generator.state_dict(), z_dim=12, c_dim=3, w_dim=10, synthesis_kwargs=CLAMPED),
        "augment_pipe": Network("AugmentPipe"),
        "training_set_kwargs": None,
    }
    (tmp_path / "network-snapshot.pkl").write_bytes(dumps(content))
    prior = generators.load(tmp_path)
    assert prior.generator.config == generator.config and prior.discriminator.config.conv_clamp == 0.5
    assert torch.equal(picture(prior.generator), picture(generator))
    x = picture(generator)
    pairs = zip(prior.discriminator.features(x), judge.features(x), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_pickle_without_a_discriminator(tmp_path, pair):
    content = {"G_ema": persistent("Generator", pair[0].state_dict(), synthesis_kwargs=CLAMPED), "D": None}
    (tmp_path / "x.pkl").write_bytes(dumps(content))
    prior = generators.load(tmp_path / "x.pkl")
    assert prior.discriminator is None and "no discriminator was found beside the generator" in prior.assumed


def test_rosinality_checkpoints(tmp_path, shared):
    published = shared / "fixtures/rosinality_tiny64_ckpt.pt"
    prior, content = generators.load(published), torch.load(published, weights_only=True)
    assert prior.discriminator is not None
    assert torch.equal(prior.generator.mapping.w_avg, content["latent_avg"])
    # Natively trained ones hold the arguments and optimisers of their training, and no mean of w.
    del content["latent_avg"]
    native = content | {
        "args": argparse.Namespace(size=64),
        "g_optim": {"state": {}, "param_groups": []},
        "ada_aug_p": 0,
    }
    torch.save(native, tmp_path / "550000.pt")
    again = generators.load(tmp_path / "550000.pt")
    assert any("mean w" in words for words in again.assumed)
    assert torch.equal(picture(again.generator), picture(prior.generator))


def test_the_folder_of_pulse(tmp_path):
    torch.manual_seed(0)
    tensors = StyleGAN1(StyleGAN1Config((8, 6, 4), 10, 12, 2, 10)).state_dict()
    mapping = {n.removeprefix("mapping."): t for n, t in tensors.items() if n.startswith("mapping.dense")}
    synthesis = {n: t for n, t in tensors.items() if not n.startswith("mapping.") and "noise_const" not in n}
    torch.save(synthesis, tmp_path / "synthesis.pt")
    alone = generators.load(tmp_path)
    assert "z" not in {spec.name for spec in alone.generator.info.latents}
    torch.save(mapping, tmp_path / "mapping.pt")
    torch.save({"mean": torch.zeros(10), "std": torch.ones(10)}, tmp_path / "gaussian_fit.pt")
    whole = generators.load(tmp_path / "synthesis.pt")
    assert "z" in {spec.name for spec in whole.generator.info.latents}
    assert torch.equal(whole.statistics.gaussian.std, torch.ones(10))
    torch.save({"weight": torch.ones(1)}, tmp_path / "mapping.pt")
    with pytest.raises(WeightsError, match="mapping.pt: no mapping network"):
        generators.load(tmp_path)


@pytest.mark.parametrize("prefix", ["", "biggan-deep-128-"])
def test_the_config_beside_a_huggingface_file(tmp_path, shared, prefix):
    import numpy

    with numpy.load(shared / "fixtures/biggan_hf_tiny32.npz") as file:
        tensors = {
            name.removeprefix("state/"): torch.from_numpy(file[name]) for name in file if name.startswith("state/")
        }
        config = json.loads(bytes(file["config_json"]))
    weights = tmp_path / f"{prefix}pytorch_model.bin"
    torch.save(tensors, weights, _use_new_zipfile_serialization=False)
    (tmp_path / f"{prefix}config.json").write_text(json.dumps(config))
    prior = generators.load(tmp_path)
    assert prior.generator.info.architecture == "biggan-deep"
    (tmp_path / f"{prefix}config.json").write_text("{" * 10**5)
    with pytest.raises(WeightsError, match="config.json: is not JSON"):
        generators.load(weights)
    (tmp_path / f"{prefix}config.json").write_text("[]")
    with pytest.raises(WeightsError, match="config.json: got a list"):
        generators.load(weights)
