"""StyleGAN2 against its definition, and what its charts, weights and precisions promise."""

import copy

import pytest
import torch
from torch.func import functional_call

import generators
from generators.checkpoints.families.stylegan2 import read_discriminator, read_generator
from generators.errors import WeightsError

from ..networks import STYLE_SHAPES, style_prior
from . import plain


@pytest.fixture(params=sorted(STYLE_SHAPES))
def prior(request):
    return style_prior(request.param)


@pytest.fixture
def first():
    return style_prior("stylegan2").generator


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(generator, chart, rows=2, seed=0):
    """Latents of a chart, no two rows, slots or filters alike, with noise of their own for two of the layers."""
    shape = next(spec.shape for spec in generator.info.latents if spec.name == chart)
    random = seeded(seed)
    value = torch.randn(rows, *shape, generator=random).to(generator.mapping.w_avg)
    sides = {i: spec.shape for i, spec in enumerate(s for s in generator.info.latents if s.chart == "noise")}
    noise = {i: torch.randn(n, *sides[i], generator=random).to(value) for i, n in ((0, 1), (3, rows))}
    return {chart: value} | {f"noise[{i}]": maps for i, maps in noise.items()}


def by_definition(generator, latents):
    config, chart = generator.config, next(name for name in ("w++", "w+", "w") if name in latents)
    value = latents[chart]
    if chart == "w++":
        rows = value.split(generator.rows, 1)
    else:
        w_plus = value if chart == "w+" else value[:, None].expand(-1, generator.num_ws, -1)
        rows = [w_plus[:, slot, None].expand(-1, max(config.channels), -1) for slot in range(generator.num_ws)]
    network = dict(generator.named_parameters())
    stored = [buffer for name, buffer in generator.named_buffers() if name.endswith("noise_const")]
    noises = [latents.get(f"noise[{i}]", maps) for i, maps in enumerate(stored)]
    return plain.picture(network, config, rows, noises)


@pytest.mark.parametrize("chart", ["w", "w+", "w++"])
@pytest.mark.parametrize("released", [False, True])
def test_pictures_and_gradients_are_those_of_the_definition(prior, chart, released):
    g = prior.generator.double().requires_grad_(released)
    latents = {name: value.requires_grad_() for name, value in drawn(g, chart).items()}
    ours, theirs = g(latents), by_definition(g, latents)
    assert torch.allclose(ours, theirs, atol=1e-10)
    pull = torch.randn(ours.shape, generator=seeded(1), dtype=torch.float64)
    read = [p for name, p in g.named_parameters() if released and not name.startswith("mapping.")]
    wanted = [*latents.values(), *read]
    for a, b in zip(*(torch.autograd.grad(y, wanted, pull) for y in (ours, theirs)), strict=True):
        assert torch.allclose(a, b, atol=1e-9 * max(1, b.abs().max().item()))


@torch.no_grad()
def test_w_is_that_of_the_definition(prior):
    g = prior.generator.double()
    z = torch.randn(4, g.config.z_dim, dtype=torch.float64, generator=seeded(0))
    classes = torch.tensor([0, 3, 1, 1])
    latents = {"z": z} | ({"class": classes} if g.info.classes else {})
    expected = plain.mapped(z, classes, dict(g.named_parameters()), g.config)
    assert torch.allclose(g.convert(latents, "w")["w"], expected, atol=1e-12)


@pytest.mark.parametrize("group", [1, 2, 4])
def test_logits_are_those_of_the_definition(prior, group):
    d = prior.discriminator.double()
    d.minibatch_std = group
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=seeded(0)).requires_grad_()
    classes = torch.tensor([0, 3, 1, 1]) if d.config.n_classes else None
    ours, theirs = d.logit(x, classes), plain.judged(dict(d.named_parameters()), d.config, x, classes, group)
    assert torch.allclose(ours, theirs, atol=1e-10)
    a, b = (torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs))
    assert torch.allclose(a, b, atol=1e-12)


@torch.no_grad()
def test_without_classes_the_judge_takes_their_mean():
    d = style_prior("stylegan2").discriminator
    x = torch.randn(2, 3, 32, 32, generator=seeded(0))
    each = [d.logit(x, torch.full((2,), label)) for label in range(4)]
    assert torch.allclose(d.logit(x), torch.stack(each).mean(0), atol=1e-5)


