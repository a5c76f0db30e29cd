"""Evaluation: which pictures, the baselines, the statistics, and units that are done once."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import degradations
import generators
from dgp.errors import InputError, OutputError
from dgp.evaluation import Evaluation, Source, statistics
from dgp.evaluation.baselines import bicubic, classical, mean_chroma
from dgp.evaluation.source import van_der_corput
from dgp.evaluation.units import Unit, slug
from dgp.recipes.schema import Recipe


def picture(seed: int, size: int = 32) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((size, size), 2)


def recipe(lr: float = 0.05) -> Recipe:
    move = {"z": {}}
    terms = [{"kind": "mse"}]
    release = {"groups": "all", "lr": lr}
    return Recipe.model_validate(
        {
            "name": "two",
            "summary": "",
            "cites": [],
            "searches": [{"kind": "best-of", "count": 2, "terms": terms}],
            "stages": [
                {"steps": 2, "lr": 0.05, "move": move, "terms": terms},
                {"steps": 1, "lr": lr, "move": move, "terms": terms, "release": release},
            ],
        }
    )


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture
def folder(tmp_path):
    """Three classes of 5, 5 and 2 pictures, and what does not belong to them."""
    for name, count in (("first", 5), ("second", 5), ("third", 2)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(count):
            picture(number).save(tmp_path / f"set/{name}/{number}.png")
    (tmp_path / "set/first/.hidden.png").write_bytes(b"")
    (tmp_path / "set/notes.txt").write_text("not a picture")
    return tmp_path / "set"


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 64, 500])
def test_every_beginning_of_the_order_is_spread_evenly(n):
    order = van_der_corput(n)
    assert sorted(order) == list(range(n))
    for k in range(1, n + 1):
        largest_gap = np.diff(sorted([*order[:k], n])).max()
        assert largest_gap <= 2 * n / k + 1


def test_choices_are_even_and_contain_the_smaller_ones(folder):
    source = Source(folder)
    assert len(source.names) == 12 and source.choose() and len(source.choose()) == 12
    for count in range(1, 12):
        names = source.choose(count)
        assert len(set(names)) == count and names == source.choose(count + 1)[:count]
    by_class = [name.split("/")[0] for name in source.choose(6)]
    assert all(by_class.count(name) == 2 for name in ("first", "second", "third"))
    assert set(source.choose(per_class=1)) < set(source.choose(per_class=2))
    for wrong in ({"count": 13}, {"per_class": 3}):
        with pytest.raises(InputError, match="12 pictures|has 2 pictures"):
            source.choose(**wrong)


def test_an_archive_is_as_good_as_a_folder(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    plain, packed = Source(folder), Source(tmp_path / "set.zip")
    assert [f"set/{name}" for name in plain.choose(5)] == packed.choose(5)
    for a, b in zip(plain.open(plain.choose(5)), packed.open(packed.choose(5)), strict=True):
        assert (a.sha256, a.folder, a.picture.pixels_sha256) == (b.sha256, b.folder, b.picture.pixels_sha256)


def test_archives_with_broken_pictures_are_refused_by_name(tmp_path):
    whole = io.BytesIO()
    picture(0, 64).save(whole, "PNG")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a/cut.png", whole.getvalue()[:200])
        archive.writestr("a/text.png", b"no picture")
    source = Source(tmp_path / "set.zip")
    for name in source.names:
        with pytest.raises(InputError, match=name):
            source.open([name])


def test_intervals_are_those_of_the_normal_theory():
    values = np.random.default_rng(1).normal(20, 3, 400)
    mean, low, high = statistics.interval(values)
    expected = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean()) and high - mean == pytest.approx(expected, rel=0.05)
    assert mean - low == pytest.approx(expected, rel=0.05) and statistics.interval(values) == (
        mean,
        low,
        high,
    )
    assert statistics.interval([4.0]) == (4.0, 4.0, 4.0)


def test_differences_are_paired_and_missing_values_left_out():
    first = {f"{i}": {"psnr": float(i), "lpips": None} for i in range(50)}
    above = {f"{i}": {"psnr": i + 0.5, "lpips": None} for i in range(50)}
    assert statistics.differences(above, first) == {"psnr": {"n": 50, "difference": 0.5, "low": 0.5, "high": 0.5}}
    above["7"]["psnr"] = None
    assert statistics.differences(above, first)["psnr"]["n"] == 49 == statistics.means(above)["psnr"]["n"]
    assert set(statistics.means(above)) == {"psnr"}


def test_mean_chroma_is_the_chroma_of_the_prior(toy):
    chroma = mean_chroma(toy, samples=8, most=8)
    assert torch.equal(chroma, mean_chroma(toy, samples=8, most=8)) and chroma.abs().max() > 0.01
    assert float(chroma @ torch.tensor([0.299, 0.587, 0.114])) == pytest.approx(0, abs=1e-5)


@pytest.fixture
def x():
    return torch.from_numpy(np.array(picture(3), np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


def test_classical_colours_keep_the_luminance(x):
    gray = degradations.parse("gray")
    chroma = torch.tensor([0.2, -0.05, -0.26])
    answer = classical(gray, gray(x), (32, 32), chroma)
    assert torch.allclose(gray(answer), gray(x), atol=1e-5)
    muted = classical(gray, gray(x) * 0.5, (32, 32), chroma) - gray(x) * 0.5
    expected = chroma - degradations.Gray()(chroma[None, :, None, None])[0, 0, 0]
    assert torch.allclose(muted.mean((0, 2, 3)), expected, atol=1e-4)


def test_classical_enlargement_is_pillows(x):
    small = degradations.parse("sr:4")(x)
    answer = classical(degradations.parse("sr:4"), small, (32, 32), torch.zeros(3))
    plane = np.asarray(Image.fromarray(small[0, 1].numpy()).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.allclose(answer[0, 1], plane.clip(-1, 1), atol=1e-6)
    assert bicubic(torch.zeros(1, 1, 5, 7), (31, 37)).shape == (1, 1, 31, 37)


def test_classical_inpainting_continues_what_is_smooth():
    ramp = (torch.linspace(-0.8, 0.8, 32)[:, None] + torch.linspace(-0.1, 0.1, 32)).expand(1, 3, 32, 32).contiguous()
    hole = degradations.parse("inpaint:center=1/3")
    answer = classical(hole, hole(ramp), (32, 32), torch.zeros(3))
    assert torch.allclose(answer, ramp, atol=2e-3)


@pytest.mark.parametrize(
    "spec",
    [
        "gray+sr:2",
        "sr:2+gray",
        "gray+sr:2+inpaint:center=1/3",
        "inpaint:center=1/3+sr:2",
        "sr-dgp",
        "identity",
    ],
)
def test_classical_undoes_every_chain_at_full_size(x, spec):
    operator = degradations.parse(spec).build(size=(32, 32))
    answer = classical(operator, operator(x), (32, 32), torch.tensor([0.1, 0.0, -0.26]))
    assert answer.shape == (1, 3, 32, 32) and answer.abs().max() <= 1
    assert (answer - x).square().mean() < 0.3


def test_file_names_never_meet():
    texts = ["gray", "sr:4", "sr_4", "a/b", "a__b", "a_b", "../../etc", "größe", "x" * 300, "x" * 301]
    names = [slug(text) for text in texts]
    assert len(set(names)) == len(texts) and slug("gray") == "gray"
    assert not [name for name in names if "/" in name or name.startswith(".") or len(name) > 100]


def test_units_of_another_run_are_refused_and_half_written_ones_redone(tmp_path):
    identity = {"arm": "a", "degradation": "gray", "picture": "p.png", "seed": 0}
    unit = Unit(tmp_path, identity)
    assert unit.read() is None
    unit.write(picture(0), {"metrics": {}})
    assert unit.read()["metrics"] == {}
    with pytest.raises(OutputError, match="seed differ"):
        Unit(tmp_path, identity | {"seed": 1}).read()
    unit.picture_path.unlink()
    assert unit.read() is None
    unit.picture_path.touch()
    unit.path.write_text("[]")
    with pytest.raises(OutputError, match="not a result"):
        unit.read()


def evaluation(folder, out, toy, count=3, **options) -> Evaluation:
    source = Source(folder)
    return Evaluation(
        source.open(source.choose(count)),
        ["gray"],
        {"two": recipe(options.pop("lr", 0.05))},
        toy,
        out,
        **options,
    )


def test_an_interrupted_evaluation_goes_on_where_it_was(folder, tmp_path, toy):
    first = evaluation(folder, tmp_path / "e", toy, at_once=2)
    assert first.remaining_steps == 9
    seen = []

    def stop(count, doing):
        seen.append(count)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(stop)
    assert seen == [2, 2, 2, 1] and first.remaining_steps == 3
    first.run()
    summary = first.write()
    assert first.remaining_steps == 0 and summary["results"]["gray"]["two"]["psnr"]["n"] == 3
    assert json.loads((tmp_path / "e/summary.json").read_text()) == summary


def test_the_answers_are_those_of_the_pictures_alone(folder, tmp_path, toy):
    together, alone = (evaluation(folder, tmp_path / name, toy, count) for name, count in (("a", 4), ("b", 1)))
    for one in (together, alone):
        one.check()
        one.run()
    content = [one._unit(one.arms[0], "gray", one.pictures[0]).read() for one in (together, alone)]
    assert content[0]["metrics"]["psnr"]["value"] == pytest.approx(content[1]["metrics"]["psnr"]["value"], abs=0.01)
    assert content[0]["latents"]["z"]["norm"] == pytest.approx(content[1]["latents"]["z"]["norm"], rel=1e-4)


def test_latents_only_is_what_release_begins_with(folder, tmp_path, toy):
    still = evaluation(folder, tmp_path / "e", toy, lr=0.0)
    still.run()
    metrics = still._unit(still.arms[0], "gray", still.pictures[0]).read()["metrics"]
    assert metrics["psnr_latent_only"]["value"] == pytest.approx(metrics["psnr"]["value"], abs=1e-3)
    moved = evaluation(folder, tmp_path / "f", toy)
    moved.run()
    metrics = moved._unit(moved.arms[0], "gray", moved.pictures[0]).read()["metrics"]
    assert metrics["psnr_latent_only"]["value"] != pytest.approx(metrics["psnr"]["value"], abs=1e-3)


def test_baselines_measure_what_they_say(folder, tmp_path, toy):
    one = evaluation(folder, tmp_path / "e", toy, count=1)
    one.run()
    from dgp.api import observe
    from dgp.output import metrics

    observation = observe(one.pictures[0].picture, "gray", toy, simulate=True)
    grey = observation.y.expand(-1, 3, -1, -1)[0]
    found = one.summary()["results"]["gray"]
    assert found["degraded"]["psnr"]["mean"] == pytest.approx(metrics.psnr(grey, observation.original[0]))
    stored = Image.open(one._unit(one.arms[-1], "gray", one.pictures[0]).picture_path)
    assert stored.size == (32, 32) and found["classical"]["psnr"]["mean"] != found["degraded"]["psnr"]["mean"]
