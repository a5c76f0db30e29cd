"""What every generator and discriminator promises, over the registered ones and tiny ones of many shapes."""

import copy
import dataclasses

import pytest
import torch

import generators
from generators.biggan import BigGAN, BigGANConfig, BigGANDiscriminator, DiscriminatorConfig
from generators.prior import ModelCard, Prior
from generators.random_init import initialise, store_batch_statistics

from .networks import DEEP_SHAPES, STYLE_SHAPES, deep_prior, style_prior
from .stylegan.networks import OTHER_STYLES, other_style_prior

BASE = BigGANConfig(32, ch=2, dim_z=20, n_classes=4, shared_dim=6)
SHAPES = {
    "flat": dataclasses.replace(BASE, hier=False),
    "unshared": dataclasses.replace(BASE, hier=False, shared_dim=None),
    "attention": dataclasses.replace(BASE, attention=(0, 2)),
    "no spectral norm": dataclasses.replace(BASE, singular_values=0),
    "two singular values": dataclasses.replace(BASE, singular_values=2),
    "64 px": dataclasses.replace(BASE, resolution=64, ch=1, dim_z=25),
}


def built(config):
    torch.manual_seed(0)
    generator, judge = BigGAN(config), BigGANDiscriminator(DiscriminatorConfig(32, 2, config.n_classes, wide=False))
    initialise(generator, 0)
    initialise(judge, 1)
    store_batch_statistics(generator, 2, rows=16)
    return Prior("made", generator, judge if config.resolution == 32 else None, ModelCard("made"), "")


@pytest.fixture(params=[*generators.names(), *SHAPES, *DEEP_SHAPES, *STYLE_SHAPES, *OTHER_STYLES], scope="module")
def prior(request):
    if request.param in OTHER_STYLES:
        return other_style_prior(request.param)
    if request.param in STYLE_SHAPES:
        return style_prior(request.param)
    if request.param in DEEP_SHAPES:
        return deep_prior(request.param)
    return built(SHAPES[request.param]) if request.param in SHAPES else generators.load(request.param)


def bounded(prior):
    """Whether its pictures stay in [-1, 1]; tolerances are for such."""
    return "stylegan" not in prior.generator.info.architecture


def off_by(prior, ours, theirs):
    """The largest difference, in parts of the largest value of pictures that may have any."""
    return ((ours - theirs).abs().max() / (1 if bounded(prior) else theirs.abs().max())).item()


