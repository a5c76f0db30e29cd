"""Generators and discriminators of every family: pictures, features and gradients are those of the CPU."""

import copy

import pytest
import torch
from torch.func import functional_call

from ..families import FAMILIES, family
from .conftest import off_by, tf32

FULL, ROUNDED = (1e-4, 1e-3), (3e-2, 0.3)  # of values and of gradients: with float32 products, and with TF32


def both(where, device):
    """The prior on the CPU and on the device, and latents of three rows for each."""
    prior = family(where)
    latents = prior.generator.sample(3, generator=torch.Generator().manual_seed(1))
    return (prior, latents), (prior.to(device), {name: value.to(device) for name, value in latents.items()})


def seen(prior, latents):
    """A picture, what the discriminator sees in it, and the gradients of latents and of the picture."""
    latents = {name: value.clone().requires_grad_(value.is_floating_point()) for name, value in latents.items()}
    picture = prior.generator(latents)
    picture.retain_grad()
    features = prior.discriminator.features(picture)
    sum(feature.square().mean() for feature in features).backward()
    values = {"picture": picture} | {f"feature {i}": feature for i, feature in enumerate(features)}
    moved = {name: value.grad for name, value in latents.items() if value.grad is not None}
    return values, moved | {"of the picture": picture.grad}


def compared(ours, theirs, tolerances):
    for mine, other, tolerance in zip(ours, theirs, tolerances, strict=True):
        assert mine.keys() == other.keys()
        far = {name: off for name in other if not (off := off_by(mine[name], other[name])) < tolerance}
        assert not far, far


@pytest.mark.parametrize("where", FAMILIES)
def test_forward_and_backward(where, device):
    cpu, there = both(where, device)
    compared(seen(*there), seen(*cpu), FULL)


@pytest.mark.parametrize("where", FAMILIES)
def test_forward_and_backward_with_tf32(where, device):
    cpu, there = both(where, device)
    tf32(True, True)
    compared(seen(*there), seen(*cpu), ROUNDED)


@pytest.mark.parametrize("where", FAMILIES)
def test_gradients_of_weights_that_are_swapped_in(where, device):
    """As the engine releases them."""
    found = []
    for prior, latents in both(where, device):
        weights = {name: p.clone().requires_grad_() for name, p in prior.generator.named_parameters()}
        one = {name: value[:1] for name, value in latents.items()}
        picture = functional_call(prior.generator, weights, (one,))
        picture.square().mean().backward()
        found.append(({"picture": picture}, {n: w.grad for n, w in weights.items() if w.grad is not None}))
    largest = max(float(gradient.norm()) for gradient in found[0][1].values())
    heavy = {name for name, gradient in found[0][1].items() if float(gradient.norm()) > 1e-4 * largest}
    (cpu, theirs), (there, ours) = found
    assert ours.keys() == theirs.keys() and len(heavy) > 5
    compared((there, {n: ours[n] for n in heavy}), (cpu, {n: theirs[n] for n in heavy}), FULL)


@pytest.mark.parametrize("where", FAMILIES)
def test_rows_are_what_they_are_alone(where, device):
    _, (prior, latents) = both(where, device)
    together = prior.generator(latents)
    alone = [prior.generator({n: v[i : i + 1] for n, v in latents.items()}) for i in range(len(together))]
    assert off_by(torch.cat(alone), together) < 1e-4


@pytest.mark.parametrize("where", FAMILIES)
def test_wider_charts(where, device):
    found = []
    for prior, latents in both(where, device):
        generator = prior.generator
        charts = [spec.name for spec in generator.info.latents if spec.name in ("w", "w+", "w++")] + ["feature@1"]
        values = {}
        for chart in charts:
            latents = generator.convert(latents, chart)
            values |= {f"{chart}: {name}": value for name, value in latents.items() if value.is_floating_point()}
            values[f"{chart}: picture"] = generator(latents)
        found.append(values)
    compared(found[1:], found[:1], FULL[:1])


@pytest.mark.parametrize("where", [name for name in FAMILIES if "style" in name])
def test_statistics_of_w(where, device):
    prior, moved = family(where), copy.copy(family(where)).to(device)
    assert off_by(moved.statistics.mean, prior.statistics.mean) < 1e-4
    assert off_by(moved.statistics.std, prior.statistics.std) < 1e-4


def test_a_prior_that_is_there_already_is_itself(device):
    moved = family("biggan").to(device)
    assert moved.to(device) is moved
