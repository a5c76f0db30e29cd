"""The script that computes the published figures of DGP, on a stand-in of its weights and of ImageNet."""

import json
import shutil

import numpy as np
import pytest

from dgp.observation.images import open_picture, to_tensor
from dgp.output import metrics

QUICK = ("stages.*.steps=1", "searches.0.count=2")


@pytest.fixture
def call(dgp_weights, imagenet, tmp_path, capsys):
    import reproduce_dgp

    def run(*arguments, folder=imagenet):
        common = ["--weights", dgp_weights, "--imagenet", folder, "--resolution", 64, "-o", tmp_path / "out"]
        settings = [word for text in QUICK for word in ("--set", text)]
        told = reproduce_dgp.main([str(word) for word in (*common, *settings, *arguments)])
        return told, capsys.readouterr().out

    return run


def test_every_task_gives_its_row_and_nothing_is_done_twice(call, tmp_path):
    told, said = call("--count", 1)
    import reproduce_dgp

    assert list(told["tasks"]) == list(reproduce_dgp.TASKS) and told["pictures"] == 1
    for name, row in told["tasks"].items():
        assert np.isfinite([row["ours"][m][key] for m in ("psnr", "ssim") for key in ("mean", "low", "high")]).all()
        assert row["ours"]["psnr"]["n"] == 1 and f"| {name} |" in said and row["source"] in said
    assert "| 32.89 |" in said and "| 95.95 |" in said and (tmp_path / "out/table.md").read_text() in said
    assert json.loads((tmp_path / "out/figures.json").read_text()) == told
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("units/*/*/*.*")}
    assert len(units) == 2 * len(told["tasks"]) and call("--count", 1)[0] == told
    more, _ = call("--task", "sr-d", "--count", 2, "--at-once", 2)
    assert more["tasks"]["sr-d"]["ours"]["psnr"]["n"] == 2
    assert units == {path: path.stat().st_mtime_ns for path in units}


def test_figures_follow_the_published_conventions(call, tmp_path, imagenet):
    told, _ = call("--task", "inpainting", "--task", "colorization", "--count", 1)
    assert told["pictures"] == 1
    unit = json.loads(next((tmp_path / "out").glob("inpainting/units/dgp-*/*/*.json")).read_text())
    answer, original = (
        to_tensor(open_picture(path).image.crop(box).resize((64, 64), 2))[0]
        for path, box in (
            (next((tmp_path / "out").glob("inpainting/units/dgp-*/*/*.png")), None),
            (imagenet / "n01/ILSVRC2012_val_00000002.JPEG", (5, 0, 75, 70)),
        )
    )
    hole = (slice(None), slice(21, 43), slice(21, 43))
    ours = told["tasks"]["inpainting"]["ours"]
    assert ours["psnr"]["mean"] == unit["metrics"]["psnr_unobserved"]["value"]
    assert ours["psnr"]["mean"] == pytest.approx(metrics.psnr(answer[hole], original[hole]), abs=0.02)
    expected = 100 * metrics.ssim_published(answer[hole], original[hole])
    assert ours["ssim"]["mean"] == pytest.approx(expected, abs=0.1)
    unit = json.loads(next((tmp_path / "out").glob("colorization/units/dgp-*/*/*.json")).read_text())
    assert all(unit["metrics"][f"{m}_published"]["region"] == "all, L* of the original" for m in ("psnr", "ssim"))


def test_the_lowest_number_of_each_class_is_taken_from_folders_and_from_a_list(imagenet, tmp_path):
    import reproduce_dgp

    nested = reproduce_dgp.choose_pictures(imagenet, None, 3, None)
    assert [(p.name, p.folder) for p in nested] == [(f"ILSVRC2012_val_000000{i}2.JPEG", str(i)) for i in range(3)]
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in imagenet.rglob("*.JPEG"):
        shutil.copy(path, flat)
    (tmp_path / "list.txt").write_text("".join(f"{p.name} {p.folder}\n" for p in nested))
    listed = reproduce_dgp.choose_pictures(flat, tmp_path / "list.txt", 3, None)
    assert [(p.name, p.folder, p.sha256) for p in listed] == [(p.name, p.folder, p.sha256) for p in nested]
    fewer = [{p.name for p in reproduce_dgp.choose_pictures(imagenet, None, 3, count)} for count in (1, 2)]
    assert fewer[0] < fewer[1] < {p.name for p in nested}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--count", 9), "the protocol has 3 pictures"),
        (("--resolution", 32), "give --resolution 64"),
        (("--set", "stages.*.steps=0"), "dgp-reconstruction"),
        (("--task", "colorization", "--imagenet", "absent"), "no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(call, dgp_weights, arguments, words):
    (dgp_weights / "G_ema_128.pth").unlink()
    with pytest.raises(SystemExit, match=words) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


def test_folders_of_too_few_classes_are_refused(call, imagenet):
    shutil.rmtree(imagenet / "n02")
    with pytest.raises(SystemExit, match="got 2 folders, expected one for each of the 3 classes; .* --list"):
        call()
