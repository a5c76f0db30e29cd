"""Rows of several pictures under different operators, and their predictions."""

import dataclasses
import warnings

import torch

from dgp.api import observe
from dgp.engine.evaluator import Evaluator
from dgp.losses.feature_networks import efficientnet
from dgp.losses.feature_networks import lpips as lpips_networks
from dgp.losses.feature_networks.efficientnet_lite import BlockGroup, Configuration, EfficientNetLite
from dgp.losses.prediction import Prediction
from dgp.observation.batch import stack_observations
from dgp.random_streams import random_stream
from dgp.rendering.renderer import Renderer
from dgp.variables.rows import Rows
from tests.generators.networks import style_prior

SPECS = ("gray", "sr:4", "inpaint:center=1/3", "identity", "identity")
RELEASED = "synthesis.b16.conv1.weight"


def scene():
    """A StyleGAN2 of 32 px; five pictures, the last of them weighted, two rows of each, with weights of their own."""
    prior = style_prior("stylegan2 resnet")
    clean = prior.generator(prior.generator.sample(len(SPECS), generator=random_stream(0, "clean", 0))).clamp(-1, 1)
    seen = [observe(picture, spec, prior, simulate=True) for picture, spec in zip(clean, SPECS, strict=True)]
    weight = torch.rand(1, 1, 32, 32, generator=random_stream(0, "weight", 0)) + 0.1
    seen[-1] = dataclasses.replace(seen[-1], weight=weight)
    batch = stack_observations(seen, prior.discriminator, (32, 32))
    evaluator = Evaluator(Renderer(prior, {}, batch), seed=0)
    pictures = torch.arange(len(SPECS)).repeat_interleave(2)
    random = random_stream(0, "rows", 0)
    values = prior.generator.convert(prior.generator.sample(len(pictures), generator=random), "w+")
    values = {"w+": values["w+"] + 0.1 * torch.randn(values["w+"].shape, generator=random)}
    for spec in prior.generator.info.latents:
        if spec.chart == "noise":
            values[spec.name] = torch.randn(len(pictures), *spec.shape, generator=random)
    stored = dict(prior.generator.named_parameters())[RELEASED]
    own = stored + 0.2 * torch.randn(len(pictures), *stored.shape, generator=random)
    return evaluator, Rows(pictures, torch.zeros_like(pictures), values, {RELEASED: own})


def predict(evaluator, rows, part=slice(None), occasion="step 0", released=True):
    """The prediction of the rows in ``part``, a slice or an index tensor."""
    values = {name: value[part] for name, value in rows.values.items()}
    weights = {name: value[part] for name, value in rows.weights.items()} if released else {}
    return Prediction(
        batch=evaluator.batch,
        image=evaluator.renderer.generate(values, weights),
        values=values,
        pictures=rows.picture[part],
        renderer=evaluator.renderer,
        weights=weights,
        draw_streams=lambda: evaluator.streams(rows, part, occasion),
    )


def untrained(name="squeeze"):
    """LPIPS of random weights: the formula needs no others."""
    import lpips

    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return lpips.LPIPS(net=name, pnet_rand=True, verbose=False).eval().requires_grad_(False)


def small_efficientnet():
    """The architecture of EfficientNet-Lite at five resolutions, with few channels and random weights."""
    strides = ((1, 1, 4), (2, 3, 6), (2, 2, 8), (2, 2, 8), (2, 2, 8))
    groups = tuple(BlockGroup(2, 3 + 2 * (number % 2), *rest) for number, rest in enumerate(strides))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        network = EfficientNetLite(Configuration(stem=6, groups=groups, head=16, classes=5))
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(0.2 * torch.rand_like(buffer))
    return network.eval().requires_grad_(False)


def give_trunk(monkeypatch, network, lite=None):
    """Every trunk of LPIPS is ``network``, and EfficientNet-Lite0 is ``lite`` or a small one; both are present."""
    lite = lite or small_efficientnet()
    monkeypatch.setattr(efficientnet, "load_efficientnet", lambda device="cpu": lite)
    monkeypatch.setattr(efficientnet, "explain_absence", lambda: None)
    monkeypatch.setattr(lpips_networks, "load_lpips", lambda name, device="cpu": network)
    monkeypatch.setattr(lpips_networks, "explain_absence", lambda name: None)
