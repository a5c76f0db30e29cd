"""Rows of several pictures under different operators, and their predictions."""

import dataclasses
import warnings

import torch

from dgp.api import observe
from dgp.engine.evaluator import Evaluator
from dgp.losses import feature_networks
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


def give_trunk(monkeypatch, network):
    """Every trunk is ``network``, and present."""
    monkeypatch.setattr(feature_networks, "load_lpips", lambda name, device="cpu": network)
    monkeypatch.setattr(feature_networks, "explain_absence", lambda name: None)
