"""Warm starts: a run begins where an earlier one ended, or where an encoder says, and is refused what does not fit."""

import pytest
import torch

import generators
from dgp.api import observe
from dgp.errors import InputError
from dgp.inversion import Inversion
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe
from tests.families import family

FIRST = {
    "name": "first",
    "summary": "",
    "cites": (),
    "searches": [{"kind": "best-of", "count": 4, "terms": ["mse"]}],
    "stages": [
        {
            "steps": 3,
            "lr": 0.05,
            "move": {"z": {}},
            "terms": ["mse"],
            "release": {"groups": 2, "lr": 1e-3},
            "keep": "best",
        }
    ],
}
NEXT = FIRST | {"name": "next", "stages": [{"steps": 1, "lr": 0.0, "move": {"z": {}}, "terms": ["mse"]}]}


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    latents = toy.generator.sample(2, classes=torch.tensor([0, 2]), generator=random_stream(0, "two pictures", 0))
    pictures = toy.generator(latents)
    return [observe(p, spec, toy, simulate=True) for p, spec in zip(pictures, ("gray", "sr:4"), strict=True)]


def run(observations, toy, recipe, **how):
    return Inversion(observations, toy, Recipe.model_validate(recipe), **how)


@pytest.fixture(scope="module")
def earlier(observations, toy):
    return run(observations, toy, FIRST, num_solutions=2).result()


def test_a_run_begins_at_the_picture_where_the_other_ended(observations, toy, earlier):
    inversion = run(observations, toy, NEXT, num_solutions=2, start=earlier)
    (step,) = inversion
    ended = torch.cat([result.prior_tensors for result in earlier])
    torch.testing.assert_close(step.image, ended, atol=1e-5, rtol=0)
    assert inversion.rows.weights.keys() == earlier[0].weights.keys() != set()
    assert inversion.evaluations.forward == 8, "nothing was searched"


def test_a_folder_is_what_it_was_saved_from(observations, toy, earlier, tmp_path):
    folder = earlier[0].save(tmp_path / "out")
    answers = [run(observations[0], toy, NEXT, num_solutions=2, start=s).result() for s in (folder, earlier[0])]
    assert torch.equal(answers[0].prior_tensors, answers[1].prior_tensors)
    assert answers[0].record()["start"] == {"path": str(folder), "sha256": answers[1].start["sha256"]}
    assert earlier[0].record()["start"] is None


def test_answers_are_the_same_alone_and_among_others(observations, toy, earlier):
    together = run(observations, toy, FIRST, start=earlier).result()
    for observation, start, result in zip(observations, earlier, together, strict=True):
        alone = run(observation, toy, FIRST, start=start).result()
        torch.testing.assert_close(alone.prior_tensor, result.prior_tensor, atol=2e-4, rtol=0)


def test_an_encoder_sees_the_lifted_observations_once(observations, toy):
    seen = []

    def encoder(lifted):
        seen.append(lifted)
        z = lifted.flatten(1)[:, :20]
        return {"z": z, "class": toy.generator.embed(torch.tensor([1] * len(z)))}

    inversion = run(observations, toy, NEXT, num_solutions=2, start=encoder)
    (lifted,) = seen
    assert lifted.shape == (2, 3, 32, 32)
    assert torch.equal(inversion._started.values["z"], lifted.flatten(1)[:, :20].repeat_interleave(2, 0))


def test_the_told_class_is_the_encoders_to_leave_out(observations, toy):
    z = lambda lifted: {"z": lifted.flatten(1)[:, :20]}  # noqa: E731
    with pytest.raises(InputError, match="without a class"):
        run(observations[0], toy, NEXT, start=z)
    told = observe(observations[0].original, "gray", toy, simulate=True, label=2)
    assert torch.equal(run(told, toy, NEXT, start=z)._started.values["class"], toy.generator.embed(torch.tensor([2])))


def test_layers_that_one_picture_alone_has_released(observations, toy, earlier):
    fresh = run(observations[1], toy, NEXT).result()
    inversion = run(observations, toy, NEXT, start=[earlier[0], fresh])
    (step,) = inversion
    torch.testing.assert_close(step.image[1], fresh.prior_tensor, atol=1e-5, rtol=0)


def other():
    prior = generators.randomise(generators.load("toy"), 5)
    return prior


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (lambda earlier, folder: {"start": earlier, "num_solutions": 3}, "has 2 solutions, and 3 are asked for"),
        (lambda earlier, folder: {"start": [earlier, earlier]}, "2 starts for 1 pictures"),
        (lambda earlier, folder: {"start": folder / "nowhere"}, "a start is the folder of a run"),
        (lambda earlier, folder: {"start": earlier, "prior": other()}, "use the prior that made it"),
        (lambda earlier, folder: {"start": {"z": torch.zeros(1, 8)}}, "expected"),
        (
            lambda earlier, folder: {
                "start": lambda lifted: {"z": torch.zeros(1, 3), "class": torch.zeros(1, 6)},
            },
            r"z of \(3,\), expected \(20,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(observations, toy, earlier, tmp_path, how, says):
    with pytest.raises(InputError, match=says) as caught:
        options = how(earlier[0], tmp_path)
        run(observations[0], options.pop("prior", toy), NEXT, **options)
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_refused(observations, toy, earlier, tmp_path):
    folder = earlier[0].save(tmp_path / "out")
    (folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="weights.safetensors cannot be read"):
        run(observations[0], toy, NEXT, start=folder)


def test_the_first_answers_do_not_depend_on_how_many_begin_there():
    prior = family("stylegan2")
    w = prior.generator.convert(prior.generator.sample(3, generator=random_stream(0, "starts", 0)), "w")["w"]
    picture = prior.generator({"w": w[:1]})[0].detach().clamp(-1, 1)
    stage = NEXT["stages"][0] | {"move": {"w": {}}}
    recipe = Recipe.model_validate(NEXT | {"space": ["w"], "variables": {"noise[*]": {}}, "stages": [stage]})
    observation = observe(picture, "gray", prior, simulate=True)
    few, many = (Inversion(observation, prior, recipe, num_solutions=n, start={"w": w[:n]})._started for n in (2, 3))
    for name, value in few.values.items():
        assert torch.equal(value, many.values[name][:2]), name
