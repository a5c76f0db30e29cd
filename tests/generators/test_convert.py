"""Priors written as safetensors: read back they are the same, bit for bit, whatever they were read from."""

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open

import generators
from generators import ConversionError, ModelCard, Prior, WeightsError
from generators.biggan import BigGAN, BigGANConfig, BigGANDiscriminator, DiscriminatorConfig
from generators.checkpoints import native
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config
from generators.stylegan.stylegan3 import StyleGAN3, StyleGAN3Config
from tests.generators.networks import DEEP_SHAPES, deep_prior

CARD = ModelCard("tiny", data="none", licence="CC0", origin="a test", limits="shows nothing", text="# Tiny\n\nÄ card.")


def networks(name):
    """(generator, discriminator or None), of random weights."""
    torch.manual_seed(0)
    if name in DEEP_SHAPES:
        prior = deep_prior(name)
        return prior.generator, prior.discriminator
    return {
        "biggan": lambda: (
            BigGAN(BigGANConfig(32, 1, 12, 3, None, hier=False), ("a", "b", "ç")),
            BigGANDiscriminator(DiscriminatorConfig(32, 1, 3, wide=False)),
        ),
        "mobilestylegan": lambda: (MobileStyleGAN(MobileStyleGANConfig((8, 8, 4), 10, 12, 2, 14)), None),
        "stylegan1": lambda: (StyleGAN1(StyleGAN1Config((8, 6, 4), 10, 12, 2, 14)), None),
        "stylegan2": lambda: (
            StyleGAN2(StyleGAN2Config(16, (8, 6, 4), 12, 10, 2, 10, conv_clamp=0.5)),
            StyleGAN2Discriminator(StyleGAN2DiscriminatorConfig(16, (8, 6, 4), conv_clamp=2.0)),
        ),
        "stylegan2 of classes": lambda: (
            StyleGAN2(StyleGAN2Config(16, (8, 6, 4), 12, 10, 2, 10, 3, 5, "resnet"), ("a", "b", "c")),
            StyleGAN2Discriminator(StyleGAN2DiscriminatorConfig(16, (8, 6, 4), 3, 4, 2, 10, 6, "orig", group=None)),
        ),
        "stylegan3": lambda: (
            StyleGAN3(StyleGAN3Config(16, (8, 8, 6, 6, 3), 12, 10, 2, 10, conv_kernel=1, use_radial_filters=True)),
            None,
        ),
    }[name]()


def prior_of(name):
    return Prior("tiny", *networks(name), CARD, "5" * 64, assumed=("that it is a test",))


def same(a, b):
    """Tensors, settings and pictures are equal; features too."""
    for x, y in ((a.generator, b.generator), (a.discriminator, b.discriminator)):
        if x is None or y is None:
            assert x is y
            continue
        assert type(x) is type(y) and x.config == y.config
        ours, theirs = x.state_dict(), y.state_dict()
        assert list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert a.generator.info == b.generator.info
    latents = a.generator.sample(2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        picture = a.generator(latents)
        assert torch.equal(picture, b.generator(latents))
        if a.discriminator is not None:
            pairs = zip(a.discriminator.features(picture), b.discriminator.features(picture), strict=True)
            assert all(torch.equal(x, y) for x, y in pairs)


KINDS = ["biggan", *DEEP_SHAPES, "mobilestylegan", "stylegan1", "stylegan2", "stylegan2 of classes", "stylegan3"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_reads_back_equal(tmp_path, kind):
    prior = prior_of(kind)
    files = generators.convert(prior, tmp_path / "tiny.safetensors")
    back = generators.load(tmp_path)
    same(prior, back)
    assert back.card == CARD and back.assumed[:1] == prior.assumed and len(files) == 1 + bool(prior.discriminator)
    generators.convert(back, tmp_path / "again.safetensors")
    same(back, generators.load(tmp_path / "again.safetensors"))


def test_every_architecture_is_tried():
    tried = {networks(kind)[0].info.architecture for kind in KINDS}
    assert tried == native.GENERATORS.keys()


def test_the_header_says_what_it_is(tmp_path):
    prior = prior_of("stylegan2")
    for file, part in zip(generators.convert(prior, tmp_path / "a-G_ema.safetensors"), "GD", strict=True):
        with safe_open(file, "pt") as opened:
            said = json.loads(opened.metadata()["dgp"])
        network = prior.generator if part == "G" else prior.discriminator
        assert said["architecture"] == "stylegan2" and said["source_sha256"] == "5" * 64 and said["licence"] == "CC0"
        assert said["config"] == json.loads(json.dumps(dataclasses.asdict(network.config)))
    assert file.name == "a-D.safetensors"


def test_what_cannot_be_written(tmp_path):
    prior = prior_of("biggan")
    file = tmp_path / "x.safetensors"
    generators.convert(prior, file)
    before = file.read_bytes()
    with pytest.raises(ConversionError, match="already exists"):
        generators.convert(prior, file)
    with pytest.raises(ConversionError, match="got .pkl, expected a name that ends with .safetensors"):
        generators.convert(prior, tmp_path / "x.pkl")
    with pytest.raises(ConversionError, match="cannot write .*choose another folder"):
        generators.convert(prior, tmp_path / "no" / "x.safetensors")
    wrapped = generators.wrap(torch.nn.Sequential(torch.nn.Linear(4, 48), torch.nn.Unflatten(1, (3, 4, 4))), 4)
    with pytest.raises(ConversionError, match="cannot be written; expected one of biggan"):
        generators.convert(wrapped, tmp_path / "y.safetensors")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x-D.safetensors", "x.safetensors"]
    assert file.read_bytes() == before
    generators.convert(prior, file, overwrite=True)


EXTREMES = (-1, 2**16, 0.5, "x", [2**16] * 250)


@pytest.mark.parametrize("kind", ["biggan", "deep with truncations", "stylegan1", "stylegan2 of classes", "stylegan3"])
def test_headers_with_one_extreme_setting(kind):
    """Each is refused, or makes no difference to the shapes; nothing else is raised, and none takes long."""
    for network, read in zip(networks(kind), (native.read_generator, native.read_discriminator), strict=True):
        if network is None:
            continue
        part = "generator" if read is native.read_generator else "discriminator"
        tensors, config = network.state_dict(), dataclasses.asdict(network.config)
        for name in config:
            for extreme in EXTREMES:
                said = {
                    "part": part,
                    "architecture": native.get_architecture_name(network),
                    "config": config | {name: extreme},
                }
                try:
                    read(tensors, json.loads(json.dumps(said)), "x.safetensors", *((),) * (part == "generator"))
                except WeightsError as error:
                    assert str(error).startswith("x.safetensors: ") and str(error).isprintable()
