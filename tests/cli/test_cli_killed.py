"""A run that is killed at any moment, any number of times, and asked for again, leaves the same bytes."""

import json
import os
import random
import signal

import pytest

from dgp.checkpoint import autosave
from dgp.cli.main import main

RECIPE = """
name = "{name}"
summary = "A few steps of each kind, to be killed"
cites = []
{body}
"""
BEST_OF = '[[searches]]\nkind = "best-of"\ncount = 6\nelite = 2\nterms = [{ kind = "mse" }]\n'
STAGE = '[[stages]]\nsteps = 3\nlr = 0.05\nmove = { z = {} }\nterms = [{ kind = "mse" }]\n'
BODIES = {
    "latents": BEST_OF + STAGE + STAGE + 'rows_kept = 1\nkeep = "best"\n',
    "layers": BEST_OF + STAGE + "rows_kept = 1\nrelease = { groups = 2, lr = 0.001 }\n",
    "evolution": '[[searches]]\nkind = "evolution"\npopulation = 4\ngenerations = 3\nelite = 2\n'
    'inner = { steps = 2, move = { z = 0.05 } }\nterms = [{ kind = "mse" }]\n' + STAGE + "rows_kept = 1\n",
    "l-bfgs": BEST_OF + STAGE + 'rows_kept = 1\nsolver = "l-bfgs"\n',
}
PLUGIN = """
from degradations import Degradation, register

@register("halved-for-a-test")
class Halved(Degradation):
    def forward(self, x):
        return x / 2
"""
VOLATILE = ("timing", "argv", "output")  # entries of result.json that state when, how long and where


def restore(recipe, folder, photo, kill_at, with_signal=signal.SIGKILL, *options):
    """Restore a picture in a process of its own, which gets a signal at an event; return its exit code, None if killed.

    An event is a safe point of the run, or a moment before or after a file is put in place.
    """
    process = os.fork()
    if not process:
        events = [0]

        def event():
            events[0] += 1
            if events[0] == kill_at:
                os.kill(os.getpid(), with_signal)

        replace, at_safe_point = os.replace, autosave.Autosave._at_safe_point

        def counted_replace(*arguments, **options):
            event()
            replace(*arguments, **options)
            event()

        def counted_safe_point(self, run):
            at_safe_point(self, run)
            event()

        os.replace, autosave.Autosave._at_safe_point, autosave.SHARE = counted_replace, counted_safe_point, 1e9
        code = 70
        try:
            main(["restore", str(photo), "-d", "sr:2", "--simulate", "-q", "-p", "toy", "-r", str(recipe)]
                 + ["--checkpoint-every", "1e-9", "-o", str(folder), *options])  # fmt: skip
        except SystemExit as end:
            code = end.code or 0
        finally:
            os._exit(code)
    status = os.waitpid(process, 0)[1]
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def contents(folder):
    """The bytes of every file, and result.json without what differs from call to call."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    record = json.loads(found.pop("result.json"))
    return found, {key: value for key, value in record.items() if key not in VOLATILE}, record["timing"]["resumes"]


@pytest.fixture
def recipe(tmp_path):
    """recipe(name) -> the file of a recipe."""

    def write(name):
        path = tmp_path / f"{name}.toml"
        path.write_text(RECIPE.format(name=name, body=BODIES[name]))
        return path

    return write


@pytest.mark.parametrize("name", BODIES)
def test_a_run_that_is_killed_again_and_again_leaves_the_same_bytes(name, recipe, tmp_path, photo):
    draw, code = random.Random(name), None
    assert restore(recipe(name), tmp_path / "alone", photo, kill_at=None) == 0
    kills, kill_at = 0, 12  # first in a stage
    while (code := restore(recipe(name), tmp_path / "killed", photo, kill_at)) is None:
        kills, kill_at = kills + 1, draw.randrange(8, 60)
        assert kills < 30, "a run that is killed after a few events still gets to its end"
    alone, record, resumes = contents(tmp_path / "alone" / "photo")
    killed, record_of_killed, resumes_of_killed = contents(tmp_path / "killed" / "photo")
    assert code == 0 and kills and resumes == 0 < resumes_of_killed
    assert killed.keys() == alone.keys()
    assert [file for file in alone if killed[file] != alone[file]] == []
    assert record_of_killed == record


@pytest.mark.parametrize(("given", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_after_a_checkpoint_from_which_it_goes_on(given, code, recipe, tmp_path, photo):
    alone, ended = tmp_path / "alone", tmp_path / "ended"
    never = ("--checkpoint-every", "1000")
    assert restore(recipe("layers"), alone, photo, None) == 0
    assert restore(recipe("layers"), ended, photo, 3, given, *never) == code
    assert [path.name for path in (ended / "photo").iterdir()] == ["checkpoint.safetensors"]
    assert restore(recipe("layers"), ended, photo, None) == 0
    (files, record, _), (files_of_ended, record_of_ended, resumes) = (contents(f / "photo") for f in (alone, ended))
    assert files == files_of_ended and record == record_of_ended and resumes == 1


def test_a_checkpoint_of_another_run_is_refused_and_fresh_begins_anew(recipe, tmp_path, photo, call, capfd):
    where = tmp_path / "out"
    assert restore(recipe("latents"), where, photo, 12) is None
    command = ("restore", photo, "-d", "sr:2", "--simulate", "-p", "toy", "-r", recipe("latents"), "-o", where)
    refused = call(*command, "--seed", 5, code=2).stderr
    assert "seed: 0 there, 5 now" in refused and "--fresh" in refused and refused.count("\n") == 1
    (tmp_path / "plugin.py").write_text(PLUGIN)
    assert restore(recipe("latents"), where, photo, None, 0, "--plugin", str(tmp_path / "plugin.py")) == 2
    assert "plugins: [] there" in capfd.readouterr().err
    assert "deterministic: False there" in call(*command, "--deterministic", code=2).stderr
    assert "goes on from step" in call(*command, "--dry-run").stderr + call(*command).stderr
    assert "done already" in call(*command).output
    fresh = call(*command, "--seed", 5, "--fresh", "--overwrite", "--json").json
    assert fresh["seed"] == 5 and fresh["timing"]["resumes"] == 0


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(recipe, tmp_path, photo, call):
    where = tmp_path / "out"
    assert restore(recipe("latents"), tmp_path / "alone", photo, None) == 0
    assert restore(recipe("latents"), where, photo, 18) is None
    last = where / "photo" / "checkpoint.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    command = ("restore", photo, "-d", "sr:2", "--simulate", "-p", "toy", "-r", recipe("latents"), "-o", where)
    said = call(*command).stderr
    assert "the checkpoint before it is used" in said and "goes on from step" in said
    assert contents(where / "photo")[:2] == contents(tmp_path / "alone" / "photo")[:2]
