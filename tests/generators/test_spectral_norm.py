"""Spectral normalisation: folded once where nothing moves, in the graph where something does."""

import copy

import pytest
import torch
from torch.func import functional_call, grad, vmap

from generators.nn.spectral_norm import Conv, Linear


def formula(weight, u0, eps=1e-6):
    """W / sigma, one power step from u0, u and v constant."""
    matrix = weight.flatten(1)
    v = (u0 @ matrix).detach()
    v = v / v.norm().clamp_min(eps)
    u = (v @ matrix.t()).detach()
    u = u / u.norm().clamp_min(eps)
    return weight / (u @ matrix @ v.t()).squeeze()


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return Conv(3, 5, 3, 1, 1e-6).requires_grad_(False)


def test_value_and_gradient(layer):
    x = torch.randn(2, 3, 6, 6)
    moving = layer.weight.clone().requires_grad_()
    functional_call(layer, {"weight": moving}, (x,)).square().sum().backward()
    explicit = layer.weight.clone().requires_grad_()
    torch.nn.functional.conv2d(x, formula(explicit, layer.u0), layer.bias, padding=1).square().sum().backward()
    assert torch.allclose(moving.grad, explicit.grad, rtol=1e-4, atol=1e-5)
    assert torch.allclose(layer.normalised_weight(), formula(layer.weight, layer.u0), atol=1e-6)


def test_stored_vectors_are_those_of_torch():
    """Value and gradient of ``torch.nn.utils.spectral_norm`` in evaluation, by vectors far from converged."""
    torch.manual_seed(0)
    theirs = torch.nn.utils.spectral_norm(torch.nn.Conv2d(3, 5, 3, padding=1)).eval()
    theirs.weight_v.copy_(torch.nn.functional.normalize(torch.randn(27), dim=0))
    ours = Conv(3, 5, 3, 1, 1e-6)
    ours.store_right_vector()
    ours.load_state_dict(
        {
            "weight": theirs.weight_orig.detach(),
            "bias": theirs.bias.detach(),
            "u0": theirs.weight_u[None],
            "v0": theirs.weight_v[None],
            "sv0": torch.ones(1),
        }
    )
    x = torch.randn(2, 3, 6, 6)
    for layer in (ours, theirs):
        layer(x).square().sum().backward()
    assert torch.allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    assert torch.allclose(ours.weight.grad, theirs.weight_orig.grad, rtol=1e-4, atol=1e-4)


def test_a_frozen_weight_is_normalised_once(layer, monkeypatch):
    calls = []
    original = Conv._normalise_weight
    monkeypatch.setattr(Conv, "_normalise_weight", lambda self: calls.append(1) or original(self))
    for _ in range(3):
        layer(torch.randn(1, 3, 4, 4))
    assert len(calls) == 1


def test_a_change_is_seen(layer):
    before = layer.normalised_weight().clone()
    layer.weight.mul_(torch.linspace(0.5, 2, 5)[:, None, None, None])
    assert torch.allclose(layer.normalised_weight(), formula(layer.weight, layer.u0), atol=1e-6)
    assert not torch.allclose(layer.normalised_weight(), before)
    state = {name: torch.randn_like(v) for name, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    assert torch.allclose(layer.normalised_weight(), formula(state["weight"], state["u0"]), atol=1e-6)


def test_a_borrowed_weight_leaves_no_trace(layer):
    x = torch.randn(1, 3, 4, 4)
    before = layer(x)
    other = torch.randn_like(layer.weight)
    borrowed = functional_call(layer, {"weight": other}, (x,))
    assert not torch.allclose(borrowed, before)
    assert torch.equal(layer(x), before)


def test_copies_and_other_precisions(layer):
    layer(torch.randn(1, 3, 4, 4))
    twin = copy.deepcopy(layer)
    twin.weight.mul_(-1)
    assert torch.allclose(twin.normalised_weight(), -layer.normalised_weight(), atol=1e-6)
    assert copy.deepcopy(layer).double().normalised_weight().dtype == torch.float64


def test_what_is_kept_carries_no_mode_of_the_call_that_made_it(layer):
    x = torch.randn(1, 3, 4, 4)
    expected = copy.deepcopy(layer)(x)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        layer(x)
    x.requires_grad_()
    layer(x).sum().backward()
    assert layer.normalised_weight().dtype == torch.float32 and torch.equal(layer(x), expected)


def test_layers_made_in_inference_mode():
    with torch.inference_mode():
        layer = Conv(3, 5, 3, 1, 1e-6)
        layer.weight.mul_(2)
        assert torch.allclose(layer.normalised_weight(), formula(layer.weight, layer.u0), atol=1e-6)


def test_gradients_in_another_memory_format(layer):
    x = torch.randn(2, 3, 6, 6)
    gradients = []
    for memory in (torch.contiguous_format, torch.channels_last):
        moving = layer.weight.clone(memory_format=memory).requires_grad_()
        functional_call(layer, {"weight": moving}, (x.contiguous(memory_format=memory),)).square().sum().backward()
        gradients.append(moving.grad)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_under_function_transforms(layer):
    """torch.func.grad, and vmap over weights of one layer: what autograd gives row by row."""
    x, weights = torch.randn(1, 3, 6, 6), torch.randn(2, *layer.weight.shape)
    loss = lambda weight: functional_call(layer, {"weight": weight}, (x,)).square().sum()  # noqa: E731
    together = vmap(grad(loss))(weights)
    for weight, gradient in zip(weights, together, strict=True):
        alone = weight.clone().requires_grad_()
        loss(alone).backward()
        assert torch.allclose(gradient, alone.grad, rtol=1e-4, atol=1e-4)


def test_second_derivatives_are_refused_rather_than_wrong(layer):
    moving = layer.weight.clone().requires_grad_()
    loss = functional_call(layer, {"weight": moving}, (torch.randn(1, 3, 4, 4),)).square().sum()
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        torch.autograd.grad(loss, moving, create_graph=True)


def test_what_has_no_vectors_is_left_alone():
    layer = Linear(4, 3, 0, 1e-6)
    assert layer.normalised_weight() is layer.weight
