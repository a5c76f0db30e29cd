"""What is printed of an object: in at most three lines what it is, never its tensors and layers."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import degradations
import dgp
import generators
from dgp.evaluation import Evaluation, Source
from dgp.evaluation.arms import RecipeArm
from dgp.evaluation.judge import load_judge
from dgp.identify.estimate import Estimator
from dgp.identify.regression import Network
from dgp.observation.estimate import Candidate, Estimate
from dgp.observation.weight_map import open_weight
from dgp.warm_start import load_start
from generators import get_bank
from tests.families import FAMILIES, family

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests/cli/tiny.toml"
DEFAULT = (object.__repr__, torch.nn.Module.__repr__)


def short(thing) -> str:
    text = repr(thing)
    assert str(thing) == text or isinstance(thing, Candidate | Estimate)
    assert len(text) <= 400 and text.count("\n") <= 2 and "tensor([" not in text, text
    assert " object at 0x" not in text, text
    return text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A picture, its observation, a run that is over and its last step."""
    folder = tmp_path_factory.mktemp("a-rather-long-name-of-a-folder")
    path = folder / f"{'photograph-' * 12}.png"
    Image.effect_noise((50, 40), 90).convert("RGB").save(path)
    prior = family("biggan")
    observation = dgp.observe(path, "gray+blur:sigma=1+sr:2", prior, simulate=True)
    inversion = dgp.Inversion(observation, prior, dgp.load_recipe(TINY), num_solutions=2)
    *_, step = inversion
    return folder, observation, inversion, step


def test_what_a_run_gives(run):
    folder, observation, inversion, step = run
    result = inversion.result()
    assert "50x40" in short(observation) and "gray+blur" in short(observation)
    assert "2 of 2" in short(step) and "mse" in short(step)
    assert "over" in short(inversion) and "2 solutions" in short(inversion)
    text = short(result)
    for fact in (
        "tiny",
        "toy",
        "PSNR",
        f"class {result.prior.generator.info.classes[result.classes[0]]}",
        "2 solutions",
    ):
        assert fact in text, fact
    result.save(folder / "out")
    assert "saved in" in short(result) and "photograph" in short(result)
    for thing in (
        observation.source,
        observation.geometry,
        inversion.rows,
        inversion.source,
        inversion.evaluations,
        result.spread,
        load_start(result),
        load_start(folder / "out"),
        open_weight(torch.rand(1, 1, 40, 50), (50, 40)),
        Estimate(1.23456789, 0.1),
        Candidate("gray+sr:2", 0.5, ("gray", "low resolution")),
        Estimator(Network(3, 2), torch.ones(1), {"sigma": None}),
    ):
        short(thing)


@pytest.mark.parametrize("name", FAMILIES)
def test_priors_and_what_they_are_made_of(name):
    prior = family(name)
    side = prior.generator.info.resolution
    for thing in (prior, prior.generator, prior.generator.info):
        assert f"{side}x{side} px" in short(thing)
    latents = prior.generator.sample(1)
    for thing in (prior.card, prior.discriminator, prior.generator.stem(latents), *prior.generator.groups()):
        short(thing)
    for thing in prior.generator.info.latents:
        short(thing)
    if prior.statistics:
        short(prior.statistics)
        short(prior.statistics.gaussian)
    assert "(" in repr(list(prior.generator.children())), "the layers can be seen"


def test_a_wrapped_module_and_the_bundled_priors():
    module = torch.nn.Sequential(*(torch.nn.Linear(12, 12) for _ in range(40)), torch.nn.Unflatten(1, (3, 2, 2)))
    assert "4 px" not in short(generators.wrap(module, 12, name="w" * 100)), "2x2 px"
    prior = generators.load(generators.DEFAULT)
    assert "10 classes" in short(prior) and "CIFAR-10" in short(prior.card)
    assert len(get_bank(family("biggan"), 10)) and "32x32" in short(get_bank(family("biggan"), 10))


def test_every_recipe_and_its_parts():
    for name in dgp.recipe_names():
        recipe = dgp.load_recipe(name)
        assert name in short(recipe)
        parts = [*recipe.searches, *recipe.stages, *recipe.variables.values(), recipe.finish]
        for stage in recipe.stages:
            parts += [*stage.terms, *stage.move.values(), *stage.stop, *([stage.release] if stage.release else [])]
        for part in parts:
            short(part)
    assert "sigma" not in repr(recipe)


def test_every_operator():
    for name in degradations.names():
        description = degradations.describe(name)
        operator = degradations.parse(description.example)
        assert operator.spec[:20] in short(operator)
        short(description)
        for parameter in operator.parameters_spec:
            assert parameter.name in short(parameter)
        if operator.noise is not None:
            short(operator.noise)
    chain = degradations.parse("+".join(["blur:sigma=1.25"] * 60))
    assert short(chain).startswith("Chain(blur:sigma=1.25+blur")
    assert "sigma" in short(degradations.parse("gray+blur:sigma=auto").bind({"sigma": torch.rand(9)}))
    assert "inpaint" in short(degradations.Inpaint.of(torch.eye(99, dtype=torch.bool)[None, None]))
    assert "(3, 1, 1, 1)" in short(degradations.GaussianNoise(torch.ones(3, 1, 1, 1)))


def test_evaluations(tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        Image.effect_noise((32, 32), 90).convert("RGB").save(tmp_path / folder / "a.png")
    source = Source(tmp_path)
    evaluation = Evaluation(
        source.open(source.names), ("gray",), {"tiny": dgp.load_recipe(TINY)}, family("biggan"), tmp_path / "out"
    )
    arm = next(arm for arm in evaluation.arms if isinstance(arm, RecipeArm))
    unit = evaluation._unit(arm, "gray", evaluation.pictures[0])
    (finding,) = arm.run([evaluation.observation(evaluation.pictures[0], "gray")], lambda count: None)
    judge = load_judge(ROOT / "benchmarks/judge-cifar10.safetensors")
    for thing in (source, evaluation, *evaluation.arms, *evaluation.pictures, unit, finding, judge):
        short(thing)
    assert "PSNR" in repr(finding)


@pytest.mark.parametrize("package", [dgp, generators, degradations], ids=lambda package: package.__name__)
def test_no_public_class_prints_what_python_prints_by_itself(package):
    """A text that Python or torch writes shows every tensor and layer, or only an address."""
    for name in package.__all__:
        thing = getattr(package, name)
        if not isinstance(thing, type) or issubclass(thing, BaseException):  # whose text is their message
            continue
        assert thing.__repr__ not in DEFAULT, name
