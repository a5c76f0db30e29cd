"""What a run on a GPU relies on, as far as a CPU can tell."""

import copy
import types

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from generators.training import command
from generators.training.command import read_losses, train
from generators.training.export import save
from generators.training.export.card import About
from tests.generators.training.test_step import SIDES, run_of

FACTORIES = ("empty", "zeros", "ones", "full", "arange", "rand", "randn", "randint", "tensor", "eye", "linspace")
WAITS = {"_local_scalar_dense", "nonzero", "is_nonzero", "_unique2", "masked_select", "equal"}


class Waits(TorchDispatchMode):
    """List operators that make a GPU wait."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in WAITS or (name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


class Factories(TorchFunctionMode):
    """List which calls make a tensor and do not say where, and count all of them."""

    def __init__(self):
        super().__init__()
        self.found, self.calls = [], 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in {getattr(torch, name) for name in FACTORIES}:
            self.calls += 1
            if not (kwargs or {}).get("device"):
                self.found.append(function.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("arch", SIDES)
@pytest.mark.parametrize("augment", [0.0, 1.0])
def test_a_step_never_waits_and_makes_its_tensors_where_the_others_are(arch, augment):
    run, waits, factories = run_of(arch, augment=augment, r1=0.1, r1_every=2), Waits(), Factories()
    run.step()  # filters are made in the first and kept
    take = run._run_step

    def load_pair(step, drawn, *flags):
        with waits, factories:
            return take(step, drawn, *flags)

    run._run_step = load_pair
    run.step()
    run.step()
    assert waits.found == [] and factories.found == []
    assert factories.calls > 0 or not augment  # it has seen some that are in order


def test_what_would_wait_or_lie_elsewhere_is_seen():
    with Waits() as waits, Factories() as factories:
        x = torch.arange(4)
        torch.zeros(2, device=x.device)
        x.sum().item()
        x[x > 1]
    assert waits.found == ["_local_scalar_dense", "index"] and factories.found == ["arange"] and factories.calls == 2


@pytest.mark.parametrize("arch", SIDES)
def test_a_step_draws_nothing_of_its_own(arch):
    """Else a captured step would repeat its draws in every replay."""
    run, states = run_of(arch, augment=1.0), []
    take = run._run_step

    def load_pair(step, drawn, *flags):
        before = torch.get_rng_state()
        found = take(step, drawn, *flags)
        states.append(torch.equal(before, torch.get_rng_state()))
        return found

    run._run_step = load_pair
    run.step()
    assert states and all(states)


@pytest.mark.parametrize("arch", SIDES)
def test_layers_learn_that_a_replayed_step_has_written_their_weights(arch):
    """A replay writes without any of Python's counting; forms of the weights that are kept would else be stale."""
    run = run_of(arch)
    run.graphs = lambda step, drawn, *flags: {"d": torch.tensor(0.0)}
    for network in (run.generator, run.discriminator):
        before = [parameter._version for parameter in network.parameters()]
        run.step()
        after = [parameter._version for parameter in network.parameters()]
        assert all(new > old for new, old in zip(after, before, strict=True))


def test_lost_losses_end_a_run_before_its_checkpoint_is_replaced(tmp_path):
    run = run_of("biggan")
    train(run, tmp_path, 0.0, 60, 1)
    (saved,) = tmp_path.glob("checkpoint.pt")
    kept = saved.read_bytes()
    with torch.no_grad():
        next(run.generator.parameters()).fill_(torch.nan)
    with pytest.raises(command.TrainingError, match="the last checkpoint in --out is intact"):
        train(run, tmp_path, 0.0, 60, 100)
    assert saved.read_bytes() == kept
    assert read_losses({"d": torch.tensor(0.5)}, run) == {"d": 0.5}


def test_no_step_begins_after_the_end(tmp_path, monkeypatch):
    clock = types.SimpleNamespace(now=0.0)

    def monotonic():
        return clock.now

    run = run_of("biggan")
    step = run.step

    def timed():
        clock.now += 2.0
        return step()

    run.step = timed
    monkeypatch.setattr(command.time, "monotonic", monotonic)
    train(run, tmp_path, 9.0, 60, 100)
    assert run.steps == 5  # the fifth ends at 10


def test_the_rehearsal_leaves_nothing_and_foretells_the_whole_export(tmp_path, monkeypatch):
    clock, batches = types.SimpleNamespace(now=0.0), []

    def settle(average, count, rows=128):
        batches.append(count)
        clock.now += count
        return average

    run = run_of("biggan")
    monkeypatch.setattr(save, "BATCHES", 100)
    for module in (save, command):
        monkeypatch.setattr(module, "make_inference_copy", settle)
    monkeypatch.setattr(command.time, "monotonic", lambda: clock.now)
    assert command.rehearse(run, About("name")) == 100
    assert batches == [1, 2] and run.steps == 0


def test_a_run_of_a_gpu_goes_on_on_a_cpu():
    """The optimizer's state is taken over, and not how it was stepped."""
    run, other = run_of("biggan"), run_of("biggan")
    run.step()
    state = copy.deepcopy(run.state())
    for values in state["optimisers"].values():
        for group in values["param_groups"]:
            group.update(capturable=True, lr=torch.tensor(7.0))
    other.restore(state)
    run.step(), other.step()
    for ours, theirs in zip(run.generator.parameters(), other.generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not any(group["capturable"] for o in other.optimisers.values() for group in o.param_groups)
