"""A run on a device that is not there: nothing of the CPU meets what is on it, and no step waits for it."""

import functools
from collections import Counter

import pytest
import torch
from torch.utils import backend_registration

import dgp.engine.stage
from dgp.engine.recovery import WATCH_EVERY
from dgp.inversion import TRACE_EVERY, Inversion
from dgp.losses.feature_networks import efficientnet
from dgp.observation.estimate import Estimate
from dgp.recipes.load import load_recipe, recipe_names

from ..dgp.term_scene import small_efficientnet
from ..dgp.test_published_recipes import seen
from ..families import FAMILIES, family

if not hasattr(backend_registration, "_DummyBackendModule"):
    pytest.skip(f"left out: PyTorch {torch.__version__} has no backends in Python", allow_module_level=True)

from . import pretend  # noqa: E402


@pytest.fixture
def device(monkeypatch):
    """What happens on the device."""
    monkeypatch.setattr("dgp.inversion.resolve_device", lambda text: {"auto": "cpu"}.get(text, text))
    with pretend.registered(), pretend.Watch() as watch:
        yield watch


@pytest.fixture
def watch(device, monkeypatch):
    """The same; waits and uploads are counted within steps, from the second of a stage on."""
    step = dgp.engine.stage.StageRun.step

    def watched(run, iteration):
        device.counting = iteration > 0  # the first makes what is kept
        try:
            return step(run, iteration)
        finally:
            device.counting = False

    monkeypatch.setattr(dgp.engine.stage.StageRun, "step", watched)
    device.counting = False
    return device


def ran(name, where, degradation="gray", pictures=1, settings=(), **options):
    recipe = load_recipe(name, ["stages.*.steps=2", *settings])
    if any(set(term.networks) - {"discriminator"} for stage in recipe.stages for term in stage.terms):
        recipe = load_recipe(name, ["trunk=discriminator", "stages.*.steps=2", *settings])
    searches = tuple(search.scale(0.01) for search in recipe.searches)
    prior = family(where)
    observations = [seen(prior, degradation)] * pictures
    stages = recipe.stages
    if len(stages) > 2 and not any(stage.convert for stage in stages):  # between them more layers do the same
        stages = (stages[0], stages[-1])
    recipe = recipe.model_copy(update={"searches": searches, "stages": stages})
    for result in Inversion(observations, prior, recipe, device=pretend.NAME, **options).result():
        assert result.tensor.isfinite().all() and result.device == pretend.NAME


# One recipe of each kind of move for every family, every recipe for one.
RUNS = [(name, "stylegan2" if "w" in load_recipe(name).requires else "biggan") for name in recipe_names()]
RUNS += [("pulse-repaired", where) for where in FAMILIES] + [("all-at-once-mse", "stylegan3")]
RUNS += [("dgp-colorization", "biggan-deep"), ("rsr", "stylegan1")]
# A stage with stopping rules reads one thing in each step: which rows the next step evaluates.
KEPT = ("EarlyStopping.reached",)


def clean(watch):
    waits = watch.waits + watch.uploads
    assert not watch.mixed and not watch.drawn
    assert not {entry: n for entry, n in waits.items() if not any(kept in entry[1] for kept in KEPT)}


@pytest.mark.parametrize(("name", "where"), list(dict.fromkeys(RUNS)))
def test_recipes(name, where, watch):
    ran(name, where)
    clean(watch)


@pytest.mark.parametrize("name", ["stylegan2-projector", "rsr"])
def test_the_trunk_of_imagenet(name, watch, monkeypatch):
    trunk = functools.cache(lambda device="cpu": small_efficientnet().to(device))
    monkeypatch.setattr(efficientnet, "load_efficientnet", trunk)
    monkeypatch.setattr(efficientnet, "explain_absence", lambda: None)
    ran(name, "stylegan2", settings=("trunk=efficientnet-lite0",))
    clean(watch)


@pytest.mark.parametrize("degradation", ["inpaint:center=1/3", "sr:4", "jpeg:40", "sepia"])
def test_degradations(degradation, watch):
    ran("all-at-once-mse", "biggan", degradation, pictures=2, num_solutions=2)
    clean(watch)


def test_losses_are_read_once_in_many_steps(device):
    """From step to step of a whole run, its trace and the watch over divergence included."""
    steps = 2 * TRACE_EVERY
    recipe = load_recipe("all-at-once-mse", [f"stages.*.steps={steps}"])
    recipe = recipe.model_copy(update={"stages": recipe.stages[-1:]})
    prior = family("biggan")
    device.counting = False
    inversion = Inversion(seen(prior, "gray"), prior, recipe, device=pretend.NAME)
    for step in inversion:
        device.counting = step.iteration < steps - 1  # from the second step on, the last one included
    device.counting = False
    reads = {entry: n for entry, n in device.waits.items() if "append_lines" in entry[1]}
    assert sum(reads.values()) == 2 and len(inversion.trace[0]) == steps
    looks = {entry: n for entry, n in device.waits.items() if "Recovery._look" in entry[1]}
    assert sum(looks.values()) == steps // WATCH_EVERY - 1  # without that of the first step
    device.waits = Counter({entry: n for entry, n in device.waits.items() if entry not in reads | looks})
    clean(device)


UNKNOWN = ["blur:sigma=0.5..2", "motion-blur:length=2..4", "defocus:radius=0.5..1.5", "fade:0.2..0.8", "gamma:0.5..2",
           "noise:sigma=0.01..0.1", "jpeg:quality=20..80", "speckle:0.1..0.3", "sepia:0.2..0.9"]  # fmt: skip


@pytest.mark.parametrize("spec", UNKNOWN)
def test_unknown_parameters(spec, watch, monkeypatch):
    def estimate(y, operator, prior, *, seed=0):
        return {name: Estimate(one.middle, 0.1 * (one.high - one.low)) for name, one in operator.unknowns().items()}

    monkeypatch.setattr("dgp.identify.estimate.estimate", estimate)
    ran("all-at-once-mse", "biggan", spec, pictures=2)
    clean(watch)


def test_lbfgs_reads_and_writes_and_mixes_nothing(watch):
    """It runs on the host, which has to wait for gradients."""
    ran("all-at-once-mse", "biggan", settings=["stages.*.solver=l-bfgs", "stages.*.release.lr=1"])
    assert watch.waits and not watch.mixed and not watch.drawn


def mixing(x):
    return x + torch.arange(3.0)


def indexing(x):
    return torch.arange(3.0)[x.long()]


@pytest.mark.parametrize("wrong", [mixing, indexing])
def test_two_devices_in_one_operator_are_noticed(wrong, watch):
    wrong(torch.zeros(3).to(pretend.NAME))
    assert watch.mixed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: bool(x.any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: float(x[0]),
    ],
)
def test_waits_are_noticed(wrong, watch):
    watch.counting = True
    wrong(torch.ones(3).to(pretend.NAME))
    assert watch.waits


def test_numbers_drawn_on_the_device_are_noticed(watch):
    torch.randn(3, device=pretend.NAME)
    assert watch.drawn


def test_values_and_gradients_are_those_of_the_cpu(watch):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    blurred = lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(x.flip(0)))  # noqa: E731
    here, there = x.clone().requires_grad_(), x.to(pretend.NAME).requires_grad_()
    for one in (here, there):
        blurred(one)[..., ::2].relu().square().sum().backward()
    assert there.grad.device == pretend.DEVICE and torch.equal(there.grad.cpu(), here.grad)