def sample(prior, n=3, seed=0):
    return prior.generator.sample(n, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_forward_is_the_fold_of_its_parts(prior):
    g, latents = prior.generator, sample(prior)
    state = g.stem(latents)
    for k in range(g.depth):
        state = g.block(k, state, latents)
    picture = g.head(state)
    assert torch.equal(g(latents), picture)
    assert picture.shape == (3, 3, g.info.resolution, g.info.resolution) and picture.std() > 0.02
    if bounded(prior):
        assert picture.abs().max() <= 1 and picture.abs().mean() < 0.99


@torch.no_grad()
def test_feature_maps_are_a_chart(prior):
    g, latents = prior.generator, sample(prior)
    for k in range(g.depth + 1):
        split = g.convert(latents, f"feature@{k}")
        assert torch.equal(g(split), g(latents))
    moved = split | {f"feature@{g.depth}": split[f"feature@{g.depth}"] + 1}
    assert not torch.equal(g(moved), g(latents))
    with pytest.raises(ValueError, match="expected feature@"):
        g.convert(split, "feature@0")
    with pytest.raises(ValueError, match="has z.* and feature@0"):
        g.convert(latents, "polar")
    with pytest.raises(ValueError, match="give one"):
        g(split | {"feature@0": latents["z"]})


@torch.no_grad()
@pytest.mark.parametrize("instance", [False, True])
def test_rows_alone_equal_rows_together(prior, instance):
    g, latents = prior.generator, sample(prior)
    if instance:
        if not bounded(prior):
            with pytest.raises(NotImplementedError, match="no normalisation whose statistics"):
                g.capture_norm(latents)
            return
        latents = latents | g.capture_norm(latents)
    together = g(latents)
    for i in range(3):
        alone = {name: v[i : i + 1] for name, v in latents.items()}
        if instance:
            again = g.capture_norm({n: v for n, v in alone.items() if not n.startswith("norm")})
            assert all(torch.allclose(again[n], alone[n], atol=1e-5) for n in again)
        assert off_by(prior, g(alone), together[i : i + 1]) < 1e-5


def test_groups_cover_the_parameters_once(prior):
    groups = prior.generator.groups()
    covered = [name for group in groups for name in group.parameters]
    assert sorted(covered) == sorted(name for name, _ in prior.generator.named_parameters())
    heads = [group for group in groups if group.head]
    assert len(heads) == 1 and not heads[0].progressive
    first, *walked = [group for group in groups if group.progressive]
    if not bounded(prior):
        assert groups[0].name == "mapping" and not groups[0].progressive
        order = {name: i for i, (name, _) in enumerate(prior.generator.named_parameters())}
        begins = [min(order[name] for name in group.parameters) for group in (first, *walked)]
        assert begins == sorted(begins) and len(begins) in (prior.generator.depth, prior.generator.depth - 1)
        return
    assert first.name == "linear"
    blocks = [int(name.split(".")[1]) for group in walked for name in group.parameters]
    assert blocks == sorted(blocks) and set(blocks) == set(range(prior.generator.depth))


@torch.no_grad()
def test_state_dict_round_trip_without_what_is_cached(prior):
    g, latents = prior.generator, sample(prior)
    before = g(latents)
    twin = copy.deepcopy(g)
    twin.load_state_dict({name: torch.zeros_like(v) for name, v in g.state_dict().items()})
    assert not torch.allclose(twin(latents), before, atol=1e-3)
    twin.load_state_dict(g.state_dict())
    assert torch.equal(twin(latents), before)
    assert not any("folded" in name or "_derived_weights" in name for name in g.state_dict())


def test_sampling_is_seeded_row_by_row(prior):
    streams = lambda *seeds: [torch.Generator().manual_seed(s) for s in seeds]  # noqa: E731
    three, last = prior.generator.sample(3, generator=streams(1, 2, 3)), prior.generator.sample(1, generator=streams(3))
    assert all(torch.equal(three[name][2:], last[name]) for name in three)
    assert all(torch.equal(sample(prior, seed=5)[n], sample(prior, seed=5)[n]) for n in three)
    assert not torch.equal(sample(prior, seed=5)["z"], sample(prior, seed=6)["z"])
    assert {spec.name: spec.shape for spec in prior.generator.info.latents if spec.sampled} == {
        n: tuple(v.shape[1:]) for n, v in three.items()
    }
    with pytest.raises(ValueError, match="3 random generators for 2 rows"):
        prior.generator.sample(2, generator=streams(1, 2, 3))


def test_truncation_and_told_classes(prior):
    g = prior.generator
    if not bounded(prior):
        whole, half = (g.sample(5, truncation=psi, generator=torch.Generator().manual_seed(0)) for psi in (1, 0.5))
        w = g.convert(whole, "w")["w"]
        assert torch.allclose(half["w"], (w + g.mapping.w_avg) / 2, atol=1e-6) and not half.keys() - {"w"}
        return
    narrow = g.sample(200, truncation=0.5, classes=1, generator=torch.Generator().manual_seed(0))
    assert narrow["z"].abs().max() <= 1 and 0.35 < narrow["z"].std() < 0.5
    assert torch.equal(narrow["class"], g.embed(torch.ones(200, dtype=torch.long)))


@torch.no_grad()
def test_labels_and_their_embedding_are_the_same(prior):
    labels, latents = torch.tensor([0, 1, 2]), sample(prior)
    g = prior.generator
    if not g.info.classes:
        with pytest.raises(generators.ClassError, match="has none"):
            g.sample(3, classes=labels)
        return
    assert torch.equal(g({"z": latents["z"], "class": labels}), g({"z": latents["z"], "class": g.embed(labels)}))


@torch.no_grad()
def test_double_precision(prior):
    g, latents = prior.generator, sample(prior)
    double = copy.deepcopy(g).double()
    as_double = {n: v.double() if v.is_floating_point() else v for n, v in latents.items()}
    assert double(as_double).dtype == torch.float64
    assert off_by(prior, double(as_double).float(), g(latents)) < 1e-4


@torch.no_grad()
def test_bfloat16_is_near(prior):
    g, latents = prior.generator, sample(prior)
    with torch.autocast("cpu", torch.bfloat16):
        rough = g(latents).float()
    exact = g(latents)
    assert off_by(prior, rough, exact) < 0.2 and (rough - exact).abs().mean() < 0.05 * max(1, exact.abs().mean())


@torch.no_grad()
def test_discriminator_features(prior):
    d = prior.discriminator
    if d is None:
        assert prior.generator.info.resolution == 64 or not bounded(prior)
        return
    x = prior.generator(sample(prior))
    features = d.features(x)
    assert len(features) == prior.feature_count
    sides = [f.shape[-1] for f in features[:-1]]
    assert sides == sorted(sides, reverse=True) and features[-1].shape == (3, features[-2].shape[1])
    if bounded(prior):
        assert torch.allclose(features[-1], features[-2].relu().sum((2, 3)), atol=1e-4)
    assert d.logit(x, torch.tensor([0, 1, 2]) if prior.generator.info.classes else None).shape == (3, 1)
    for i in range(3):
        assert all(
            torch.allclose(a[i : i + 1], b, atol=1e-4) for a, b in zip(features, d.features(x[i : i + 1]), strict=True)
        )


def test_everything_is_frozen_and_evaluating(prior):
    modules = [m for m in (prior.generator, prior.discriminator) if m is not None]
    assert not any(p.requires_grad for m in modules for p in m.parameters()) and not any(m.training for m in modules)


def test_class_names():
    info = generators.load("biggan-cifar10").generator.info
    assert info.class_index("cat") == info.class_index("3") == info.class_index(3) == 3
    with pytest.raises(generators.ClassError, match="did you mean 'horse'"):
        info.class_index("hrose")
    with pytest.raises(generators.ClassError, match="0 to 9"):
        info.class_index(10)


def test_truncation_above_one_is_refused_where_z_is_truncated():
    with pytest.raises(generators.GeneratorError, match="expected at most 1"):
        generators.load("toy").generator.sample(1, truncation=1.3)


@torch.no_grad()
def test_every_network_has_untrained_twins(prior):
    blank, again = generators.randomise(prior, 1), generators.randomise(prior, 1)
    latents = sample(prior)
    pictures = [p.generator(latents) for p in (blank, again, prior)]
    assert torch.allclose(pictures[0], pictures[1], atol=1e-4) and pictures[0].isfinite().all()
    assert not torch.allclose(pictures[0], pictures[2], atol=0.05)
    assert pictures[0].std() > 0.02 and blank.discriminator is prior.discriminator


def test_random_weights_keep_the_judge_and_lose_the_training():
    trained = generators.load("biggan-cifar10")
    blank, again, other = (
        generators.randomise(trained, 1),
        generators.randomise(trained, 1),
        generators.randomise(trained, 2),
    )
    latents = sample(trained)
    assert blank.discriminator is trained.discriminator and blank.sha256 == again.sha256 != other.sha256
    with torch.no_grad():
        pictures = [p.generator(latents) for p in (blank, again, other, trained)]
    assert torch.allclose(pictures[0], pictures[1], atol=1e-5)
    assert not torch.allclose(pictures[0], pictures[2], atol=0.1) and not torch.allclose(
        pictures[0], pictures[3], atol=0.1
    )
    assert pictures[0].std(0).mean() > 0.05
