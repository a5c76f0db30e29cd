"""What a run leaves: files, the result written last, and whose folder it is."""

import dataclasses
import json
import os
import time
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dgp.api import observe
from dgp.errors import OutputError
from dgp.files import sha256_of
from dgp.losses.perceptual import Perceptual
from dgp.observation.figures import join_with_captions
from dgp.output import metrics, restoration
from dgp.output import run_folder as results
from dgp.output.restoration import Restoration
from dgp.output.spread import FULL_SCALE, Spread
from dgp.postprocess.merge import Merge
from generators import ModelCard

R = 32
EMBEDDINGS = torch.eye(5, 8)
PRIOR = types.SimpleNamespace(
    name="small",
    sha256="a" * 64,
    card=ModelCard("small", licence="MIT", limits="tiny"),
    generator=types.SimpleNamespace(
        info=types.SimpleNamespace(resolution=R, class_index=int, classes=("ape", "bee", "cat", "dog", "elk")),
        embed=EMBEDDINGS.__getitem__,
    ),
)
RECIPE = types.SimpleNamespace(
    terms=(Perceptual(), Perceptual(weight=2, trunk="discriminator")),
    name="quick",
    sha256="b" * 64,
    finish=Merge(),
    parametrizations={},
    model_dump=lambda mode: {"name": "quick"},
)
REQUIRED = {
    "schema": None,
    "status": None,
    "argv": None,
    "input": ("path", "sha256"),
    "degradation": ("spec", "asked", "estimated", "assets"),
    "prior": ("name", "sha256"),
    "recipe": ("name", "sha256", "resolved"),
    "seed": None,
    "device": None,
    "precision": None,
    "versions": None,
    "metrics": ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved", "lpips", "perceptual_efficientnet"),
    "fidelity": ("observation_psnr", "exact"),
    "latents": ("z",),
    "evaluations": ("forward", "backward"),
    "timing": ("total_s", "search_s", "stages_s", "steps", "s_per_step"),
}


def answer(tmp_path, spec="gray", solutions=1, simulate=True, weights=True, size=(40, 30), **changes):
    path = tmp_path / "phöto.png"
    if not path.exists():
        pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    observation = observe(path, spec, PRIOR, simulate=simulate)
    g = torch.Generator().manual_seed(0)
    tensors = torch.rand(solutions, 3, R, R, generator=g) * 2 - 1
    return Restoration(
        observation=observation,
        tensors=tensors,
        prior_tensors=-tensors,
        scores=[0.1] * solutions,
        latents={
            "z": torch.randn(solutions, 20, generator=g),
            "class": torch.randn(solutions, 8, generator=g),
            "norm[0]": torch.ones(solutions, 2, 4),
        },
        weights={"linear.weight": torch.ones(solutions, 2, 3)} if weights else {},
        trace=[{"step": i, "total": [float("nan")], "losses": {"mse": torch.tensor([1.0])}} for i in range(3)],
        metrics=metrics.measure(tensors[0], observation.original, observation.degradation.unobserved((R, R))),
        fidelity=metrics.observation_fidelity(observation.degradation(tensors[:1]), observation.y),
        evaluations={"forward": 5, "backward": 3},
        timing={"total_s": 1.0, "search_s": 0.5, "stages_s": [0.5], "steps": 3, "s_per_step": 0.1},
        recipe=RECIPE,
        prior=PRIOR,
        num_solutions=solutions,
        **changes,
    )


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_files(tmp_path):
    result = answer(tmp_path)
    folder = result.save(tmp_path / "out" / "phöto", ["dgp", "restore"])
    assert names(folder) == sorted(
        [
            "restored.png",
            "restored_prior.png",
            "observed.png",
            "comparison.png",
            "latents.safetensors",
            "weights.safetensors",
            "trace.jsonl",
            "result.json",
        ]
    )
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    files = record.pop("files")
    assert files == {name: sha256_of(folder / name) for name in names(folder) if name != "result.json"}
    assert record == result.record(["dgp", "restore"])
    for key, inner in REQUIRED.items():
        assert key in record and all(name in record[key] for name in inner or ()), key
    assert record["metrics"]["psnr"]["value"] == pytest.approx(
        metrics.psnr(result.tensor, result.observation.original[0])
    )
    assert record["metrics"]["psnr_unobserved"]["reason"] == "everything was observed"
    assert set(record["latents"]) == {"z", "class"} and 0 <= record["latents"]["z"]["typicality"] <= 1
    assert torch.equal(load_file(folder / "latents.safetensors")["z"], result.latents["z"])
    lines = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert lines[0] == {"step": 0, "total": [None], "losses": {"mse": [1.0]}}, "JSON has no NaN"
    for name, image in (("restored", result.image), ("restored_prior", result.prior_image)):
        assert np.array_equal(np.asarray(Image.open(folder / f"{name}.png")), np.asarray(image))
    sheet = Image.open(folder / "comparison.png")
    assert sheet.height > 256 and sheet.width == 3 * 256 + 2 * 8


