"""Weights swapped in for one call, as the engine releases them: the same picture and gradients as weights in place."""

import copy

import pytest
import torch
from torch.func import functional_call

import generators

from .networks import DEEP_SHAPES, deep_prior


@pytest.fixture(params=["toy", "biggan-cifar10", *DEEP_SHAPES], scope="module")
def generator(request):
    return (deep_prior if request.param in DEEP_SHAPES else generators.load)(request.param).generator


@pytest.mark.parametrize("instance", [False, True])
def test_gradients_are_those_of_weights_in_place(generator, instance):
    latents = generator.sample(1, classes=1, generator=torch.Generator().manual_seed(0))
    if instance:
        latents = latents | generator.capture_norm(latents)
    weights = {name: p.clone().requires_grad_() for name, p in generator.named_parameters()}
    swapped = functional_call(generator, weights, (latents,))
    swapped.square().mean().backward()
    direct = copy.deepcopy(generator).requires_grad_()
    picture = direct(latents)
    picture.square().mean().backward()
    assert torch.allclose(swapped, generator(latents), atol=1e-5)
    moved = 0
    for name, parameter in direct.named_parameters():
        assert (parameter.grad is None) == (weights[name].grad is None), name
        if parameter.grad is not None:
            scale = parameter.grad.abs().max().clamp_min(1e-12)
            assert ((parameter.grad - weights[name].grad).abs().max() / scale) < 1e-4, name
            moved += 1
    conditional = [n for n in weights if ".gain." in n and n.startswith("blocks")]
    assert all((weights[n].grad is None) == instance for n in conditional) and moved > 10


def test_gradients_pass_through_the_spectral_norm(generator):
    """Against differences, in double precision: the picture's response to a step along the gradient."""
    double = copy.deepcopy(generator).double()
    latents = {n: v.double() for n, v in double.sample(1, generator=torch.Generator().manual_seed(0)).items()}
    name = "blocks.1.0.conv1.weight"
    weight = double.get_parameter(name).clone().requires_grad_()
    aim = torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    score = lambda w: (functional_call(double, {name: w}, (latents,)) * aim).sum()  # noqa: E731
    (gradient,) = torch.autograd.grad(score(weight), weight)
    # u and v are constants for the gradient: the step leaves u0 W and W v, and so both, as they are.
    layer = double.blocks[1][0].conv1
    matrix = layer.weight.flatten(1)
    u, v = (torch.nn.functional.normalize(x) for x in (layer.u0, getattr(layer, "v0", layer.u0 @ matrix)))
    step = torch.randn(matrix.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    step -= (step @ v.t()) @ v
    step -= u.t() @ (u @ step)
    step = step.view_as(weight) * 1e-8  # small: ReLUs that switch in between would count
    with torch.no_grad():
        difference = (score(weight + step) - score(weight - step)) / 2
    assert difference.item() == pytest.approx((gradient * step).sum().item(), rel=1e-3)


def test_scaling_a_weight_changes_nothing(generator):
    """The norm divides it out, and so the gradient has nothing along the weight itself."""
    latents = generator.sample(1, generator=torch.Generator().manual_seed(0))
    weight = (generator.linear.weight * 3).requires_grad_()
    picture = functional_call(generator, {"linear.weight": weight}, (latents,))
    assert torch.allclose(picture, generator(latents), atol=1e-4)
    (gradient,) = torch.autograd.grad(picture.square().mean(), weight)
    assert (gradient * weight).sum().abs() < 1e-3 * gradient.norm() * weight.norm()


def test_pictures_of_frozen_weights_do_not_depend_on_earlier_calls(generator):
    latents = generator.sample(2, generator=torch.Generator().manual_seed(0))
    before = generator(latents)
    other = {n: p * -1 for n, p in generator.named_parameters()}
    assert not torch.allclose(functional_call(generator, other, (latents,)), before, atol=1e-3)
    assert torch.equal(generator(latents), before)
