"""Where memory is short, fewer rows are rendered at once, then activations are computed again; else one clear line."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from dgp.checkpoint.checkpoint import Checkpoint
from dgp.errors import OutOfMemory
from dgp.inversion import Inversion
from dgp.rendering.memory import MemoryPlan, find_shortage

from . import scene

RELEASE = {"release": {"groups": 2, "lr": 1e-3}, "steps": 3}
SEARCHES = ({"kind": "best-of", "count": 9, "elite": 3, "terms": [scene.MSE]},)


@pytest.fixture(scope="module")
def toy():
    return scene.toy()


@pytest.fixture(scope="module")
def observations(toy):
    return scene.observations(toy)


class Allocator:
    """A pretended allocator of a generator, which is refused what exceeds its limits.

    Attributes:
        rows: at most so many rows are rendered at once; None: any number.
        elements: at most so many numbers are kept for the backward pass of a picture; None: any number.
        refused: the numbers of rows or elements that were refused.
        kept: the most elements that were kept.
    """

    def __init__(self, draw):
        self.draw, self.rows, self.elements, self.refused, self.kept = draw, None, None, [], 0

    def __call__(self, latents, resolution):
        rows, kept = len(latents["z"]), []
        if self.rows is not None and rows > self.rows:
            self.refused.append(rows)
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {rows}.00 MiB. GPU 0 has no more.")
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            image = self.draw(latents, resolution)
        self.kept = max(self.kept, sum(kept))
        if self.elements is not None and sum(kept) > self.elements:
            self.refused.append(sum(kept))
            raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {sum(kept)} bytes.")
        return image


@pytest.fixture
def allocator(toy, monkeypatch):
    found = Allocator(toy.generator.draw)
    monkeypatch.setattr(toy.generator, "draw", found)
    return found


def run(toy, observations, *stages, **how):
    inversion = Inversion(observations, toy, scene.recipe(*(stages or ({"steps": 3},)), searches=SEARCHES), **how)
    return inversion, inversion.result()


def test_rows_are_halved_until_they_fit(toy, observations, allocator):
    whole, expected = run(toy, observations)
    allocator.rows = 2
    inversion, found = run(toy, observations)
    assert allocator.refused == [9, 4] and len(found) == 2
    assert inversion.evaluations.counts.equal(whole.evaluations.counts)
    assert [one.trace.__len__() for one in found] == [len(one.trace) for one in expected]
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a.prior_tensors, b.prior_tensors, atol=2e-4)
        assert a.memory == {"rows_at_once": 2, "checkpoint_activations": False, "shortages": 2}
        assert a.record()["memory"] == a.memory and "memory was short 2 times: at most 2 rows" in a.notes[-1]
        assert b.memory["shortages"] == 0 and not b.notes


def test_a_step_that_fails_in_its_second_part_begins_again(toy, observations, monkeypatch):
    stage = {"steps": 4, "move": {"z": {"optimizer": "sgd"}}}
    _, expected = run(toy, observations, stage)
    backward, calls = torch.Tensor.backward, []

    def fail_once(self, *arguments, **options):
        backward(self, *arguments, **options)  # the gradients are there when it fails
        calls.append(len(calls))
        if calls[-1] == 1:
            raise MemoryError

    monkeypatch.setattr(torch.Tensor, "backward", fail_once)
    inversion, found = run(toy, observations, stage)
    assert inversion.renderer.memory.shortages == 1 and inversion.evaluations.backward == 4 * 6
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a.prior_tensors, b.prior_tensors, atol=2e-4)


@pytest.mark.parametrize("stage", [{"steps": 3}, RELEASE, RELEASE | {"norm": "instance"}])
def test_activations_are_computed_again_to_the_same_bits(toy, observations, allocator, stage):
    """A row keeps less than half as many numbers then, and the answers are those of the same parts without it."""
    allocator.rows = 1
    _, expected = run(toy, observations, stage)
    allocator.elements = allocator.kept // 2
    inversion, found = run(toy, observations, stage)
    assert inversion.renderer.memory.recompute and allocator.refused[-1] == allocator.kept
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.tensors, b.tensors) and a.scores == b.scores
        assert all(torch.equal(a.weights[name], weight) for name, weight in b.weights.items())
        assert "activations are computed again" in a.notes[-1] and a.memory["checkpoint_activations"]


def test_what_does_not_fit_at_all_is_one_line(toy, observations, allocator):
    allocator.rows = 0
    with pytest.raises(OutOfMemory, match=r"one row at 32 x 32 px asked for 1048576 bytes") as caught:
        run(toy, observations)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1


def test_what_gave_way_is_part_of_a_checkpoint(toy, observations, allocator, tmp_path):
    allocator.rows = 2
    recipe = scene.recipe({"steps": 3}, searches=SEARCHES)
    inversion, points = Inversion(observations, toy, recipe), []
    inversion.on_safe_point = lambda: points.append(inversion.checkpoint())
    expected = inversion.result()
    for point in points:
        point.save(tmp_path / "point")
        again = Inversion.resume(Checkpoint.load(tmp_path / "point"), observations, toy, recipe)
        assert again.renderer.memory.state_dict() == point.state["memory"]
        assert all(torch.equal(a.tensors, b.tensors) for a, b in zip(again.result(), expected, strict=True))


@pytest.mark.parametrize(
    ("error", "size"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has"), 1610612736),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes."),
            12,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes."), 64),
        (MemoryError(), None),
    ],
)
def test_shortages_tell_what_they_asked_for(error, size):
    assert find_shortage(error) == size


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OutOfMemory("nothing is left")])
def test_other_errors_are_not_shortages(error):
    with pytest.raises(type(error)):
        MemoryPlan().evaluate([slice(0, 4)], 32, lambda part: (_ for _ in ()).throw(error))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="left out: reads the size of a process from Linux")
def test_a_process_with_little_memory_ends_with_the_same_picture(tmp_path):
    """A true shortage: so much address space is left that not all rows fit at once."""
    script = textwrap.dedent(
        """
        import resource, sys, torch
        from pathlib import Path
        from dgp.inversion import Inversion
        from tests.dgp.faults import scene
        torch.set_num_threads(1)
        prior = scene.toy()
        given = scene.observations(prior, 1)
        search = {"kind": "best-of", "count": 256, "elite": 256, "terms": [scene.MSE]}
        recipe = scene.recipe({"steps": 1, "terms": [scene.MSE]}, searches=[search])
        Inversion(given, prior, scene.recipe({"steps": 1})).result()
        if sys.argv[1] != "all":
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[1]) * 2**20,) * 2)
        found = Inversion(given, prior, recipe).result()[0]
        print(found.memory["shortages"], found.memory["rows_at_once"], f"{found.scores[0]:.5f}")
        """
    )
    run = lambda memory: subprocess.run(  # noqa: E731
        [sys.executable, "-c", script, memory],
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    whole, short = run("all"), run("96")
    assert whole.returncode == short.returncode == 0, (whole.stderr[-600:], short.stderr[-600:])
    shortages, rows, score = short.stdout.split()
    assert whole.stdout.split() == ["0", "256", score]
    assert int(shortages) >= 1 and int(rows) < 256