def test_an_ordinary_run(tmp_path):
    result = answer(tmp_path, simulate=False, weights=False)
    folder = result.save(tmp_path / "out")
    assert "weights.safetensors" not in names(folder) and result.image.size == (40, 30)
    assert Image.open(folder / "restored.png").size == Image.open(folder / "observed.png").size == (40, 30)
    assert Image.open(folder / "restored_prior.png").size == (R, R)
    record = json.loads((folder / "result.json").read_text())
    assert record["metrics"] == {name: {"value": None, "reason": "no original"} for name in REQUIRED["metrics"]}
    assert record["simulate"] is False and record["geometry"]["box"] == [0, 0, 40, 30]
    assert record["prior"] == {"name": "small", "sha256": "a" * 64, "licence": "MIT", "limits": "tiny"}
    (network,) = record["networks"]  # that of the terms which has published weights
    assert network["name"] == "efficientnet-lite0" and "Apache" in network["licence"] and network["limits"]


def test_several_answers(tmp_path):
    result = answer(tmp_path, solutions=3)
    folder = result.save(tmp_path / "out")
    assert {"solutions/00.png", "solutions/01.png", "solutions/02.png", "mean.png", "spread.png"} <= set(names(folder))
    stack = np.stack([np.asarray(i).astype(float) for i in result.solutions])
    assert np.abs(np.asarray(Image.open(folder / "mean.png")) - stack.mean(0)).max() <= 0.5
    record = json.loads((folder / "result.json").read_text())["spread"]
    factor, (height, width) = record["magnification"], stack.shape[1:3]
    sheet = np.asarray(Image.open(folder / "spread.png")).astype(float)
    spread = sheet[: height * factor : factor, : width * factor : factor]
    expected = np.minimum(stack.std(0).mean(-1) / 255 / record["full_scale"], 1) * 255
    assert np.abs(spread - expected).max() <= 0.51 and sheet.shape[0] > height * factor, "a legend is below"
    assert record["max"] == pytest.approx(stack.std(0).mean(-1).max() / 255, rel=1e-5)
    assert np.array_equal(np.asarray(result.image), np.asarray(result.solutions[0]))
    answer(tmp_path).save(folder)
    assert not [name for name in names(folder) if "solutions" in name or name in ("mean.png", "spread.png")]


def test_the_result_is_written_last(tmp_path, monkeypatch):
    result, folder = answer(tmp_path), tmp_path / "out"
    result.save(folder)
    (folder / "restored.png").unlink()  # a folder that holds all of it is left as it is

    def full(path, data):
        if path.name == "trace.jsonl":
            raise OutputError("no space")
        path.write_bytes(data)

    monkeypatch.setattr(restoration, "write_bytes_atomic", full)
    with pytest.raises(OutputError):
        result.save(folder)
    assert not (folder / "result.json").exists(), "an unfinished folder does not look complete"


def test_a_window_is_recorded_with_the_operator_of_the_whole_picture(tmp_path):
    record = answer(tmp_path, "inpaint:strokes=0.05", simulate=False, size=(120, 90)).record()
    assert record["degradation"]["spec"] == "inpaint:strokes=0.05,seed=0"
    assert len(record["degradation"]["assets"]["mask"]["sha256"]) == 64
    assert record["degradation"]["at_prior_resolution"].startswith("inpaint:mask=sha256-")


def test_the_same_run_is_done_and_another_is_refused(tmp_path):
    result, folder = answer(tmp_path), tmp_path / "out"

    def planned(observation=result.observation, recipe=RECIPE, seed=0, num_solutions=1):
        return results.run_identity(observation, PRIOR, recipe, seed=seed, num_solutions=num_solutions)

    assert results.is_done(folder, planned()) is False
    result.save(folder)
    assert results.is_done(folder, planned()) is True
    assert not results.differences(result.record(), planned())
    path = result.observation.source.path
    other = types.SimpleNamespace(name="other", sha256="c" * 64)
    changes = {
        "seed: 0 there, 1 now": planned(seed=1),
        "number of solutions": planned(num_solutions=2),
        "recipe": planned(recipe=other),
        "degradation": planned(observe(path, "sr:2", PRIOR, simulate=True)),
        "fit": planned(observe(path, "gray", PRIOR, simulate=True, fit="pad")),
        "simulate": planned(observe(path, "gray", PRIOR)),
        "class": planned(replace(result.observation, label=4)),
        "target": planned(observe(path, "gray", PRIOR, simulate=True, target="float")),
    }
    for word, plan in changes.items():
        with pytest.raises(OutputError, match=word):
            results.is_done(folder, plan)


