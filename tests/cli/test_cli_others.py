"""Help, version, the listings, doctor: what does not restore pictures."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image

import dgp
import generators
from degradations.core import registry
from dgp.cli.main import COMMANDS, main
from tests.cli.conftest import TINY, colours

GROUPS = {
    "priors": ("list", "info", "fetch", "verify", "convert", "sample"),
    "degradations": ("list", "info", "preview", "new", "check", "sheet", "mask"),
    "recipes": ("list", "show"),
    "batch": ("run", "status", "retry", "verify", "export"),
}
ALL = [(name,) for name in COMMANDS] + [(group, name) for group, names in GROUPS.items() for name in names]
LATER = (
    "--precision",
    "bf16",
    "tiles",
    "report",
)


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_explains_itself(call, command):
    said = call(*command, "-h").stdout
    assert "Examples:" in said and said == call(*command, "--help").stdout
    if command[0] not in GROUPS or len(command) == 2:
        assert "--json" in said and "-q, --quiet" in said and "-v, --verbose" in said
    assert not [word for word in LATER if word in said]


def test_the_list_of_commands_says_what_each_says(call):
    said = call("-h").stdout
    for name, (_, summary) in COMMANDS.items():
        command = main.get_command(None, name)
        assert command.name == name and name in said
        assert summary.startswith(command.get_short_help_str(100).rstrip("."))
    assert not [word for word in LATER if word in said]
    assert call(code=2).stderr.startswith("Usage:")


def test_defaults_are_those_of_the_engine(call):
    import generators
    from dgp.cli.complete import DEFAULT_PRIOR

    assert DEFAULT_PRIOR == generators.DEFAULT
    said = " ".join(call("restore", "-h").stdout.split())
    for default in ("[default: out]", f"[default: {DEFAULT_PRIOR}]", "[default: default]", "[default: auto]"):
        assert default in said


def test_python_m_dgp():
    said = subprocess.run([sys.executable, "-m", "dgp", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"dgp {dgp.__version__}\n"


@pytest.mark.parametrize(
    "code",
    [
        "import dgp",
        "from dgp.cli.main import main; main(['--version'])",
        "from dgp.cli.main import main; main(['--help'])",
        "from dgp.cli.main import main; main(['restore', '-h'])",
        "from dgp.cli.main import main; main(['evaluate', '-h'])",
        "from dgp.cli.main import main; main(['priors', '-h'])",
        "from dgp.cli.main import main; main(['priors', 'fetch', '-h'])",
    ],
)
def test_light_calls_do_not_import_torch(code):
    script = "import atexit, os, sys\natexit.register(lambda: 'torch' in sys.modules and os._exit(9))\n" + code
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("first", ["dgp.load_prior", "dgp.restore", "from dgp.api import restore", "import dgp.api"])
def test_the_front_door_does_not_depend_on_what_is_asked_first(first):
    script = f"import dgp\n{first}\nassert callable(dgp.restore) and callable(dgp.load_prior)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_priors(call, tmp_path):
    listed = call("priors", "list", "--json").json["priors"]
    assert {"toy", "biggan-cifar10"} <= {prior["name"] for prior in listed}
    told = call("priors", "info", "toy", "--json").json
    assert told["resolution"] == 32 and told["discriminator"] and "linear" in told["groups"]
    assert "licence: MIT" in call("priors", "info", "toy").stdout
    verified = call("priors", "verify", "toy", "--sha256", told["sha256"].upper(), "--json").json
    assert verified["verified"] and verified["sha256"] == told["sha256"]
    assert told["sha256"] in call("priors", "verify", "toy").stdout


def test_a_larger_sheet_begins_with_the_smaller_one(call, tmp_path):
    told = call("priors", "sample", "toy", "--count", 4, "-o", "new/four.png", "--json").json
    call("priors", "sample", "toy", "--count", 2, "--truncation", 0.5, "-o", "two.png")
    call("priors", "sample", "toy", "--count", 2, "-o", "plain.png")
    assert told["classes"] == [0, 1, 2, 0] and Image.open(tmp_path / "new/four.png").size == tuple(told["size"])
    first = [
        Image.open(tmp_path / name).crop((2, 2, 98, 98)).tobytes() for name in ("new/four.png", "plain.png", "two.png")
    ]
    assert first[0] == first[1] != first[2]


def test_degradations(call, photo, tmp_path):
    listed = call("degradations", "list", "--json").json["degradations"]
    assert {"gray", "identity", "inpaint", "sr", "sr-dgp"} <= {d["name"] for d in listed}
    assert "sr:4" in call("degradations", "list").stdout
    told = call("degradations", "info", "sr", "--json").json
    assert [p["name"] for p in told["parameters"]] == ["factor", "filter"] and told["linear"]
    assert "factor" in call("degradations", "info", "sr").stdout
    made = call("degradations", "preview", photo.name, "-d", "gray+sr:2", "-o", "new/small.png", "--json").json
    small = Image.open(tmp_path / "new/small.png")
    assert (
        small.size == (23, 15) == tuple(made["size"])
        and small.mode == "L"
        and made["degradation"]["spec"] == "gray+sr:2"
    )


def test_a_preview_of_the_same_seed_is_the_same(call, photo, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        call(
            "degradations",
            "preview",
            photo.name,
            "-d",
            "inpaint:strokes=0.2",
            "--seed",
            seed,
            "-o",
            f"{name}.png",
        )
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_recipes(call):
    import dgp

    listed = call("recipes", "list", "--json").json["recipes"]
    assert [r["name"] for r in listed] == dgp.recipe_names() and all(r["cites"] or r["summary"] for r in listed)
    assert "dgp-inpainting" in call("recipes", "list").stdout
    shown = call("recipes", "show", "dgp-colorization", "--json").json
    assert shown["resolved"]["stages"][0]["steps"] == 200 and shown["mapping"] == []
    mapped = call("recipes", "show", "dgp-colorization", "--prior", "toy", "--json").json
    assert mapped["mapping"] and mapped["resolved"]["stages"][4]["release"]["groups"] < 6
    said = call("recipes", "show", TINY, "--set", "stages.*.lr=0.125", "--prior", "toy").stdout
    assert said.count("lr = 0.125") == 2 and "runs unchanged" in said


def test_every_line_of_show_is_a_key_that_set_takes(call):
    shown = call("recipes", "show", TINY).stdout.splitlines()
    lines = [line for line in shown if not line.startswith("#") and not line.endswith((" = []", " = {}"))]
    settings = [part for line in lines for part in ("--set", line.replace(" = ", "=", 1))]
    before, after = (call("recipes", "show", TINY, *more, "--json").json for more in ((), settings))
    assert before["resolved"] == after["resolved"] and len(lines) > 10


def test_doctor(call):
    told = call("doctor", "--json").json
    checks = {check["name"]: check for check in told["checks"]}
    assert told["status"] == "ok" and checks["a run of a few steps"]["ok"] and checks["prior biggan-cifar10"]["ok"]
    assert told["versions"]["torch"] and "LPIPS" in checks
    assert {"nevergrad", "cma", "torchvision", "pydantic"} <= told["versions"].keys() and checks["packages"]["ok"]
    assert "The main job can run." in call("doctor").stdout


def test_doctor_tells_how_threads_wait(call, monkeypatch):
    def threads():
        checks = {check["name"]: check for check in call("doctor", "--json").json["checks"]}
        return checks["threads"]["ok"], checks["threads"]["says"]

    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    ok, says = threads()
    assert ok and "2, which sleep" in says
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    ok, says = threads()
    assert not ok and "OMP_WAIT_POLICY=active" in says and "set OMP_WAIT_POLICY=PASSIVE" in says


def test_doctor_tells_what_keeps_the_main_job_from_running(call, monkeypatch):
    monkeypatch.setattr("generators.builtin.SHA256", {"biggan-cifar10-G_ema.safetensors": "0" * 64})
    said = call("doctor", code=1).stdout
    assert "FAILED" in said and "sha256" in said and "cannot run" in said


def test_evaluate(call, toy, tmp_path):
    for folder in ("first", "third"):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for number in range(3):
            colours(32, 32, seed=number).save(tmp_path / f"set/{folder}/{number}.png")
    arguments = (
        "evaluate",
        "set",
        "-d",
        "gray",
        "-d",
        "inpaint:center=1/3",
        *toy,
        "--random-weights",
        "-o",
        "e",
        "--json",
    )
    small = call(*arguments, "--per-class", 1).json
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "e/units").rglob("*.json")}
    assert len(units) == 2 * 2 * 4 and small["n"] == 2
    large = call(*arguments, "--count", 4).json
    assert large["n"] == 4 and all(path.stat().st_mtime_ns == then for path, then in units.items())
    blank = "tiny (random weights)"
    further = ("", ", latents only", ", before the finish")
    views = [name + view for name in ("tiny", blank) for view in further]
    assert list(large["results"]["gray"]) == [*views, "degraded", "classical"]
    assert all(means["psnr"]["n"] == 4 for means in large["results"]["gray"].values())
    assert blank in large["differences"]["gray"] and "tiny" in large["differences_to_classical"]["gray"]
    assert "psnr_unobserved" in large["differences"]["inpaint:center=1/3"]["classical"]
    for name in ("summary.json", "table.md", "gallery-gray.png", "gallery-inpaint_center=1_3.png"):
        assert (tmp_path / "e" / name).is_file()
    assert "seed" in call(*arguments, "--count", 4, "--seed", 1, code=2).stderr
    assert "| tiny |" in call(*arguments[:-1], "--count", 4).stdout


def test_packages_that_cannot_be_used_are_listed_in_a_line_each(call, monkeypatch, recwarn):
    monkeypatch.setattr(registry, "_broken", {})
    monkeypatch.setattr(registry, "_scanned", False)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [EntryPoint("lost", "no_such_module:Lost", "dgp.degradations")]
    )
    listed = call("degradations", "list")
    assert len(listed.stderr.splitlines()) == 1 and listed.stderr.startswith("plugin 'lost' (no_such_module:Lost)")
    assert not [line for line in listed.stdout.splitlines() if line.startswith("lost")] and not recwarn.list
    unusable = call("degradations", "list", "--json").json["unusable"]
    assert [one["name"] for one in unusable] == ["lost"] and "no_such_module" in unusable[0]["reason"]


def test_a_plugin_file_may_register_a_prior_alone(call, photo, toy, monkeypatch):
    monkeypatch.setattr("generators.registry._makers", dict(generators.registry._makers))
    Path("mine.py").write_text(
        "import dataclasses, generators\n"
        "generators.register('mine')(lambda: dataclasses.replace(generators.load('toy'), name='mine'))\n"
    )
    plugin = ("--plugin", "mine.py")
    assert "no prior named 'mine'" in call("priors", "info", "mine", code=2).stderr
    assert call("priors", "info", "mine", *plugin, "--json").json["name"] == "mine"
    call("priors", "sample", "mine", *plugin, "--count", 1, "-o", "one.png")
    assert "default" in call("recipes", "show", "-p", "mine", *plugin).stdout
    made = call("restore", photo.name, "-d", "gray", "-p", "mine", *toy[2:], *plugin, "--json").json
    assert made["prior"]["name"] == "mine"