@torch.no_grad()
def test_conversion_keeps_the_picture(prior):
    g = prior.generator
    latents = g.sample(3, generator=seeded(0)) | {"noise[2]": torch.randn(3, 1, 8, 8, generator=seeded(1))}
    expected, narrow = g(latents), latents
    for chart in ("w", "w+", "w++"):
        wide = g.convert(latents, chart)
        assert wide.keys() == {chart, "noise[2]"} and torch.allclose(g(wide), expected, atol=1e-4)
        narrow = g.convert(narrow, chart)
        assert torch.equal(narrow[chart], wide[chart])
        shape = next(spec.shape for spec in g.info.latents if spec.name == chart)
        assert wide[chart].shape == (3, *shape)
        for k in (1, g.depth):
            assert torch.allclose(g(g.convert(wide, f"feature@{k}")), expected, atol=1e-4)
    with pytest.raises(ValueError, match="from the narrow to the wide"):
        g.convert(narrow, "w+")


@torch.no_grad()
def test_each_row_of_the_widest_chart_moves_the_picture(first):
    """None is dead: slots have as many rows as the widest layer that reads them has filters."""
    wide = drawn(first, "w++", rows=1)
    rows = wide["w++"].requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(first(wide).square().sum(), rows)
    assert first.rows == (12, 12, 12, 10, 10, 8, 8, 3) and (gradient.abs().amax(2) > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("chart", ["w+", "w++"])
def test_rows_are_independent_in_every_chart(prior, chart):
    g = prior.generator
    latents = drawn(g, chart, rows=3)
    together = g(latents)
    for i in range(3):
        alone = {name: value[i : i + 1] if len(value) == 3 else value for name, value in latents.items()}
        assert torch.allclose(g(alone), together[i : i + 1], atol=1e-4)


def test_large_maps_are_walked_in_pieces(monkeypatch):
    """The same values and gradients, whatever the size of a piece."""
    g, results = style_prior("stylegan2 orig, clamped").generator.double(), []
    for size in (2**17, 700):
        monkeypatch.setattr("generators.stylegan.fused_operations.PIECE_SIZE", size)
        g.requires_grad_()
        latents = {name: value.requires_grad_() for name, value in drawn(g, "w+").items()}
        picture = g(latents)
        wanted = [*latents.values(), g.synthesis.b32.conv1.bias, g.synthesis.b32.conv0.noise_strength]
        results.append([picture, *torch.autograd.grad(picture.square().sum(), wanted)])
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*results, strict=True))


def test_borrowed_weights_are_those_in_place(prior):
    g = prior.generator
    latents = g.sample(2, generator=seeded(0))
    before = g(latents)
    weights = {name: (p * 1.1).requires_grad_() for name, p in g.named_parameters()}
    direct = copy.deepcopy(g)
    with torch.no_grad():
        for parameter in direct.parameters():
            parameter.mul_(1.1)
    assert torch.allclose(functional_call(g, {n: p.detach() for n, p in weights.items()}, (latents,)), direct(latents))
    swapped = functional_call(g, weights, (latents,))
    swapped.square().mean().backward()
    direct.requires_grad_()
    direct(latents).square().mean().backward()
    for name, parameter in direct.named_parameters():
        # The class comes embedded, so that nothing reads its layer.
        assert (parameter.grad is None) == (weights[name].grad is None) == name.startswith("mapping.embed."), name
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, weights[name].grad, atol=1e-5 * parameter.grad.abs().max()), name
    assert torch.equal(g(latents), before)


def test_under_function_transforms(first):
    w = torch.randn(2, 16, generator=seeded(0))
    score = lambda w: first({"w": w}).square().sum()  # noqa: E731
    expected = torch.autograd.grad(score(w.requires_grad_()), w)[0]
    assert torch.allclose(torch.func.grad(score)(w.detach()), expected, rtol=1e-4)


def test_frozen_weights_are_formed_once_and_again_on_a_change(first, monkeypatch):
    formed, original = [], generators.stylegan.ops.transpose_weight
    monkeypatch.setattr("generators.stylegan.ops.transpose_weight", lambda weight: formed.append(1) or original(weight))
    latents = first.sample(1, generator=seeded(0))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        first(latents)
    before = first({name: value.clone().requires_grad_() for name, value in latents.items()})
    before.sum().backward()
    assert len(formed) == 3 and torch.equal(first(latents), before)
    twin = copy.deepcopy(first)
    twin.synthesis.b8.conv0.weight.data.add_(torch.randn(12, 12, 3, 3, generator=seeded(1)))
    with torch.no_grad():
        twin.synthesis.b8.conv0.weight.mul_(2)
    assert not torch.allclose(twin(latents), before, atol=1e-2) and torch.equal(first(latents), before)
    assert len(formed) == 6


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_throughout(prior, dtype):
    g, d = prior.generator, prior.discriminator
    latents = g.sample(2, generator=seeded(0))
    exact, other = g(latents), copy.deepcopy(g).to(dtype)
    picture = other({name: value.to(dtype) for name, value in latents.items()})
    allowed = 0.1 if dtype == torch.bfloat16 else 1e-5
    assert picture.dtype == dtype and (picture.float() - exact).abs().mean() < allowed * exact.abs().mean()
    logit = copy.deepcopy(d).to(dtype).logit(picture)
    assert logit.dtype == dtype and torch.allclose(logit.float(), d.logit(exact), atol=1 if allowed == 0.1 else 1e-4)


