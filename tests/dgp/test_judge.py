"""The judge: a small classifier's verdict on pictures, its file, its training, and its place in an evaluation."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import generators
from dgp.errors import InputError
from dgp.evaluation import Evaluation, Source
from dgp.evaluation.judge import Network, load_judge, save_judge, to_judge_input
from dgp.observation.images import to_tensor
from dgp.recipes.schema import Recipe

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ABOUT = {"classes": ["first", "second"], "widths": [4, 6, 8], "data": "nothing", "licence": "MIT", "accuracy": {}}


def picture(seed: int, size: int = 32) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((size, size), 2)


@pytest.fixture
def judge(tmp_path):
    torch.manual_seed(0)
    save_judge(tmp_path / "judge.safetensors", Network(2, ABOUT["widths"]), ABOUT)
    return load_judge(tmp_path / "judge.safetensors")


def sure_of(judge, number: int):
    """The same judge, but whatever it sees, it is of this class."""
    with torch.no_grad():
        judge.network[-1].weight.zero_()
        judge.network[-1].bias.copy_(torch.nn.functional.one_hot(torch.tensor(number), 2) * 3.0)
    return judge


def test_pictures_of_any_size_and_mode_are_brought_to_its_own():
    small = picture(0)
    assert torch.equal(to_judge_input(small), to_tensor(small))
    doubled = small.resize((64, 64), Image.Resampling.NEAREST)
    assert torch.allclose(to_judge_input(doubled), to_tensor(small), atol=1e-6)
    for other in (picture(0, 16), picture(0, 45), small.convert("L"), small.convert("RGBA")):
        assert to_judge_input(other).shape == (1, 3, 32, 32)


def test_a_verdict_is_the_same_alone_and_among_others(judge, monkeypatch):
    monkeypatch.setattr("dgp.evaluation.judge.AT_ONCE", 3)
    pictures = [picture(i, size) for i, size in enumerate((32, 32, 64, 16, 32))]
    x = [to_judge_input(p) for p in pictures]
    together = judge.probabilities(torch.cat(x))
    assert torch.allclose(together, torch.cat([judge.probabilities(one) for one in x]), atol=1e-5)
    assert torch.allclose(together.sum(1), torch.ones(5)) and judge.verdicts([]) == []
    verdicts = judge.verdicts((p, "first") for p in pictures)
    assert [v["recognised"] for v in verdicts] == [float(v["true_class"] > 0.5) for v in verdicts]
    assert torch.allclose(torch.tensor([v["true_class"] for v in verdicts]), together[:, 0])


def test_files_that_are_no_judges_are_refused_in_one_line(tmp_path, judge):
    (tmp_path / "text.safetensors").write_text("nothing")
    other = Path(generators.__file__).parent / "bundled/biggan-cifar10-D.safetensors"
    for path, words in (("absent", "no such file"), ("text.safetensors", "not a judge"), (other, "not a judge")):
        with pytest.raises(InputError, match=words) as error:
            load_judge(tmp_path / path)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="knows first, second"):
        judge.class_of("third")


def evaluated(tmp_path, judge=None, folders=("first", "second", "second")) -> Evaluation:
    for number, name in enumerate(folders):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        picture(number).save(tmp_path / f"set/{name}/{number}.png")
    terms = [{"kind": "mse"}]
    search = {"kind": "best-of", "count": 1, "terms": terms}
    stage = {"steps": 1, "lr": 0.05, "move": {"z": {}}, "terms": terms}
    recipe = {"name": "one", "summary": "", "cites": [], "searches": [search], "stages": [stage]}
    source = Source(tmp_path / "set")
    return Evaluation(
        source.open(source.choose()),
        ["gray", "sr:2"],
        {"one": Recipe.model_validate(recipe)},
        generators.load("toy"),
        tmp_path / "out",
        "auto",
        judge=judge,
    )


def test_a_judge_may_come_after_the_run(tmp_path, judge):
    before = evaluated(tmp_path)
    before.run()
    plain = before.write()
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/units").rglob("*.*")}
    after = evaluated(tmp_path, sure_of(judge, 1))
    after.check()
    assert after.remaining_units == 0
    after.run()
    judged = after.write()
    assert units == {path: path.stat().st_mtime_ns for path in (tmp_path / "out/units").rglob("*.*")}
    for spec in after.degradations:
        for arm in ("one", "degraded", "classical"):
            found = judged["results"][spec][arm]
            assert found["psnr"] == plain["results"][spec][arm]["psnr"]
            assert found["recognised"]["mean"] == pytest.approx(2 / 3) and found["recognised"]["n"] == 3
            assert found["true_class"]["mean"] == pytest.approx((2 * 0.9526 + 0.0474) / 3, abs=1e-3)
        assert judged["differences"][spec]["classical"]["recognised"]["difference"] == 0
    assert judged["judge"]["originals"]["recognised"]["mean"] == pytest.approx(2 / 3)
    assert judged["judge"]["name"] == "judge.safetensors" and "judge" not in plain
    table = (tmp_path / "out/table.md").read_text()
    assert "recognised" in table and table.count("the upper bound") == 1
    assert json.loads((tmp_path / "out/summary.json").read_text()) == judged


def test_pictures_of_other_things_are_refused_before_any_work(tmp_path, judge):
    with pytest.raises(InputError, match="'third', but the judge knows"):
        evaluated(tmp_path, judge, folders=("first", "third")).check()


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Red and blue squares in an archive, and what trains on them."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number in range(40):
            for name, colour in (("blue", (20, 40, 200)), ("red", (200, 40, 20))):
                noise = np.random.default_rng(number).integers(-20, 21, (32, 32, 3))
                path = tmp_path / "one.png"
                Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(path)
                archive.write(path, f"set/{name}/{number:02}.png")
    monkeypatch.syspath_prepend(BENCHMARKS / "quality")
    import train_judge

    # Nine steps an epoch: in 36 the statistics of the batches come to rest. Of ten seeds the least probability that a
    # picture's own class got was 0.98; with three steps an epoch it was 0.
    monkeypatch.setattr(train_judge, "BATCH", 8)
    monkeypatch.setattr(train_judge, "WIDTHS", (4, 4, 8))
    return train_judge, tmp_path


def test_training_learns_and_goes_on_where_it_was_interrupted(training, capsys):
    train_judge, folder = training
    archive = str(folder / "set.zip")

    def run(name: str, epochs: int = 4):
        common = ["--epochs", str(epochs), "--lr", "0.05", "--test", archive, "-o", str(folder / name)]
        train_judge.main([archive, *common])

    run("whole.safetensors")
    whole = load_judge(folder / "whole.safetensors")
    assert whole.classes == ("blue", "red") and whole.about["accuracy"]["held out"] == {"accuracy": 1.0, "n": 8}
    assert whole.about["accuracy"]["set"]["n"] == 80

    class Stop(Exception):
        pass

    calls, augment = iter(range(100)), train_judge.augment

    def stop(tensor, random):
        if next(calls) == 20:
            raise Stop
        return augment(tensor, random)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_judge, "augment", stop)
        with pytest.raises(Stop):
            run("broken.safetensors")
    run("broken.safetensors")
    broken = load_judge(folder / "broken.safetensors")
    assert broken.about == whole.about and "held out: 100.00% of 8" in capsys.readouterr().out
    ours, theirs = broken.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_variations_are_shifted_and_mirrored_pictures(training):
    train_judge, _ = training
    x = torch.arange(32.0)[None, None, None].expand(200, 3, 32, 32).contiguous()
    x = x + 100 * torch.arange(32.0)[None, None, :, None]
    y = train_judge.augment(x, torch.Generator().manual_seed(0))
    middle = y[:, 0, 16, 15:17]
    columns, rows = middle[:, 0] % 100, middle[:, 0] // 100
    mirrored = middle[:, 1] < middle[:, 0]
    assert 60 < mirrored.sum() < 140 and set((rows - 16).tolist()) == set(range(-4, 5))
    assert set((columns[~mirrored] - 15).tolist()) == set(range(-4, 5)) == set((columns[mirrored] - 16).tolist())


def test_the_judge_that_comes_with_the_benchmarks(shared):
    path = BENCHMARKS / "judge-cifar10.safetensors"
    judge = load_judge(path)
    assert path.stat().st_size < 1_500_000 and sum(p.numel() for p in judge.network.parameters()) < 300_000
    said = judge.about["accuracy"]
    assert said["held out"]["accuracy"] > 0.8 and judge.about["licence"] == "MIT"
    source = Source(shared / "data/cifar10-dev.zip")
    pictures = source.open(source.choose(300))
    found = judge.verdicts((p.picture.image, p.folder) for p in pictures)
    share = np.mean([verdict["recognised"] for verdict in found])
    assert abs(share - said["cifar10-dev"]["accuracy"]) < 0.06
