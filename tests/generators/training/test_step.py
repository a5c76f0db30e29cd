"""What a step of training does to the networks."""

import copy

import pytest
import torch

from generators.biggan.layers import StoredStatistics
from generators.nn.spectral_norm import Conv
from generators.stylegan.discriminator import append_minibatch_std
from generators.training.loop.average import make_inference_copy
from generators.training.loop.data import Pictures
from generators.training.loop.losses import r1
from generators.training.loop.networks import initialise_pair, power_step, set_batch_momentum
from generators.training.loop.run import Run
from generators.training.loop.settings import default_settings

SIDES = {"biggan": 32, "stylegan2": 16}
EPS = 1e-9  # so small that hardly a ReLU switches, where the penalty is not continuous


def run_of(arch, **said):
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (20, 3, SIDES[arch], SIDES[arch]), generator=random, dtype=torch.uint8)
    pictures = Pictures(pixels, torch.arange(20) % 3, ("a", "b", "c"), "")
    settings = default_settings(arch, "cpu", **{"width": 4, "z_dim": 8, "batch": 8, "d_steps": 1} | said)
    return Run(settings, pictures, initialise_pair(settings, SIDES[arch], pictures.classes), "cpu")


@pytest.mark.parametrize("arch", SIDES)
def test_what_layers_keep_of_their_weights_does_not_outlive_a_step(arch):
    run = run_of(arch)
    latents, x = run.average.sample(8, classes=1), torch.randn(8, 3, SIDES[arch], SIDES[arch])
    set_batch_momentum(run.average, None)
    for _ in range(2):
        run.step()
        run.discriminator.requires_grad_(False)  # from now on forms are kept
        with torch.no_grad():
            assert torch.equal(run.discriminator.logit(x), copy.deepcopy(run.discriminator).logit(x))
            assert torch.equal(run.average(latents), copy.deepcopy(run.average)(latents))
        run.discriminator.requires_grad_(True)


@pytest.mark.parametrize("arch", SIDES)
def test_the_gradient_of_r1_agrees_with_finite_differences(arch):
    run = run_of(arch)
    network = run.discriminator.double()
    x = torch.randn(8, 3, SIDES[arch], SIDES[arch], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    classes = torch.arange(8) % 3
    parameters = [p for name, p in network.named_parameters() if name.endswith("weight") and "mapping" not in name]
    ways = [torch.randn(p.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) for p in parameters]
    penalty = r1(network, x, classes)
    gradients = torch.autograd.grad(penalty, parameters, allow_unused=True)
    along = sum((g * way).sum() for g, way in zip(gradients, ways, strict=True) if g is not None)
    found = []
    for step in (EPS, -EPS):
        with torch.no_grad():
            torch._foreach_add_(parameters, ways, alpha=step)
        found.append(r1(network, x, classes).item())
        with torch.no_grad():
            torch._foreach_add_(parameters, ways, alpha=-step)
    assert penalty > 0 and (found[0] - found[1]) / (2 * EPS) == pytest.approx(along.item(), rel=1e-3)


def test_power_steps_find_the_largest_singular_value():
    network = run_of("biggan").discriminator
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(3))
    power_step(network, 300)
    layers = [layer for layer in network.modules() if isinstance(layer, Conv)]
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.normalised_weight().detach().flatten(1), 2) == pytest.approx(1, abs=1e-3)
    assert len(layers) > 8


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_resampling_within_kernels_changes_neither_values_nor_gradients(part):
    run = run_of("biggan", width=8)
    network = getattr(run, part).double()
    set_batch_momentum(network, None)
    random = torch.Generator().manual_seed(4)
    z, x = (torch.randn(*shape, dtype=torch.float64, generator=random) for shape in ((3, 8), (3, 3, 32, 32)))
    classes = torch.tensor([0, 1, 2])
    found = []
    layers = [layer for layer in network.modules() if isinstance(layer, Conv)]
    assert any(layer.merge_resampling for layer in layers)
    for merge_resampling in (True, False):
        for layer in layers:
            layer.merge_resampling = merge_resampling
        y = network({"z": z, "class": classes}) if part == "generator" else network.logit(x, classes)
        found.append((y, *torch.autograd.grad(y.square().sum(), list(network.parameters()))))
    for merged, plain in zip(*found, strict=True):
        torch.testing.assert_close(merged, plain, rtol=1e-9, atol=1e-9)


def test_standing_statistics_are_those_of_many_samples():
    run = run_of("biggan")
    run.step()
    network = make_inference_copy(run.average, 20, 64)
    inputs = {}
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, StoredStatistics)}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _, given, name=name: inputs.update({name: given[0]}))
    network(network.sample(1000, generator=torch.Generator().manual_seed(5)))
    for name, layer in layers.items():
        variance, mean = torch.var_mean(inputs[name], (0, 2, 3))
        assert ((mean - layer.stored_mean) / variance.sqrt()).abs().max() < 0.2, name
        assert (variance / layer.stored_var).log().abs().max() < 0.4, name
    assert all(layer.momentum is None for layer in layers.values()) and not network.training


def test_the_learning_rate_falls_to_zero_over_the_stated_part():
    run = run_of("stylegan2", pictures=32, decay=16, r1=0.0)
    rates = []
    for _ in range(4):
        run.step()
        rates.append(run.optimisers["generator"].param_groups[0]["lr"] / run.settings.lr)
    assert rates == pytest.approx([1, 1, 1, 0.5]) and run.done


def test_the_discriminator_is_told_how_much_rows_of_one_class_differ():
    run = run_of("stylegan2", batch=32)
    random = torch.Generator().manual_seed(6)
    for classes in (run._draw_latents(random)["class"], run._draw_real(random)["real.class"]):
        alike = torch.nn.functional.one_hot(classes, 3).float()[:, :, None, None]
        assert len(classes.unique()) > 1 and alike.var(0).sum() > 0
        assert append_minibatch_std(alike, run.discriminator.minibatch_std, 1)[:, 3:].abs().max() < 1e-3
