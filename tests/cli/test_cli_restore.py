"""What `dgp restore` and its kin do with pictures that they accept."""

import hashlib
import json
import time

import numpy as np
import pytest
from PIL import Image

from degradations.core import registry
from dgp.losses.terms import TERMS
from tests.cli.conftest import colours

PICTURES = {
    "cmyk": ("jpg", lambda: colours().convert("CMYK"), {}),
    "sixteen bits": (
        "png",
        lambda: Image.fromarray((np.arange(37 * 31).reshape(31, 37) * 50).astype(np.uint16)),
        {},
    ),
    "palette": ("gif", lambda: colours().quantize(16), {}),
    "palette with transparency": ("png", lambda: colours().quantize(16), {"transparency": 3}),
    "grey": ("png", lambda: colours().convert("L"), {}),
    "grey and alpha": ("png", lambda: colours().convert("LA"), {}),
    "rgba": ("png", lambda: colours().convert("RGBA"), {}),
    "one bit": ("png", lambda: colours().convert("1"), {}),
    "größe mit café": ("png", lambda: colours(33, 64), {}),
    "写真": ("webp", lambda: colours(32, 32), {}),
    "a single pixel": ("png", lambda: colours(1, 1), {}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_comes_back_at_its_own_size(call, toy, tmp_path, name):
    ending, make, options = PICTURES[name]
    picture = make()
    picture.save(tmp_path / f"{name}.{ending}", **options)
    result = call("colorize", f"{name}.{ending}", *toy, "--json")
    folder = tmp_path / "out" / name
    assert Image.open(folder / "restored.png").size == picture.size
    assert result.json == json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result.json["status"] == "done" and result.json["argv"][:2] == ["dgp", "colorize"]
    assert result.json["degradation"]["spec"] == "gray"
    assert str(folder / "restored.png").replace(str(tmp_path) + "/", "") in result.stderr


def test_a_picture_that_its_camera_held_sideways_is_turned(call, toy, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    colours(48, 32).save(tmp_path / "side.jpg", exif=exif)
    call("invert", "side.jpg", *toy)
    assert Image.open(tmp_path / "out/side/restored.png").size == (32, 48)


def test_two_pictures_of_one_stem_get_two_folders(call, toy, tmp_path):
    colours().save(tmp_path / "a.png")
    colours(seed=1).save(tmp_path / "a.bmp")
    colours(seed=2).save(tmp_path / "a-2.png")
    result = call("colorize", "a.png", "a.bmp", "a-2.png", *toy, "--json")
    assert [r["input"]["path"] for r in result.json["results"]] == ["a.png", "a.bmp", "a-2.png"]
    stored = [
        json.loads((tmp_path / "out" / f / "result.json").read_text())["input"]["path"] for f in ("a", "a-2", "a-2-2")
    ]
    assert stored == ["a.png", "a.bmp", "a-2.png"]


def test_the_same_run_is_skipped_and_another_refused(call, toy, photo, tmp_path):
    call("colorize", photo.name, *toy)
    result = tmp_path / "out/photo/result.json"
    before = result.stat().st_mtime_ns
    again = call("colorize", photo.name, *toy, "--json")
    assert again.json == json.loads(result.read_text()) and result.stat().st_mtime_ns == before
    assert "done already" in again.stderr
    other = call("colorize", photo.name, *toy, "--seed", 1, code=2)
    assert "seed: 0 there, 1 now" in other.stderr and result.stat().st_mtime_ns == before
    call("colorize", photo.name, *toy, "--seed", 1, "-o", "elsewhere")


def test_metrics_come_with_simulate(call, toy, photo):
    result = call(
        "restore",
        photo.name,
        "-d",
        "gray+sr:2",
        "--simulate",
        "--num-solutions",
        3,
        "--class",
        "second",
        *toy,
        "--json",
    )
    assert result.json["metrics"]["psnr"]["value"] > 0 and result.json["num_solutions"] == 3
    assert result.json["class"] == 1 and "PSNR" in result.stderr
    assert {p.name for p in photo.parent.glob("out/photo/solutions/*.png")} == {"00.png", "01.png", "02.png"}


def test_inpaint_takes_a_mask_a_fraction_or_transparency(call, toy, photo, tmp_path):
    mask = np.zeros((31, 47), np.uint8)
    mask[8:16, 10:22] = 255
    Image.fromarray(mask).save(tmp_path / "a mask, of mine.png")
    assert (
        "a mask, of mine.png"
        in call("inpaint", photo.name, "--mask", "a mask, of mine.png", *toy, "-o", "m", "--json").json["degradation"][
            "spec"
        ]
    )
    seen = np.asarray(Image.open(photo))[mask == 0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "m/photo/restored.png"))[mask == 0], seen)
    assert (
        call("inpaint", photo.name, "--hole", "1/3", *toy, "-o", "h", "--json").json["degradation"]["spec"]
        == "inpaint:center=1/3"
    )
    holed = colours().convert("RGBA")
    holed.putalpha(Image.fromarray(255 - mask))
    holed.save(tmp_path / "holed.png")
    assert call("inpaint", "holed.png", *toy, "--json").json["degradation"]["spec"] == "inpaint:mask=alpha"


def test_upscale_and_invert(call, toy, tmp_path):
    colours(8, 8).save(tmp_path / "small.png")
    assert call("upscale", "small.png", "--factor", 4, *toy, "--json").json["degradation"]["spec"] == "sr:4"
    assert Image.open(tmp_path / "out/small/restored.png").size == (32, 32)
    assert call("invert", "small.png", *toy, "-o", "i", "--json").json["degradation"]["spec"] == "identity"


@pytest.mark.parametrize(
    ("command", "recipe", "spec"),
    [
        (("colorize",), "dgp-colorization", "gray:luma=dgp"),
        (("upscale", "--factor", 4, "--simulate"), "dgp-sr-d", "sr-dgp"),
        (("upscale", "--factor", 2, "--simulate"), "dgp-sr-d", "sr:2"),
        (("inpaint", "--simulate"), "dgp-inpainting", "inpaint:center=1/3"),
        (("inpaint", "--hole", 0.5, "--simulate"), "dgp-inpainting", "inpaint:center=0.5"),
        (("colorize",), "latent-mse", "gray"),
    ],
)
def test_published_recipes_bring_their_operator(call, photo, command, recipe, spec):
    planned = call(*command, photo.name, "-p", "toy", "-r", recipe, "-n", "--json").json
    assert planned["degradation"]["spec"] == spec and planned["status"] == "planned"


def test_a_dry_run_writes_nothing(call, toy, photo, tmp_path):
    said = call("restore", photo.name, "-d", "gray", *toy, "-n")
    assert "2 steps" in said.stdout and [p.name for p in tmp_path.iterdir()] == ["photo.png"]


def test_what_fails_among_several_leaves_the_others_alone(call, toy, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    result = call("colorize", "broken.png", photo.name, *toy, "--json", code=4)
    failed, done = result.json["results"]
    assert failed["status"] == "failed" and failed["input"]["path"] == "broken.png" and "broken.png" in failed["error"]
    assert done["status"] == "done" and not (tmp_path / "out/broken").exists()


def test_a_run_that_fails_is_told_in_one_line(call, toy, photo, tmp_path, monkeypatch):
    def fail(*_):
        raise FloatingPointError("the loss is not a number")

    monkeypatch.setattr("dgp.inversion.finalize", fail)
    result = call("colorize", photo.name, *toy, "--json", code=1)
    assert result.json["status"] == "failed" and "not a number" in result.json["error"]
    assert len(result.stderr.strip().splitlines()) == 1 and not (tmp_path / "out").exists()
    assert "Traceback" in call("colorize", photo.name, *toy, "-v", code=1).stderr


def test_an_interrupted_run_leaves_with_130(call, toy, photo, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dgp.inversion.finalize", interrupt)
    assert "interrupted" in call("colorize", photo.name, *toy, code=130).stderr


def test_plugins_are_run_and_recorded(call, toy, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_files", {})
    (tmp_path / "mine.py").write_text(
        "import degradations\n@degradations.register('darker-for-cli-tests')\n"
        "class Darker(degradations.Degradation):\n"
        "    linear = True\n    def forward(self, x):\n        return x * 0.5\n"
    )
    result = call("restore", photo.name, "-d", "darker-for-cli-tests", "--plugin", "mine.py", *toy, "--json")
    assert len(result.json["degradation"]["assets"]["plugin"]["sha256"]) == 64


def test_quiet_says_nothing_and_plain_says_one_line(call, toy, photo):
    assert call("colorize", photo.name, *toy, "-q", "-o", "q").output == ""
    said = call("colorize", photo.name, *toy)
    assert len(said.output.splitlines()) == 1 and "out/photo/restored.png" in said.stdout and not said.stderr


def test_a_weight_says_what_counts_and_is_part_of_the_run(call, toy, photo, tmp_path):
    from dgp.files import sha256_of

    weight = np.zeros((31, 47), np.uint8)
    weight[8:24, 10:30] = 255
    Image.fromarray(weight).save(tmp_path / "weight.png")
    options = (photo.name, *toy, "--set", "finish=composite", "--json")
    record = call("invert", *options, "--weight", "weight.png").json
    assert record["weight"]["path"] == "weight.png" and len(record["weight"]["sha256"]) == len(sha256_of(b""))
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(tmp_path / "out/photo/restored.png"))
    assert np.array_equal(before[weight == 0], after[weight == 0])
    assert not np.array_equal(before[weight > 0], after[weight > 0])
    assert "weight: " in call("invert", *options, code=2).stderr
    Image.fromarray(weight[1:]).save(tmp_path / "other.png")
    said = call("invert", *options, "--weight", "other.png", code=2).stderr
    assert "the weight other.png is 47x30 and the picture 47x31" in said


@pytest.mark.parametrize("pictures", [1, 2])
def test_the_time_that_is_told_is_all_that_a_picture_took(call, toy, tmp_path, monkeypatch, pictures):
    import dgp
    from dgp.runs.runner import Runner

    def slowly(function):
        def slow(*arguments, **options):
            time.sleep(0.1)
            return function(*arguments, **options)

        return slow

    monkeypatch.setattr(dgp, "load_prior", slowly(dgp.load_prior))
    monkeypatch.setattr(Runner, "observe", slowly(Runner.observe))
    names = [f"{number}.png" for number in range(pictures)]
    for number, name in enumerate(names):
        colours(seed=number).save(tmp_path / name)
    begin = time.perf_counter()
    result = call("colorize", *names, *toy, "--json")
    taken = time.perf_counter() - begin
    spent = [record["timing"] for record in result.json.get("results", [result.json])]
    for timing in spent:
        assert timing["load_s"] >= 0.1 / pictures and timing["estimate_s"] >= 0.1 * min(pictures, 2)
        parts = sum(timing[f"{part}_s"] for part in ("load", "estimate", "search", "finish", "save"))
        assert timing["total_s"] == pytest.approx(parts + sum(timing["stages_s"]))
        assert f"{timing['total_s']:.1f} s" in result.stderr
    assert sum(timing["total_s"] for timing in spent) <= taken


def test_what_takes_long_is_shown_on_a_terminal(call, toy, photo, monkeypatch):
    monkeypatch.setattr("dgp.progress.is_interactive", lambda: True)
    shown = call("colorize", photo.name, *toy, "--json").stderr
    for words in ("loading toy", "photo.png: preparing the picture", "photo.png: searching for a start and a class"):
        assert words in shown, words
    assert "photo.png: latents" in shown and "photo.png: writing the files" in shown
    assert call("colorize", photo.name, *toy, "-q", "-o", "q").output == ""
    assert "loading toy" in call("priors", "info", "toy").stderr
    evaluated = call("evaluate", photo.parent, "-d", "gray", *toy, "--class", "auto", "-o", "e").stderr
    assert "preparing the comparison" in evaluated and "gray, tiny" in evaluated


def test_the_class_that_was_searched_for_and_the_folder_are_recorded(call, toy, photo):
    result = call("colorize", photo.name, *toy, "--json")
    names = ("first", "second", "third")
    assert result.json["class_asked"] is None and result.json["class_name"] == names[result.json["class"]]
    assert result.json["output"] == "out/photo" and f"class found: {result.json['class_name']}" in result.stderr
    measured = {"psnr", "ssim", "psnr_unobserved", "ssim_unobserved", "lpips", "perceptual_efficientnet"}
    assert set(result.json["metrics"]) == measured
    told = call("colorize", photo.name, *toy, "--json", "--class", "second", "-o", "told")
    assert told.json["class"] == told.json["class_asked"] == 1 and "class found" not in told.stderr
    other = call("colorize", photo.name, *toy, "--class", "second", code=2)
    assert "class: not given there, 1 now" in other.stderr


def test_a_term_of_a_plugin_file_is_used_and_its_file_recorded(call, toy, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(TERMS, "_classes", TERMS.classes())
    (tmp_path / "mine.py").write_text(
        'from dgp.plugins import TERMS, Term\n\n\n@TERMS.register("darkness")\nclass Darkness(Term):\n'
        '    kind: str = "darkness"\n\n    def __call__(self, prediction):\n'
        "        return (1 - prediction.image).flatten(1).mean(1)\n"
    )
    terms = ("--set", 'stages.*.terms=[{kind="mse"},{kind="darkness",weight=0.1}]')
    found = call("colorize", photo, *toy, *terms, "--plugin", "mine.py", "--json").json
    (plugin,) = found["plugins"]
    assert plugin["path"] == "mine.py" and plugin["names"] == []
    assert plugin["sha256"] == hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    lines = (tmp_path / "out/photo/trace.jsonl").read_text().splitlines()
    assert all("darkness" in json.loads(line)["losses"] for line in lines)