def test_an_untrained_twin():
    prior = style_prior("stylegan2")
    one, same, other = (generators.randomise(prior, seed) for seed in (1, 1, 2))
    latents = prior.generator.sample(2, generator=seeded(0))
    pictures = [p.generator(latents) for p in (one, same, other, prior)]
    assert torch.equal(pictures[0], pictures[1]) and one.sha256 == same.sha256 != other.sha256
    assert all(not torch.allclose(pictures[0], p, atol=0.1) for p in pictures[2:]) and pictures[0].std() > 0.1
    assert one.generator.mapping.w_avg.abs().max() > 0 and one.discriminator is prior.discriminator


def stored(network, taps=(1.0, 3.0, 3.0, 1.0)):
    """As NVIDIA's files have it, with the filters."""
    kernel = torch.outer(torch.tensor(taps), torch.tensor(taps)) / sum(taps) ** 2
    name = "synthesis.b8.resample_filter" if hasattr(network, "synthesis") else "b8.resample_filter"
    return network.state_dict() | {name: kernel}


@torch.no_grad()
def test_what_shapes_do_not_tell_is_what_the_file_says(prior):
    g, d = prior.generator, prior.discriminator
    said = {"synthesis_kwargs": {"conv_clamp": g.config.conv_clamp}, "mapping_kwargs": {"num_layers": 3}}
    read, assumed = read_generator(stored(g, g.config.taps), said, "a file")
    latents = g.sample(2, generator=seeded(0))
    assert not assumed and read.config.architecture == g.config.architecture
    if g.config.demodulation_fan_in == 0:
        assert torch.allclose(read(latents), g(latents), atol=1e-5)
    said = {"conv_clamp": d.config.conv_clamp, "epilogue_kwargs": {"mbstd_group_size": d.config.group}}
    judge, _ = read_discriminator(stored(d), said, "a file")
    assert judge.config == d.config
    assert torch.equal(judge.logit(read(latents)), d.logit(read(latents)))


def test_arguments_that_no_network_has_are_refused(first):
    tensors = stored(first)
    for said in (
        {"conv_clamp": -1},
        {"synthesis_kwargs": {"conv_clamp": "256"}},
        {"mapping_kwargs": {"lr_multiplier": []}},
    ):
        with pytest.raises(WeightsError, match="expected a positive number"):
            read_generator(tensors, said, "a file")
    assert read_generator(tensors, {"channel_base": 32768}, "a file")[0].config.conv_clamp == 256
    for kernel in (torch.rand(4, 4), torch.ones(3, 3), torch.ones(4)):
        with pytest.raises(WeightsError, match="no separable filter"):
            read_generator(tensors | {"synthesis.b8.resample_filter": kernel}, {}, "a file")
    with pytest.raises(WeightsError, match="2 different resampling filters"):
        read_generator(tensors | {"synthesis.b16.resample_filter": torch.ones(2, 2)}, {}, "a file")
    with pytest.raises(WeightsError, match="blocks of .*expected each power of two"):
        read_generator({n: t for n, t in tensors.items() if ".b16." not in n}, {}, "a file")
    judge = style_prior("stylegan2").discriminator
    with pytest.raises(WeightsError, match="mbstd_group_size 0"):
        read_discriminator(stored(judge), {"epilogue_kwargs": {"mbstd_group_size": 0}}, "a file")


@torch.no_grad()
def test_what_some_files_of_rosinality_lack(shared):
    content = torch.load(shared / "fixtures" / "rosinality_tiny64_ckpt.pt", weights_only=True)
    tensors = {n: t for n, t in content["g_ema"].items() if not n.startswith("noises.") and "kernel" not in n}
    network, assumed = read_generator(tensors, {}, "a file")
    assert any("noise maps" in words for words in assumed) and any("mean w" in words for words in assumed)
    assert (network.mapping.w_avg - content["latent_avg"]).abs().max() < 0.2
    again, _ = read_generator(tensors, {}, "a file")
    latents = network.sample(1, generator=seeded(0))
    assert torch.equal(network(latents), again(latents))


def test_second_derivatives_are_refused_rather_than_wrong(first):
    w = first.convert(first.sample(1), "w")["w"].requires_grad_()
    loss = first({"w": w}).square().sum()
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        torch.autograd.grad(loss, w, create_graph=True)
