"""A run under a teacher, and one that begins with the discriminator of a trained prior."""

import json

import pytest
import torch
from click.testing import CliRunner

import generators
from generators.base import GeneratorInfo
from generators.errors import TrainingError
from generators.training.command import main
from generators.training.export.card import describe_training
from generators.training.loop import checkpoint
from generators.training.loop.data import Pictures
from generators.training.loop.networks import initialise_pair
from generators.training.loop.run import Run
from generators.training.loop.settings import default_settings
from generators.training.loop.teacher import Teacher, pyramid_distance
from tests.generators.training.runs import archive, trained
from tests.generators.training.test_refusals import refusal

CPU = torch.device("cpu")
UNDER_TOY = "--z-dim 20 --teacher toy"


@pytest.fixture(scope="module")
def teacher():
    return Teacher("toy", generators.load("toy").generator.info, CPU)


def test_it_shows_what_the_prior_makes_and_is_at_no_distance_from_itself(teacher):
    prior = generators.load("toy")
    latents = prior.generator.sample(3, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([2, 0, 1])
    shown = teacher(latents["z"], classes)
    own = prior.generator(latents | {"class": prior.generator.embed(classes)}).clamp(-1, 1)
    assert (shown - own).abs().max() < 1e-5
    assert teacher.distance(shown, shown, classes) == 0 < teacher.distance(shown.flip(0), shown, classes)


def test_the_pyramid_of_two_plain_pictures_is_their_difference():
    assert pyramid_distance(torch.full((2, 3, 32, 32), 0.5), torch.full((2, 3, 32, 32), -0.25)) == pytest.approx(0.75)


def test_pupils_come_closer_to_its_pictures_and_do_not_without_it(teacher):
    pixels = torch.randint(0, 256, (20, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pictures = Pictures(pixels, torch.arange(20) % 3, ("a", "b", "c"), "")
    z, classes = torch.randn(32, 20, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 3
    ended = {}
    for said in ({"teacher": "toy"}, {}):
        settings = default_settings(
            "stylegan2", "cpu", width=8, z_dim=20, batch=8, augment=0.0, half_life=1, bf16=False, **said
        )
        run = Run(settings, pictures, initialise_pair(settings, 32, pictures.classes), "cpu")
        apart = lambda: float(teacher.distance(run.average({"z": z, "class": classes}), teacher(z, classes), classes))  # noqa: B023, E731
        start_or_resume = apart()
        for _ in range(30):
            run.step()
        ended[bool(said)] = apart() / start_or_resume
    # Measured: 0.29 and 0.59.
    assert ended[True] < 0.6 and ended[True] < 0.8 * ended[False]


def test_a_run_goes_on_under_it(tmp_path):
    data = archive(tmp_path / "data.zip", 32, 12, classes=("a", "b", "c"))
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for out, pictures in ((whole, 32), (halves, 16), (halves, 32)):
        trained("stylegan2", data, out, f"--pictures {pictures} {UNDER_TOY}")
    assert (whole / checkpoint.LOG).read_text() == (halves / checkpoint.LOG).read_text()
    assert '"apart"' in (whole / checkpoint.LOG).read_text()
    assert "teacher toy, got other" in refusal("stylegan2", data, whole, "--pictures 40 --z-dim 20 --teacher other")


def test_lessons_come_before_the_discriminator(tmp_path):
    data = archive(tmp_path / "data.zip", 32, 12, classes=("a", "b", "c"))
    trained("stylegan2", data, tmp_path / "run", f"--pictures 24 --lessons 16 {UNDER_TOY}")
    lines = [json.loads(line) for line in (tmp_path / "run" / checkpoint.LOG).read_text().splitlines()]
    assert ["d" in line for line in lines] == ["g" in line for line in lines] == [False, False, True]
    assert all(line["apart"] > 0 for line in lines)


def test_its_name_is_on_the_card_without_its_folder():
    words = describe_training(default_settings("stylegan2", "cpu", teacher="somewhere/big.safetensors"), "hinge", 8)
    assert "distance to the pictures of big, weight 5," in words and "somewhere" not in words


@pytest.mark.parametrize(
    "more, words",
    [
        ("--teacher toy", "got a teacher with z of 20 numbers, expected z of 8 numbers"),
        ("--teacher biggan-cifar10 --z-dim 128", "10 classes, expected 3 classes"),
        ("--teacher nobody", "no prior named"),
        ("--teaching 2", "give --teacher"),
        ("--lessons 8", "give --teacher"),
    ],
)
def test_refusals(tmp_path, more, words):
    data = archive(tmp_path / "data.zip", 32, 6, classes=("a", "b", "c"))
    assert words in refusal("stylegan2", data, tmp_path / "out", f"--pictures 8 {more}")


def test_networks_without_z_teach_nothing():
    info = GeneratorInfo("other", 32, (), ("a", "b", "c"), {})
    with pytest.raises(TrainingError, match="expected z of 0 numbers"):
        Teacher("toy", info, CPU)


def test_a_critic_judges_from_the_first_step_and_is_trained_on(tmp_path):
    data = archive(tmp_path / "data.zip", 32, 12, classes=("a", "b", "c"))
    trained("stylegan2", data, tmp_path / "run", "--pictures 16 --critic toy")
    state = checkpoint.load_state(tmp_path / "run")
    assert state["settings"]["d_lr"] == 2e-4 and state["settings"]["r1"] == 0.1  # as it was said
    prior, toy = generators.load(tmp_path / "run" / "run-G_ema.safetensors"), generators.load("toy")
    moved = [
        float((own - other).abs().max())
        for own, other in zip(prior.discriminator.parameters(), toy.discriminator.parameters(), strict=True)
    ]
    assert 1e-4 < max(moved) < 2e-3  # two steps of Adam, and what float16 costs
    assert type(prior.discriminator) is type(toy.discriminator) and prior.generator.info.architecture == "stylegan2"
    assert "hinge loss, discriminator begun as that of toy" in prior.card.text
    trained("stylegan2", data, tmp_path / "run", "--pictures 24")
    on = f"--arch stylegan2 --data {data} --out {tmp_path / 'on'} --batch 8 --pictures 8 --from "
    assert CliRunner().invoke(main, f"{on}{tmp_path / 'run'}".split()).exit_code == 0
    assert "begun with critic toy" in refusal("stylegan2", data, tmp_path / "run", "--pictures 40 --critic other")
    assert (
        "got a biggan, expected a stylegan2"
        in CliRunner().invoke(main, f"{on}toy".replace("on ", "of ").split()).stderr
    )
    two = archive(tmp_path / "two.zip", 32, 12)
    assert "3 classes, but the pictures are of 32 px and 2" in refusal(
        "stylegan2", two, tmp_path / "other", "--pictures 8 --critic toy"
    )
