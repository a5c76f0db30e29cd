"""BigGAN-deep: truncation, release and reading, on tiny networks."""

import re

import pytest
import torch

import generators
from generators import WeightsError
from generators.biggan.layers import locate_truncation, match_instance_norm
from generators.checkpoints.families import biggan_deep, biggan_deep_hf

from . import hf_biggan
from .networks import DEEP_SHAPES, deep_generator, deep_prior


def test_pictures_and_gradients_are_those_of_the_other_derivation():
    theirs = hf_biggan.tensors()
    network, assumed = biggan_deep_hf.read_generator(theirs, hf_biggan.CONFIG, "file")
    learned = {name for name in theirs if not re.search(r"running_|weight_[uv]$", name)}
    network, theirs = network.double(), {name: v.double().requires_grad_(name in learned) for name, v in theirs.items()}
    assert assumed == () and network.info.resolution == 32
    random, labels = torch.Generator().manual_seed(1), torch.tensor([3, 1])
    z, aim = (torch.randn(2, *s, generator=random, dtype=torch.float64) for s in ((hf_biggan.DIM,), (3, 32, 32)))
    latents = {"z": z.requires_grad_(), "class": labels, "truncation": torch.full((2,), 0.75)}
    expected, picture = hf_biggan.picture(theirs, z, labels, step=3), network(latents)
    assert torch.allclose(picture, expected, atol=1e-9) and expected.std() > 0.05
    (expected_z,) = torch.autograd.grad((expected * aim).sum(), z, retain_graph=True)
    (own_z,) = torch.autograd.grad((picture * aim).sum(), z, retain_graph=True)
    assert torch.allclose(own_z, expected_z, rtol=1e-6, atol=1e-9)
    (expected * aim).sum().backward()
    (picture * aim).sum().backward()
    gradients = biggan_deep_hf.to_native_names({name: v.grad if name in learned else v for name, v in theirs.items()})
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 0
        assert torch.allclose(parameter.grad, gradients[name], rtol=1e-6, atol=1e-9), name


