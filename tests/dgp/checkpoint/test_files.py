"""Checkpoint files: whole or refused, the last two kept, a damaged one gives way to the one before it."""

import os
import pickle
import signal

import pytest
import torch

from dgp.checkpoint.autosave import Autosave
from dgp.checkpoint.checkpoint import Checkpoint, read_identity
from dgp.checkpoint.folder import CheckpointFolder
from dgp.checkpoint.signals import catch_signals
from dgp.checkpoint.tree import flatten, snapshot, unflatten
from dgp.errors import CheckpointError, Interrupted, OutputError
from dgp.files import replace_atomic

TREE = {
    "a": [torch.arange(6.0).view(2, 3).t(), {"b": None, "c": torch.tensor(True)}],
    "text": "ü\n",
    "number": 0.1,
    "nan": [float("inf")],
    "empty": {},
    "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "wide": torch.tensor([1], dtype=torch.int64),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "a single entry": torch.zeros(3).as_strided((1,), (0,)),
    "nothing": torch.zeros(0, 3),
}


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return (
            one.dtype == other.dtype and (one.numel() < 2 or one.stride() == other.stride()) and torch.equal(one, other)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return one == other


def test_a_tree_comes_back_with_the_order_of_its_axes_in_memory():
    assert equal(unflatten(*flatten(TREE)), TREE)


def test_a_snapshot_does_not_change_with_its_original():
    tensor = torch.zeros(2, requires_grad=True)
    kept = snapshot({"a": [tensor]})
    with torch.no_grad():
        tensor += 1
    assert kept["a"][0].tolist() == [0, 0] and not kept["a"][0].requires_grad


def test_a_file_comes_back(tmp_path):
    identity = {"seed": 1, "pictures": []}
    Checkpoint(identity, TREE).save(tmp_path / "one")
    found = Checkpoint.load(tmp_path / "one")
    assert equal(found.state, TREE) and found.identity == identity == read_identity(tmp_path / "one")
    assert os.listdir(tmp_path) == ["one"]


@pytest.fixture
def folder(tmp_path):
    made = CheckpointFolder(tmp_path)
    for number in (1, 2, 3):
        made.write(Checkpoint({"number": number, "pictures": []}, {"x": torch.full((100,), number)}))
    return made


def test_the_last_two_are_kept(folder):
    assert sorted(os.listdir(folder.path)) == sorted(path.name for path in folder.files)
    assert [Checkpoint.load(path).identity["number"] for path in folder.files] == [3, 2]


def damages(content):
    """Files that a crash, a bad disk or a stranger could leave."""
    yield "empty", b""
    yield "cut short", content[: len(content) // 2]
    yield "longer", content + b"x"
    yield "a text", b"hello" * 100
    for place in range(8, len(content), max(1, len(content) // 40)):
        yield f"a changed byte at {place}", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_a_damaged_one_gives_way_to_the_one_before_it(folder):
    last = folder.files[0]
    for what, content in damages(last.read_bytes()):
        last.write_bytes(content)
        found, notes = folder.read()
        assert found.identity["number"] == 2, what
        assert len(notes) == 1 and str(last) in notes[0] and "\n" not in notes[0]
        with pytest.raises(CheckpointError):
            Checkpoint.load(last)
    folder.files[1].write_bytes(b"")
    found, notes = folder.read()
    assert found is None and len(notes) == 2


def test_a_crash_between_the_two_renames_leaves_one(folder):
    folder.files[0].unlink()
    assert folder.read()[0].identity["number"] == 2


def test_a_full_disk_leaves_what_was_there(folder, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        folder.write(Checkpoint({"number": 4, "pictures": []}, {"x": torch.zeros(3)}))
    assert folder.read()[0].identity["number"] in (2, 3)


def test_clear_removes_drafts_of_killed_processes_alone(folder):
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    drafts = []
    for pid in (dead, os.getpid()):
        with replace_atomic(folder.path / "restored.png") as draft:
            draft.write_bytes(b"half")
        drafts.append(draft.with_name(draft.name.replace(f"-{os.getpid()}.", f"-{pid}.")))
        drafts[-1].write_bytes(b"half")
    folder.clear()
    assert sorted(os.listdir(folder.path)) == sorted(["restored.png", drafts[1].name])


class Run:
    """A run of no steps."""

    def __init__(self):
        self.on_safe_point, self.saved = None, 0

    def checkpoint(self):
        self.saved += 1
        return Checkpoint({}, {})


def attend(run, autosave):
    """Leave the run attended to."""
    with autosave.attend(run):
        pass


def test_checkpoints_are_written_when_they_are_due(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    run = Run()
    attend(run, Autosave(CheckpointFolder(tmp_path), every=10))
    for _ in range(35):
        clock[0] += 1
        run.on_safe_point()
    assert run.saved == 3
    clock[0] -= 1e6  # a clock that is set back only delays them
    run.on_safe_point()
    assert run.saved == 3


def test_large_checkpoints_are_written_less_often(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    class Slow(Run):
        def checkpoint(self):
            clock[0] += 5
            return super().checkpoint()

    run = Slow()
    attend(run, Autosave(CheckpointFolder(tmp_path), every=10))
    for _ in range(1000):
        clock[0] += 1
        run.on_safe_point()
    assert run.saved * 5 < 0.02 * clock[0]


def test_a_run_goes_on_without_a_checkpoint_that_cannot_be_written(tmp_path):
    notes, run = [], Run()
    (tmp_path / "file").write_text("")
    attend(run, Autosave(CheckpointFolder(tmp_path / "file" / "x"), every=1e-9, note=notes.append))
    run.on_safe_point()
    assert run.saved == 1 and "no checkpoint was written" in notes[0]


def test_a_signal_waits_for_the_safe_point(tmp_path):
    run = Run()
    with catch_signals() as signals:
        autosave = Autosave(CheckpointFolder(tmp_path), watch=signals)
        with pytest.raises(Interrupted, match="goes on from the checkpoint") as caught, autosave.attend(run):
            os.kill(os.getpid(), signal.SIGTERM)
            assert run.saved == 0
            run.on_safe_point()
    assert run.saved == 1 and caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_outside_a_run_is_raised_at_once():
    with catch_signals(), pytest.raises(Interrupted) as caught:
        os.kill(os.getpid(), signal.SIGINT)
    assert caught.value.exit_code == 130


@pytest.mark.parametrize("stride", [[1, 10**12], [3], [0, 0], ["a", 1], [3, 1]])
def test_strides_that_would_take_memory_are_refused(stride, tmp_path, monkeypatch):
    path = tmp_path / "one"
    monkeypatch.setattr("dgp.checkpoint.tree._dense_stride", lambda tensor: stride)
    Checkpoint({"pictures": []}, {"x": torch.arange(6.0).view(2, 3).t()}).save(path)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        Checkpoint.load(path)


@pytest.mark.parametrize("text", ["[" * 10**5, '{"$tensor": "missing"}', '{"x": {"$tensor": 3}}', "nothing"])
def test_states_that_are_none_are_refused(text, tmp_path, monkeypatch):
    path = tmp_path / "one"
    monkeypatch.setattr(
        "dgp.checkpoint.checkpoint.json.dumps", lambda value: text if "x" in value else '{"pictures": []}'
    )
    Checkpoint({"pictures": []}, {"x": 1}).save(path)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        Checkpoint.load(path)


def test_an_interruption_can_be_pickled():
    found = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM, "go on")))
    assert str(found) == "interrupted by SIGTERM; go on" and found.exit_code == 143