def test_a_mask_with_other_pixels_is_another_run(tmp_path):
    hole = np.zeros((30, 40), np.uint8)
    plans = []
    for width in (5, 6):
        hole[5:9, 5 : 5 + width] = 255
        Image.fromarray(hole).save(tmp_path / "mask.png")
        result = answer(tmp_path, f'inpaint:mask="{tmp_path / "mask.png"}"', simulate=False)
        plans.append(results.run_identity(result.observation, PRIOR, RECIPE, seed=0))
    assert [text.split(":")[0] for text in results.differences(*plans)] == ["mask"]


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="choose another folder"):
            results.prepare_folder(folder)
    assert results.prepare_folder(tmp_path / "a" / "b").is_dir() and not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "a" / "result.json").write_text("{")
    with pytest.raises(OutputError, match="cannot be read as a result"):
        results.is_done(tmp_path / "a", {})
    (tmp_path / "a" / "result.json").write_text('{"schema": 7}')
    with pytest.raises(OutputError, match="not a result"):
        results.read_result(tmp_path / "a")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="left out: the super-user may write anywhere")
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        results.prepare_folder(tmp_path / "locked" / "out")


def test_the_colour_profile_of_a_photograph_stays(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "phöto.png", icc_profile=profile)
    folder = answer(tmp_path, "inpaint:center=1/3", simulate=False).save(tmp_path / "out")
    assert Image.open(folder / "restored.png").info["icc_profile"] == profile


def test_notebooks(tmp_path):
    result = answer(tmp_path)
    assert result._repr_png_().startswith(b"\x89PNG")
    page = result._repr_html_()
    assert page.count("<img") == 3 and "psnr" in page and "quick" in page


def test_answers_that_nearly_agree_look_so(tmp_path):
    apart = answer(tmp_path, solutions=2)
    near = dataclasses.replace(apart, tensors=apart.tensors[:1] + 0.02 * torch.tensor([0, 1])[:, None, None, None])
    dark, bright = (np.asarray(one.spread.picture)[:256, :256].mean() for one in (near, apart))
    assert 0 < dark < 20 < bright


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (3, 90), (90, 3), (700, 500)])
def test_pictures_of_any_size_have_room_for_words(size):
    images = [Image.new("RGB", size, (value, value, value)) for value in (0, 40)]
    sheet = join_with_captions({"observed": images[0], "restored": images[1]})
    strip = np.asarray(sheet.convert("L"))[:12]
    halves = np.array_split(strip, 2, axis=1)
    assert all((half < 128).any() for half in halves), "a name above each"
    spread = Spread.from_images(images)
    shown = spread.picture
    factor = spread.record()["magnification"]
    assert (
        shown.width >= 256
        and shown.height > size[1] * factor
        and shown.crop((0, 0, 1, 1)).getpixel((0, 0)) == round(20 / 255 / FULL_SCALE * 255)
    )


def test_the_class_that_was_found_is_named(tmp_path):
    result = answer(tmp_path, solutions=2)
    result.latents["class"] = EMBEDDINGS[[3, 1]] * 0.7 + 0.1
    record = result.record()
    assert (record["class"], record["class_name"], record["class_asked"]) == (3, "dog", None)
    assert record["class_of_solutions"] == [3, 1]
    asked = dataclasses.replace(result, observation=replace(result.observation, label=4)).record()
    assert (asked["class"], asked["class_name"], asked["class_asked"]) == (4, "elk", 4)
    searched = results.run_identity(result.observation, PRIOR, RECIPE, seed=0, num_solutions=2)
    assert not results.differences(record, searched) and results.differences(asked, searched)
    older = {key: value for key, value in record.items() if key != "class_asked"} | {"class": None}
    assert not results.differences(older, searched), "of a version that recorded what was asked for alone"


def test_the_folder_and_the_time_of_saving_are_recorded(tmp_path, monkeypatch):
    def slow(picture, **options):
        time.sleep(0.01)
        return encode_png(picture, **options)

    encode_png = restoration.encode_png
    monkeypatch.setattr(restoration, "encode_png", slow)
    result = answer(tmp_path)
    for folder in (tmp_path / "first", tmp_path / "second"):
        begin = time.perf_counter()
        record = json.loads((result.save(folder) / "result.json").read_text())
        taken = time.perf_counter() - begin
        assert record["output"] == str(folder) and 0.04 <= record["timing"]["save_s"] <= taken
        assert record["timing"]["total_s"] == pytest.approx(1 + record["timing"]["save_s"]), "of one saving"