@torch.no_grad()
def test_each_row_has_its_truncation():
    truncated = deep_generator("deep with truncations").double()
    latents = truncated.sample(3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(latents["truncation"], torch.ones(3))
    rest = {name: value for name, value in latents.items() if name != "truncation"}
    assert torch.allclose(truncated(rest), truncated(latents), atol=1e-12)
    mixed = truncated(rest | {"truncation": torch.tensor([0.3, 1.0, 0.6])})
    for i, t in enumerate((0.3, 1.0, 0.6)):
        alone = {name: value[i : i + 1] for name, value in rest.items()} | {"truncation": torch.tensor([t])}
        assert torch.allclose(truncated(alone), mixed[i : i + 1], atol=1e-5)
    assert not torch.allclose(mixed[0], truncated(latents)[0], atol=1e-2)
    narrow = truncated.sample(2, truncation=0.4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(narrow["truncation"], torch.full((2,), 0.4)) and narrow["z"].abs().max() <= 0.8


def test_where_truncations_lie_among_the_stored():
    given = torch.tensor([0.02, 0.43, 0.58, 0.94, 1.0, 0.005])
    step, share = locate_truncation(given, 51)
    assert torch.allclose(step + share[:, 0], given.double() * 50, atol=1e-6)
    # As published: on a step where binary arithmetic lands on it, else by the neighbour's share.
    step, share = locate_truncation(given, 51, swapped=True)
    expected = torch.tensor([1, 21.5, 28, 46, 50, 0.75], dtype=torch.float64)
    assert torch.allclose(step + share[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("name", DEEP_SHAPES)
@torch.no_grad()
def test_four_captured_norms_a_block(name):
    network = deep_generator(name)
    latents, seen = network.sample(2, generator=torch.Generator().manual_seed(0)), []
    for block in network.blocks:
        for norm in (block[0].bn1, block[0].bn2, block[0].bn3, block[0].bn4):
            norm.register_forward_hook(lambda layer, given, out: seen.append(out))
    norms = network.capture_norm(latents)
    assert list(norms) == [f"norm[{i}]" for i in range(4 * network.depth)]
    assert all(torch.equal(norm, match_instance_norm(out)) for norm, out in zip(norms.values(), seen, strict=True))
    # They replace what depends on the class; the stem still does.
    state = network.stem(latents)
    for k in range(network.depth):
        moved = latents | {"class": latents["class"] + 1}
        assert torch.equal(*(network.block(k, state, given | norms).hidden for given in (latents, moved)))
        state = network.block(k, state, latents)


def test_a_group_holds_the_blocks_of_one_size():
    names = [[group.name for group in deep_generator(name).groups()] for name in DEEP_SHAPES]
    assert names == [
        ["linear", "blocks.0-1", "blocks.2-3", "blocks.4-5", "output_layer", "shared"],
        ["linear", "blocks.0", "blocks.1-2", "blocks.3", "output_layer", "shared"],
    ]


@pytest.mark.parametrize("name", DEEP_SHAPES)
@torch.no_grad()
def test_random_weights(name):
    prior = deep_prior(name)
    blank, again = generators.randomise(prior, 1), generators.randomise(prior, 1)
    latents = prior.generator.sample(3, generator=torch.Generator().manual_seed(0))
    pictures = [p.generator(latents) for p in (prior, blank, again)]
    assert torch.allclose(pictures[1], pictures[2], atol=1e-5) and pictures[1].std(0).mean() > 0.05
    assert not torch.allclose(pictures[0], pictures[1], atol=0.1)


def test_the_authors_layout_is_read_back():
    prior = deep_prior("deep")
    for network, read in (
        (prior.generator, biggan_deep.read_generator),
        (prior.discriminator, biggan_deep.read_discriminator),
    ):
        tensors = network.state_dict()
        judge = network is prior.discriminator
        assert biggan_deep.is_generator(tensors) != judge and biggan_deep.is_discriminator(tensors) == judge
        assert not biggan_deep_hf.is_generator(tensors)
        twin, assumed = read(tensors, {}, "file")
        assert twin.config == network.config and assumed
        assert all(torch.equal(a, b) for a, b in zip(tensors.values(), twin.state_dict().values(), strict=True))
    toy = generators.load("toy")
    for network in (toy.generator, toy.discriminator):
        assert not any(
            module.is_generator(network.state_dict()) or module.is_discriminator(network.state_dict())
            for module in (biggan_deep, biggan_deep_hf)
        )


STRANGE = {
    "nothing of them": (lambda t, c: ({"generator.gen_z.bias": t["generator.gen_z.bias"]}, c), "1 missing"),
    "one missing": (lambda t, c: ({n: v for n, v in t.items() if "conv_to_rgb.weight_v" not in n}, c), "1 missing"),
    "one more": (lambda t, c: (t | {"generator.layers.x.bias": torch.ones(1)}, c), "1 unexpected"),
    "a layer beyond": (lambda t, c: (t | {"generator.layers.999.bias": torch.ones(1)}, c), "missing"),
    "twice": (lambda t, c: (t | {"shared.weight": torch.ones(1)}, c), "two names"),
    "NaN": (lambda t, c: (t | {"generator.bn.bias": torch.full((8,), torch.nan)}, c), "NaN"),
    "attention first": (lambda t, c: (t | {"generator.layers.0.gamma": torch.ones(1)}, c), "not those of its tensors"),
    "another configuration": (lambda t, c: (t, c | {"channel_width": 9}), "are not those of its tensors"),
    "a huge configuration": (lambda t, c: (t, c | {"channel_width": 10**30}), "are not those of its tensors"),
    "a shorter configuration": (lambda t, c: (t, c | {"layers": c["layers"][1:]}), "are not those of its tensors"),
    "no list": (lambda t, c: (t, c | {"layers": "many"}), "are not those of its tensors"),
    "words for numbers": (lambda t, c: (t, c | {"channel_width": "8"}), "expected|not those|do not make up"),
    "no configuration": (lambda t, c: (t, {}), "put its config.json beside it"),
    "an epsilon of nothing": (lambda t, c: (t, c | {"eps": 0}), "eps 0, expected a positive number"),
    "an unknown interpolation": (lambda t, c: (t, c | {"interpolation": "cubic"}), "expected linear or swapped"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_files_are_refused_in_one_line(kind):
    change, words = STRANGE[kind]
    with pytest.raises(WeightsError, match=words) as caught:
        biggan_deep_hf.read_generator(*change(hf_biggan.tensors(), hf_biggan.CONFIG), "file")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("file: ")


def test_channels_of_no_published_network_are_refused():
    tensors = deep_generator("deep").state_dict() | {"blocks.2.0.conv4.weight": torch.zeros(8, 4, 1, 1)}
    with pytest.raises(WeightsError, match="expected those of a published BigGAN-deep"):
        biggan_deep.read_generator(tensors, {}, "file")
