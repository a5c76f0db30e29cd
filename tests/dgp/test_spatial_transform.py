"""A warp places the generator's square in the observation's frame; around it the observation stands."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.losses.pixel import Mse
from dgp.losses.prediction import Prediction
from dgp.losses.uncovered import Uncovered
from dgp.observation.batch import ObservationBatch, stack_observations
from dgp.random_streams import random_stream
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from dgp.variables.rows import Rows
from dgp.variables.spatial_transform import SpatialTransform, Square, align_boxes

WHOLE = (0.5, 0.5, 1.0, 1.0)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def picture(toy):
    return toy.generator(toy.generator.sample(1, generator=random_stream(0, "a picture", 0)))[0].clamp(-1, 1)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def smooth(count, side):
    row = torch.linspace(0, 3, side)
    return torch.stack([(row[:, None] * (k + 1)).sin() * (row * 2 + k).cos() for k in range(count * 3)]).view(
        count, 3, side, side
    )


def square(side, left, top, extent):
    weight = torch.zeros(side, side)
    weight[top : top + extent, left : left + extent] = 1
    return weight


def shown(transform, image, values, observations):
    """The pictures (N, 3, R, R) of rows that explain one observation each."""
    batch = stack_observations(observations, None, tuple(image.shape[-2:]))
    return transform.transform(image, values, batch, torch.arange(len(image)))


@pytest.mark.parametrize("side", [8, 12, 31])
@pytest.mark.parametrize("start", ["identity", "object"])
def test_the_identity_returns_every_bit(side, start):
    image, values = random(3, 3, side, side), torch.zeros(3, 4)
    none = SimpleNamespace(pixel_weight=None, backdrop=random(1, 3, side, side, seed=1))
    batch = ObservationBatch(
        observations=(none,) * 3,
        discriminator=None,
        size=(side, side),
        operators=[],
        y=[image],
        weight=[],
        missing=[],
        group=torch.zeros(3, dtype=torch.long),
        position=torch.arange(3),
    )
    transform = SpatialTransform(start=start)
    assert torch.equal(transform.transform(image, values, batch, torch.arange(3)), image)
    assert torch.equal(transform.coverage(values, batch, torch.arange(3)), torch.ones(3, 1, side, side))


def test_whole_pixels_and_quarter_turns_move_pixels():
    image = random(3, 3, 16, 16)
    values = torch.tensor([[0.25, 0.5, 0, 0], [0, 0, 0, math.pi / 2], [0, 0, math.log(2), 0]])
    moved = Square.from_placement(values, 16).resample(image)
    assert torch.allclose(moved[0, :, 4:, 2:], image[0, :, :-4, :-2], atol=1e-5)
    assert torch.allclose(moved[1], image[1].rot90(-1, (1, 2)), atol=1e-5)  # clockwise, as it is seen
    larger = torch.nn.functional.interpolate(image[2:], scale_factor=2, mode="bilinear")[0]
    assert torch.allclose(moved[2], larger[:, 8:24, 8:24], atol=1e-5)


def test_there_and_back():
    image, values = smooth(2, 64), torch.tensor([[0.3, -0.1, -0.2, 0.4], [-0.2, 0.3, 0.3, -0.7]])
    there = Square.from_placement(values, 64).resample(image)
    x, y, log_scale, angle = values.unbind(1)
    cosine, sine, shrink = angle.cos(), angle.sin(), (-log_scale).exp()
    inverse = torch.stack([-shrink * (cosine * x + sine * y), -shrink * (cosine * y - sine * x), -log_scale, -angle], 1)
    back = Square.from_placement(inverse, 64)
    whole = back.resample(Square.from_placement(values, 64).coverage()) * back.coverage() > 0.999
    assert whole.float().mean() > 0.2
    assert ((back.resample(there) - image).abs() * whole).max() < 0.03


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_is_antialiased_as_pillow_does_it(factor):
    side = 30 * factor
    board = (torch.arange(side)[:, None] + torch.arange(side)) % 2 * 2.0 - 1
    image = torch.stack([board, random(side, side), smooth(1, side)[0, 0]])[None]
    k = side // factor
    placed = Square.from_placement(torch.tensor([[0.0, 0, -math.log(factor), 0]]), side).resample(image)[0]
    edge = (side - k) // 2
    inside = placed[:, edge : edge + k, edge : edge + k] if (side - k) % 2 == 0 else placed[:, edge + 1 :, edge + 1 :]
    for ours, channel in zip(inside[:, :k, :k], image[0], strict=True):
        pillow = torch.from_numpy(np.array(Image.fromarray(channel.numpy()).resize((k, k), Image.Resampling.BILINEAR)))
        if (side - k) % 2 == 0:
            assert (ours - pillow)[2:-2, 2:-2].std() < 0.1 * channel.std()


def test_gradients_of_placement_and_picture():
    image = random(2, 1, 5, 5, dtype=torch.float64).requires_grad_()
    values = torch.tensor([[0.13, -0.21, -0.4, 0.3], [-0.07, 0.11, 0.23, -0.2]], dtype=torch.float64)

    def seen(values, image):
        place = Square.from_placement(values, 5)
        return place.resample(image) * place.coverage()

    assert torch.autograd.gradcheck(seen, (values.requires_grad_(), image))


@pytest.mark.parametrize("spec", ["identity", "gray", "sr:2", "inpaint:center=1/4", "gray+sr:2"])
def test_outside_stands_the_observation_which_costs_nothing(toy, picture, spec):
    observation = observe(picture, spec, toy, simulate=True)
    values = torch.tensor([[0.4, 0.4, math.log(0.3), 0.2], [0.0, 0, 0, 0]])
    batch = stack_observations([observation], None, (32, 32))
    rows = torch.zeros(2, dtype=torch.long)
    image = random(2, 3, 32, 32)
    framed = SpatialTransform().transform(image, values, batch, rows)
    cover = SpatialTransform().coverage(values, batch, rows)
    assert torch.equal(torch.where(cover == 0, framed, 0)[0], torch.where(cover == 0, observation.backdrop, 0)[0])
    (group,) = Prediction(batch, framed, {}, rows).groups
    reach = torch.nn.functional.max_pool2d(cover, 7, 1, 3)  # of a filter that mixes neighbours
    far = torch.nn.functional.adaptive_max_pool2d(reach, observation.y.shape[-2:]) == 0
    assert far[0].float().mean() > 0.4 and ((group.prediction - group.y).abs() * far).max() < 1e-4
    if spec == "identity":
        assert torch.equal(framed[1], image[1]) and torch.equal(observation.backdrop, observation.y)


def test_around_the_object_features_see_the_surroundings(toy, picture):
    weight = square(32, 8, 6, 12)
    observation = observe(picture, "identity", toy, weight=weight)
    image = random(1, 3, 32, 32)
    framed = shown(SpatialTransform(around="object"), image, torch.zeros(1, 4), [observation])
    assert torch.equal(framed, torch.where(weight > 0, image, observation.y))


def test_the_start_lays_the_usual_object_over_the_mask(toy, picture):
    typical = (0.5, 0.4, 0.5, 0.6)
    boxes = torch.tensor([[0.3, 0.6, 0.25, 0.25], [torch.nan] * 4])
    x, y, log_scale, angle = align_boxes(boxes, typical)[0].tolist()
    scale = math.exp(log_scale)
    assert scale == pytest.approx(0.5) and angle == 0
    assert x + scale * (2 * 0.5 - 1) == pytest.approx(2 * 0.3 - 1)
    assert y + scale * (2 * 0.4 - 1) == pytest.approx(2 * 0.6 - 1, abs=1e-6)
    assert torch.equal(align_boxes(boxes, typical)[1], torch.zeros(4))
    observation = observe(picture, "identity", toy, weight=square(32, 8, 6, 12))
    batch = stack_observations([observation], None, (32, 32))
    assert batch.boxes[0].tolist() == [14 / 32, 12 / 32, 12 / 32, 12 / 32]
    transform = SpatialTransform(start="object", typical=WHOLE)
    cover = transform.coverage(torch.zeros(1, 4), batch, torch.zeros(1, dtype=torch.long))
    assert torch.allclose(cover, observation.pixel_weight, atol=1e-4)


def test_uncovered_is_what_of_the_object_the_square_leaves(toy, picture):
    observation = observe(picture, "identity", toy, weight=square(32, 0, 0, 16))
    batch, rows = stack_observations([observation], None, (32, 32)), torch.zeros(3, dtype=torch.long)
    values = {"warp": torch.tensor([[0.0, 0, 0, 0], [0.51, 0, 0, 0], [0, 0, math.log(0.51), 0]])}
    renderer = SimpleNamespace(parametrizations={"warp": SpatialTransform()})
    found = Uncovered()(Prediction(batch, random(3, 3, 32, 32), values, rows, renderer=renderer))
    assert torch.allclose(found, torch.tensor([0, 0.51, 1 - 0.51**2]), atol=1e-3)
    values["warp"].requires_grad_()
    Uncovered()(Prediction(batch, random(3, 3, 32, 32), values, rows, renderer=renderer)).sum().backward()
    assert values["warp"].grad[1, 0] > 0 > values["warp"].grad[2, 2]  # back to the left; larger


def test_the_mask_weighs_the_loss(toy, picture):
    weight = square(32, 8, 6, 12)
    observation = observe(picture, "identity", toy, weight=weight)
    batch, rows = stack_observations([observation], None, (32, 32)), torch.zeros(1, dtype=torch.long)
    spoiled = torch.where(weight > 0, observation.y, -1)
    assert float(Mse()(Prediction(batch, spoiled, {}, rows))) == 0
    shifted = torch.where(weight > 0, observation.y + 0.5, observation.y)
    assert float(Mse()(Prediction(batch, shifted, {}, rows))) == pytest.approx(0.25)


def recipe(**changes):
    terms = [{"kind": "mse"}, {"kind": "uncovered", "weight": 2.0}]
    return Recipe.model_validate(
        {
            "name": "warped",
            "summary": "",
            "cites": (),
            "variables": {
                "z": {},
                "warp": {"chart": {"kind": "warp", "start": "object"}, "constraint": {"kind": "clamp", "limit": 0.5}},
            },
            "searches": [{"kind": "best-of", "count": 4, "elite": 2, "terms": terms}],
            "stages": [
                {"steps": 4, "lr": 0.05, "move": {"z": {}, "warp": {"lr": 0.02}}, "terms": terms},
                {"steps": 2, "lr": 0.02, "move": {"z": {}}, "release": {"lr": 1e-3}, "terms": terms, "rows_kept": 1},
            ],
            "finish": "composite",
        }
        | changes
    )


def test_rows_are_independent_also_with_weights_of_their_own(toy, picture):
    weights = square(32, 8, 6, 12), square(32, 15, 14, 10), None
    observations = [
        observe(picture, spec, toy, simulate=True, label=1, weight=weight)
        for spec, weight in zip(["identity", "gray", "sr:2"], weights, strict=True)
    ]
    together = Inversion(observations, toy, recipe(), seed=2).result()
    for observation, result in zip(observations, together, strict=True):
        alone = Inversion(observation, toy, recipe(), seed=2).result()
        assert torch.allclose(alone.tensors, result.tensors, atol=2e-4)
        assert torch.allclose(alone.variables["warp"], result.variables["warp"], atol=2e-4)
        assert alone.variables["warp"].abs().max() > 0.01


def test_a_saved_answer_renders_again(toy, picture, tmp_path):
    observation = observe(picture, "gray", toy, label=1, weight=square(32, 8, 6, 12))
    inversion = Inversion(observation, toy, recipe())
    result = inversion.result()
    result.save(tmp_path)
    saved = load_file(tmp_path / "latents.safetensors")
    values = {name.removeprefix("variable/"): value for name, value in saved.items()}
    rows = Rows(
        torch.zeros(1, dtype=torch.long),
        torch.zeros(1, dtype=torch.long),
        values,
        load_file(tmp_path / "weights.safetensors"),
    )
    again = Inversion(observation, toy, recipe()).renderer
    assert torch.allclose(again.render(rows), result.prior_tensors, atol=1e-5)
    assert torch.equal(again.coverage(rows), result.covers)


def test_the_aligned_recipe_searches_the_transform_and_leaves_the_surroundings(toy, picture):
    weight = square(32, 8, 6, 16)
    observation = observe(picture, "identity", toy, label=1, weight=weight)
    inversion = Inversion(observation, toy, load_recipe("aligned", ["budget=400"]))
    totals = [step.total.min().item() for step in inversion]
    result = inversion.result()
    assert inversion.evaluations.cost <= 400 and totals[-1] < totals[0]
    assert result.variables["warp"].abs().max() > 0.01 and result.trace[-1]["losses"]["uncovered(warp)"][0] < 0.1
    before, after = (np.asarray(image) for image in (observation.picture, result.image))
    assert np.array_equal(before[weight == 0], after[weight == 0])
    assert not np.array_equal(before[weight > 0], after[weight > 0])
