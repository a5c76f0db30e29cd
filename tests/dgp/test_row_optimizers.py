"""Optimizers: their state belongs to rows, follows them, and is carried or reset as a stage says."""

import pytest
import torch

from dgp.engine.stage_options import Move
from dgp.optim.gradient import GradientDescent, RowOptimizers
from dgp.optim.optimizers import OPTIMIZERS
from dgp.optim.schedules import SCHEDULES
from dgp.optim.update import Update, UpdatePlan

SETTINGS = [
    Move(optimizer="adam"),
    Move(optimizer="adamax"),
    Move(optimizer="sgd"),
    Move(optimizer="sgd", momentum=0.9),
    Move(optimizer="normalized"),
]


class Bowl:
    """Rows that roll down 0.5 * a * x^2, each with a curvature of its own."""

    def __init__(self, rows, how, state=None):
        random = torch.Generator().manual_seed(1)
        x, a = torch.randn(6, 3, 4, generator=random), torch.rand(6, 3, 4, generator=random) + 0.2
        self.x, self.a, self.optimizers = x[rows].requires_grad_(), a[rows], RowOptimizers()
        self.plan(how)

    def plan(self, how, lr=0.1):
        update = Update(lr, how, reset=how.state == "reset")
        self.descent = GradientDescent(UpdatePlan({"x": self.x}, {"x": update}), self.optimizers)
        self.descent.begin()

    def roll(self, count, moving=None):
        for _ in range(count):
            totals = (0.5 * self.a * self.x.square()).flatten(1).sum(1)
            totals.sum().backward()
            self.descent.step(totals.detach(), 0.0, moving)
        return self.x.detach().clone()

    def take(self, index):
        self.x, self.a = self.x.detach()[index].clone().requires_grad_(), self.a[index]
        self.optimizers.take(index, {"x": self.x})
        self.descent.plan.tensors["x"] = self.x


@pytest.mark.parametrize("how", SETTINGS, ids=lambda m: f"{m.optimizer} {m.momentum:g}")
class TestRows:
    def test_rows_are_alone(self, how):
        together = Bowl(torch.arange(6), how).roll(5)
        for i in range(6):
            assert torch.allclose(Bowl(torch.tensor([i]), how).roll(5), together[i : i + 1], atol=1e-7)

    def test_state_follows_the_rows(self, how):
        whole, cut = Bowl(torch.arange(6), how), Bowl(torch.arange(6), how)
        whole.roll(4)
        cut.roll(4)
        index = torch.tensor([4, 0, 4])
        cut.take(index)
        assert torch.allclose(cut.roll(4), whole.roll(4)[index], atol=1e-7)

    def test_a_row_that_rests_is_not_moved_and_gathers_nothing(self, how):
        moving = torch.tensor([True, False, True, True, False, True])
        bowl = Bowl(torch.arange(6), how)
        before = bowl.roll(3)
        after = bowl.roll(4, moving)
        assert torch.equal(after[~moving], before[~moving]) and not torch.equal(after[moving], before[moving])
        # It goes on from where it stopped, as if nothing had been between.
        alone = Bowl(torch.tensor([1, 4]), how)
        alone.roll(3)
        assert torch.allclose(bowl.roll(2)[~moving], alone.roll(2), atol=1e-7)


@pytest.mark.parametrize("how", [SETTINGS[0], SETTINGS[1], SETTINGS[3]], ids=lambda m: m.optimizer)
def test_state_is_carried_or_reset(how):
    paths = {}
    for state in ("carry", "reset"):
        bowl = Bowl(torch.arange(6), how)
        bowl.roll(3)
        bowl.plan(how.model_copy(update={"state": state}))
        paths[state] = bowl.roll(3)
    fresh = Bowl(torch.arange(6), how)
    straight = fresh.roll(6)
    assert torch.equal(paths["carry"], straight) and not torch.allclose(paths["reset"], straight, atol=1e-4)


def test_state_waits_through_a_stage_in_which_its_variable_rests():
    how = SETTINGS[0]
    bowl, straight = Bowl(torch.arange(6), how), Bowl(torch.arange(6), how)
    bowl.roll(3)
    other = torch.zeros(6, 2, requires_grad=True)
    bowl.optimizers.prepare(UpdatePlan({"x": bowl.x, "y": other}, {"y": Update(0.1, how)}))
    bowl.plan(how)
    straight.roll(3)
    assert torch.equal(bowl.roll(2), straight.roll(2))


def test_another_optimiser_or_a_converted_variable_begins_anew():
    bowl, fresh = (Bowl(torch.arange(6), SETTINGS[0]) for _ in range(2))
    bowl.roll(3)
    with torch.no_grad():
        fresh.x.copy_(bowl.x)
    fresh.plan(SETTINGS[3])
    bowl.plan(SETTINGS[3])
    assert torch.equal(bowl.roll(3), fresh.roll(3))
    wide = torch.ones(6, 5, 3, 4, requires_grad=True)
    bowl.optimizers.prepare(UpdatePlan({"wide": wide}, {"wide": Update(0.1, SETTINGS[0])}))
    assert set(bowl.optimizers.by_name) == {"wide"}
    bowl.optimizers.take(torch.tensor([0]), {"other": wide[:1]})
    assert not bowl.optimizers.by_name


def test_a_rate_of_zero_gathers_only():
    bowl, straight = (Bowl(torch.arange(6), SETTINGS[3]) for _ in range(2))
    bowl.plan(SETTINGS[3], lr=0.0)
    before = bowl.x.detach().clone()
    assert torch.equal(bowl.roll(3), before)
    bowl.plan(SETTINGS[3])
    assert not torch.allclose(bowl.roll(1), straight.roll(1), atol=1e-3)


def test_normalised_steps_have_the_length_of_the_rate():
    bowl = Bowl(torch.arange(6), SETTINGS[4])
    bowl.a[2, 1] = 0.0
    before = bowl.x.detach().clone()
    length = (bowl.roll(1) - before).norm(dim=-1)
    assert length[2, 1] == 0
    length[2, 1] = 0.1
    assert torch.allclose(length, torch.full_like(length, 0.1), atol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_factors(name):
    values = [SCHEDULES[name](i / 400) for i in range(400)]
    assert all(0 <= v <= 1 for v in values) and max(values) > 0.99
    assert max(abs(a - b) for a, b in zip(values, values[1:], strict=False)) < 0.06


def test_every_optimiser_may_stand_in_a_recipe():
    assert set(OPTIMIZERS) == {how.optimizer for how in SETTINGS}
    with pytest.raises(ValueError, match="normalized"):
        Move(optimizer="lion")
